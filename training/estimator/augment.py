"""A render made to look like anyone's drawing, somewhere in any picture."""

from collections.abc import Callable
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.pose.skeleton import PUPPET_20

U8: TypeAlias = NDArray[Any]  # of uint8: OpenCV's own types do not say so
F32 = NDArray[np.float32]
Rng = np.random.Generator

MIRROR = PUPPET_20.mirror()
_CHEST = (1, 8, 11)  # neck and hips
_HEAD = (0, 14, 15, 16, 17)


def augmented(
    picture: U8, points: NDArray[np.floating], size: int, rng: Rng, clean: float = 0.15
) -> tuple[U8, F32]:
    """One training sample: a picture (size, size, 3) RGB, and its keypoints (20, C).

    A share `clean` of the samples stays a plain render on a plain ground, as the metrics see it.
    Keypoints that were cut off are outside of the picture.

    Args:
        picture: (S, S, 4) premultiplied RGBA.
        points: (20, C): x and y in pixels, and whatever else goes with a keypoint.
        size: of the sample.
        rng: its draws decide everything.
        clean: share of samples that are only moved.
    """
    plain = rng.random() < clean
    figure, points = placed(picture, points, size, rng, plain)
    behind = np.full((size, size, 3), 255, np.uint8) if plain else ground(size, rng)
    alpha = figure[..., 3:].astype(np.float32) / 255
    rgb = np.clip(figure[..., :3] + behind * (1 - alpha), 0, 255).astype(np.uint8)
    if not plain:
        rgb = developed(_occluded(rgb, rng), rng)
    return rgb, points


def placed(
    picture: U8, points: NDArray[np.floating], size: int, rng: Rng, plain: bool = False
) -> tuple[U8, F32]:
    """The figure of a sample before it gets a ground: (size, size, 4) premultiplied RGBA, points.

    Takes what `augmented` takes; a `plain` one is only moved.
    """
    points = points.astype(np.float32)
    if rng.random() < 0.5:
        picture = np.ascontiguousarray(picture[:, ::-1])
        points[:, 0] = picture.shape[1] - points[:, 0]
        points = points[MIRROR]
    if not plain:
        picture = _restyled(picture, rng)
        if rng.random() < 0.5:
            picture = _small_headed(picture, points, rng.uniform(0.5, 1.1))
    kept = points[:, :2].copy()
    lost = np.zeros(len(points), np.bool_)
    if not plain and rng.random() < 0.25:
        picture, lost = _cut_off(picture, kept, rng)
    matrix = _placement(kept, size, rng)
    # Pixel centres are at one half here, and at whole numbers in OpenCV.
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    moved = cv2.warpAffine(
        picture, shifted, (size, size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0)
    )
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    points[lost, :2] = -size  # outside: they must not be found
    return moved, points


def _placement(points: F32, size: int, rng: Rng) -> F32:
    """An affine map (2, 3) of the source's pixels to the sample's."""
    spread = points.max(axis=0) - points.min(axis=0)
    extent = float(max(spread[0], spread[1] * 1.12, 1.0))
    if rng.random() < 0.42:
        # A drawing cut at the thigh or knee, or a bust: the upper body fills the picture.
        top = points[list(_HEAD), 1].min()
        length = (points[:, 1].max() - top) * rng.uniform(0.35, 0.85)
        centre = np.array([points[list(_CHEST), 0].mean(), top + 0.42 * length])
        extent = max(1.15 * float(length), 0.3 * extent)
    else:
        centre = 0.5 * (points.max(axis=0) + points.min(axis=0))
    # Characters' hair and hats are above their keypoints.
    scale = size / extent * np.exp(rng.uniform(np.log(0.5), np.log(0.95)))
    angle = np.radians(rng.normal(0, 10) if rng.random() < 0.85 else rng.uniform(-60, 60))
    stretch = np.exp(rng.normal(0, 0.1))
    shear = rng.normal(0, 0.05)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ np.array([[stretch, shear], [0, 1 / stretch]])
    room = max(0.5 - 0.5 * extent * scale / size, 0.04)
    place = size * (0.5 + rng.uniform(-room, room, 2))
    return np.concatenate([linear, (place - linear @ centre)[:, None]], axis=1).astype(np.float32)


def _cut_off(picture: U8, points: F32, rng: Rng) -> tuple[U8, NDArray[np.bool_]]:
    """The figure ends above the feet, as sprites do; raises the keypoints that are lost to there.

    Returns the picture and which keypoints (20,) are lost.
    """
    hips, ankles = points[[8, 11], 1].mean(), points[[10, 13], 1].mean()
    end = float(hips + rng.uniform(0.0, 0.95) * (ankles - hips))
    lost = points[:, 1] > end
    picture = picture.copy()
    picture[max(round(end), 0) :] = 0
    points[lost, 1] = end
    return picture, np.asarray(lost)


def _small_headed(picture: U8, points: F32, factor: float) -> U8:
    """The head, and all that is above the neck, at another size; moves the keypoints in place.

    Drawn characters have heads from a third to a seventh of their height; the renders' are large.
    """
    neck_x, neck_y = points[1, :2]
    ramp = max(0.35 * abs(float(points[list(_HEAD), 1].mean() - neck_y)), 2.0)

    def widths(y: F32) -> F32:  # of the made picture's rows
        share = np.clip((neck_y - y) / ramp, 0, 1)
        return np.asarray(1 + (factor - 1) * share, np.float32)

    rows = np.arange(picture.shape[0], dtype=np.float32) + 0.5
    columns = np.arange(picture.shape[1], dtype=np.float32) + 0.5
    from_y = np.where(rows < neck_y, neck_y - (neck_y - rows) / factor, rows)
    from_x = neck_x + (columns[None] - neck_x) / widths(rows)[:, None]
    everywhere = np.broadcast_to(from_y[:, None], from_x.shape)
    made = cv2.remap(
        picture, (from_x - 0.5).astype(np.float32), (everywhere - 0.5).astype(np.float32),
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0),
    )  # fmt: skip
    above = points[:, 1] < neck_y
    points[above, 1] = neck_y - (neck_y - points[above, 1]) * factor
    points[:, 0] = neck_x + (points[:, 0] - neck_x) * widths(points[:, 1])
    return made


def _restyled(picture: U8, rng: Rng) -> U8:
    """Other colours and other lines on the figure alone; premultiplied RGBA as before."""
    rgb = picture[..., :3]
    alpha = picture[..., 3]
    if rng.random() < 0.35:
        hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int16) + int(rng.integers(180))) % 180
        rgb = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    style = rng.random()
    if style < 0.10:
        rgb = _lines(rgb, alpha, rng)
    elif style < 0.18:
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    elif style < 0.26:
        levels = int(rng.integers(3, 7))
        step = 255 / (levels - 1)
        rgb = (np.rint(rgb / step) * step).clip(0, 255).astype(np.uint8)
    elif style < 0.36:
        edges = cv2.Laplacian(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.CV_16S, ksize=3)
        ink = np.clip(1 - np.maximum(edges, 0) / 255.0 * rng.uniform(1, 4), 0, 1)
        rgb = (rgb * ink[..., None]).astype(np.uint8)
    out = np.dstack([np.minimum(rgb, alpha[..., None]), alpha])
    if rng.random() < 0.2:  # a thicker outline, or a white one as stickers have
        width = int(rng.integers(1, 4))
        grown = cv2.dilate(alpha, np.ones((2 * width + 1,) * 2, np.uint8))
        level = 255 if rng.random() < 0.4 else int(rng.integers(0, 70))
        rim = np.dstack([(grown.astype(np.int32) * level // 255).astype(np.uint8)] * 3 + [grown])
        out = (out + rim * (1 - alpha[..., None] / 255.0)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(out)


def _lines(rgb: U8, alpha: U8, rng: Rng) -> U8:
    """A drawing in ink on paper: differences of Gaussians (XDoG without its tanh)."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey += 255 - alpha  # white around, so that the silhouette is a line
    sigma = rng.uniform(0.6, 1.2)
    fine = cv2.GaussianBlur(grey, (0, 0), sigma)
    coarse = cv2.GaussianBlur(grey, (0, 0), 1.6 * sigma)
    line = np.clip(1 + (fine - coarse) * rng.uniform(0.05, 0.15), 0, 1)
    tint = rng.uniform(0, 1) * (rng.random() < 0.3)  # sometimes with some colour left
    return (line[..., None] * (255 * (1 - tint) + tint * rgb)).astype(np.uint8)


def ground(size: int, rng: Rng) -> U8:
    """(size, size, 3) RGB: plain, striped, cloudy, or full of shapes and letters."""
    kinds: tuple[Callable[[int, Rng], Any], ...] = (
        _white, _white, _flat, _flat, _gradient, _gradient, _noise, _shapes, _shapes, _stripes,
    )  # fmt: skip
    made = kinds[rng.integers(len(kinds))](size, rng)
    return np.asarray(np.clip(made, 0, 255), np.uint8)


def _white(size: int, rng: Rng) -> F32:
    return np.full((size, size, 3), 255 - rng.integers(0, 12) * (rng.random() < 0.3), np.float32)


def _colour(rng: Rng) -> F32:
    return rng.uniform(0, 255, 3).astype(np.float32)


def _flat(size: int, rng: Rng) -> F32:
    return np.broadcast_to(_colour(rng), (size, size, 3))


def _gradient(size: int, rng: Rng) -> F32:
    direction = rng.normal(size=2)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    t = direction[0] * x + direction[1] * y
    t = (t - t.min()) / max(float(np.ptp(t)), 1e-6)
    a, b = _colour(rng), _colour(rng)
    return np.asarray(a + (b - a) * t[..., None], np.float32)


def _noise(size: int, rng: Rng) -> F32:
    out = np.zeros((size, size, 3), np.float32)
    for octave in range(2, 7):
        grid = rng.normal(0, 1, (2**octave, 2**octave, 3)).astype(np.float32)
        out += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) / octave
    return np.asarray(_colour(rng) + out * rng.uniform(10, 60), np.float32)


def _shapes(size: int, rng: Rng) -> F32:
    """Rooms, stars, letters: anything with edges. Some are as large as limbs."""
    out = _gradient(size, rng).astype(np.uint8)
    for _ in range(int(rng.integers(3, 14))):
        colour = _colour(rng).tolist()
        a, b = rng.integers(-size // 4, 5 * size // 4, (2, 2)).tolist()
        kind = rng.random()
        if kind < 0.3:
            cv2.rectangle(out, a, b, colour, -1 if rng.random() < 0.7 else 2)
        elif kind < 0.6:
            cv2.line(out, a, b, colour, int(rng.integers(1, max(size // 14, 2))), cv2.LINE_AA)
        elif kind < 0.85:
            axes = rng.integers(2, max(size // 4, 3), 2).tolist()
            cv2.ellipse(out, a, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            word = "".join(chr(rng.integers(33, 127)) for _ in range(5))
            cv2.putText(out, word, a, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.4, 2), colour, 2)
    return out.astype(np.float32)


def _stripes(size: int, rng: Rng) -> F32:
    y, x = np.mgrid[:size, :size].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 60)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > 0
    if rng.random() < 0.5:
        wave ^= np.sin((y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period) > 0
    return np.where(wave[..., None], _colour(rng), _colour(rng)).astype(np.float32)


def _occluded(rgb: U8, rng: Rng) -> U8:
    if rng.random() < 0.12:
        size = rgb.shape[0]
        for _ in range(int(rng.integers(1, 4))):
            at = rng.integers(0, size, 2).tolist()
            axes = rng.integers(size // 40 + 1, size // 8, 2).tolist()
            cv2.ellipse(
                rgb, at, axes, float(rng.uniform(0, 180)), 0, 360, _colour(rng).tolist(), -1
            )
    return rgb


def developed(rgb: U8, rng: Rng) -> U8:
    """Light, softness and compression of the whole picture."""
    size = rgb.shape[0]
    if rng.random() < 0.7:
        table = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.25))
        table = table * np.exp(rng.normal(0, 0.12, 3)) + rng.normal(0, 0.05, 3)
        table = (np.clip(table, 0, 1) * 255).astype(np.uint8)
        rgb = np.ascontiguousarray(np.dstack([table[rgb[..., c], c] for c in range(3)]))
    if rng.random() < 0.08:
        rgb = np.repeat(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    softness = rng.random()
    if softness < 0.12:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.4, 1.6))
    elif softness < 0.2:
        small = max(int(size * rng.uniform(0.3, 0.8)), 8)
        rgb = cv2.resize(rgb, (small, small), interpolation=cv2.INTER_AREA)
        rgb = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_CUBIC)
    elif softness < 0.28:
        soft = cv2.GaussianBlur(rgb, (0, 0), 1.2)
        rgb = cv2.addWeighted(rgb, 1.8, soft, -0.8, 0)
    if rng.random() < 0.15:
        grain = rng.normal(0, rng.uniform(2, 12), (size, size, 1))
        rgb = np.clip(rgb + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        rgb = np.asarray(cv2.imdecode(cv2.imencode(".jpg", rgb, quality)[1], cv2.IMREAD_COLOR))
    return rgb
