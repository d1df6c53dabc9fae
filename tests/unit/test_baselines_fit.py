"""The loop that trains every method on the same batches, and what the methods cost."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.cast import a_batch, tiny_cast  # noqa: E402
from training.fewshot.cost import Cost, multiply_adds, table  # noqa: E402
from training.fewshot.fit import Fit, FitConfig, draw, fit, sample_batch  # noqa: E402
from training.fewshot.inputs import Inputs  # noqa: E402
from training.fewshot.method import like  # noqa: E402
from training.fewshot.methods import METHODS  # noqa: E402

TINY = FitConfig("pix2pix", steps=6, batch=2, size=64, width=4)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def error(state: Fit, channels: int) -> float:
    inputs, truth = a_batch(state.config.size)
    return float((draw(state.network, inputs) - like(truth, channels)).abs().mean())


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns(name: str) -> None:
    config = FitConfig(name, steps=16, batch=2, size=32, width=4, rate=4e-3)
    before = error(Fit.new(config), 3)
    after = error(fit(config, tiny_cast(32)), 3)
    assert after < 0.6 * before


@pytest.mark.parametrize("name", ["pg2", "pix2pix"])
def test_a_run_goes_on_as_if_it_had_not_stopped(name: str, tmp_path: Path) -> None:
    config = replace(TINY, method=name)
    whole = fit(config, tiny_cast(), checkpoint=tmp_path / "whole.pt", every=2)
    path = tmp_path / "parts.pt"
    fit(config, tiny_cast(), checkpoint=path, every=2, until=4)
    parts = fit(config, tiny_cast(), checkpoint=path, every=2)
    assert whole.curve == parts.curve
    for part in ("network", "objective"):
        ours, theirs = (getattr(s, part).state_dict() for s in (whole, parts))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    again = fit(config, tiny_cast(), checkpoint=path)
    assert again.step == config.steps


def test_every_method_sees_the_same_batches() -> None:
    inputs, truth = sample_batch(tiny_cast(), TINY, 3)
    others = [sample_batch(tiny_cast(), replace(TINY, method=name), 3) for name in METHODS]
    for other, true in others:
        assert torch.equal(true, truth)
        for f in fields(Inputs):
            assert torch.equal(getattr(other, f.name), getattr(inputs, f.name))
    assert truth.shape == (2, 4, 64, 64)
    assert not torch.equal(sample_batch(tiny_cast(), TINY, 4)[1], truth)
    assert not torch.equal(inputs.source, truth)


def test_steps_are_told_one_by_one() -> None:
    told: list[int] = []
    state = fit(TINY, tiny_cast(), until=3, on_step=lambda step, parts: told.append(step))
    assert told == [1, 2, 3]
    assert state.curve[-1]["step"] == 3
    assert {"l1", "gan", "critic"} <= set(state.curve[-1])


def test_rates_are_the_papers_unless_asked_for() -> None:
    assert TINY.settings() == METHODS["pix2pix"].optimiser
    settings = replace(TINY, method="pg2", rate=2e-4).settings()
    assert (settings.rate, settings.discriminator_rate) == pytest.approx((2e-4, 2e-4))


def test_checkpoints_of_other_runs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    fit(TINY, tiny_cast(), checkpoint=path, until=1)
    with pytest.raises(ValueError, match="of another run, with seed 0 and not 7"):
        fit(replace(TINY, seed=7), tiny_cast(), checkpoint=path)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="no checkpoint"):
            fit(TINY, tiny_cast(), checkpoint=path)
    torch.save({"step": 3}, path)
    with pytest.raises(ValueError, match="no checkpoint"):
        fit(TINY, tiny_cast(), checkpoint=path)


def test_a_failed_save_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.pt"
    state = fit(TINY, tiny_cast(), checkpoint=path, until=1)
    before = path.read_bytes()

    def full(_: object, to: Path) -> None:
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        state.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_losses_that_are_no_numbers_stop_the_run() -> None:
    character = tiny_cast()[0]
    broken = replace(character, joints=np.full_like(character.joints, np.inf))
    state = fit(replace(TINY, method="patn"), [broken], until=1)  # nobody is a value
    torch.nn.init.constant_(state.network.image[0].weight, float("nan"))
    from training.fewshot.fit import train_step

    with pytest.raises(FloatingPointError, match="patn at step 1"):
        train_step(state, *a_batch())
    assert state.step == 1


def test_pictures_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="64 px, not 128"):
        fit(replace(TINY, size=128), tiny_cast())


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
