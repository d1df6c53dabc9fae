"""What a codec and a network leave of the pictures: those that were shown, beside those sent.

Of some numbers the picture is kept where it goes into the encoder and where it is shown. The strip
that carries the number, which no user's picture has, is left out.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.blockcode import PLACE
from bench.glass import Film
from bench.statistics import HIGHER, Measure, mean
from engine.likeness import ssim

MOST: Final = 60
"""Pictures of a run that are compared."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture with its number; `at_ms` is on the page's clock, `image` (H, W, 3) RGB."""

    number: int
    at_ms: float
    image: NDArray[np.uint8]

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Kept":
        """What the page's `__take` gave."""
        pixels = np.frombuffer(base64.b64decode(told["rgba"]), np.uint8)
        image = pixels.reshape(told["height"], told["width"], 4)[..., :3]
        return cls(told["number"], told["at"], image)


def every(seconds: float, fps: float = 30.0) -> int:
    """Of how many numbers one is kept, so that a run of so long has `MOST` of them."""
    return max(1, round(seconds * fps / MOST))


def scores(film: Film, sent: Sequence[Kept], shown: Sequence[Kept], after_ms: float) -> list[float]:
    """SSIM of every picture that was shown after a time, beside the one that was sent for it."""
    by_frame = {film.frame(one.number, one.at_ms): one.image for one in sent}
    found = []
    for one in shown:
        truth = by_frame.get(film.frame(one.number, one.at_ms))
        if truth is not None and one.at_ms >= after_ms:
            found.append(ssim(_below_the_code(one.image, truth.shape), _below_the_code(truth)))
    return found


def measures(found: Sequence[float]) -> dict[str, Measure]:
    """For a row of a result; empty where nothing was kept."""
    if not found:
        return {}
    middle = mean(np.array(found))
    return {
        "SSIM after the codec": Measure.single(
            middle.value, "", HIGHER, low=middle.low, high=middle.high, count=len(found)
        ),
        "worst SSIM after the codec": Measure.single(min(found), "", HIGHER, count=len(found)),
    }


def _below_the_code(
    image: NDArray[np.uint8], shape: tuple[int, ...] | None = None
) -> NDArray[np.uint8]:
    """(H, W, 4), opaque; of the shape of another picture where that is given."""
    if shape is not None and image.shape[:2] != shape[:2]:
        image = np.asarray(cv2.resize(image, shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)
    rows = slice(PLACE.slices(image)[0].stop, None)
    alpha = np.full((*image[rows].shape[:2], 1), 255, np.uint8)
    return np.concatenate([image[rows, :, :3], alpha], axis=2)
