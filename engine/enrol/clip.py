"""A standard dance, by a character: what enrolment shows when it is done."""

from collections.abc import Callable
from fractions import Fraction
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.frame import Frame, Packet
from engine.generator import Generator
from engine.io._kernels_composite import over
from engine.io.sinks import open_sink
from engine.motion.draw import draw_pose
from engine.motion.normalise import Normaliser
from engine.motion.proportions import CharacterSkeleton
from engine.motion.smooth import savgol
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

FPS: Final = 30
_DANCE: Final = "performer.joints.npz"
_DANCE_WH: Final = (640, 480)
_WARM: Final = 60  # frames that the normaliser learns the performer from
# Landmarks that the skeleton lacks lie on the nearest joint that it has.
_NEAREST: Final = {
    "eye_inner": "eye", "eye_outer": "eye", "pinky": "wrist", "index": "wrist", "thumb": "wrist",
    "heel": "ankle",
}  # fmt: skip
_SHOWN: Final = 330  # a frame of the dance
_MOVING_S, _MOVING_FROM, _MOVING_EVERY, _MOVING_PX = 12.0, 240, 3, 192
_TOP, _BOTTOM = np.array([250.0, 247.0, 255.0]), np.array([222.0, 228.0, 247.0])


def _landmarks() -> NDArray[np.intp]:
    """(33,) the row of `PUPPET_20` that stands for each landmark of MediaPipe."""
    rows = []
    for landmark in MEDIAPIPE_33.joints:
        side, part = (landmark[:2], landmark[2:]) if landmark[1] == "_" else ("", landmark)
        name = "nose" if part in ("nose", "mouth") else side + _NEAREST.get(part, part)
        rows.append(PUPPET_20.joints.index(name))
    return np.array(rows)


def dance(skeleton: CharacterSkeleton, size: int, seconds: float | None = None) -> F32:
    """(N, 20, 4) joints of a character that dances as the performer who ships, 30 a second.

    Args:
        skeleton: whose body.
        size: of the character's picture, px.
        seconds: how much of the 20 s; all of it if None.
    """
    with np.load(BytesIO((files("engine") / "assets" / _DANCE).read_bytes())) as data:
        flat, deep = data["joints"], data["joints3d"]
    count = len(flat) if seconds is None else min(len(flat), max(2, round(seconds * FPS)))
    rows = _landmarks()
    scores = np.full(33, 0.95, np.float32)
    normalise = Normaliser(skeleton, size=size)
    track = []
    for number in range(-_WARM, count):
        at = max(number, 0)
        pose = Pose(flat[at][rows].astype(np.float32), scores, deep[at][rows].astype(np.float32))
        joints = normalise(pose, _DANCE_WH, (number + _WARM) * 1_000_000_000 // FPS)
        if number >= 0:
            track.append(joints)
    return savgol(np.stack(track))


def pose_to_show(skeleton: CharacterSkeleton, size: int) -> F32:
    """(20, 4) joints in the moment of the standard dance that stills show; see `dance`."""
    joints: F32 = dance(skeleton, size, (_SHOWN + 1) / FPS)[_SHOWN]
    return joints


def write_clip(
    path: str | Path,
    generator: Generator,
    track: F32,
    size: int,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Draw a track (N, 20, 4) into a video file, over a soft ground, from its beginning.

    Raises:
        SinkError: it cannot be written.
    """
    sink = open_sink(path, fps=FPS)
    ground = soft_ground(size)
    generator.forget()
    try:
        for number, joints in enumerate(track):
            picture = laid_over(_next(generator, joints, size), ground)
            frame = Frame(picture, number, number * 1_000_000_000 // FPS, number, Fraction(1, FPS))
            sink.write(Packet(frame, output=picture))
            on_frame(number + 1, len(track))
    finally:
        sink.close()


def moving(generator: Generator, skeleton: CharacterSkeleton, size: int) -> bytes:
    """A few seconds of the standard dance as an animated WebP file, small: for a bundle.

    Args:
        generator: draws pictures of `size` pixels.
        skeleton: of the character.
        size: of its pictures.
    """
    track = dance(skeleton, size, _MOVING_S)[_MOVING_FROM::_MOVING_EVERY]
    ground = soft_ground(size)
    generator.forget()
    pictures = [
        Image.fromarray(
            cv2.resize(
                laid_over(_next(generator, joints, size), ground), (_MOVING_PX, _MOVING_PX),
                interpolation=cv2.INTER_AREA,
            )
        )
        for joints in track
    ]  # fmt: skip
    buffer = BytesIO()
    pictures[0].save(
        buffer, "WEBP", save_all=True, append_images=pictures[1:], loop=0, quality=70, method=2,
        duration=_MOVING_EVERY * 1000 // FPS,
    )  # fmt: skip
    return buffer.getvalue()


def drawn(generator: Generator, joints: F32, size: int) -> U8:
    """(S, S, 4) premultiplied RGBA: a character at joints (20, 4), a picture by itself."""
    generator.forget()
    return _next(generator, joints, size)


def _next(generator: Generator, joints: F32, size: int) -> U8:
    """Likewise, which goes on from the picture before."""
    pose_image, out = np.empty((size, size, 3), np.uint8), np.empty((size, size, 4), np.uint8)
    draw_pose(joints, pose_image)
    generator.draw(joints, pose_image, out)
    return out


def soft_ground(size: int) -> U8:
    """(S, 1, 3) a quiet gradient, as `over` takes it."""
    share = np.linspace(0, 1, size)[:, None, None]
    return np.ascontiguousarray((_TOP + share * (_BOTTOM - _TOP)).round().astype(np.uint8))


def laid_over(picture: U8, ground: U8) -> U8:
    """Premultiplied RGBA (H, W, 4) over a ground, as a new RGB picture."""
    out = np.empty((*picture.shape[:2], 3), np.uint8)
    over(picture, ground, out)
    return out


def thumbnail(picture: U8, size: int = 192) -> U8:
    """A small picture (size, size, 3) of a character (S, S, 4), over white."""
    small = cv2.resize(on_white(picture), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
