"""Pictures of character files, decoded within limits."""

import io
import struct
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from training.characters.imports.errors import CharacterFileError, fail

MAX_SIDE = 16_384
MAX_PIXELS = 1 << 26  # 256 MB of RGBA while one picture is decoded
_FORMATS = ("PNG", "JPEG", "BMP", "TGA", "WEBP", "GIF", "DDS", "DIB")


# What Pillow's decoders raise for broken files.
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, ArithmeticError, LookupError, NotImplementedError,
    TypeError, struct.error,
)  # fmt: skip


def decode_image(data: bytes, name: str, max_side: int) -> NDArray[np.uint8]:
    """Decode a picture to (H, W, 4) straight RGBA, no side longer than `max_side`.

    The size that the header claims is checked before anything is decoded. Raises
    CharacterFileError for what is not a picture, is truncated or is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures: checked below
            opened = Image.open(io.BytesIO(data), formats=_FORMATS)
            width, height = opened.size
            if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
                raise _too_large(name, f"{width} x {height}")
            # JPEGs decode at a fraction of their size for free.
            opened.draft("RGB", (max_side, max_side))
            picture: Image.Image = opened.convert("RGBA")
            if max(picture.size) > max_side:
                picture.thumbnail((max_side, max_side), Image.Resampling.BOX)
    except Image.DecompressionBombError as error:
        raise _too_large(name, "a larger one") from error
    except UnidentifiedImageError as error:
        kinds = ", ".join(_FORMATS[:-1])
        raise fail(
            f"a texture {name} in one of the formats {kinds}", "something else",
            "convert the texture to PNG",
        ) from error  # fmt: skip
    except _BROKEN as error:
        raise fail(
            f"a whole texture {name}", f"one that cannot be decoded ({error})"[:200],
            "replace the texture file",
        ) from error  # fmt: skip
    return np.ascontiguousarray(np.asarray(picture, np.uint8))


def _too_large(name: str, found: str) -> CharacterFileError:
    return fail(
        f"a texture {name} of at most {MAX_SIDE} pixels a side and {MAX_PIXELS} in all", found,
        "scale the texture down",
    )  # fmt: skip
