"""The pages agree with the code: links lead somewhere, and commands can be given as they stand."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from engine.cli import app as engine_app
from training.cli import app as training_app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("training/**/*.md"))
)
APPS = {"ayatsuri": engine_app, "ayatsuri-train": training_app}
OURS = ("engine", "training", "export", "bench", "tests")


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"\[(.*?)\]\(.*?\)|[`*]", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for link, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", path.read_text("utf-8")):
        if "://" in link:
            continue
        target = path.parent / link if link else path
        assert target.exists(), f"{page} links to {link}, which is not there"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page} links to {link}#{anchor}: no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_modules_to_be_run_are_there(page: str) -> None:
    for name in re.findall(r"python -m ([\w.]+)", (ROOT / page).read_text("utf-8")):
        if name.partition(".")[0] in OURS:
            assert find_spec(name) is not None, f"{page} runs {name}, which is not there"


@pytest.mark.parametrize("page", PAGES)
def test_commands_parse(page: str) -> None:
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")
    for line in re.split(r"\n|&&", text):  # in prose, commands stand in backticks
        program, _, given = line.strip().removeprefix(".venv/bin/").partition(" ")
        if program in APPS and given:
            parse(program, shlex.split(given, comments=True))


def parse(program: str, words: list[str]) -> None:
    """Raises UsageError for a command, an option or a value that there is not."""
    command = typer.main.get_command(APPS[program])
    context = None
    while hasattr(command, "resolve_command"):
        context = command.make_context(program, [*words], parent=context)
        _, command, words = command.resolve_command(context, words)
    command.make_context(program, words, parent=context)


@pytest.mark.parametrize(
    "line",
    ["ayatsuri nope", "ayatsuri live --nope", "ayatsuri bench open --nope", "ayatsuri-train fit x"],
)
def test_what_there_is_not_is_told(line: str) -> None:
    program, *words = line.split()
    with pytest.raises(Exception, match=r"(?i)no such|unexpected"):
        parse(program, words)
