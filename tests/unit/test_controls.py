import pytest

from engine.cast import Actor, Cast
from engine.controls import COUNTDOWN_S, KEYS, Controls
from engine.generator import NetworkGenerator
from tests.puppets import FakeBackend, FakeBundle


class Motion:
    mirror = False
    calibrating = False

    def calibrate(self) -> None:
        self.calibrating = True


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns


class Show:
    """Controls with everything around them faked."""

    def __init__(self, characters: int = 2) -> None:
        sizes = range(64, 64 + characters)
        self.cast = Cast(
            [Actor(FakeBundle(size), NetworkGenerator(FakeBackend(size))) for size in sizes]
        )
        self.motion, self.clock = Motion(), Clock()
        self.said: list[str] = []
        self.quits = 0
        self.controls = Controls(
            self.cast, self.motion, self.clock, quit_show=self.quit, say=self.said.append
        )

    def quit(self) -> None:
        self.quits += 1


def test_every_key_does_something_and_others_nothing():
    show = Show()
    assert all(show.controls.press(key) for key in KEYS)
    assert not show.controls.press("x")
    assert show.quits == 1


def test_m_toggles_the_mirror():
    show = Show()
    show.controls.press("m")
    assert show.motion.mirror
    show.controls.press("M")
    assert not show.motion.mirror
    assert show.said == ["mirror on", "mirror off"]


def test_n_and_p_switch_characters():
    show = Show(3)
    show.controls.press("p")
    assert show.cast.enter(0) == 2
    show.controls.press("n")
    assert show.cast.enter(1) == 0
    assert show.said == ["character: fake 66", "character: fake 64"]


def test_one_character_cannot_be_switched_and_it_says_why():
    show = Show(1)
    assert show.controls.press("n")
    assert "--character" in show.said[0]


def test_s_shows_the_pose():
    show = Show()
    show.controls.press("s")
    assert show.controls.show_pose
    show.controls.press("s")
    assert not show.controls.show_pose


def test_escape_quits_too():
    show = Show()
    show.controls.press("\x1b")
    assert show.quits == 1


def test_recalibration_counts_down_first():
    show = Show()
    assert show.controls.tick() is None
    show.controls.press("c")
    hints = []
    for _ in range(int(COUNTDOWN_S)):
        hints.append(show.controls.tick())
        assert not show.motion.calibrating
        show.clock.ns += 10**9
    assert hints == ["stand straight: 3", "stand straight: 2", "stand straight: 1"]
    assert show.controls.tick() == "hold still"
    assert show.motion.calibrating
    show.motion.calibrating = False  # the person was measured
    assert show.controls.tick() is None


@pytest.mark.parametrize("key", ["", "\n", "\t"])
def test_odd_keys_are_ignored(key):
    assert not Show().controls.press(key)
