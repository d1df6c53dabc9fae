"""Pictures that were sent to be put behind the character."""

import struct
from hashlib import sha256
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from engine.errors import BadLook
from engine.io.composite import Background

MAX_BYTES: Final = 8 * 2**20
MAX_PICTURES: Final = 64
_LONGEST_SIDE_PX: Final = 1920
_MOST_PIXELS: Final = 50_000_000  # that are decoded at all
_PREFIX: Final = "image:"


class Backdrops:
    """A folder of backgrounds, each named by its content.

    Args:
        folder: may not exist yet; None: no pictures are taken.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def add(self, data: bytes) -> str:
        """Keep a PNG or JPEG picture; its name as `Look.background` has it.

        It is decoded, reduced to 1920 pixels and encoded anew, so that nothing but pixels is kept.
        The oldest of 64 gives way.

        Raises:
            BadLook: it is no picture, or there is nowhere to keep it.
        """
        if self._folder is None:
            raise BadLook("this server keeps no files, so no pictures either")
        size_wh = picture_size(data)
        if size_wh is None or not 0 < size_wh[0] * size_wh[1] <= _MOST_PIXELS:
            raise BadLook("a background picture is PNG or JPEG, and has at most 50 million pixels")
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise BadLook("the background picture is damaged")
        scale = _LONGEST_SIDE_PX / max(picture.shape[:2])
        if scale < 1:
            picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        name = sha256(data).hexdigest()[:16]
        done, encoded = cv2.imencode(".png", picture)
        if not done:
            raise BadLook("the background picture cannot be encoded: send another")
        path = self._folder / f"{name}.png"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                path.write_bytes(encoded.tobytes())
            except OSError:
                path.unlink(missing_ok=True)  # half a picture would be taken for one
                raise
            kept = sorted(self._folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
            for old in [other for other in kept if other != path][: -(MAX_PICTURES - 1)]:
                old.unlink()
        except OSError as error:
            raise BadLook(f"the background picture cannot be kept: {error}") from error
        return _PREFIX + name

    def has(self, wish: str) -> bool:
        """Whether a `Look.background` can be had: it is no picture, or one that is there."""
        return not wish.startswith(_PREFIX) or self._path(wish).is_file()

    def background(self, wish: str) -> Background:
        """What a `Look.background` asks for, as the composite stage takes it.

        Raises:
            BadLook: a picture that is not there any more.
            SinkError: the name of no colour.
        """
        if wish.startswith(_PREFIX):
            path = self._path(wish)
            if not path.is_file():
                raise BadLook(f"there is no background {wish}: send the picture again")
            return Background(str(path))
        # Whoever watches without alpha sees the checker; those with alpha take the picture itself.
        return Background({"soft": None, "transparent": "checker"}.get(wish, wish))

    def _path(self, wish: str) -> Path:
        return (self._folder or Path()) / f"{wish[len(_PREFIX) :]}.png"


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a PNG or JPEG states, found without decoding it; None: it is neither.

    A few kilobytes may claim gigabytes of pixels.
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    at = 2
    while data[:2] == b"\xff\xd8" and at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
