"""Reading whatever picture a user has: any format, mode, size and state, or a clear refusal.

A picture may come from anywhere, so its header is judged before a pixel is decoded.
"""

import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from engine.errors import BadPicture
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]

LONGEST_PX: Final = 1280
"""Pictures are reduced to this: nothing that is drawn live is larger."""
LEAST_PX: Final = 64
MAX_MEGAPIXELS: Final = 50
"""What is decoded whole: with alpha, at twice 4 bytes a pixel, 400 MB."""
MAX_JPEG_MEGAPIXELS: Final = 500
"""A baseline JPEG is reduced while it is decoded, by up to 8."""

_ORIENTATION: Final = 0x0112  # EXIF's number for it
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_UPRIGHT: Final = tuple(_TURNS[way] for way in (2, 3, 4))  # width stays width
_VECTOR = ("<svg", "%pdf", "%!ps")
_PHONE = (b"ftyphei", b"ftypmif", b"ftypmsf", b"ftyphev")
_SAVE_AS = "save it as PNG, JPEG or WebP and try again"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture as read.

    Attributes:
        name: of the file, for messages.
        pixels: (H, W, 4) uint8, premultiplied RGBA, H and W at most `LONGEST_PX`.
        size_wh: of the file, pixels, upright.
        notes: what the user should know of how it was read.
    """

    name: str
    pixels: U8
    size_wh: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def on_white(self) -> U8:
        """(H, W, 3) RGB, laid over white."""
        return on_white(self.pixels)


def read_picture(path: str | Path) -> Picture:
    """Read a picture file.

    Raises:
        BadPicture: it is no picture, damaged, of an unknown kind, or too small or large.
    """
    path = Path(path)
    if not path.exists():
        raise BadPicture(f"there is no file {path}: give the path of a picture (PNG, JPEG, WebP)")
    if not path.is_file():
        raise BadPicture(f"{path} is a folder or a device: give the path of one picture file")
    with _explained(path), warnings.catch_warnings():
        # Sizes are judged below, and what else Pillow warns of is damage to metadata.
        warnings.simplefilter("ignore")
        _refuse_by_look(path)
        image, size_wh = _open(path)
        with image:
            return _read(image, path.name, size_wh)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What Pillow raises, as an error of ours."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise BadPicture(
            f"{path.name} is not a picture that can be read, or its beginning is damaged: "
            f"if it opens in another program, {_SAVE_AS}"
        ) from error
    except Image.DecompressionBombError as error:
        # Pillow refuses what is several times as large before it tells the size.
        raise BadPicture(
            f"{path.name} has over {MAX_MEGAPIXELS} megapixels: {_reduce()}"
        ) from error
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        KeyError,
        TypeError,
        struct.error,
    ) as error:
        raise BadPicture(
            f"{path.name} is damaged or cut short ({error}): get it again, or open it in a "
            f"drawing program and {_SAVE_AS}"
        ) from error
    except MemoryError as error:
        raise BadPicture(f"{path.name} does not fit into memory: {_reduce()}") from error


def _reduce() -> str:
    return f"reduce it to {LONGEST_PX} pixels on its longer side, more is not used"


def _refuse_by_look(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise BadPicture(f"{path.name} is empty: 0 bytes")
    text = head.decode("latin-1").lower()
    if any(mark in text for mark in _VECTOR):
        raise BadPicture(
            f"{path.name} is a vector drawing (SVG, PDF or PostScript), pixels are expected: "
            f"export it as PNG, about {LONGEST_PX} pixels high, with a transparent background"
        )
    if any(brand in head[:16] for brand in _PHONE):
        raise BadPicture(f"{path.name} is HEIC, which cannot be read here: {_SAVE_AS}")


def _open(path: Path) -> tuple[Image.Image, tuple[int, int]]:
    """The picture, not decoded yet, and its size in the file."""
    with path.open("rb") as file:
        jpeg = file.read(3) == b"\xff\xd8\xff"
    # Image.open refuses large pictures before it is known that a JPEG can be reduced.
    image = JpegImageFile(path) if jpeg else Image.open(path)
    width, height = image.size
    megapixels = width * height / 1e6
    reducible = jpeg and not image.info.get("progressive")
    limit = MAX_JPEG_MEGAPIXELS if reducible else MAX_MEGAPIXELS
    problem = ""
    if megapixels > limit:
        problem = f"over {limit} megapixels: {_reduce()}"
    elif max(width, height) < LEAST_PX:
        problem = (
            f"too small to tell arms from legs: at least {LEAST_PX} pixels are needed, and 500 or "
            "more look well"
        )
    elif min(width, height) * LONGEST_PX < LEAST_PX / 2 * max(width, height, LONGEST_PX):
        problem = "too narrow for a figure: crop it to the character"
    if problem:
        image.close()
        raise BadPicture(f"{path.name} is {width} x {height} pixels, {problem}")
    if jpeg:
        factor = max(width, height) / LONGEST_PX
        if factor >= 2:
            image.draft(image.mode, (math.ceil(width / factor), math.ceil(height / factor)))
    return image, (width, height)


def _read(image: Image.Image, name: str, size_wh: tuple[int, int]) -> Picture:
    notes = []
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        image.seek(0)
        notes.append(f"it holds {frames} pictures (an animation or pages): the first is used")
    if image.mode.startswith(("I", "F")):
        notes.append("its 16 or 32 bits a channel were reduced to 8")
    elif image.mode == "CMYK":
        notes.append("it is for print (CMYK): colours on a screen may differ a little")
    image.load()
    turn = _TURNS.get(_orientation(image))
    small = _shrunk(_premultiplied(image))
    if turn is not None:
        small = small.transpose(turn)
        size_wh = size_wh if turn in _UPRIGHT else size_wh[::-1]
    if max(size_wh) > LONGEST_PX:
        notes.append(f"reduced from {max(size_wh)} to {max(small.size)} pixels")
    pixels = np.array(small, np.uint8)
    pixels[..., :3] = np.minimum(pixels[..., :3], pixels[..., 3:])  # bicubic overshoots
    return Picture(name, pixels, size_wh, tuple(notes))


def _premultiplied(image: Image.Image) -> Image.Image:
    """In mode RGBa, reduced as soon as it can be: a copy of a large picture is large."""
    if image.mode.startswith(("I", "F")):
        image = _to_bytes(image)
    if image.mode in ("RGB", "L", "CMYK", "YCbCr") and "transparency" not in image.info:
        image = image.reduce(max(1, max(image.size) // LONGEST_PX))
    if image.mode not in ("RGBA", "LA", "PA", "P", "RGB", "L", "1"):
        image = image.convert("RGB")
    return (image if image.mode == "RGBA" else image.convert("RGBA")).convert("RGBa")


def _shrunk(image: Image.Image) -> Image.Image:
    factor = max(image.size) / LONGEST_PX
    if factor <= 1:
        return image
    width, height = (max(1, round(side / factor)) for side in image.size)
    return image.reduce(max(1, int(factor))).resize((width, height), Image.Resampling.BICUBIC)


def _orientation(image: Image.Image) -> int:
    """What its EXIF data say of how it is turned; damaged EXIF data say nothing."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, IndexError, struct.error):
        return 1


def _to_bytes(image: Image.Image) -> Image.Image:
    """A grey picture of more than 8 bits in 8; floats may be in [0, 1] or in [0, 255]."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image, np.uint16) // 257).astype(np.uint8))
    values = np.asarray(image, np.float32)
    values = np.nan_to_num(values)
    top = float(values.max(initial=0.0))
    ceiling = next((c for c in (1.0, 255.0, 65535.0) if top <= c), top)
    return Image.fromarray(np.clip(values * (255 / ceiling), 0, 255).round().astype(np.uint8))
