"""Stand-ins for a character, its generator and a performer, where a test needs no real ones."""

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import TensorSpec
from engine.motion.proportions import CharacterSkeleton
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20

# x, y of `PUPPET_20` in a square of 1: a chibi who stands and faces the camera.
_REST = np.array([
    (0.50, 0.24), (0.50, 0.40),
    (0.42, 0.40), (0.38, 0.50), (0.36, 0.60), (0.58, 0.40), (0.62, 0.50), (0.64, 0.60),
    (0.46, 0.60), (0.45, 0.75), (0.45, 0.90), (0.54, 0.60), (0.55, 0.75), (0.55, 0.90),
    (0.46, 0.22), (0.54, 0.22), (0.40, 0.25), (0.60, 0.25), (0.44, 0.93), (0.56, 0.93),
])  # fmt: skip

# x, y of MediaPipe's landmarks of a person of 1.7 m, metres from the middle of the hips, x for the
# left side; the right side is its mirror image.
_PERSON = {
    "nose": (0.0, -0.68), "eye_inner": (0.02, -0.71), "eye": (0.03, -0.71),
    "eye_outer": (0.045, -0.71), "ear": (0.08, -0.70), "mouth": (0.03, -0.64),
    "shoulder": (0.165, -0.485), "elbow": (0.19, -0.22), "wrist": (0.20, 0.01),
    "pinky": (0.21, 0.08), "index": (0.20, 0.09), "thumb": (0.19, 0.05),
    "hip": (0.105, 0.0), "knee": (0.11, 0.40), "ankle": (0.11, 0.79),
    "heel": (0.11, 0.84), "toe": (0.13, 0.86),
}  # fmt: skip


def skeleton(size: int) -> CharacterSkeleton:
    """The chibi's proportions in a picture of `size` pixels."""
    rest = np.zeros((20, 4), np.float32)
    rest[:, :2] = _REST * size
    rest[:, 3] = 1.0
    lengths = [np.linalg.norm(rest[q, :3] - rest[p, :3]) for p, q in PUPPET_20.bones]
    head = rest[[0, 14, 15, 16, 17], :3] - rest[1, :3]
    return CharacterSkeleton(rest, np.array(lengths, np.float32), head, 0.95 * size)


class FakeBundle:
    """As much of a `CharacterBundle` as the stages use."""

    def __init__(self, size: int) -> None:
        self.name = f"fake {size}"
        self.resolution = size
        self.skeleton = skeleton(size)


class FakeBackend:
    """A generator whose picture is the pose image itself; what is white is transparent."""

    def __init__(self, size: int) -> None:
        self.name = "fake"
        self.input_spec = TensorSpec("pose", np.dtype(np.uint8), (1, size, size, 3))
        self.output_spec = TensorSpec("picture", np.dtype(np.uint8), (1, size, size, 4))
        self.closed = False

    def run(self, pose_image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """See `engine.backends.base.Backend.run`."""
        there = (pose_image != 255).any(axis=2)
        out[..., :3] = pose_image * there[..., None]
        out[..., 3] = there * np.uint8(255)

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def standing_pose(size_wh: tuple[int, int], raised: str = "") -> Pose:
    """Somebody who stands and fills the picture; `raised` "l" or "r": with that arm up."""
    world = np.zeros((33, 3), np.float32)
    for index, name in enumerate(MEDIAPIPE_33.joints):
        side, _, part = name.partition("_")
        if side not in ("l", "r"):
            side, part = "l", name
        x, y = _PERSON[part]
        if side == raised and part in ("elbow", "wrist", "pinky", "index", "thumb"):
            y = 2 * _PERSON["shoulder"][1] - y
        world[index, :2] = (x if side == "l" else -x), y
    width, height = size_wh
    px_per_m = 0.5 * height
    keypoints = world[:, :2] * px_per_m + np.array([0.5 * width, 0.48 * height])
    return Pose(keypoints.astype(np.float32), np.ones(33, np.float32), world)
