"""From a track to 3D, by two lifters side by side.

`mediapipe` takes the world landmarks that come with the keypoints. `baseline` is the first paper's
(section 3.1): Martinez et al. 2017, a residual network that sees 17 keypoints of one picture.
"""

from typing import Final, Protocol

import numpy as np

from engine.backends.onnxruntime import open_asset
from engine.mocap.joints import AT, LIFT_17, MIRROR, body_size, centred, from_mediapipe, mid_hip
from engine.mocap.rotations import Array
from engine.mocap.track import Track

LIFTERS: Final = ("mediapipe", "baseline")
_WEIGHTS = "lifter.onnx"


class Lifter(Protocol):
    """Guesses depth."""

    name: str

    def lift(self, track: Track) -> Array:
        """(F, 17, 3) joints in body sizes about the mid-hip; x right, y down, z away.

        Bones may change their length from frame to frame: see `steadied`.
        """
        ...


class MediaPipeLifter:
    """The world landmarks of MediaPipe's own network."""

    name = "mediapipe"

    def lift(self, track: Track) -> Array:
        """See `Lifter`."""
        joints = from_mediapipe(track.world)
        joints -= mid_hip(joints)
        return joints / max(float(np.median(body_size(joints))), 1e-9)


class BaselineLifter:
    """The network that `ayatsuri-train lifter` trains, on the keypoints and their mirror image.

    Raises:
        BackendError: ONNX Runtime cannot load it.
    """

    name = "baseline"

    def __init__(self, model: bytes | None = None) -> None:
        self._session = open_asset(_WEIGHTS, "the lifter", model=model)

    def lift(self, track: Track) -> Array:
        """See `Lifter`."""
        keypoints = centred(from_mediapipe(track.keypoints))
        return self.lift_keypoints(keypoints)

    def lift_keypoints(self, keypoints: Array) -> Array:
        """As `lift`, of (F, 17, 2) keypoints from `engine.mocap.joints.centred`."""
        mirrored = keypoints[:, MIRROR] * (-1.0, 1.0)
        joints = self._run(keypoints)
        joints += self._run(mirrored)[:, MIRROR] * (-1.0, 1.0, 1.0)
        joints *= 0.5
        return joints - mid_hip(joints)

    def _run(self, keypoints: Array) -> Array:
        (made,) = self._session.run(["joints"], {"keypoints": keypoints.astype(np.float32)})
        return np.asarray(made, np.float64)


def open_lifter(name: str) -> Lifter:
    """A lifter by its name; raises ValueError for a name that is not one of `LIFTERS`."""
    if name == "mediapipe":
        return MediaPipeLifter()
    if name == "baseline":
        return BaselineLifter()
    raise ValueError(f"a lifter is one of {', '.join(LIFTERS)}, but it is {name!r}")


_NEAR_HIP: Final = ("neck", "r_hip", "l_hip")  # these hang from the middle of the hips
_CHAIN: Final = tuple((a, b) for a, b in LIFT_17.bones if LIFT_17.joints[b] not in _NEAR_HIP)


def bone_lengths(joints: Array) -> Array:
    """(17,) each joint's distance from the one it hangs on, median over frames, left as right.

    The middle of the hips carries neck and hips; nothing is its own length, so all are positive.
    """
    lengths = np.empty(len(LIFT_17.joints))
    for joint, parent in _parents().items():
        bone = joints[:, joint] - (0.0 if parent is None else joints[:, parent])
        lengths[joint] = np.median(np.linalg.norm(bone, axis=-1))
    return np.asarray(0.5 * (lengths + lengths[MIRROR]))


def steadied(joints: Array) -> Array:
    """(F, 17, 3) with the directions of their bones, but bones of constant length: a body."""
    lengths = bone_lengths(joints)
    out = np.empty_like(joints)
    for joint, parent in _parents().items():
        at = 0.0 if parent is None else joints[:, parent]
        bone = joints[:, joint] - at
        bone /= np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9)
        out[:, joint] = (0.0 if parent is None else out[:, parent]) + lengths[joint] * bone
    middle = mid_hip(out)  # hips that were not quite opposite each other
    out -= middle
    return np.asarray(out)


def _parents() -> dict[int, int | None]:
    """Each joint's parent, parents first; None is the middle of the hips."""
    order: dict[int, int | None] = {AT[name]: None for name in _NEAR_HIP}
    waiting = list(_CHAIN)
    while waiting:
        for parent, child in list(waiting):
            if parent in order:
                order[child] = parent
                waiting.remove((parent, child))
    return order
