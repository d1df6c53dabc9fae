"""Every `ayatsuri-train` of the pages on few-shot training can be given as it stands."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from training.cli import app

ROOT = Path(__file__).parents[2]
PAGES = ("docs/few-shot.md", "docs/warp.md", "docs/metrics.md", "training/fewshot/README.md")


@pytest.mark.parametrize("page", PAGES)
def test_its_commands_parse(page: str) -> None:
    text = (ROOT / page).read_text().replace("\\\n", " ")
    lines = [
        shlex.split(line, comments=True)
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in re.split(r"\n|&&", block)
    ]
    found = [words[1:] for words in lines if words[:1] == ["ayatsuri-train"]]
    assert found
    for words in found:
        command = typer.main.get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("ayatsuri-train", words)  # an option that there is not: UsageError
