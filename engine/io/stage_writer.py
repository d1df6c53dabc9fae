"""What happened on the way from a person's video to a character's, kept for the curious."""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import NO_SPACE, DiskFull, SinkError
from engine.frame import Packet
from engine.io.folders import frame_name, needs_no_frames
from engine.pose.pose import Pose
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]

MOMENTS: Final = 6
"""Columns of the contact sheet."""

_CELL: Final = 256  # px
_GAP: Final = 4
_NOBODY: Final = Pose(
    np.full((33, 2), np.nan, np.float32),
    np.zeros(33, np.float32),
    np.full((33, 3), np.nan, np.float32),
)
_SURE: Final = 0.5  # keypoints of a lower score do not say where the person is
_ROOM: Final = 0.65  # half of the square around the person, over their keypoints' extent
_DRAWN_ROOM: Final = 0.52  # the same of the character, over what is drawn
_SOON: Final = 2 * MOMENTS  # moments that are kept until the video's length is known


class StageWriter:
    """A sink that keeps the results of every stage in a folder, which it makes.

    - `poses.npz`: what the estimator found. `keypoints` (N, 33, 2) px of the video, `scores`
      (N, 33), `world` (N, 33, 3) m; NaN, and scores of 0, where nobody was. `seconds` (N,).
    - `normalised.npz`: `joints` (N, 20, 4), normalised onto the character and smoothed, in pixels
      of its picture, and `seconds`.
    - `pose_images/000000.png` ...: what the generator was shown.
    - `sheet.png`: as Figure 1 of the first paper: the drawing, and moments of the character, the
      poses and the person below each other.

    Args:
        folder: where.
        reference: (H, W, 4) straight RGBA of the character, as a bundle has it.

    Raises:
        SinkError: the folder cannot be made, or has an earlier run's pictures.
    """

    name = "stages"
    images = "pose_images"

    def __init__(self, folder: str | Path, reference: U8) -> None:
        self.folder = Path(folder)
        share = reference[..., 3:].astype(np.float32) / 255
        rgb = 255 + share * (reference[..., :3].astype(np.float32) - 255)
        self._drawing = np.asarray(rgb, np.uint8)
        self._keypoints: list[NDArray[np.float32]] = []
        self._scores: list[NDArray[np.float32]] = []
        self._world: list[NDArray[np.float32]] = []
        self._joints: list[NDArray[np.float32]] = []
        self._seconds: list[float] = []
        self._moments: list[U8] = []  # one column of the sheet each
        self._every = 1  # frames between moments; doubles as the video goes on
        self._closed = False
        needs_no_frames(self.folder / self.images)
        try:
            (self.folder / self.images).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"the folder {self.folder} cannot be made: {error}") from error

    def write(self, packet: Packet) -> None:
        """Keep one frame's results.

        Raises:
            SinkError: a packet that has not been through all stages, or a file that cannot be.
        """
        if packet.joints is None or packet.pose_image is None or packet.picture is None:
            raise SinkError("expected a packet of all stages: put this sink after the generator")
        count = len(self._seconds)
        pose = _NOBODY if packet.pose is None else packet.pose
        self._keypoints.append(pose.keypoints)
        self._scores.append(pose.scores)
        self._world.append(pose.world)
        self._joints.append(packet.joints)
        seconds = packet.frame.seconds
        self._seconds.append(packet.frame.captured_ns * 1e-9 if seconds is None else seconds)
        _, data = cv2.imencode(".png", packet.pose_image[..., ::-1])
        self._save(self.folder / self.images / frame_name(count), data.tobytes())
        if count % self._every == 0:
            drawn = np.argwhere(packet.picture[..., 3])[:, ::-1]
            sure = pose.keypoints[pose.scores > _SURE]
            self._moments.append(
                _column(
                    _around(on_white(packet.picture), drawn, _DRAWN_ROOM),
                    _around(packet.pose_image, drawn, _DRAWN_ROOM),
                    _around(packet.frame.image, sure, _ROOM),
                )
            )
            if len(self._moments) > _SOON:
                del self._moments[1::2]
                self._every *= 2

    def close(self) -> None:
        """Write the arrays and the sheet of what was kept; idempotent.

        Raises:
            SinkError: a file cannot be written.
        """
        if self._closed:
            return
        self._closed = True
        if not self._seconds:
            return
        seconds = np.array(self._seconds)
        poses = {"keypoints": self._keypoints, "scores": self._scores, "world": self._world}
        self._arrays(
            "poses.npz", {**{k: np.stack(v) for k, v in poses.items()}, "seconds": seconds}
        )
        self._arrays("normalised.npz", {"joints": np.stack(self._joints), "seconds": seconds})
        _, data = cv2.imencode(".png", self._sheet()[..., ::-1])
        self._save(self.folder / "sheet.png", data.tobytes())

    def _sheet(self) -> U8:
        """The drawing at the left; moments of character, pose and person at the right."""
        count = min(MOMENTS, len(self._moments))
        picks = np.linspace(0, len(self._moments) - 1, count).round().astype(int)
        height = self._moments[0].shape[0]
        gap = np.full((height, _GAP, 3), 255, np.uint8)
        parts = [_fitted(self._drawing, height)]
        for pick in picks:
            parts += [gap, self._moments[pick]]
        return np.hstack(parts)

    def _arrays(self, name: str, arrays: dict[str, Any]) -> None:
        try:
            np.savez_compressed(self.folder / name, **arrays)
        except OSError as error:
            raise _told(self.folder / name, error) from error

    def _save(self, path: Path, data: bytes) -> None:
        try:
            path.write_bytes(data)
        except OSError as error:
            raise _told(path, error) from error


def _told(path: Path, error: OSError) -> SinkError:
    if error.errno in NO_SPACE:
        return DiskFull(f"there is no space left for {path}")
    return SinkError(f"{path} cannot be written: {error}")


def _around(image: U8, points: NDArray[Any], room: float) -> U8:
    """The square of a picture that shows points (N, 2) px, or all of it where there are none."""
    if len(points) < 2:
        return image
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = 0.5 * (low + high), room * float((high - low).max())
    height, width = image.shape[:2]
    left, top = (int(max(at - half, 0)) for at in middle)
    right, bottom = (int(at + half) + 1 for at in middle)
    part = image[top : min(bottom, height), left : min(right, width)]
    return part if part.size else image


def _column(character: U8, pose_image: U8, person: U8) -> U8:
    """Character, pose and person below each other, as in Figure 1."""
    gap = np.full((_GAP, _CELL, 3), 255, np.uint8)
    cells = [_fitted(each, _CELL) for each in (character, pose_image, person)]
    return np.vstack([cells[0], gap, cells[1], gap, cells[2]])


def _fitted(picture: U8, side: int) -> U8:
    """Within a square of white: (side, side, 3)."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size_wh = max(round(width * scale), 1), max(round(height * scale), 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(picture, size_wh, interpolation=method)
    made = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - size_wh[1]) // 2, (side - size_wh[0]) // 2
    made[top : top + size_wh[1], left : left + size_wh[0]] = small
    return made
