"""`engine.transfer`: a person's video and a character in, the character's video out."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from engine.app import PERFORMER
from engine.cli import app
from engine.errors import AyatsuriError, BundleDamaged
from engine.transfer import transfer
from tests.bundles import write_bundle
from tests.marks import needs_pose_model

FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the performer's clip."""
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    with av.open(PERFORMER) as whole, av.open(path, "w") as short:
        video = whole.streams.video[0]
        stream = short.add_stream_from_template(video)
        for packet in whole.demux(video):
            if packet.dts is not None and packet.dts * packet.time_base < FRAMES / 30:
                packet.stream = stream
                short.mux(packet)
    return path


@needs_pose_model
def test_all_stages_of_a_transfer_are_kept(clip: Path, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "stick.character")
    told: list[str] = []
    report = transfer(
        clip, [bundle], tmp_path / "out.mp4", stages=tmp_path / "stages", on_message=told.append
    )
    with av.open(tmp_path / "out.mp4") as made:
        count = sum(1 for _ in made.decode(video=0))
    assert count == report.frames_out > 0
    with np.load(tmp_path / "stages" / "normalised.npz") as normalised:
        assert normalised["joints"].shape == (count, 20, 4)
    assert len(list((tmp_path / "stages" / "pose_images").iterdir())) == count
    assert (tmp_path / "stages" / "sheet.png").is_file()
    assert told


def test_a_file_that_is_no_character_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.character"
    wrong.write_bytes(b"not a bundle")
    with pytest.raises(BundleDamaged):
        transfer(PERFORMER, [wrong], tmp_path / "out.mp4", stages=tmp_path / "stages")
    assert not (tmp_path / "out.mp4").exists()
    assert not (tmp_path / "stages").exists()


@pytest.mark.parametrize(
    ("person", "out", "report", "said"),
    [
        ("nobody.mp4", "out.mp4", "r.json", "no file"),
        (PERFORMER, "no/out.mp4", "r.json", "no folder no "),
        (PERFORMER, "out.xyz", "r.json", "no kind of file"),
        (PERFORMER, "out.mp4", "no/r.json", "no folder no "),
    ],
)
def test_what_cannot_be_read_or_written_is_told_before_the_drawing_is_enrolled(
    person: Path, out: str, report: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.transfer._enrolled", lambda *_: pytest.fail("it was enrolled"))
    with pytest.raises(AyatsuriError, match=said):
        transfer(person, ["her.png"], out, report=report)


@pytest.mark.parametrize(("out", "stages"), [("frames", None), ("out.mp4", "kept")])
def test_pictures_of_an_earlier_run_are_told_before_the_drawing_is_enrolled(
    out: str, stages: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.transfer._enrolled", lambda *_: pytest.fail("it was enrolled"))
    for folder in ("frames", "kept/pose_images"):
        Path(folder).mkdir(parents=True)
        Path(folder, "000000.png").touch()
    with pytest.raises(AyatsuriError, match="has 1: name another one"):
        transfer(PERFORMER, ["her.png"], out, stages=stages)


def test_a_bundle_takes_no_keypoints(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "stick.character")
    wish = ["transfer", str(PERFORMER), str(bundle), "-o", str(tmp_path / "out.mp4")]
    result = CliRunner().invoke(app, [*wish, "--keypoints", str(tmp_path / "joints.json")])
    assert result.exit_code == 2
    assert not (tmp_path / "out.mp4").exists()


def test_a_picture_without_a_figure_is_told(tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((200, 200, 3), 255, np.uint8))
    result = CliRunner().invoke(app, ["transfer", str(PERFORMER), str(blank), "-o", "out.mp4"])
    assert result.exit_code == 1


def test_a_whole_figure_is_painted_over_whatever_that_costs(tmp_path: Path) -> None:
    from engine.enrol.enrol import Wish
    from engine.transfer import _enrolled
    from tests.drawings import ito, save

    drawing = save(ito(), tmp_path / "her.png")
    said: list[str] = []
    made = _enrolled([drawing], tmp_path / "her.character", Wish(size=128), said.append)
    assert made.painter is not None
    assert said
