"""One drawing of a character, cut into its parts: what a puppet is made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import BundleDamaged
from engine.puppet.parts import COUNT

DRAWN, WHOLE = 3, 4
"""Channels: alpha as drawn, and with what is painted in behind other parts."""
_BLEED = 1 / 32  # of the picture's size: how far colours are kept around a part


@dataclass(frozen=True, slots=True, eq=False)
class CutDrawing:
    """The parts of a drawing, all of them at its own place in the same square.

    Attributes:
        pixels: (L, S, S, 5) uint8 in the order of `engine.puppet.parts.PARTS`: straight RGB, alpha
            as drawn, and alpha with what is painted in, which is nowhere less. The outermost pixels
            are empty, so that whatever reaches beyond the picture finds nothing.
        joints: (20, 4) float32, x, y, z px and score: where the skeleton is in it.
        name: tells a character's drawings apart: lower case letters, digits, "-" and "_".

    Raises:
        ValueError: another shape or type, joints that are not finite, or outermost pixels in use.
    """

    pixels: NDArray[np.uint8]
    joints: NDArray[np.float32]
    name: str = "front"

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 4 or shape[1] != shape[2]:
            raise ValueError(f"parts are uint8 (L, S, S, 5), not {self.pixels.dtype} {shape}")
        if (shape[0], shape[3]) != (COUNT, 5) or shape[1] < 16:
            raise ValueError(f"there are {COUNT} parts of 16 pixels or more, not {shape}")
        if self.joints.shape != (20, 4) or self.joints.dtype != np.float32:
            raise ValueError(f"joints are float32 (20, 4), not {self.joints.shape}")
        if not np.isfinite(self.joints).all():
            raise ValueError("a joint of the drawing is not finite")
        rim = self.pixels[..., DRAWN:]
        if any(edge.any() for edge in (rim[:, 0], rim[:, -1], rim[:, :, 0], rim[:, :, -1])):
            raise ValueError("a part reaches the picture's outermost pixels; they must be empty")
        if (rim[..., 0] > rim[..., 1]).any():
            raise ValueError("a part is less with what is painted in than as it is drawn")

    @property
    def size(self) -> int:
        """Width and height in pixels."""
        return int(self.pixels.shape[1])

    @classmethod
    def of_layers(
        cls, layers: NDArray[np.float32], joints: NDArray[np.float32], name: str = "front"
    ) -> "CutDrawing":
        """From layers (5, L, S, S) in [0, 1], as the cutter gives them: channels first.

        Colours far from any pixel of their part are dropped: nothing looks there.
        """
        import cv2

        pixels = np.ascontiguousarray(np.moveaxis(layers, 0, 3))
        pixels = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
        pixels[..., WHOLE] = np.maximum(pixels[..., DRAWN], pixels[..., WHOLE])
        reach = 2 * max(2, round(pixels.shape[1] * _BLEED)) + 1
        for part in pixels:
            near = cv2.dilate(part[..., WHOLE], np.ones((reach, reach), np.uint8))
            part[..., :3] *= (near > 0)[..., None]
        return cls(pixels, np.ascontiguousarray(joints, np.float32), name)

    def to_png(self) -> tuple[bytes, bytes]:
        """As files: the parts below each other, straight RGBA as drawn; and the whole alphas."""
        import cv2

        size = self.size
        rgba = self.pixels[..., [2, 1, 0, DRAWN]].reshape(COUNT * size, size, 4)
        whole = self.pixels[..., WHOLE].reshape(COUNT * size, size)
        encoded = [cv2.imencode(".png", picture) for picture in (rgba, whole)]
        return encoded[0][1].tobytes(), encoded[1][1].tobytes()

    @classmethod
    def from_png(
        cls,
        parts: bytes,
        whole: bytes,
        joints: NDArray[np.float32],
        size: int,
        where: str,
        name: str = "front",
    ) -> "CutDrawing":
        """Read what `to_png` wrote, for pictures of `size` pixels.

        Raises:
            BundleDamaged: no such pictures; `where` names them in its message.
        """
        pixels = np.empty((COUNT, size, size, 5), np.uint8)
        rgba = _decode(parts, (COUNT * size, size, 4), where)
        pixels[..., [2, 1, 0, DRAWN]] = rgba.reshape(COUNT, size, size, 4)
        pixels[..., WHOLE] = _decode(whole, (COUNT * size, size), where).reshape(-1, size, size)
        try:
            return cls(pixels, joints, name)
        except ValueError as error:
            raise BundleDamaged(f"{where}: the cut drawing cannot be used: {error}") from error


def _decode(data: bytes, shape: tuple[int, ...], where: str) -> NDArray[np.uint8]:
    import cv2

    picture = None
    # Its header first: a small file may claim a picture that fills the memory.
    claimed = (int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    if data.startswith(b"\x89PNG\r\n") and claimed == shape[:2]:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.shape != shape or picture.dtype != np.uint8:
        raise BundleDamaged(
            f"{where}: expected a PNG of shape {shape}, 8 bits a channel, but found "
            f"{'no picture' if picture is None else f'{picture.dtype} {picture.shape}'}"
        )
    return np.asarray(picture, np.uint8)
