"""The estimator of drawn characters' poses (Tan, section 3.3): 20 keypoints of one figure.

`ayatsuri-train estimator` trained it, on rendered characters; MediaPipe, which knows photographs,
finds drawn figures poorly.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.backends.onnxruntime import open_asset
from engine.pose.heatmaps import decode
from engine.pose.skeleton import PUPPET_20
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

SIZE = 256
"""The network sees squares of so many pixels."""

_WEIGHTS = "anime_pose.onnx"
_MIRROR = PUPPET_20.mirror()
_AWAY = 1.5
_SURE = 0.3
_ROOM = 1.35  # the square around the figure, against its keypoints' extent: hair, hats, hands


class AnimePose:
    """Finds one drawn figure in a picture.

    Args:
        model: bytes of an ONNX file instead of the one that ships.
        threads: processor threads of one inference.

    Raises:
        BackendError: ONNX Runtime cannot load it.
    """

    def __init__(self, model: bytes | None = None, *, threads: int = 1) -> None:
        self._session = open_asset(_WEIGHTS, "the estimator", model=model, threads=threads)

    def estimate(self, picture: U8, *, careful: bool = True) -> F32:
        """Keypoints (20, 3) of `PUPPET_20`: x and y in pixels of the picture, score in [0, 1].

        The score of a keypoint that is not in the picture is near 0; its place means nothing then.

        Args:
            picture: (H, W, 3) RGB, or (H, W, 4) premultiplied RGBA, which is laid over white.
            careful: look from further away too, at mirror images, and once more closely at where
                the figure is: six inferences instead of one.

        Raises:
            ValueError: an array of another shape or type.
        """
        rgb = _rgb_of(picture)
        height, width = rgb.shape[:2]
        whole = (0.5 * width, 0.5 * height, float(max(width, height)))
        found = self._look(rgb, whole, careful)
        if careful:
            # A bust is larger than the figures that the network knows.
            x, y, side = whole
            away = self._look(rgb, (x, y, _AWAY * side), careful)
            if away[:, 2].sum() > found[:, 2].sum():
                found = away
            square = _around(found)
            if square is not None and square[2] < 0.95 * whole[2]:
                closer = self._look(rgb, square, careful)
                # What lies outside of the square is known from the first look only.
                better = closer[:, 2] >= 0.7 * found[:, 2]
                found = np.where(better[:, None], closer, found)
        return found

    def heatmaps(self, squares: U8) -> F32:
        """(N, 20, 32, 32) heatmaps of pictures (N, 256, 256, 3) RGB."""
        made = [self._session.run(None, {"picture": square[None]})[0] for square in squares]
        return np.concatenate(made)

    def _look(self, rgb: U8, square: tuple[float, float, float], mirrored: bool) -> F32:
        cut, left, top, scale = _cut(rgb, square)
        heatmaps = self.heatmaps(cut[None])[0]
        if mirrored:
            other = self.heatmaps(np.ascontiguousarray(cut[None, :, ::-1]))[0]
            heatmaps = 0.5 * (heatmaps + other[_MIRROR, :, ::-1])
        found = decode(heatmaps, SIZE // heatmaps.shape[-1])
        found[:, :2] = found[:, :2] * scale + (left, top)
        return found


def _around(found: F32) -> tuple[float, float, float] | None:
    """Centre x, y and side of a square around the keypoints that are sure; None of fewer than 4."""
    sure = found[found[:, 2] > _SURE, :2]
    if len(sure) < 4:
        return None
    low, high = sure.min(axis=0), sure.max(axis=0)
    extent = high - low
    side = _ROOM * float(max(extent[0], extent[1], 1.0))
    # Hair is above the highest keypoint, and nothing below the lowest, which are the toes.
    return float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2 - 0.04 * side, side


def _cut(rgb: U8, square: tuple[float, float, float]) -> tuple[U8, int, int, float]:
    """A square of the picture at the network's size; its left, top and pixels per pixel.

    Whatever of it lies outside the picture is white.
    """
    x, y, side = square
    whole = max(round(side), 1)
    left, top = round(x - 0.5 * whole), round(y - 0.5 * whole)
    height, width = rgb.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + whole, width), min(top + whole, height)
    cut = np.full((whole, whole, 3), 255, np.uint8)
    cut[y0 - top : y1 - top, x0 - left : x1 - left] = rgb[y0:y1, x0:x1]
    method = cv2.INTER_AREA if whole > SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (SIZE, SIZE), interpolation=method)), left, top, whole / SIZE


def _rgb_of(picture: U8) -> U8:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (3, 4):
        raise ValueError(
            f"a picture must be (H, W, 3) RGB or (H, W, 4) premultiplied RGBA of bytes, but it is "
            f"{picture.shape} {picture.dtype}"
        )
    if min(picture.shape[:2]) < 1:
        raise ValueError(f"the picture has no area: {picture.shape}")
    if picture.shape[2] == 3:
        return picture
    return on_white(picture)
