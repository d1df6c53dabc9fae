"""A bounded cursor over a little-endian binary file."""

import struct

import numpy as np
from numpy.typing import NDArray

from training.characters.imports.errors import fail


class Cursor:
    """Reads numbers and texts from front to back, and never past the end.

    Counts are checked against the bytes that are left before anything is allocated, so a file
    can make this take memory in proportion to its own size only.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.at

    def take(self, size: int, what: str) -> bytes:
        """The next `size` bytes."""
        if size < 0 or size > self.left:
            raise fail(
                f"{size} bytes of {what} at byte {self.at}", f"{self.left} bytes before the end"
            )
        self.at += size
        return self.data[self.at - size : self.at]

    def one(self, code: str, what: str) -> int:
        """An integer of a `struct` code."""
        value = struct.unpack("<" + code, self.take(struct.calcsize(code), what))[0]
        return int(value)

    def floats(self, count: int, what: str) -> tuple[float, ...]:
        """`count` float32, all of them finite."""
        values = struct.unpack(f"<{count}f", self.take(4 * count, what))
        if not all(np.isfinite(values)):
            raise fail(f"finite numbers in {what}", f"{values}")
        return values

    def count(self, code: str, smallest: int, what: str) -> int:
        """A number of records of at least `smallest` bytes each, that the file can hold."""
        value = self.one(code, f"the number of {what}")
        if value < 0 or value * smallest > self.left:
            raise fail(
                f"a number of {what} that fits the {self.left} bytes left in the file", str(value)
            )
        return value

    def array(self, dtype: np.dtype | str, count: int, what: str) -> NDArray:
        """`count` numbers (or records) of a little-endian dtype; a copy."""
        kind = np.dtype(dtype)
        return np.frombuffer(self.take(kind.itemsize * count, what), kind).copy()
