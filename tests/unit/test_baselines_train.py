"""The common trainer with the methods to compare with, and what the methods cost."""

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.cast import a_batch, tiny_cast  # noqa: E402
from tests.fewshot import equal_states  # noqa: E402
from training.errors import Diverged  # noqa: E402
from training.fewshot import checkpoint, recipe  # noqa: E402
from training.fewshot.config import TrainConfig  # noqa: E402
from training.fewshot.cost import Cost, multiply_adds, table  # noqa: E402
from training.fewshot.episodes import EpisodeConfig  # noqa: E402
from training.fewshot.methods import METHODS  # noqa: E402
from training.fewshot.recipe import Recipe  # noqa: E402
from training.fewshot.train import Training, run  # noqa: E402
from training.fewshot.workers import Workers  # noqa: E402

HERE = Workers(torch.device("cpu"))
CONFIG = TrainConfig(
    "plain", steps=4, tasks=1, episode=EpisodeConfig(1, 1, "shifts"), sizes=(64,), warm_up=0
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def begin(method: str, config: TrainConfig = CONFIG) -> Training:
    torch.manual_seed(config.seed)
    made_by = Recipe(method, size=config.sizes[-1], image_channels=3, width=4)
    return Training.new(config, *recipe.build(made_by))


def error(training: Training) -> float:
    inputs, truth = a_batch(training.config.sizes[-1])
    with torch.no_grad():
        made = training.method.eval()(inputs)
    white = truth[:, :3] + 1 - truth[:, 3:]
    return float((made - white).abs().mean())


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns(name: str, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=16, tasks=2, sizes=(32,), rate=4e-3, rate_end=4e-3)
    training = begin(name, config)
    before = error(training)
    run(training, tiny_cast(32), (), tmp_path, HERE, loaders=1)
    assert error(training) < 0.6 * before


@pytest.mark.parametrize("name", ["pg2", "pix2pix"])
def test_a_run_goes_on_as_if_it_had_not_stopped(name: str, tmp_path: Path) -> None:
    whole = begin(name)
    run(whole, tiny_cast(), (), tmp_path / "whole", HERE)
    run(begin(name), tiny_cast(), (), tmp_path / "parts", HERE, minutes=0)  # one step
    parts = begin(name)
    parts.restore(checkpoint.load(tmp_path / "parts" / "checkpoint.pt"))
    assert parts.step == 1
    run(parts, tiny_cast(), (), tmp_path / "parts", HERE, loaders=1)
    assert equal_states(whole.method, parts.method)
    assert equal_states(whole.objective, parts.objective)


def test_losses_that_are_no_numbers_stop_the_run(tmp_path: Path) -> None:
    training = begin("patn")
    torch.nn.init.constant_(training.method.get_parameter("image.0.weight"), float("nan"))
    with pytest.raises(Diverged, match="no number at step"):
        run(training, tiny_cast(), (), tmp_path, HERE, loaders=1)


def test_multiply_adds_are_counted() -> None:
    conv = torch.nn.Conv2d(3, 5, 3, padding=1)
    assert multiply_adds(lambda: conv(torch.empty(1, 3, 8, 8))) == 8 * 8 * 3 * 5 * 9


def test_the_table_has_every_method() -> None:
    lines = table(64).splitlines()
    assert lines[1].startswith("| --- | ---: |")
    assert {line.split(" | ")[0].removeprefix("| ") for line in lines[2:]} >= set(METHODS)
    assert all(line.count("|") == lines[0].count("|") for line in lines)
    patn = next(line for line in lines if line.startswith("| patn"))
    assert "41.36 M" in patn
    assert Cost("x", 1_500_000, 0, 2_000_000_000).row()[1:5:3] == ("1.50 M", "2.0 G")
