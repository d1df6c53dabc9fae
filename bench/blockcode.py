"""A picture's number, drawn into it so that it survives cameras' files, codecs and scaling.

A strip of equal blocks, black and white: a black and a white one to tell the two apart by, the
number's bits, and a checksum. A block is wide against what a codec smears, and its middle alone is
looked at. What does not check is no number, rather than a wrong one: of strips of noise one in 256
passes.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 14
CHECK_BITS: Final = 8
COLUMNS: Final = 12
ROWS: Final = 2  # 2 marks + 14 + 8 bits
NUMBERS: Final = 1 << BITS

_POLYNOMIAL: Final = 0x07  # CRC-8, x^8 + x^2 + x + 1
_LEAST_CONTRAST: Final = 48.0
_LOOKS: Final = 4  # pixels of a block that are looked at, each way


@dataclass(frozen=True, slots=True)
class Place:
    """Where the strip is, as shares of the picture: so that it moves with every scaling.

    Attributes:
        left, top, width, height: [0, 1].
    """

    left: float = 0.0
    top: float = 0.0
    width: float = 0.5
    height: float = 1 / 9

    def slices(self, image: NDArray[np.uint8]) -> tuple[slice, slice]:
        """The strip's rows and columns in an (H, W, ...) picture."""
        height, width = image.shape[:2]
        rows = slice(round(self.top * height), round((self.top + self.height) * height))
        return rows, slice(round(self.left * width), round((self.left + self.width) * width))


PLACE: Final = Place()


def check(number: int) -> int:
    """CRC-8 of a number's two bytes."""
    remainder = 0
    for byte in number.to_bytes(2, "big"):
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder << 1 ^ (_POLYNOMIAL if remainder & 0x80 else 0)) & 0xFF
    return remainder


def blocks_of(number: int) -> NDArray[np.uint8]:
    """(ROWS, COLUMNS) 0 or 255."""
    if not 0 <= number < NUMBERS:
        raise ValueError(f"a code has numbers from 0 to {NUMBERS - 1}, not {number}")
    word = number << CHECK_BITS | check(number)
    bits = [0, 1, *(word >> i & 1 for i in reversed(range(BITS + CHECK_BITS)))]
    return np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * np.uint8(255)


def stamp(image: NDArray[np.uint8], number: int, place: Place = PLACE) -> None:
    """Draw a number into an (H, W, C) picture; alpha, where there is one, becomes opaque."""
    strip = image[place.slices(image)]
    height, width = strip.shape[:2]
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    strip[..., :3] = blocks_of(number)[rows[:, None], columns][..., None]
    strip[..., 3:] = 255


def carry(source: NDArray[np.uint8], target: NDArray[np.uint8], place: Place = PLACE) -> None:
    """Copy a strip as it is from one picture into another of any size, nearest pixel by pixel."""
    strip, into = source[place.slices(source)], target[place.slices(target)]
    rows = (np.arange(into.shape[0]) + 0.5) * strip.shape[0] / into.shape[0]
    columns = (np.arange(into.shape[1]) + 0.5) * strip.shape[1] / into.shape[1]
    into[..., :3] = strip[rows.astype(int)[:, None], columns.astype(int)][..., :3]
    into[..., 3:] = 255


def number_of(image: NDArray[np.uint8], place: Place = PLACE) -> int | None:
    """The number in an (H, W, C) picture; None where none can be read."""
    strip = image[place.slices(image)]
    rows, columns = _middles(ROWS, strip.shape[0]), _middles(COLUMNS, strip.shape[1])
    looked_at = strip[rows[:, None], columns, :3].reshape(ROWS, _LOOKS, COLUMNS, _LOOKS, 3)
    levels = looked_at.mean(axis=(1, 3, 4))
    black, white = levels[0, 0], levels[0, 1]
    if white - black < _LEAST_CONTRAST:
        return None
    bits = (levels.ravel()[2:] > (black + white) / 2).astype(int)
    word = int("".join(map(str, bits)), 2)
    number = word >> CHECK_BITS
    return number if check(number) == word & (1 << CHECK_BITS) - 1 else None


def _middles(count: int, length: int) -> NDArray[np.intp]:
    """Pixels in the middle halves of blocks, `_LOOKS` for each: borders are what codecs smear."""
    within = 0.25 + 0.5 * (np.arange(_LOOKS) + 0.5) / _LOOKS
    places = (np.arange(count)[:, None] + within) * length / count
    return places.ravel().astype(np.intp)
