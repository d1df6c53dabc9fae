"""What the keys of a live show do, whichever window or terminal they are pressed in."""

import math
from collections.abc import Callable
from typing import Literal

from engine.cast import Cast
from engine.clock import Clock
from engine.stages import MotionStage

KEYS = {
    "m": "mirror",
    "c": "recalibrate",
    "n": "next character",
    "p": "previous character",
    "s": "show the pose",
    "q": "quit",
}
"""Every key and what it does."""

COUNTDOWN_S = 3.0
"""Time to step back and stand straight before a calibration."""


Calibration = Literal["idle", "countdown", "measuring"]


class Controls:
    """Turns key presses into wishes that the stages fulfil. Safe to use from any thread.

    Attributes:
        show_pose: whether the pose is drawn over the picture.

    Args:
        cast: the characters to switch between.
        motion: mirrors and calibrates.
        clock: the countdown's.
        quit_show: called for q.
        say: told in words what a key did.
    """

    def __init__(
        self,
        cast: Cast,
        motion: MotionStage,
        clock: Clock,
        *,
        quit_show: Callable[[], None],
        say: Callable[[str], None],
        show_pose: bool = False,
    ) -> None:
        self.show_pose = show_pose
        self._cast = cast
        self._motion = motion
        self._clock = clock
        self._quit = quit_show
        self._say = say
        self._calibrate_ns: int | None = None

    def press(self, key: str) -> bool:
        """Do what a key means; whether it means anything."""
        match key.lower():
            case "m":
                self._motion.mirror = not self._motion.mirror
                self._say(f"mirror {'on' if self._motion.mirror else 'off'}")
            case "c":
                self.calibrate()
                self._say("stand straight, the whole body in the picture, and look at the camera")
            case "n" | "p":
                if len(self._cast.actors) == 1:
                    self._say("there is one character only; name more: --character A --character B")
                else:
                    actor = self._cast.wish(+1 if key.lower() == "n" else -1)
                    self._say(f"character: {actor.bundle.name}")
            case "s":
                self.show_pose = not self.show_pose
                self._say(f"pose {'shown' if self.show_pose else 'hidden'}")
            case "q" | "\x1b":
                self._quit()
            case _:
                return False
        return True

    def calibrate(self, countdown_s: float = COUNTDOWN_S) -> None:
        """Measure the person anew when a countdown is over; one that runs begins anew."""
        self._calibrate_ns = self._clock.now_ns() + round(countdown_s * 1e9)

    @property
    def calibration(self) -> tuple[Calibration, float]:
        """How far a calibration is, and the seconds left of its countdown."""
        start_ns = self._calibrate_ns
        if start_ns is not None:
            return "countdown", max((start_ns - self._clock.now_ns()) * 1e-9, 0.0)
        return ("measuring" if self._motion.calibrating else "idle"), 0.0

    def tick(self) -> str | None:
        """Called once a frame: starts a calibration when its countdown is over.

        Returns:
            What the performer should read now, or None.
        """
        start_ns = self._calibrate_ns
        if start_ns is not None:
            left_s = (start_ns - self._clock.now_ns()) * 1e-9
            if left_s > 0:
                return f"stand straight: {math.ceil(left_s)}"
            self._calibrate_ns = None
            self._motion.calibrate()
        return "hold still" if self._motion.calibrating else None
