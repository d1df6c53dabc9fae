"""A few-shot generator beside a puppet: adapted to its drawings, baked, and put into its bundle."""

import tomllib
import zipfile
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

import engine.cli  # noqa: E402
from engine import entries, tuning  # noqa: E402
from engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from engine.character import CharacterBundle  # noqa: E402
from engine.errors import (  # noqa: E402
    BundleNotFound,
    MissingDependency,
    NotInBundle,
    RefinementFailed,
    SinkError,
)
from engine.likeness import ssim  # noqa: E402
from engine.motion.draw import draw_pose  # noqa: E402
from engine.puppet.bundle import write_painted, write_puppet_bundle  # noqa: E402
from engine.tuning import CLIP, INT8, Tuned, find_tuner  # noqa: E402
from export import tune as export_tune  # noqa: E402
from export.parity import Parity  # noqa: E402
from export.precision import GATE  # noqa: E402
from tests.bundles import painter_model, stick_model, write_bundle  # noqa: E402
from tests.cut_drawings import cut_drawing  # noqa: E402
from tests.disks import fill_the_disk  # noqa: E402
from tests.drawings import ito, save  # noqa: E402
from tests.fewshot import SMALL  # noqa: E402
from tests.puppets import skeleton  # noqa: E402
from training.fewshot import recipe, weights  # noqa: E402
from training.fewshot.adapt import AdaptConfig  # noqa: E402
from training.fewshot.config import TrainConfig  # noqa: E402
from training.fewshot.errors import AdaptationError, CheckpointError  # noqa: E402
from training.fewshot.method import FewShot  # noqa: E402
from training.fewshot.recipe import Recipe  # noqa: E402
from training.fewshot.warp.refine import PAINTER  # noqa: E402

tune = partial(tuning.tune, tuner=export_tune.tune)  # whatever is installed

ROOT = Path(__file__).parents[2]
in_int8 = export_tune.in_int8
LARGE, SIZE = 128, 64  # of the puppet's pictures, and of the generator's


@pytest.fixture(autouse=True)
def small_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is adapted within a second, at a rate at which it learns something."""
    monkeypatch.setitem(
        recipe.METHODS,
        "small",
        lambda r: (
            FewShot(replace(SMALL, size=r.size, image_channels=r.image_channels)),
            recipe.paper_objective(replace(r, perceptual=False)),
        ),
    )
    config = AdaptConfig(shots=2, steps=20, rate=3e-3)
    monkeypatch.setitem(export_tune.tune.__kwdefaults__, "config", config)
    monkeypatch.setattr(export_tune, "in_int8", lambda *_: None)  # it takes a second


@pytest.fixture
def doll(tmp_path: Path) -> Path:
    drawing = cut_drawing(LARGE)
    return write_puppet_bundle(
        tmp_path / "doll.character", "Doll", [drawing], skeleton(LARGE),
        np.full((90, 60, 4), 200, np.uint8), training={"drawings": [{"parts_by": "bones"}]},
        extras={"support.png": b"inspected by people"},
    )  # fmt: skip


def some_weights(path: Path, **changes: object) -> Path:
    about = Recipe("small", "none", SIZE, **changes)  # type: ignore[arg-type]
    torch.manual_seed(0)
    method, _ = recipe.build(replace(about, gan=False))
    config = TrainConfig(sizes=(about.size,)).to_dict()
    state = {
        "average": method.state_dict(), "config": config, "step": 1,
        "about": {"recipe": about.to_dict()},
    }  # fmt: skip
    weights.write(path, state, half=False)
    return path


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return some_weights(tmp_path / "some.safetensors")


def test_a_puppet_gets_a_generator_of_its_own(
    doll: Path, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_tune, "in_int8", in_int8)
    before = CharacterBundle.load(doll)
    write_painted(doll, painter_model(LARGE), None, {}, {})
    told: list[tuple[str, float]] = []
    tuned = tune(doll, weights=given, on_progress=lambda *at: told.append(at))
    assert tuned.size == SIZE
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert any(stage.startswith("adapting, held-out loss") for stage, _ in told)

    after = CharacterBundle.load(doll)
    assert after.resolution == SIZE
    assert after.manifest.prefers == "puppet"
    puppet, drawn = after.drawn_by("puppet"), after.drawn_by("generator")
    assert puppet.resolution == LARGE
    assert puppet.painter is not None
    np.testing.assert_array_equal(puppet.drawings[0].pixels, before.drawings[0].pixels)
    np.testing.assert_allclose(puppet.skeleton.rest, before.skeleton.rest, rtol=1e-5)
    np.testing.assert_allclose(
        drawn.skeleton.bone_lengths, before.skeleton.bone_lengths * SIZE / LARGE, rtol=1e-5
    )
    record = after.manifest.training["tuned"]
    assert after.manifest.training["drawings"] == [{"parts_by": "bones"}]
    assert min(record["held_out_loss"]) < record["held_out_loss"][0]
    assert record["onnx_max_error"] <= 1
    assert record["onnx_ssim"] > 0.999
    assert record["weights"] == given.name
    precisions = after.manifest.precisions
    assert set(after.need_generator().variants) == set(precisions) == {"int8"}
    assert precisions["int8"].ssim > GATE
    with zipfile.ZipFile(doll) as archive:
        assert archive.read("support.png") == b"inspected by people"
        assert archive.read(CLIP).startswith(b"RIFF")

    # It has learnt the drawing: in the pose that was drawn it shows it better than at first.
    drawings = export_tune.drawings_of(before, SIZE)
    image, out = np.empty((SIZE, SIZE, 3), np.uint8), np.empty((SIZE, SIZE, 4), np.uint8)
    draw_pose(drawings.joints[0], image)
    likeness = []
    untouched = export_tune.tune(
        before, weights=given, on_progress=lambda *_: None, config=AdaptConfig(steps=0, shots=1)
    )
    for model in (untouched.model, after.need_generator().model):
        backend = OnnxRuntimeBackend(model)
        backend.run(image, out)
        likeness.append(ssim(out, drawings.pictures[0]))
        backend.close()
    assert likeness[1] > likeness[0]

    monkeypatch.setattr(export_tune, "in_int8", lambda *_: None)
    tune(doll, weights=given)  # again: the old generator goes, in all its precisions
    with zipfile.ZipFile(doll) as archive:
        assert INT8 not in archive.namelist()
    assert CharacterBundle.load(doll).drawn_by("puppet").resolution == LARGE


def test_a_small_puppet_has_a_small_generator(tmp_path: Path, given: Path) -> None:
    large = some_weights(tmp_path / "large.safetensors")
    doll = write_puppet_bundle(
        tmp_path / "small.character", "Doll", [cut_drawing(SIZE)], skeleton(SIZE),
        np.full((90, 60, 4), 200, np.uint8),
    )  # fmt: skip
    assert tune(doll, weights=large).size == SIZE
    assert CharacterBundle.load(doll).drawn_by("puppet").resolution == SIZE


def test_several_drawings_are_drawn_from_each_other(tmp_path: Path, given: Path) -> None:
    drawings = [replace(cut_drawing(LARGE, seed), name=f"view{seed}") for seed in range(3)]
    doll = write_puppet_bundle(
        tmp_path / "views.character", "Doll", drawings, skeleton(LARGE),
        np.full((90, 60, 4), 200, np.uint8),
    )  # fmt: skip
    assert tune(doll, weights=given).record["shots"] == 4  # all pairs but those of the last


def test_the_weights_that_ship_can_be_taken(doll: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = AdaptConfig(shots=1, steps=1, every=1)
    monkeypatch.setitem(export_tune.tune.__kwdefaults__, "config", config)
    tuned = tune(doll)
    assert tuned.record["weights"] == "live.safetensors"
    assert CharacterBundle.load(doll).need_generator().input_spec.shape[1] == tuned.size


def test_what_cannot_be_leaves_the_character_as_it_was(
    doll: Path, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = doll.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(given.read_bytes()[:1000])
    with monkeypatch.context() as now:
        now.setattr(export_tune, "SMALLEST", 2 * SIZE)
        with pytest.raises(CheckpointError, match="for pictures of 64 px"):
            tune(doll, weights=given)
    for path, said in (
        (tmp_path / "cut.safetensors", "cannot be read as weights"),
        (tmp_path / "none.safetensors", "cannot be read as weights"),
        (some_weights(tmp_path / "white.safetensors", image_channels=3), "with alpha"),
        (PAINTER, "no generator of pictures with alpha"),
    ):
        with pytest.raises(CheckpointError, match=said):
            tune(doll, weights=path)
    with pytest.raises(BundleNotFound):
        tune(tmp_path / "none.character")
    drawn = write_bundle(tmp_path / "stick.character")
    with pytest.raises(NotInBundle, match="is no puppet"):
        tune(drawn, weights=given)
    assert doll.read_bytes() == kept


def test_a_loss_or_an_export_that_is_wrong_is_told(
    doll: Path, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = doll.read_bytes()
    for config, said in (
        (AdaptConfig(shots=1, steps=20, rate=1e30, optimiser="sgd"), "take a rate below"),
        (AdaptConfig(shots=200, steps=1), "leave a margin, or take fewer shots"),
    ):
        with monkeypatch.context() as now:
            now.setitem(export_tune.tune.__kwdefaults__, "config", config)
            with pytest.raises(AdaptationError, match=said):
                tune(doll, weights=given)
    with monkeypatch.context() as now:
        now.setattr(export_tune, "compare", lambda *_: Parity(3.0, 0.1, 0.9))
        with pytest.raises(RefinementFailed, match="differs from PyTorch's by 3"):
            tune(doll, weights=given)
    assert doll.read_bytes() == kept


def test_a_full_disk_keeps_the_character(
    doll: Path, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = doll.read_bytes()
    made = export_tune.tune(CharacterBundle.load(doll), weights=given, on_progress=lambda *_: None)
    fill_the_disk(monkeypatch)
    with pytest.raises(SinkError, match="No space left"):
        tune(doll, tuner=lambda bundle, **_: made)
    assert doll.read_bytes() == kept
    assert not list(doll.parent.glob("*.partial"))


def test_without_torch_it_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="needs torch"):
        find_tuner()
    done = CliRunner().invoke(engine.cli.app, ["adapt", "none.png", "--generator"])
    assert done.exit_code == 1
    assert "needs torch" in done.output


def test_a_tuner_that_lacks_a_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def load(self) -> None:
            raise ModuleNotFoundError("No module named 'safetensors'")

    monkeypatch.setattr(entries, "entry_points", lambda group: [Broken()])
    monkeypatch.setattr(entries, "find_spec", lambda name: object())
    with pytest.raises(MissingDependency, match="safetensors"):
        find_tuner()
    monkeypatch.setattr(entries, "entry_points", lambda group: [])
    with pytest.raises(MissingDependency, match="needs torch"):
        find_tuner()


def test_the_entry_point_leads_to_the_tuner() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    (target,) = told[tuning.GROUP].values()
    module, _, name = target.partition(":")
    assert getattr(import_module(module), name) is export_tune.tune


def test_the_command_line_adapts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    runner, weights_path = CliRunner(), tmp_path / "w.safetensors"
    done = runner.invoke(engine.cli.app, ["adapt", "a.png", "--weights", str(weights_path)])
    assert done.exit_code == 2
    assert "--generator" in done.output
    asked = []

    def tuner(bundle: CharacterBundle, **given: object) -> Tuned:
        asked.append(given["weights"])
        return Tuned(stick_model(SIZE).SerializeToString(), SIZE, record={"seconds": 1.5})

    monkeypatch.setattr(tuning, "find_tuner", lambda: tuner)
    arguments = [save(ito(), tmp_path / "her.png"), "--size", 128, "--plain", "--generator",
                 "--weights", weights_path, "-o", tmp_path / "her.character"]  # fmt: skip
    done = runner.invoke(engine.cli.app, ["adapt", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    assert asked == [weights_path]
    assert "a generator of 64 px too, adapted in 1.5 s" in done.output
    assert "--draw generator" in done.output
    both = CharacterBundle.load(tmp_path / "her.character")
    assert both.drawn_by("generator").resolution == SIZE
    assert both.drawn_by("puppet").resolution == 128
