"""A bundle that is replaced while it plays: taken over between two frames, or left alone."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.app import DEFAULT_CHARACTER, Options
from engine.backends import choose
from engine.backends.choose import Candidate
from engine.casting import load_cast
from engine.character import CharacterBundle
from engine.frame import Packet
from engine.motion.draw import draw_pose
from engine.pipeline import Pipeline
from engine.puppet.bundle import write_painted, write_puppet_bundle
from engine.stages import DrawStage, GenerateStage
from engine.watching import Watch
from tests.bundles import painter_model
from tests.cut_drawings import body, cut_drawing
from tests.fakes import FakeSink, FakeSource
from tests.puppets import skeleton

SIZE, FRAMES = 64, 60


@pytest.fixture(autouse=True)
def _one_runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(choose, "candidates", lambda network: [Candidate("onnxruntime", "fp32")])


def write(path: Path, size: int = SIZE, floor: float = 0.95) -> Path:
    body = replace(skeleton(size), floor_y=floor * size)
    return write_puppet_bundle(
        path, "Doll", [cut_drawing(size)], body, np.full((8, 8, 4), 200, np.uint8)
    )


@pytest.fixture
def doll(tmp_path: Path) -> Path:
    return write(tmp_path / "doll.character")


class Joints:
    """A stage that poses every frame, each differently; the file is replaced on the way."""

    name = "joints"

    def __init__(self, at: int, act) -> None:
        self._at, self._act = at, act

    def process(self, packet: Packet) -> Iterator[Packet]:
        if packet.frame.sequence == self._at:
            self._act()
        yield replace(packet, joints=body(SIZE, packet.frame.sequence))

    def flush(self):
        return ()

    def close(self) -> None:
        pass


def drawn(bundle_path: Path, sequences) -> list[np.ndarray]:
    cast = load_cast([bundle_path])
    pictures = []
    for sequence in sequences:
        joints = body(SIZE, sequence)
        image, out = np.empty((SIZE, SIZE, 3), np.uint8), np.empty((SIZE, SIZE, 4), np.uint8)
        draw_pose(joints, image)
        cast.actors[0].draw(joints, image, out)
        pictures.append(out)
    cast.close()
    return pictures


def test_no_frame_is_lost_or_mixed(doll: Path, tmp_path: Path):
    plain = write(tmp_path / "plain.character")
    painted = write_painted(
        write(tmp_path / "new.character"), painter_model(SIZE, 90), None, {}, {}
    )
    cast = load_cast([doll])
    said: list[str] = []
    watch = Watch(cast, lambda: {"Doll": doll}, Options(), say=said.append)
    taken = threading.Event()

    def replaced() -> None:
        doll.write_bytes(painted.read_bytes())

        def look() -> None:
            watch.look()
            taken.set()

        threading.Thread(target=look).start()

    class Kept(FakeSink):
        def write(self, packet: Packet) -> None:
            pictures.append((packet.frame.sequence, packet.picture.copy()))
            if packet.frame.sequence == FRAMES // 2:
                assert taken.wait(20)

    pictures: list[tuple[int, np.ndarray]] = []
    stages = (Joints(10, replaced), DrawStage(cast), GenerateStage(cast))
    Pipeline(FakeSource(FRAMES), stages, [Kept()]).run()
    assert [sequence for sequence, _ in pictures] == list(range(FRAMES))
    old, new = drawn(plain, range(FRAMES)), drawn(painted, range(FRAMES))
    which = []
    for sequence, picture in pictures:
        is_old, is_new = ((picture == p[sequence]).all() for p in (old, new))
        assert is_old != is_new
        which.append(is_new)
    assert which == sorted(which)  # first the old, then the new
    assert not which[0]
    assert which[-1]
    assert said[-1] == "Doll: what is new takes over"


def test_an_untouched_file_is_left_alone(doll: Path):
    cast = load_cast([doll])
    generator = cast.actors[0].generator
    watch = Watch(cast, lambda: {"Doll": doll, "Other": doll.with_name("no.character")}, Options())
    watch.look()
    assert cast.actors[0].generator is generator
    cast.close()


def test_what_cannot_be_used_is_told_once(doll: Path):
    cast = load_cast([doll])
    generator, whole = cast.actors[0].generator, doll.read_bytes()
    said: list[str] = []
    watch = Watch(cast, lambda: {"Doll": doll}, Options(), say=said.append)
    doll.write_bytes(whole[: len(whole) // 2])
    watch.look()
    watch.look()
    assert len(said) == 1
    assert "stays as it was" in said[0]
    doll.unlink()
    watch.look()
    write(doll, floor=0.9)
    watch.look()
    assert "another body" in said[-1]
    assert cast.actors[0].generator is generator
    cast.close()


def test_the_thread_ends_with_the_cast(doll: Path, monkeypatch):
    monkeypatch.setattr("engine.watching.LOOK_S", 0.01)
    cast = load_cast([doll])
    watch = Watch(cast, lambda: {"Doll": doll}, Options()).start()
    write_painted(doll, painter_model(SIZE), None, {}, {})
    for _ in range(1000):
        if cast.actors[0].generator.name != "puppet":
            break
        threading.Event().wait(0.01)
    assert cast.actors[0].bundle.painter is not None
    assert CharacterBundle.load(doll).painter is not None
    cast.close()
    watch._thread.join(10)
    assert not watch._thread.is_alive()


def test_a_puppet_that_is_larger_than_its_generator_is_the_same_body(tmp_path: Path):
    both = tmp_path / "ito.character"
    both.write_bytes(DEFAULT_CHARACTER.read_bytes())
    cast = load_cast([both])
    before, said = cast.actors[0].generator, []
    watch = Watch(cast, lambda: {"Ito": both}, Options(), say=said.append)
    watch.look()
    both.write_bytes(DEFAULT_CHARACTER.read_bytes())
    watch.look()
    assert cast.actors[0].generator is not before, said
    cast.close()
