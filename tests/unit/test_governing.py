"""The budget governor on a show: what it measures, the ladder, and what it sets between frames."""

import json
import threading
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import engine
from engine.app import PERFORMER
from engine.backends.choose import Candidate, Choice, Measured
from engine.backends.shelf import Shelf
from engine.cast import Actor, Cast
from engine.errors import BackendError
from engine.frame import Packet, Stamp
from engine.generator import NetworkGenerator
from engine.governing import Governing, gains, ladder
from engine.governor import Targets, Window
from engine.options import Options
from engine.puppet.puppet import Puppet
from engine.puppet.smaller import SmallerPuppet, fits, halved
from engine.stages import PoseStage
from engine.ways import Way, relief, ways_of, worthwhile
from tests.bundles import write_bundle
from tests.cut_drawings import cut_drawing
from tests.fakes import FakeClock, frame
from tests.marks import needs_pose_model
from tests.puppets import FakeBackend, FakeBundle

S = 1_000_000_000
MS = 1_000_000
TRIAL = (
    Measured("onnxruntime", "fp32", 16.0, 18.0, 1.0), Measured("openvino", "fp32", 15.0, 16.0, 1.0),
    Measured("openvino", "bf16", 14.0, 15.0, 0.99), Measured("openvino", "fp16", refused="blurred"),
    Measured("openvino", "int8", 5.0, 6.0, 0.99),
)  # fmt: skip


def ways(*names: str) -> list[Way]:
    """Ways to draw; those that are named after a precision are alike."""
    return [
        Way(name, lambda: (NetworkGenerator(FakeBackend(64)), None), "puppet" not in name)
        for name in names
    ]


def shown(
    window: Window, begin_ns: int, seconds: float, *, works_ms: dict[str, float], late_ms: float,
    every: int = 1,
) -> int:  # fmt: skip
    """Note frames of a camera at 30 fps of which every so-many-th comes through; when they end."""
    for sequence in range(0, round(30 * seconds), every):
        captured = begin_ns + sequence * S // 30
        stamps = tuple(Stamp(n, captured, captured + round(w * MS)) for n, w in works_ms.items())
        packet = Packet(frame(sequence, captured_ns=captured), stamps)
        window.note(packet, captured + round(late_ms * MS))
    return begin_ns + round(seconds * S)


def test_a_window_says_what_is_worst():
    works = {"pose": 20.0, "generate": 10.0}
    for targets, every, load, why in (
        (Targets(fps=30), 1, 0.6, "pose takes 20 ms"),
        (Targets(fps=60), 1, 0.6, "pose takes 20 ms"),  # the camera gives no more than 30
        (Targets(fps=30), 3, 2.7, "10 of 30 frames"),
        (Targets(fps=10), 3, 0.2, "pose takes 20 ms"),
        (Targets(latency_ms=40), 1, 1.5, "latency 60 ms"),
        (Targets(cpu=0.5), 1, 0.8, "40% of the processor"),
        (Targets(30, 40, 0.5), 1, 1.5, "latency 60 ms"),
    ):
        window = Window(targets, cores=2)
        assert window.look(S, 1.0) is None
        end = shown(window, S, 2.0, works_ms=works, late_ms=60, every=every)
        found = window.look(end, 1.0 + 0.8 * 2)  # processor seconds in two: 0.4 of two cores
        assert found is not None
        assert found.value == pytest.approx(load, rel=0.02), targets
        assert why in found.why


def test_a_window_says_nothing_of_what_was_before_a_change_nor_of_nothing():
    window = Window(Targets(fps=30), cores=1)
    end = shown(window, S, 2.0, works_ms={"pose": 20}, late_ms=60)
    window.begin(end)
    assert window.look(end + S // 2, 0.0) is None
    shown(window, end - S // 30, 0.1, works_ms={"pose": 20}, late_ms=60)  # two after the change
    assert window.look(end + 2 * S, 0.0) is None
    end = shown(window, end + 2 * S, 1.0, works_ms={"pose": 5}, late_ms=60)
    assert window.look(end, 0.0).value == pytest.approx(0.15, rel=0.02)
    assert window.look(end + 5 * S, 0.0) is None  # the camera has stopped


def test_a_window_keeps_no_pictures():
    window = Window(Targets(fps=30), cores=1)
    packet = Packet(frame(0, captured_ns=S))
    image = weakref.ref(packet.frame.image)
    window.note(packet, S)
    del packet
    assert image() is None


def test_the_ladder_gives_up_precision_first_then_pose_then_the_picture():
    found = ladder("heavy", ["lite", "full"], ways("fp32", "int8", "puppet", "small puppet"))
    assert [level.name for level in found] == [
        "fp32, pose heavy", "int8, pose heavy", "int8, pose full", "int8, pose lite",
        "puppet, pose lite", "small puppet, pose lite",
    ]  # fmt: skip
    assert [level.name for level in ladder("full", ["full"], [])] == ["pose full"]
    tried = [Way("fp32", None, True, 15.0), Way("int8", None, True, 5.0)]
    assert gains(ladder("full", ["lite"], tried), tried) == [3.0, 1.5]


def test_ways_are_worth_their_loss(tmp_path):
    assert [str(e.candidate) for e in worthwhile(TRIAL)] == ["openvino fp32", "openvino int8"]
    bundle = engine.CharacterBundle.load(write_bundle(tmp_path / "stick.character"))
    choice = Choice(bundle.name, Candidate("openvino", "int8"), TRIAL)
    shelf = Shelf()
    found = ways_of(bundle, "generator", Options(), shelf, choice)
    assert [(way.name, way.cost_ms, way.alike) for way in found] == [
        ("fp32", 15.0, True), ("int8", 5.0, True)
    ]  # fmt: skip
    lone = Choice(bundle.name, Candidate("onnxruntime", "fp32"), ())
    (way,) = ways_of(bundle, "generator", Options(), shelf, lone)
    generator, made = way.open()
    assert made.candidate == lone.candidate
    assert len(shelf.running) == 1
    generator.close()
    puppet = SimpleNamespace(name="doll", drawings=(cut_drawing(256),), painter=None)
    assert [way.name for way in ways_of(puppet, "puppet", Options(), shelf, None)] == [
        "puppet", "small puppet"
    ]  # fmt: skip


ON_CARD = (
    Measured("tensorrt", "fp16", 2.0, 2.1, 0.99),
    Measured("onnxruntime-cuda", "fp32", 4.0, 5.0, 1.0),
    Measured("openvino", "fp32", 15.0, 16.0, 1.0), Measured("openvino", "int8", 5.0, 6.0, 0.99),
    Measured("onnxruntime", "int8", 1.0, 1.0, refused="blurred"),
)  # fmt: skip


def test_what_the_processor_draws_relieves_the_card_and_is_no_level_else(tmp_path):
    bundle = engine.CharacterBundle.load(write_bundle(tmp_path / "stick.character"))
    choice = Choice(bundle.name, Candidate("tensorrt", "fp16"), ON_CARD)
    found = ways_of(bundle, "generator", Options(), Shelf(), choice)
    assert [(way.name, way.on_card, way.relief) for way in found] == [
        ("fp32", True, False), ("fp16", True, False), ("int8, processor", False, True)
    ]  # fmt: skip
    names = [level.name for level in ladder("full", ["lite"], found)]
    assert names == ["fp32, pose full", "fp16, pose full", "fp16, pose lite"]
    names = [level.name for level in ladder("full", ["lite"], found, spare_card=True)]
    assert names[2:] == ["int8, processor, pose full", "int8, processor, pose lite"]
    assert relief(TRIAL, [Candidate("openvino", "fp32")]) is None, "the processor draws anyway"
    assert relief(ON_CARD[:2], [e.candidate for e in ON_CARD[:2]]) is None, "it cannot draw"


def test_a_window_says_what_the_card_does():
    window = Window(Targets(gpu=0.2), cores=2)
    assert window.look(S, 0.0) is None
    end = shown(window, S, 2.0, works_ms={"pose": 20, "generate": 10}, late_ms=60)
    found = window.look(end, 0.0, "generate")
    assert found.value == pytest.approx(0.3 / 0.2, rel=0.05)  # 10 ms thirty times a second
    assert "30% of the graphics card" in found.why
    # It draws no more: what it would take is not seen, and is not nothing.
    window.begin(end)
    end = shown(window, end, 2.0, works_ms={"pose": 20, "generate": 30}, late_ms=60)
    assert window.look(end, 0.0).value == pytest.approx(0.1 * 0.3 / 0.2, rel=0.05)


def test_a_show_leaves_the_card_to_a_game_and_comes_back(monkeypatch):
    card, processor = Candidate("tensorrt", "fp16"), Candidate("openvino", "int8")

    def open_(candidate):
        made = Choice("doll", candidate, ())
        return lambda: (NetworkGenerator(FakeBackend(64)), made)

    found = (
        Way("fp16", open_(card), True, 2.0, card),
        Way("int8, processor", open_(processor), True, 8.0, processor, relief=True),
    )
    stage = Stage(monkeypatch, given=found, targets=Targets(gpu=0.3))
    actor = stage.cast.actors[0]
    assert [level.name for level in stage.governing.levels][:2] == [
        "fp16, pose full", "int8, processor, pose full"
    ]  # fmt: skip
    stage.run(5, 5)  # 16% of the card
    assert stage.governing.level.way == 0
    stage.run(2.5, 16)  # a game slows the card down: 51%
    assert stage.governing.level.name == "int8, processor, pose full"
    assert actor.choice.candidate == processor
    assert "of the graphics card" in stage.governing.changes[0].why
    stage.run(40, 8)
    assert len(stage.governing.changes) == 1, "it swings"
    stage.run(30, 5)  # after a minute the card is tried, and the game is over
    assert stage.governing.level.way == 0
    assert actor.choice.candidate == card


def test_a_smaller_puppet_draws_much_the_same():
    drawing = cut_drawing(256)
    assert fits([drawing])
    assert not fits([cut_drawing(64)])
    assert halved(drawing).size == 128
    pose, pictures = np.empty((256, 256, 3), np.uint8), []
    for puppet in (Puppet([drawing]), SmallerPuppet([drawing])):
        pictures.append(np.empty((256, 256, 4), np.uint8))
        puppet.draw(drawing.joints, pose, pictures[-1])
        assert puppet.ready
        puppet.close()
    assert (pictures[1][..., :3] <= pictures[1][..., 3:]).all()
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 6


class Estimator:
    """Closes, and tells whether it was."""

    closed = False

    def estimate(self, image, time_ns):
        return None

    def close(self) -> None:
        self.closed = True


class Stage:
    """A show with a simulated clock: its parts, and the governor that looks at it."""

    def __init__(self, monkeypatch, *names: str, given=None, targets=None) -> None:
        self.first = FakeBackend(64)
        drawn = given or ways(*names)
        actor = Actor(FakeBundle(64), NetworkGenerator(self.first), ways=drawn)
        self.estimators = [Estimator()]
        self.pose, self.cast = PoseStage(self.estimators[0]), Cast([actor])
        self.clock, self.said = FakeClock(S), []
        monkeypatch.setattr("engine.governing.open_estimator", self._open)
        here = SimpleNamespace(path=Path(__file__))  # every pose model is in the cache
        monkeypatch.setattr("engine.governing.models.get", lambda name: here)
        self.governing = Governing(
            self, targets or Targets(fps=30), Options(), self.clock, self.said.append
        )  # type: ignore[arg-type]
        self.governing._window.look(S, 0.0)

    def _open(self, runtime, model):
        self.estimators.append(Estimator())
        return self.estimators[-1]

    def run(self, seconds: float, work_ms: float) -> None:
        """Frames of a camera that take so long, and the governor's looks at them."""
        for _ in range(round(seconds * 4)):
            begin = self.clock.time_ns
            self.clock.time_ns += S // 4
            for sequence in range(8):
                captured = begin + sequence * S // 32
                stamp = Stamp("generate", captured, captured + round(work_ms * MS))
                number = round(captured * 32 / S)
                self.governing.note(Packet(frame(number, captured_ns=captured), (stamp,)))
            self.governing.look(self.clock.time_ns, 0.0)


def test_the_show_is_set_between_two_frames_and_it_is_told(monkeypatch):
    stage = Stage(monkeypatch, "fp32", "int8", "puppet")
    actor = stage.cast.actors[0]
    stage.run(2.5, 50)
    assert stage.governing.level.name == "int8, pose full"
    assert stage.first.closed
    assert actor.generator.name == "fake"
    stage.run(2.5, 50)
    assert stage.governing.level.name == "int8, pose lite"
    assert [each.closed for each in stage.estimators] == [True, False]
    stage.run(4, 20)
    assert len(stage.said) == len(stage.governing.changes) == 2
    assert "int8, pose full -> int8, pose lite (150% of the budget: generate" in stage.said[1]
    told = stage.governing.to_dict()
    assert told["level"] == "int8, pose lite"
    assert told["targets"] == {"fps": 30, "latency_ms": None, "cpu": None, "gpu": None}
    assert json.loads(json.dumps(told))["changes"][0]["after"] == "int8, pose full"
    stage.run(40, 5)
    assert stage.governing.level.name == "fp32, pose full"
    stage.pose.close()
    late = Estimator()
    stage.pose.replace(late)
    assert late.closed
    assert stage.estimators[-1].closed


def take_over(stage: Stage, *names: str) -> Actor:
    """What `engine.watching` does with a character that was refined."""
    actor = stage.cast.actors[0]
    newcomer = Actor(FakeBundle(64), NetworkGenerator(FakeBackend(64)), ways=ways(*names))
    actor.take_over(newcomer)
    return actor


def test_a_takeover_brings_its_own_ladder(monkeypatch):
    stage = Stage(monkeypatch, "puppet", "small puppet")
    stage.run(1, 20)
    actor = take_over(stage, "fp32", "int8", "puppet", "small puppet")
    drawing = actor.generator
    stage.run(1, 20)
    assert [level.name for level in stage.governing.levels][:2] == [
        "fp32, pose full", "int8, pose full"
    ]  # fmt: skip
    assert stage.governing.level.name == "fp32, pose full"
    assert actor.generator is drawing
    assert "goes on with fp32, pose full, of fp32, pose full > int8" in stage.said[-1]
    stage.run(2.5, 50)
    assert stage.governing.level.name == "int8, pose full"
    assert actor.generator is not drawing


def test_a_takeover_of_a_busy_show_stays_as_simple_as_it_was(monkeypatch):
    stage = Stage(monkeypatch, "puppet", "small puppet")
    stage.run(2.5, 50)
    assert stage.governing.level.name == "puppet, pose lite"
    actor = take_over(stage, "fp32", "int8", "puppet", "small puppet")
    painted = actor.generator
    stage.run(0.5, 25)
    assert stage.governing.level.name == "puppet, pose lite"
    assert actor.generator is not painted
    stage.run(80, 5)
    assert stage.governing.level.name == "fp32, pose full"


def test_what_was_opened_before_a_takeover_comes_too_late(monkeypatch):
    stage = Stage(monkeypatch, "puppet", "small puppet")
    before = stage.cast.actors[0].ways
    actor = take_over(stage, "fp32", "puppet")
    drawing, backend = actor.generator, FakeBackend(64)
    actor.replace(NetworkGenerator(backend), of=before)
    assert actor.generator is drawing
    assert backend.closed


def test_what_cannot_be_started_is_told_and_the_show_goes_on(monkeypatch):
    stage = Stage(monkeypatch, "fp32", "int8")

    def refuse():
        raise BackendError("no memory")

    actor = stage.cast.actors[0]
    actor.ways = (actor.ways[0], Way("int8", refuse, True))
    stage.run(2.5, 50)
    assert "int8, pose full cannot be had: no memory" in stage.said[-1]
    assert not stage.first.closed
    stage.run(20, 20)
    told = [line for line in stage.said if "cannot be had" in line]
    assert len(told) == 1, "it is told once"


@needs_pose_model
@pytest.mark.model
def test_a_live_show_is_governed_and_its_report_says_so(tmp_path):
    said: list[str] = []
    before = threading.active_count()
    report = engine.live(
        str(PERFORMER), "null", [write_bundle(tmp_path / "stick.character")], seconds=5,
        targets=Targets(latency_ms=0.1), on_message=said.append, report=tmp_path / "report.json",
    )  # fmt: skip
    told = json.loads((tmp_path / "report.json").read_text())["governor"]
    assert told == report.governor
    assert told["targets"]["latency_ms"] == 0.1
    assert told["levels"][0] == "fp32, pose full"
    assert any("governor: begins with" in line for line in said)
    assert len(told["changes"]) == (told["level"] == "fp32, pose lite")
    assert threading.active_count() <= before
