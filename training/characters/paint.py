"""Painting textures in code with OpenCV: a canvas in units, and the outlines drawn on it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.characters.shapes import F64, hex_colour


class Canvas:
    """A transparent square of `side` texels painted in units: x from -span/2, y up from 0.

    Painted `over` times larger and averaged down, so that edges are smooth.
    """

    def __init__(self, side: int, span: float, over: int = 4) -> None:
        self._over = over
        self._size = side * over
        self._scale = self._size / span
        self._span = span
        self.image = np.zeros((self._size, self._size, 4), np.float32)  # premultiplied

    def _px(self, points: F64) -> NDArray[np.int32]:
        x = (np.asarray(points)[:, 0] + 0.5 * self._span) * self._scale
        y = self._size - np.asarray(points)[:, 1] * self._scale
        return np.round(np.stack([x, y], 1) * 16).astype(np.int32)

    def mask(self, points: F64) -> NDArray[np.uint8]:
        """(H, W) mask of a polygon."""
        mask = np.zeros(self.image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [self._px(points)], 255, cv2.LINE_AA, 4)
        return mask

    def paint(
        self, mask: NDArray[np.uint8], colour: str | NDArray[np.float32], alpha: float = 1.0
    ) -> None:
        """Lay a colour, or an (H, W, 3) picture in [0, 1], over the mask (0..255)."""
        x, y, width, height = cv2.boundingRect(mask)
        box = (slice(y, y + height), slice(x, x + width))
        rgb = np.asarray(hex_colour(colour), np.float32) if isinstance(colour, str) else colour[box]
        self._lay(box, mask[box], rgb, alpha)

    def _lay(
        self,
        box: tuple[slice, slice],
        mask: NDArray[np.uint8],
        rgb: NDArray[np.float32],
        alpha: float,
    ) -> None:
        cover = mask.astype(np.float32)[..., None] * (alpha / 255.0)
        part = self.image[box]  # a view
        part[..., :3] = part[..., :3] * (1 - cover) + rgb * cover
        part[..., 3:] = part[..., 3:] * (1 - cover) + cover

    def polygon(self, points: F64, colour: str, alpha: float = 1.0) -> None:
        """Fill a polygon."""
        # Only the polygon's own box is painted: most are small, and the canvas is large.
        px = self._px(points)
        low = np.maximum(px.min(axis=0) // 16 - 2, 0)
        high = np.minimum(px.max(axis=0) // 16 + 3, self._size)
        if (low >= high).any():
            return
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(mask, [px - low * 16], 255, cv2.LINE_AA, 4)
        box = (slice(low[1], high[1]), slice(low[0], high[0]))
        self._lay(box, mask, np.asarray(hex_colour(colour), np.float32), alpha)

    def stroke(self, points: F64, widths: F64, colour: str, alpha: float = 1.0) -> None:
        """A line along points (N, 2) whose half width varies (N,)."""
        self.polygon(ribbon(points, widths), colour, alpha)

    def heights(self) -> NDArray[np.float32]:
        """(H, 1) y in units of each row."""
        rows = np.arange(self._size, dtype=np.float32)[:, None]
        return (self._size - rows - 0.5) / np.float32(self._scale)

    def blur(self, mask: NDArray[np.uint8], radius: float) -> NDArray[np.uint8]:
        """Soften a mask by a radius in units."""
        sigma = radius * self._scale
        small = cv2.resize(mask, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), max(sigma / 8, 0.1))
        large = cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(large, np.uint8)

    def finish(self) -> NDArray[np.uint8]:
        """(side, side, 4) straight-alpha bytes."""
        side = self._size // self._over
        small = np.asarray(
            cv2.resize(self.image, (side, side), interpolation=cv2.INTER_AREA), np.float32
        )
        small[..., :3] /= np.maximum(small[..., 3:], 1e-4)
        return np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)


def ribbon(points: F64, widths: F64) -> F64:
    """Outline of a line of varying half width."""
    points = np.asarray(points, np.float64)
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    across = np.stack([-tangent[:, 1], tangent[:, 0]], 1) * np.asarray(widths)[:, None]
    return np.concatenate([points + across, (points - across)[::-1]])


def quadratic(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> F64:
    """(33, 2) points of a quadratic Bezier curve."""
    t = np.linspace(0, 1, 33)[:, None]
    return (1 - t) ** 2 * np.array(a) + 2 * t * (1 - t) * np.array(b) + t**2 * np.array(c)


def ellipse(x: float, y: float, rx: float, ry: float) -> F64:
    """(64, 2) points of an ellipse."""
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1)
