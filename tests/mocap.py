"""Motion made of numbers, and a small reader of VMD, for the tests of motion from video."""

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.mocap.batch import kinematics
from engine.mocap.clip import Clip
from engine.mocap.joints import of_rig
from engine.mocap.rotations import from_quaternion
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33


def still(frames: int, root: NDArray[np.float64] | None = None) -> Clip:
    """The T-pose for so many frames."""
    rotations = np.tile(np.eye(3), (frames, 19, 1, 1))
    at = np.zeros((frames, 3)) if root is None else root
    return Clip("still", 30.0, rotations, at, np.zeros((frames, 2, 2), bool))


def joints_of(clip: Clip, rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, 17, 3) the joints of a clip, in the units of `rest`."""
    return of_rig(*kinematics(clip.rotations, clip.root, rest))


def filmed(
    joints: NDArray[np.float64],
    *,
    focal: float = 700.0,
    size_wh: tuple[int, int] = (640, 480),
    height: float = 1.0,
    distance: float = 4.0,
    tilt: float = 0.0,
) -> list[Pose]:
    """What a perfect estimator finds of joints (F, 17, 3), metres, y up, filmed by a camera.

    Landmarks that the lifters do not use lie on the nearest that they do.
    """
    from engine.mocap.joints import AT

    rows = []
    for name in MEDIAPIPE_33.joints:
        side, _, part = name.rpartition("_")
        near = {"ear": "head", "heel": "ankle"}.get(part, part)
        key = f"{side}_{near}" if f"{side}_{near}" in AT else near
        rows.append(AT[key] if key in AT else AT["nose" if len(rows) < 11 else f"{name[:2]}wrist"])
    level = (joints - (0.0, height, 0.0)) * (1.0, -1.0, -1.0) + (0.0, 0.0, distance)
    c, s = np.cos(tilt), np.sin(tilt)
    x, y, z = np.moveaxis(level, -1, 0)
    seen = np.stack([x, c * y - s * z, c * z + s * y], axis=-1)
    pixels = focal * seen[..., :2] / seen[..., 2:] + 0.5 * np.array(size_wh)
    middle = 0.5 * (seen[:, AT["l_hip"]] + seen[:, AT["r_hip"]])
    return [
        Pose(
            pixels[i][rows].astype(np.float32),
            np.full(33, 0.95, np.float32),
            (seen[i] - middle[i])[rows].astype(np.float32),
        )
        for i in range(len(joints))
    ]


@dataclass
class Vmd:
    """What a VMD file holds: per bone and frame the place, the quaternion and the curves."""

    model: str
    keys: dict[str, dict[int, tuple[NDArray[np.float64], NDArray[np.float64], bytes]]] = field(
        default_factory=dict
    )
    counts: tuple[int, ...] = ()
    ik: dict[str, bool] = field(default_factory=dict)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("shift_jis")


def parse_vmd(data: bytes) -> Vmd:
    """Read a file to its last byte."""
    assert data[:30] == b"Vocaloid Motion Data 0002".ljust(30, b"\0")
    found = Vmd(_text(data[30:50]))
    (count,) = struct.unpack_from("<I", data, 50)
    at = 54
    for _ in range(count):
        name, frame, *values = struct.unpack_from("<15sI7f", data, at)
        frames = found.keys.setdefault(_text(name), {})
        assert frame not in frames
        frames[frame] = np.array(values[:3]), np.array(values[3:]), data[at + 47 : at + 111]
        at += 111
    found.counts = struct.unpack_from("<4I", data, at)
    (properties,) = struct.unpack_from("<I", data, at + 16)
    at += 20
    for _ in range(properties):
        frame, shown, bones = struct.unpack_from("<IBI", data, at)
        assert (frame, shown) == (0, 1)
        at += 9
        for _ in range(bones):
            name, on = struct.unpack_from("<20sB", data, at)
            found.ik[_text(name)] = bool(on)
            at += 21
    assert at == len(data)
    return found


def to_rig(xyzw: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rotation (3, 3) in the rig's axes of a quaternion in MMD's."""
    x, y, z, w = xyzw
    return from_quaternion([w, -x, -y, z])
