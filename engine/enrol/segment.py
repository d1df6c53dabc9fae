"""Telling a drawn figure from any ground: which pixels are the character, and how much of each.

A network (`ayatsuri-train cutout`), which has seen rendered characters before all kinds of grounds,
looks at the picture, led by the figure's keypoints, and again more closely at where the figure is.
Its answer is coarse at the edge; there the picture decides, see `engine.enrol.matte`.
"""

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.backends.onnxruntime import open_asset
from engine.enrol.matte import refine
from engine.pose.skeleton import PUPPET_20

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Square = tuple[float, float, float]  # its centre, x and y, and its side, in pixels

SIZE: Final = 256
"""The network sees squares of so many pixels."""
MARGIN: Final = 128
"""Grey of what lies outside of the picture in such a square."""

_WEIGHTS = "cutout.onnx"
_SURE: Final = 0.3  # keypoints of a lower score are not drawn
_TRUNK = (2, 5, 11, 8)
_HEAD = (0, 14, 15, 16, 17)
_LIMB: Final = 0.22  # its thickness in the guide, over the torso's length
_SPECK: Final = 0.004  # of the largest piece: what is smaller and apart is none of the figure
_ROOM: Final = 1.15  # the second look's square, over the figure's longer side


class Segmenter:
    """The network and what is done with its answer.

    Args:
        model: bytes of an ONNX file instead of the one that ships.
        threads: processor threads of one inference.

    Raises:
        BackendError: ONNX Runtime cannot load it.
    """

    def __init__(self, model: bytes | None = None, *, threads: int = 1) -> None:
        self._session = open_asset(_WEIGHTS, "the cut-out", model=model, threads=threads)

    def alpha(self, picture: U8, joints: NDArray[np.floating], *, refined: bool = True) -> U8:
        """How much of each pixel is the figure: (H, W) of bytes.

        Args:
            picture: (H, W, 3) RGB.
            joints: (20, 3) or (20, 4): x, y in px first and the score last, of `PUPPET_20`. The
                better they are, the better the cut; all scores 0 where nothing is known.
            refined: whether the picture decides at the edge, or the network alone.

        Raises:
            ValueError: an array of another shape or type.
        """
        _check(picture, joints)
        height, width = picture.shape[:2]
        square = (0.5 * width, 0.5 * height, float(max(width, height)))
        coarse = self._look(picture, joints, square)
        closer = _around(coarse, joints)
        if closer is not None and closer[2] < 0.9 * square[2]:
            square, coarse = closer, self._look(picture, joints, closer)
        coarse = _whole(coarse)
        if refined:
            coarse = refine(picture, coarse, max(square[2] / SIZE, 1.0))
        return np.asarray(np.rint(255 * coarse), np.uint8)

    def _look(self, picture: U8, joints: NDArray[np.floating], square: Square) -> F32:
        """The network's alpha of a square of the picture, in the picture's own pixels."""
        x, y, side = square
        scale = SIZE / side
        matrix = np.array([[scale, 0, 0.5 * SIZE - scale * x], [0, scale, 0.5 * SIZE - scale * y]])
        shifted = matrix.copy()
        shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5  # cv2 counts from pixel centres
        # Warping alone would skip pixels.
        soft = picture if scale > 0.7 else cv2.GaussianBlur(picture, (0, 0), 0.35 / scale)
        size_wh = (SIZE, SIZE)
        cut = np.asarray(
            cv2.warpAffine(soft, shifted, size_wh, borderValue=(MARGIN,) * 3), np.uint8
        )
        points = joints[:, :2].astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
        lead = guide(points, joints[:, -1])
        mirrored = self._infer(cut[:, ::-1], lead[:, ::-1])[:, ::-1]
        made = (self._infer(cut, lead) + mirrored) / np.float32(2)
        size_wh = picture.shape[1], picture.shape[0]
        back = cv2.warpAffine(made, shifted, size_wh, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        return np.asarray(np.clip(back, 0, 1), np.float32)

    def _infer(self, square: U8, lead: U8) -> F32:
        feed = {
            "picture": np.ascontiguousarray(square[None]),
            "guide": np.ascontiguousarray(lead[None]),
        }
        return np.asarray(self._session.run(None, feed)[0][0], np.float32)


@cache
def _shipped() -> Segmenter:
    return Segmenter()


def cut_out(picture: U8, joints: NDArray[np.floating]) -> U8:
    """`Segmenter.alpha` by the network that ships, which is loaded once."""
    return _shipped().alpha(picture, joints)


def guide(points: NDArray[np.floating], scores: NDArray[np.floating], size: int = SIZE) -> U8:
    """A figure of sticks, 255 where the body is for sure: (size, size) of bytes.

    Args:
        points: (20, 2) px of the square, of `PUPPET_20`.
        scores: (20,) in [0, 1].
        size: of the square.
    """
    made = np.zeros((size, size), np.uint8)
    with np.errstate(invalid="ignore"):
        sure = (scores > _SURE) & np.isfinite(points).all(axis=1)
    if sure.sum() < 3:
        return made
    unit = _torso(points, sure)
    at = np.where(sure[:, None], np.clip(points, -2 * size, 3 * size), 0.0).astype(np.float32)
    limb = min(max(round(_LIMB * unit), 1), size)
    for a, b in PUPPET_20.bones:
        if sure[a] and sure[b]:
            cv2.line(made, _pixel(at[a]), _pixel(at[b]), 255, limb, cv2.LINE_AA)
    if sure[list(_TRUNK)].all():
        cv2.fillConvexPoly(made, cv2.convexHull(at[list(_TRUNK)].astype(np.int32)), 255)
    head = [j for j in _HEAD if sure[j]]
    if head and sure[1]:
        centre = at[head].mean(axis=0)
        radius = 0.7 * float(np.linalg.norm(centre - at[1]))
        cv2.circle(made, _pixel(centre), max(round(radius), 1), 255, -1, cv2.LINE_AA)
    return made


def _torso(points: NDArray[np.floating], sure: NDArray[np.bool_]) -> float:
    """The length of the torso in pixels, or a guess at it from what is seen."""
    if sure[[1, 8, 11]].all():
        return float(np.linalg.norm(0.5 * (points[8] + points[11]) - points[1]))
    if sure[[2, 5]].all():
        return 1.8 * float(np.linalg.norm(points[2] - points[5]))
    seen = points[sure]
    return 0.3 * float((seen.max(axis=0) - seen.min(axis=0)).max())


def _pixel(point: NDArray[np.floating]) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def _around(alpha: F32, joints: NDArray[np.floating]) -> Square | None:
    """A square around what was found and the joints that are sure; None of nothing."""
    rows, columns = np.nonzero(_whole(alpha) > 0.5)
    if len(rows) < 4:
        return None
    sure = joints[joints[:, -1] > _SURE, :2]
    low = np.array([columns.min(), rows.min()], np.float64)
    high = np.array([columns.max() + 1, rows.max() + 1], np.float64)
    if len(sure):
        height, width = alpha.shape
        inside = np.clip(sure, 0, (width, height))
        low, high = np.minimum(low, inside.min(axis=0)), np.maximum(high, inside.max(axis=0))
    x, y = 0.5 * (low + high)
    return float(x), float(y), _ROOM * float((high - low).max())


def _whole(alpha: F32) -> F32:
    """Without specks that lie apart from the figure."""
    solid = (alpha > 0.3).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    if len(area) < 3:
        return alpha
    speck = area < _SPECK * area.max()
    speck[0] = False
    return np.where(speck[labels], np.float32(0), alpha)


def _check(picture: U8, joints: NDArray[np.floating]) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f"a picture must be (H, W, 3) RGB of bytes, but it is {picture.shape} {picture.dtype}"
        )
    if joints.shape not in ((20, 3), (20, 4)):
        raise ValueError(f"joints must be (20, 3) or (20, 4), but they are {joints.shape}")
