"""Drawings to enrol: Ito's own reference, as users may have it."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.app import DEFAULT_CHARACTER
from engine.character import CharacterBundle
from engine.enrol.reading import Picture
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]


def ito() -> U8:
    """(512, 512, 4) premultiplied RGBA: standing, arms a little out."""
    straight = CharacterBundle.load(DEFAULT_CHARACTER).reference.astype(np.float32)
    straight[..., :3] *= straight[..., 3:] / 255
    return straight.round().astype(np.uint8)


def picture(pixels: U8, name: str = "ito.png") -> Picture:
    """As if it had been read from a file."""
    return Picture(name, np.ascontiguousarray(pixels), (pixels.shape[1], pixels.shape[0]))


def opaque(rgb: U8) -> U8:
    """RGB as opaque RGBA."""
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def before(pixels: U8, background: U8) -> U8:
    """Premultiplied RGBA before an RGB background, opaque."""
    rest = 255 - pixels[..., 3:].astype(np.uint16)
    return opaque((pixels[..., :3] + background * rest // 255).astype(np.uint8))


def stripes(size: int) -> U8:
    """(S, S, 3) a background that is not plain."""
    y, x = np.mgrid[:size, :size]
    band = ((x + y) // 24 % 2)[..., None]
    return np.where(band, [70, 120, 90], [170, 190, 120]).astype(np.uint8)


def save(pixels: U8, path: Path) -> Path:
    """Premultiplied RGBA as a PNG file: opaque pictures without alpha."""
    if (pixels[..., 3] == 255).all():
        Image.fromarray(on_white(pixels)).save(path)
    else:
        from engine.enrol.enrol import straight

        Image.fromarray(straight(pixels)).save(path)
    return path


def png_of(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header claims a size, with any body."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
