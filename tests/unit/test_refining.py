"""Refinement around the network: what it needs, what it writes, and what it leaves as it was."""

import json
import shutil
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

import engine.cli
from engine import entries, painted, refining
from engine.app import DEFAULT_CHARACTER
from engine.backends import choose
from engine.backends.choose import Candidate
from engine.character import CharacterBundle
from engine.errors import BundleNotFound, MissingDependency, NotInBundle, RefinementFailed
from engine.manifest import PrecisionManifest
from engine.painted import STRAYS, is_whole, paint, strays
from engine.puppet.bundle import write_painted, write_puppet_bundle
from engine.puppet.puppet import Puppet
from engine.refining import Background, Progress, Refined, find_refiner, refine
from tests.bundles import painter_model, write_bundle
from tests.cut_drawings import cut_drawing
from tests.puppets import skeleton

SIZE = 64
LIKENESS = PrecisionManifest(
    file="painter.int8.onnx", ssim=1, ssim_min=1, mean_error=0, max_error=0
)
SCORES = {"puppet": {"perceptual": 0.02}, "adapted": {"perceptual": 0.01}}


@pytest.fixture(autouse=True)
def _one_runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    both = [Candidate("onnxruntime", "fp32"), Candidate("onnxruntime", "int8")]
    monkeypatch.setattr(choose, "candidates", lambda network: both)


@pytest.fixture
def doll(tmp_path: Path) -> Path:
    return write_puppet_bundle(
        tmp_path / "doll.character", "Doll", [cut_drawing(SIZE)], skeleton(SIZE),
        np.full((90, 60, 4), 200, np.uint8), training={"method": "enrolment"},
        extras={"support.png": b"inspected by people"},
    )  # fmt: skip


def better(bundle, *, shrink, minutes, threads, memory, on_progress):
    on_progress(Progress("learning", 0.9, 0.0, 0.5, 1.0))
    models = painter_model(SIZE, 100), painter_model(SIZE, 101)
    return Refined("adapted", SCORES, models[0], (models[1], LIKENESS), {"steps": 1})


def test_a_better_painter_replaces_the_bundle(doll: Path):
    before = CharacterBundle.load(doll)
    told: list[Progress] = []
    said: list[str] = []
    outcome = refine(doll, fps=1, refiner=better, on_progress=told.append, say=said.append)
    assert outcome.replaced
    assert "adapted 0.0100" in outcome.told
    after = CharacterBundle.load(doll)
    assert after.painter is not None
    assert {*after.painter.variants} == {"int8"}
    assert after.manifest.training["method"] == "enrolment"
    record = after.manifest.training["refined"]
    assert record["winner"] == "adapted"
    assert record["shrink"] == 1
    assert record["picture_ms"] > 0
    assert after.manifest.skeleton == before.manifest.skeleton
    np.testing.assert_array_equal(after.drawings[0].pixels, before.drawings[0].pixels)
    with zipfile.ZipFile(doll) as archive:
        assert archive.read("support.png") == b"inspected by people"
        assert archive.read("preview.webp").startswith(b"RIFF")
    assert [at.share for at in told] == [0.0, 0.9, 1.0]
    assert told[1].told == "learning, 90 %, held-out loss 0.500 (first 1.000), 0 s left"
    assert told[-1].picture is not None
    assert told[-1].picture.startswith(b"\x89PNG")
    assert "painted at 1/1 of its size (1/1 " in said[0]
    assert not list(doll.parent.glob("*.partial"))
    refine(doll, fps=1, refiner=better)  # again: the old painter goes
    assert CharacterBundle.load(doll).painter is not None


def test_a_puppet_that_is_larger_than_its_generator_is_refined_in_its_own_size(tmp_path: Path):
    both = Path(shutil.copy(DEFAULT_CHARACTER, tmp_path / "both.character"))
    sizes = []

    def stopped(bundle, **_):
        sizes.append((bundle.resolution, bundle.drawings[0].size, bundle.generator))
        raise RefinementFailed("seen")

    with pytest.raises(RefinementFailed, match="seen"):
        refine(both, fps=0.1, refiner=stopped)
    assert sizes == [(512, 512, None)]


def test_other_programs_are_not_counted(doll: Path, monkeypatch):
    bundle = CharacterBundle.load(doll)
    now = {"wall": 0.0, "worked": 0.0}
    monkeypatch.setattr(painted.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(painted.time, "process_time", lambda: now["worked"])

    class Busy:
        def draw(self, joints, pose_image, out) -> None:
            now["wall"] += 0.080  # of which others have 0.070
            now["worked"] += 0.010

    assert painted.drawing_ms(Busy(), bundle) == pytest.approx(10)
    assert painted.drawing_ms(Busy(), bundle, on_processor=False) == pytest.approx(80)

    class Parallel:
        def draw(self, joints, pose_image, out) -> None:
            now["wall"] += 0.010
            now["worked"] += 0.040  # of four threads

    assert painted.drawing_ms(Parallel(), bundle) == pytest.approx(10)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """As enrolment writes it, of a drawing of a whole figure."""
    return write_puppet_bundle(
        tmp_path / "whole.character", "Whole", [cut_drawing(SIZE)], skeleton(SIZE),
        np.full((90, 60, 4), 200, np.uint8), training={"drawings": [{"cut": False}]},
    )  # fmt: skip


def test_the_painter_that_ships_takes_over_at_once(whole: Path, monkeypatch):
    told: list[Progress] = []
    seen = []

    def no_better(bundle, **_):
        seen.append(CharacterBundle.load(whole).painter)
        return Refined("shipped", SCORES, painter_model(SIZE), None)

    outcome = refine(whole, fps=0.1, refiner=no_better, on_progress=told.append)
    assert seen[0] is not None
    assert told[1].picture is not None
    assert not outcome.replaced
    assert "keeps the painter that ships" in outcome.told
    after = CharacterBundle.load(whole)
    assert after.manifest.training["painted"]["shrink"] == 1
    assert after.painter is not None
    assert refine(whole, fps=0.1, refiner=better).replaced
    assert "refined" in CharacterBundle.load(whole).manifest.training


def test_figures_that_are_cut_stay_plain(doll: Path, whole: Path):
    assert is_whole(CharacterBundle.load(whole))
    said: list[str] = []
    before = doll.read_bytes()
    assert paint(doll, 0.1, said.append) is None
    assert "whole figures" in said[0]
    assert doll.read_bytes() == before
    before = whole.read_bytes()
    assert paint(whole, 1e6) is None  # too slow here
    assert whole.read_bytes() == before


def test_bodies_that_the_networks_hardly_know_stay_plain(tmp_path: Path):
    by_bones = {"cut": False, "parts_by": "bones"}
    path = write_puppet_bundle(
        tmp_path / "doll.character", "Doll", [cut_drawing(SIZE)], skeleton(SIZE),
        np.full((90, 60, 4), 200, np.uint8), training={"drawings": [by_bones]},
    )  # fmt: skip
    assert not is_whole(CharacterBundle.load(path))


def test_a_painter_that_changes_what_was_drawn_is_refused(whole: Path, monkeypatch):
    class Vandal:
        """A puppet whose painter wipes the upper half out."""

        def __init__(self, puppet: Puppet) -> None:
            self.carry = puppet.carry

        def draw(self, joints, pose_image, out):
            self.carry(joints, out)
            out[: SIZE // 2] = 0

    bundle = CharacterBundle.load(whole)
    plain = Puppet(bundle.drawings)
    assert strays(plain, bundle) == 0  # unpainted, it is as it was drawn
    assert STRAYS < strays(Vandal(plain), bundle) < 1
    monkeypatch.setattr(painted, "strays", lambda puppet, bundle: 2 * STRAYS)
    before, said = whole.read_bytes(), []
    assert paint(whole, None, said.append) is None
    assert "16%" in said[-1]
    assert whole.read_bytes() == before


def test_what_is_no_better_changes_nothing(doll: Path):
    before = doll.read_bytes()
    outcome = refine(doll, fps=1, refiner=lambda bundle, **_: Refined("puppet", SCORES))
    assert not outcome.replaced
    assert "stays a plain puppet" in outcome.told
    assert doll.read_bytes() == before


def test_a_rate_that_nothing_holds_keeps_the_puppet(doll: Path):
    before = doll.read_bytes()

    def never(bundle, **_):
        raise AssertionError("it is told before anything is learnt")

    outcome = refine(doll, fps=1e6, refiner=never)
    assert not outcome.replaced
    assert "--fps" in outcome.told
    assert doll.read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RefinementFailed])
def test_whoever_stops_it_keeps_the_puppet(doll: Path, error: type[BaseException]):
    before = doll.read_bytes()

    def stopped(bundle, **_):
        raise error

    with pytest.raises(error):
        refine(doll, fps=1, refiner=stopped)
    assert doll.read_bytes() == before


def test_a_bundle_that_changed_meanwhile_is_left_alone(doll: Path):
    def meddled(bundle, **more):
        write_painted(doll, painter_model(SIZE), None, {"by": "somebody"}, {})
        return better(bundle, **more)

    with pytest.raises(RefinementFailed, match="changed meanwhile"):
        refine(doll, fps=1, refiner=meddled)
    assert CharacterBundle.load(doll).manifest.training["by"] == "somebody"


def test_only_a_puppets_file_can_be_refined(tmp_path: Path):
    stick = write_bundle(tmp_path / "stick.character")
    with pytest.raises(NotInBundle, match="no puppet"):
        refine(stick, refiner=better)
    with pytest.raises(NotInBundle, match="no cut drawings"):
        write_painted(stick, painter_model(SIZE), None, {}, {})
    with pytest.raises(BundleNotFound, match="ayatsuri adapt"):
        refine(tmp_path, refiner=better)


def test_without_torch_it_says_what_to_install(doll: Path, monkeypatch):
    monkeypatch.setattr(entries, "entry_points", lambda group: [])
    with pytest.raises(MissingDependency, match=r"-e '\.\[train\]'"):
        find_refiner()
    with pytest.raises(MissingDependency):
        Background(doll)
    monkeypatch.setenv("COLUMNS", "200")
    for arguments in (["refine", str(doll)], ["adapt", "none.png", "--refine"]):
        result = CliRunner().invoke(engine.cli.app, arguments)
        assert result.exit_code == 1
        assert "pip install -c constraints.txt -e '.[train]'" in result.output

    class Broken:
        def load(self):
            raise ModuleNotFoundError("No module named 'torch'")

    broken = Broken()
    monkeypatch.setattr(entries, "entry_points", lambda group: [broken])
    with pytest.raises(MissingDependency, match="torch"):
        find_refiner()
    monkeypatch.setattr(entries, "find_spec", lambda name: object())
    assert refining.installed() is broken, "it is not loaded: a show has no seconds for that"
    with pytest.raises(MissingDependency, match="No module named"):
        find_refiner()


def test_the_command_tells_of_itself_in_json(doll: Path, monkeypatch):
    monkeypatch.setattr(refining, "find_refiner", lambda: better)
    result = CliRunner().invoke(engine.cli.app, ["refine", str(doll), "--json", "--fps", "1"])
    assert result.exit_code == 0, result.output
    _, learning, end, last = map(json.loads, result.output.strip().splitlines())
    assert learning["held_out"] == 0.5
    assert end["picture"].startswith("data:image/png;base64,")
    assert last["replaced"]


def test_the_command_shows_how_far_it_is(doll: Path, monkeypatch):
    monkeypatch.setattr(refining, "find_refiner", lambda: better)
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(engine.cli.app, ["refine", str(doll), "--fps", "1"])
    assert result.exit_code == 0, result.output
    assert "painted by the adapted painter now" in result.output


def test_the_refiner_that_is_named_exists():
    import tomllib
    from importlib import import_module

    pytest.importorskip("torch")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"][refining.GROUP]["painter"].partition(":")
    assert callable(getattr(import_module(module), name))


def test_a_process_of_its_own_tells_what_became_of_it(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(refining, "installed", lambda: None)
    script = "import json, sys; print('talk'); print(json.dumps({'told': sys.argv[1:]}))"
    monkeypatch.setattr(refining, "_COMMAND_LINE", (sys.executable, "-c", script))
    told: list[dict] = []
    with Background(tmp_path / "a.character", told.append, fps=24) as background:
        assert background.wait(60) == 0
    asked = ["refine", str(tmp_path / "a.character"), "--fps", "24", "--gently", "--json"]
    assert told == [{"told": asked}]


def test_it_can_be_ended(doll: Path, monkeypatch):
    monkeypatch.setattr(refining, "installed", lambda: None)
    before = doll.read_bytes()
    background = Background(doll)
    background.close()
    assert background.wait() is not None
    assert doll.read_bytes() == before


@pytest.mark.parametrize("ended", [0, None])
def test_a_show_tells_how_far_it_is(ended, monkeypatch):
    class Beside:
        def __init__(self, path, tell, *, fps) -> None:
            tell({"stage": "timing", "share": 0})
            tell({"stage": "learning", "share": 0.3, "left_s": 90.4})
            tell({"told": "painted now"})

        def __enter__(self):
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def wait(self, seconds: float) -> int | None:
            return ended

    monkeypatch.setattr(refining, "Background", Beside)
    monkeypatch.setattr("engine.app.live", lambda *_, **__: SimpleNamespace(table=lambda: ""))
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(engine.cli.app, ["live", "-c", "doll.character", "--refine"])
    assert result.exit_code == 0, result.output
    assert "refine: timing, 0 %" in result.output
    assert "refine: learning, 30 %, 90 s left" in result.output
    assert "refine: painted now" in result.output
    assert ("the show ended first" in result.output) == (ended is None)
