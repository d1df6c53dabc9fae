import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner  # noqa: E402

from tests.fewshot import SMALL, TINY, blobs  # noqa: E402
from training.cli import app  # noqa: E402
from training.dataset.samples import VIEWS, CharacterPictures  # noqa: E402
from training.fewshot import checkpoint, commands, recipe, weights  # noqa: E402
from training.fewshot.adapt import AdaptConfig  # noqa: E402
from training.fewshot.config import TrainConfig  # noqa: E402
from training.fewshot.episodes import EpisodeConfig  # noqa: E402
from training.fewshot.errors import CheckpointError, SettingsError  # noqa: E402
from training.fewshot.meta import InnerConfig  # noqa: E402
from training.fewshot.method import FewShot  # noqa: E402
from training.fewshot.recipe import Recipe  # noqa: E402

TINY_RECIPE = Recipe("tiny", "none", 16, perceptual=False, critic_width=2)
CONFIG = TrainConfig(
    steps=3, tasks=2, sizes=(16,), inner=InnerConfig(steps=2), episode=EpisodeConfig(2, 2)
)


@pytest.fixture(autouse=True)
def small_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks and data that need no rendering."""
    for name, config in (("tiny", TINY), ("small", SMALL)):
        monkeypatch.setitem(
            recipe.METHODS,
            name,
            lambda r, config=config: (FewShot(config), recipe.paper_objective(r)),
        )
    monkeypatch.setattr(
        commands.Dataset, "open", lambda folder, split: blobs(4, 16, 0 if split == "train" else 50)
    )


def train(tmp_path: Path, config: TrainConfig = CONFIG, made_by: Recipe = TINY_RECIPE) -> Path:
    (tmp_path / "manifest.json").touch()
    commands.train(
        tmp_path, tmp_path / "run", config, made_by, adaptation=AdaptConfig(shots=1, steps=2),
        held_out=1, device="cpu", minutes=None, every=100, loaders=1, keep=True,
    )  # fmt: skip
    return tmp_path / "run" / "checkpoint.pt"


def test_a_run_goes_on_adapts_and_ships(tmp_path: Path) -> None:
    path = train(tmp_path)
    train(tmp_path, replace(CONFIG, steps=5, seed=9))
    state = checkpoint.load(path)
    assert state["step"] == 5
    assert state["config"]["seed"] == 0  # a run goes on with its own settings
    assert state["about"]["recipe"] == TINY_RECIPE.to_dict()

    lines = list(
        commands.adapt_check(
            tmp_path, path, AdaptConfig(steps=2, every=1), shots=(1, 2), characters=2, queries=2,
            device="cpu", output=tmp_path / "sheet.png",
        )
    )  # fmt: skip
    assert [line["shots"] for line in lines] == [1, 2]
    assert all(line["shift_after"] <= line["shift_before"] for line in lines)
    assert (tmp_path / "sheet-2.png").exists()
    (line,) = commands.adapt_check(
        tmp_path, path, AdaptConfig(steps=2, every=1), shots=(4,), characters=2, queries=2,
        device="cpu", output=None, drawings=4,
    )  # fmt: skip
    assert line["shift_after"] <= line["shift_before"]

    shipped = commands.ship(path, tmp_path / "tiny.safetensors", half=False)
    assert shipped["steps_done"] == 5
    method, about = weights.read(tmp_path / "tiny.safetensors")
    assert TrainConfig.from_dict(about["config"]) == TrainConfig.from_dict(state["config"])
    training, _ = commands.load_training(path, torch.device("cpu"))
    for name, tensor in training.average.named_parameters():
        assert torch.equal(method.get_parameter(name), tensor)
    assert not method.training
    commands.ship(path, tmp_path / "half.safetensors", half=True)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.8 * shipped["megabytes"] * 1e6
    rounded, _ = weights.read(tmp_path / "half.safetensors")
    # What ships is judged as its checkpoint is: before adaptation they draw the same.
    known, found = (
        next(
            commands.adapt_check(
                tmp_path, file, AdaptConfig(steps=0), shots=(1,), characters=1, queries=2,
                device="cpu", output=None, size=size,
            )
        )
        for file, size in ((path, None), (tmp_path / "tiny.safetensors", 16))
    )  # fmt: skip
    assert found["after_perceptual"] == known["after_perceptual"] > 0
    assert found["size"] == 16
    for name, tensor in method.named_parameters():
        torch.testing.assert_close(rounded.get_parameter(name), tensor, rtol=1e-3, atol=1e-4)


def test_a_run_that_is_done_says_so(tmp_path: Path) -> None:
    train(tmp_path)
    done = CliRunner().invoke(
        app,
        ["meta", str(tmp_path), "--folder", str(tmp_path / "run"), "--method", "tiny", "--preset",
         "none", "--sizes", "16", "--no-perceptual", "--critic-width", "2", "--steps", "3"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "no step was left to do" in done.output
    assert "{}" not in done.output


def test_flicker_is_measured_on_frames_in_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Moving(list):
        def in_a_row(self, index: int, count: int) -> CharacterPictures:
            return self[index][: len(VIEWS) + count]

    path = train(tmp_path)
    others = Moving(blobs(2, 16, 50))
    monkeypatch.setattr(commands.Dataset, "open", lambda folder, split: others)
    (line,) = commands.adapt_check(
        tmp_path, path, AdaptConfig(steps=1), shots=(1,), characters=2, queries=1, device="cpu",
        output=None, frames=3,
    )  # fmt: skip
    assert line["after_pictures"] == 3
    assert line["after_flicker_error"] >= 0


def test_a_run_is_not_continued_by_another(tmp_path: Path) -> None:
    train(tmp_path)
    with pytest.raises(SettingsError, match="give the same, or another folder"):
        train(tmp_path, made_by=replace(TINY_RECIPE, gan=False))
    (tmp_path / "manifest.json").write_text("another")
    with pytest.raises(SettingsError, match="another data set"):
        commands.train(
            tmp_path, tmp_path / "run", CONFIG, TINY_RECIPE, adaptation=AdaptConfig(), held_out=0,
            device="cpu", minutes=None, every=100, loaders=1, keep=False,
        )  # fmt: skip


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes(b"\x10\x00")
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        weights.read(tmp_path / "cut")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "foreign")
    with pytest.raises(CheckpointError, match="weights of something else"):
        weights.read(tmp_path / "foreign")
    about = {"recipe": TINY_RECIPE.to_dict()}
    for said, header in (
        ("does not hold what it says, tiny", json.dumps(about)),
        ("none of this program's", json.dumps({"recipe": {"style": 1}})),
        ("does not say what made it", "{}"),
        ("does not say what made it", "no JSON"),
    ):
        save_file(
            {"a": torch.zeros(1)}, tmp_path / "odd", {"format": weights.FORMAT, "about": header}
        )
        with pytest.raises(CheckpointError, match=said):
            weights.read(tmp_path / "odd")
    with pytest.raises(CheckpointError, match="none of this program's"):
        Recipe.from_dict({"style": 1})
    with pytest.raises(SettingsError, match="no method 'magic'; there are fewshot"):
        recipe.build(Recipe("magic"))
    with pytest.raises(SettingsError, match="no preset 'huge'; there are paper, base, live"):
        recipe.build(Recipe(preset="huge", perceptual=False))
    torch.save({"kind": checkpoint.KIND, "version": 1, "about": {}}, tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match="lacks its recipe"):
        commands.load_training(tmp_path / "bare.pt", torch.device("cpu"))


def test_the_command_line_explains(tmp_path: Path) -> None:
    runner = CliRunner()
    (tmp_path / "manifest.json").touch()
    folder = ["--folder", str(tmp_path / "run"), "--device", "cpu"]
    options = ["--method", "small", "--no-perceptual", "--no-gan", "--steps", "1"]
    options += ["--sizes", "16", "--inner-steps", "1", "--held-out", "0", *folder]
    done = runner.invoke(app, ["meta", str(tmp_path), *options])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output.splitlines()[-1])["step"] == 1
    for wrong, said in (
        (["--support", "all"], "no support 'all'"),
        (["--sizes", "a"], "expected numbers as in 64,128"),
        (["--grow-at", "0.5"], "need 0 growing shares"),
        (["--sizes", "50"], "take a multiple of 16, such as 48"),
        (["--steps", "0"], "at least one step"),
    ):
        done = runner.invoke(app, ["meta", str(tmp_path), *options, *wrong])
        assert done.exit_code in (1, 2)
        assert said in done.output
    done = runner.invoke(app, ["adapt-check", str(tmp_path), str(tmp_path / "none.pt")])
    assert done.exit_code == 1
    assert "there is no checkpoint" in done.output
    checked = ["adapt-check", str(tmp_path), str(tmp_path / "run/checkpoint.pt")]
    for wrong, said in ((["--size", "50"], "multiple of 16"), (["--characters", "0"], "greater")):
        done = runner.invoke(app, [*checked, *wrong])
        assert done.exit_code in (1, 2)
        assert said in done.output
    done = runner.invoke(
        app, ["weights", str(tmp_path / "run/checkpoint.pt"), "-o", str(tmp_path / "w.safetensors")]
    )
    assert done.exit_code == 0


@pytest.mark.parametrize("method", ["pix2pix", "pg2"])
def test_methods_to_compare_with_are_built_by_name(method: str) -> None:
    with torch.device("meta"):
        network, objective = recipe.build(Recipe(method, size=64, image_channels=3))
    assert sum(p.numel() for p in network.parameters()) > 1e6
    objective.advance(0.5)


def test_a_run_begins_with_given_weights(tmp_path: Path) -> None:
    path = train(tmp_path)
    commands.ship(path, tmp_path / "some.safetensors", half=False)
    common = {
        "adaptation": AdaptConfig(shots=1, steps=2), "held_out": 0, "device": "cpu",
        "minutes": None, "every": 100, "loaders": 1, "keep": True,
    }  # fmt: skip
    still = replace(CONFIG, steps=1, rate=0.0, rate_end=0.0)
    found = tmp_path / "some.safetensors"
    commands.train(
        tmp_path, tmp_path / "next", still, TINY_RECIPE, start=found, most=2, **common
    )  # fmt: skip
    before, after = (checkpoint.load(tmp_path / run / "checkpoint.pt") for run in ("run", "next"))
    trained = [name for name, _ in weights.read(found)[0].named_parameters()]
    assert all((before["average"][n] == after["method"][n]).all() for n in trained)
    first = after["about"]["start"]  # what made those
    assert first["command"] == before["about"]["command"]
    assert [line["step"] for line in first["curve"]] == [CONFIG.steps]
    assert first["hours"] >= 0
    with pytest.raises(CheckpointError, match="another method"):
        commands.train(
            tmp_path, tmp_path / "other", CONFIG, replace(TINY_RECIPE, method="small"),
            start=found, **common,
        )  # fmt: skip
