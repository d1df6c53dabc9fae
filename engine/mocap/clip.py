"""A clip: one motion of the shared rig, as arrays over its frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.mocap.batch import matrices, quaternions, slerp
from engine.mocap.rig import INDEX, JOINTS, RigPose
from engine.mocap.rotations import Array

_TWINS = [INDEX[n.replace(n[:2], {"l_": "r_", "r_": "l_"}.get(n[:2], n[:2]), 1)] for n in JOINTS]
_FLIP = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Clip:
    """A motion sampled `fps` times a second; immutable, operations return new clips.

    `rotations` is (F, 19, 3, 3) and `root` (F, 3), as in a RigPose. `contacts` is (F, 2, 2):
    whether the heel and the ball of the left and the right foot stand on the floor, as the source
    saw it; `engine.mocap.feet` keeps them standing on other proportions. The floor is y = 0.
    """

    name: str
    fps: float
    rotations: Array
    root: Array
    contacts: NDArray[np.bool_]

    def __post_init__(self) -> None:
        frames = len(self.rotations)
        shapes = (self.rotations.shape, self.root.shape, self.contacts.shape)
        if frames < 1 or shapes != ((frames, len(JOINTS), 3, 3), (frames, 3), (frames, 2, 2)):
            raise ValueError(
                f"expected (F, 19, 3, 3), (F, 3), (F, 2, 2) with F > 0, found {shapes}"
            )
        if not (np.isfinite(self.fps) and self.fps > 0.0):
            raise ValueError(f"expected a positive rate, found {self.fps} fps")

    def __len__(self) -> int:
        return len(self.rotations)

    def __iter__(self) -> Iterator[RigPose]:
        return (self.pose(frame) for frame in range(len(self)))

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (len(self) - 1) / self.fps

    def pose(self, frame: int) -> RigPose:
        """The pose of one frame; raises IndexError outside the clip."""
        return RigPose(self.rotations[frame], self.root[frame])

    def at(self, seconds: float) -> RigPose:
        """The pose at any time: spherical between frames, held before and after the clip."""
        rotations, root = self._sampled(np.array([seconds]))
        return RigPose(rotations[0], root[0])

    def _sampled(self, seconds: Array) -> tuple[Array, Array]:
        place = np.clip(seconds * self.fps, 0.0, len(self) - 1.0)
        first = np.minimum(place.astype(np.int64), max(len(self) - 2, 0))
        second = np.minimum(first + 1, len(self) - 1)
        fraction = place - first
        a, b = quaternions(self.rotations[first]), quaternions(self.rotations[second])
        between = np.broadcast_to(fraction[:, None], a.shape[:-1])
        root = self.root[first] + fraction[:, None] * (self.root[second] - self.root[first])
        return matrices(slerp(a, b, between)), root

    def resampled(self, fps: float) -> "Clip":
        """The same motion at another rate; the last frame is the last that fits."""
        if not (np.isfinite(fps) and fps > 0.0):
            raise ValueError(f"expected a positive rate, found {fps} fps")
        frames = int(np.floor(self.seconds * fps + 1e-9)) + 1
        seconds = np.arange(frames) / fps
        rotations, root = self._sampled(seconds)
        nearest = np.minimum(np.round(seconds * self.fps).astype(np.int64), len(self) - 1)
        return Clip(self.name, fps, rotations, root, self.contacts[nearest])

    def cut(self, start_s: float, end_s: float) -> "Clip":
        """The frames from `start_s` up to and including `end_s`; at least one."""
        first = int(np.clip(round(start_s * self.fps), 0, len(self) - 1))
        last = int(np.clip(round(end_s * self.fps), first, len(self) - 1)) + 1
        return replace(
            self, rotations=self.rotations[first:last], root=self.root[first:last],
            contacts=self.contacts[first:last],
        )  # fmt: skip

    def mirrored(self) -> "Clip":
        """The motion seen in a mirror: left and right change places."""
        # M R M for M = diag(-1, 1, 1) negates the entries that mix x with y or z.
        signs = np.outer(_FLIP, _FLIP)
        return replace(
            self, rotations=self.rotations[:, _TWINS] * signs, root=self.root * _FLIP,
            contacts=self.contacts[:, ::-1],
        )  # fmt: skip

    def turned(self, yaw: float) -> "Clip":
        """The whole motion turned to its left about the vertical by `yaw` radians."""
        c, s = np.cos(yaw), np.sin(yaw)
        turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
        rotations = self.rotations.copy()
        rotations[:, 0] = turn @ rotations[:, 0]
        return replace(self, rotations=rotations, root=self.root @ turn.T)


def clip_of(
    poses: Sequence[RigPose], fps: float, name: str, contacts: ArrayLike | None = None
) -> Clip:
    """A clip of single poses; without `contacts` no foot is said to stand."""
    rotations = np.array([pose.rotations for pose in poses]).reshape(-1, len(JOINTS), 3, 3)
    root = np.array([pose.root for pose in poses]).reshape(-1, 3)
    stands = np.zeros((len(root), 2, 2), bool) if contacts is None else np.asarray(contacts, bool)
    return Clip(name, fps, rotations, root, stands)
