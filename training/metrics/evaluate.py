"""All measures of one method's pictures at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.errors import BadInput
from training.metrics.drawings import DrawingFeatures
from training.metrics.flicker import flicker
from training.metrics.frechet import frechet, kernel
from training.metrics.keypoints import KeypointFidelity
from training.metrics.perceptual import PerceptualDistance
from training.metrics.pictures import alpha_iou, edges, on_white, sharpness, ssim

U8 = NDArray[np.uint8]

BETTER = {
    "ssim": "higher", "alpha_iou": "higher", "perceptual": "lower", "sharpness": "near 1",
    "edges": "near 1", "fid": "lower", "kid": "lower", "keypoints": "higher",
    "flicker_error": "lower", "flicker_ratio": "near 1",
}  # fmt: skip
"""Which way each measure is better."""


@dataclass(frozen=True)
class Networks:
    """The networks that measures need, each loaded when it is first asked for.

    Make one and pass it to every `evaluate`.
    """

    say: Callable[[str], None] = lambda text: None

    @cached_property
    def drawings(self) -> DrawingFeatures:
        return DrawingFeatures(say=self.say)

    @cached_property
    def perceptual(self) -> PerceptualDistance:
        return PerceptualDistance()

    @cached_property
    def keypoints(self) -> KeypointFidelity:
        return KeypointFidelity()


def evaluate(
    made: Iterable[U8],
    truth: Iterable[U8],
    joints: NDArray[np.floating] | None = None,
    visible: NDArray[np.bool_] | None = None,
    *,
    sequence: bool = False,
    fid: bool = True,
    networks: Networks | None = None,
) -> dict[str, float]:
    """Measures of `made` against `truth`: means over the pictures, FID and KID over the sets.

    `ssim`, `alpha_iou`, `perceptual`, `sharpness`, `edges` always; `fid`, `kid` of two pictures or
    more; `keypoints` and its ceiling `keypoints_of_truth` where `joints` are given; `flicker_error`
    and `flicker_ratio` of a sequence of three or more. See `BETTER`, and each measure's own module.

    Args:
        made: (N,) premultiplied RGBA (S, S, 4).
        truth: (N,) likewise.
        joints: (N, 20, 3+) asked for, px.
        visible: (N, 20) which joints can be seen in the truth; only they count.
        sequence: the pictures follow each other in time.
        fid: FID and KID too, at about 0.3 s a pair.
        networks: kept from an earlier call.

    Raises:
        ValueError: sets of different sizes, pictures of different shapes, or no picture.
        DownloadFailed, ModelCorrupt: the network for FID cannot be had.
    """
    made, truth = list(made), list(truth)
    _check(made, truth)
    networks = networks or Networks()
    pairs = list(zip(made, truth, strict=True))
    result = {
        "pictures": float(len(pairs)),
        "ssim": _mean([ssim(a, b) for a, b in pairs]),
        "alpha_iou": _mean([alpha_iou(a, b) for a, b in pairs]),
        "perceptual": _mean(networks.perceptual(made, truth)),
        "sharpness": _mean([sharpness(a, b) for a, b in pairs]),
        "edges": _mean([edges(a, b) for a, b in pairs]),
    }
    if fid and len(pairs) > 1:
        ours, wanted = (
            networks.drawings.features([on_white(p) for p in pictures])
            for pictures in (made, truth)
        )
        result["fid"], result["kid"] = frechet(ours, wanted), kernel(ours, wanted)
    if joints is not None:
        result["keypoints"] = networks.keypoints(made, joints, visible)
        result["keypoints_of_truth"] = networks.keypoints(truth, joints, visible)
    if sequence and len(pairs) > 2:
        found = flicker(np.stack(made), np.stack(truth))
        result["flicker_error"], result["flicker_ratio"] = found.error, found.ratio
    return result


def _check(made: list[U8], truth: list[U8]) -> None:
    if len(made) != len(truth) or len(made) == 0:
        raise BadInput(
            f"expected as many made as true pictures, at least one, found {len(made)} and "
            f"{len(truth)}"
        )
    for number, (a, b) in enumerate(zip(made, truth, strict=True)):
        if a.shape != b.shape or a.ndim != 3 or a.shape[2] != 4 or a.dtype != np.uint8:
            raise BadInput(
                f"picture {number}: expected RGBA bytes (S, S, 4), made like true, found "
                f"{a.shape} {a.dtype} and {b.shape} {b.dtype}"
            )


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values))
