"""The stages between a source and a sink: pose, motion, draw, generate.

Each is thin: the work is done by what it is given. A fifth, the composite, lives with the pictures
in `engine.io.composite`.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.buffers import SquarePools
from engine.cast import Cast
from engine.frame import Frame, Packet
from engine.motion.draw import draw_pose
from engine.motion.normalise import Normaliser
from engine.pose.pose import Pose


def media_time_ns(frame: Frame) -> int:
    """When a frame's moment was, for everything that depends on motion: ns.

    A video's own time stamps where it has them, so that the result does not depend on how fast it
    is read; the moment of capture otherwise.
    """
    seconds = frame.seconds
    return frame.captured_ns if seconds is None else round(seconds * 1e9)


class PoseEstimator(Protocol):
    """Finds one person in pictures that follow each other in time."""

    def estimate(self, image: NDArray[np.uint8], time_ns: int) -> Pose | None:
        """The person in an (H, W, 3) RGB picture, or None; times increase strictly."""
        ...

    def close(self) -> None:
        """Release the network; idempotent."""
        ...


class Smoother(Protocol):
    """Smooths joints over time, perhaps with a delay of some frames."""

    def push(self, joints: NDArray[np.float32], time_ns: int) -> Iterable[NDArray[np.float32]]:
        """Take in one frame's joints; the smoothed joints of the frames now done, in order."""
        ...

    def flush(self) -> Iterable[NDArray[np.float32]]:
        """The smoothed joints of the frames still held back, in order."""
        ...

    def reset(self) -> None:
        """Forget the past: the next frame is unlike the last one."""
        ...


class Unsmoothed:
    """The smoother that leaves everything as it is."""

    def push(self, joints: NDArray[np.float32], time_ns: int) -> list[NDArray[np.float32]]:
        """The same joints."""
        return [joints]

    def flush(self) -> list[NDArray[np.float32]]:
        """Nothing is held back."""
        return []

    def reset(self) -> None:
        """Nothing is remembered."""


class PoseStage:
    """Frame to pose; None where nobody is there."""

    name = "pose"

    def __init__(self, estimator: PoseEstimator) -> None:
        self._estimator = estimator
        self._lock = threading.Lock()  # held while a pose is found
        self._closed = False

    def replace(self, estimator: PoseEstimator) -> None:
        """Look with another estimator from the next frame on; the old one is closed.

        From any thread. A stage that was closed closes the newcomer at once.
        """
        with self._lock:
            leaves = estimator if self._closed else self._estimator
            if not self._closed:
                self._estimator = estimator
        leaves.close()

    def process(self, packet: Packet) -> Iterable[Packet]:
        """One packet with its pose."""
        frame = packet.frame
        with self._lock:
            pose = self._estimator.estimate(frame.image, media_time_ns(frame))
        yield replace(packet, pose=pose)

    def flush(self) -> Iterable[Packet]:
        """Nothing is held back."""
        return ()

    def close(self) -> None:
        """Release the estimator, and any that is still to come."""
        with self._lock:
            self._closed = True
        self._estimator.close()


class MotionStage:
    """Pose to the smoothed joints of whoever is on stage.

    `mirror`, `calibrate`, `smooth` and the cast may be used from other threads; they take effect at
    the next frame.

    Args:
        cast: whose proportions; this stage decides at which frame a switch happens.
        make_smoother: makes one for pictures of a size in pixels; applied to the normalised joints.
        mirror: see the person as in a mirror.
        clear_head: see `engine.motion.normalise.Normaliser`.
    """

    name = "motion"

    def __init__(
        self,
        cast: Cast,
        make_smoother: Callable[[int], Smoother],
        *,
        mirror: bool = False,
        clear_head: bool = True,
    ) -> None:
        self.mirror = mirror
        self._clear_head = clear_head
        self._cast = cast
        self._make_smoother = self._wished_smoother = make_smoother
        self._enter(0)
        self._calibrate = threading.Event()
        self._held: deque[Packet] = deque()  # frames whose joints the smoother still holds

    def smooth(self, make_smoother: Callable[[int], Smoother]) -> None:
        """Smooth in another way from the next frame on; see `make_smoother` above."""
        self._wished_smoother = make_smoother

    def calibrate(self) -> None:
        """Measure the person anew from the coming frames, in which they stand straight."""
        self._calibrate.set()

    @property
    def calibrating(self) -> bool:
        """Whether a calibration that was asked for still waits for frames that show the person."""
        return self._calibrate.is_set() or self._normaliser.person.calibrating

    def process(self, packet: Packet) -> Iterable[Packet]:
        """The packets whose joints are done: usually this one, or one from some frames ago."""
        if self._wished_smoother is not self._make_smoother:
            yield from self.flush()
            self._make_smoother = self._wished_smoother
            self._smoother = self._make_smoother(self._resolution)
        actor = self._cast.enter(packet.frame.sequence)
        if actor != self._playing:
            yield from self.flush()  # these were posed for the one who leaves
            person = self._normaliser.person
            self._enter(actor)
            self._normaliser.person = person  # stays the same one: what was learnt is handed on
        normaliser = self._normaliser
        if normaliser.mirror != self.mirror:
            normaliser.mirror = self.mirror
        if self._calibrate.is_set():
            self._calibrate.clear()
            normaliser.calibrate()
        height, width = packet.frame.image.shape[:2]
        time_ns = media_time_ns(packet.frame)
        joints = normaliser(packet.pose, (width, height), time_ns)
        self._held.append(packet)
        for smooth in self._smoother.push(joints, time_ns):
            yield replace(self._held.popleft(), joints=smooth)

    def flush(self) -> Iterable[Packet]:
        """The packets that the smoother held back."""
        for smooth in self._smoother.flush():
            yield replace(self._held.popleft(), joints=smooth)

    def close(self) -> None:
        """Let go of frames that were never finished."""
        self._held.clear()

    def _enter(self, actor: int) -> None:
        bundle = self._cast.actors[actor].bundle
        self._playing, self._resolution = actor, bundle.resolution
        self._normaliser = Normaliser(
            bundle.skeleton,
            mirror=self.mirror,
            size=bundle.resolution,
            clear_head=self._clear_head,
        )
        self._smoother = self._make_smoother(bundle.resolution)


class DrawStage:
    """Joints to the pose image of the character on stage, in buffers that are used again."""

    name = "draw"

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._pools = SquarePools(3)

    def process(self, packet: Packet) -> Iterable[Packet]:
        """One packet with its pose image."""
        if packet.joints is None:
            raise ValueError("the draw stage needs joints: put the motion stage before it")
        actor = self._cast.actors[self._cast.at(packet.frame.sequence)]
        image = self._pools.take(actor.bundle.resolution)
        draw_pose(packet.joints, image)
        yield replace(packet, pose_image=image)

    def flush(self) -> Iterable[Packet]:
        """Nothing is held back."""
        return ()

    def close(self) -> None:
        """Nothing to release."""


class GenerateStage:
    """Joints and pose image to picture, by the character on stage; buffers are used again.

    Closing it closes the cast.
    """

    name = "generate"

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._playing: int | None = None
        self._pools = SquarePools(4)

    def process(self, packet: Packet) -> Iterable[Packet]:
        """One packet with the character's picture, premultiplied RGBA."""
        if packet.pose_image is None or packet.joints is None:
            raise ValueError("the generate stage needs a pose image: put the draw stage before it")
        playing = self._cast.at(packet.frame.sequence)
        actor = self._cast.actors[playing]
        if playing != self._playing:
            self._playing = playing
            actor.forget()  # their last pose may be of long ago
        picture = self._pools.take(actor.bundle.resolution)
        actor.draw(packet.joints, packet.pose_image, picture)
        yield replace(packet, picture=picture)

    def flush(self) -> Iterable[Packet]:
        """Nothing is held back."""
        return ()

    def close(self) -> None:
        """Close the cast."""
        self._cast.close()
