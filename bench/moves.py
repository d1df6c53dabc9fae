"""Does the character on the screen do what the person before the camera did?

Of the pictures that a browser showed, whose numbers say of which frame of the camera they are, the
character's joints are found by the estimator of drawn poses, which has no part in making them. The
directions of the arms are compared with those of the person in that frame: the truth of a
rendered performer, and of any other video what MediaPipe finds there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.codec import Kept
from bench.fidelity import estimated_px
from bench.quality import estimated, is_known
from bench.statistics import Floats, Measure
from engine.app import Options
from engine.pose.anime import AnimePose
from engine.pose.skeleton import PUPPET_20

LIMBS: Final = ((2, 3), (3, 4), (5, 6), (6, 7))
"""Upper arms and forearms, in `PUPPET_20`: legs stand most of the time, whatever one does."""
LAGS: Final = range(-10, 11)
"""Frames by which the screen may follow the camera, besides what the numbers tell."""
_SURE: Final = 0.3  # of the estimator, of both ends of a limb
_SHORT: Final = 0.4  # of the limb's usual length: it points at the camera, and has no direction


def people(clip: Path, options: Options) -> Floats:
    """(T, 20, 2) px: where the person's joints are in every frame; NaN where nobody is."""
    if is_known(clip):
        stored = np.load(clip.with_suffix(".joints.npz"))
        return np.asarray(stored["joints"], np.float64)[..., :2]
    return estimated_px(list(estimated(clip, options.pose_model, options.pose_runtime)))[..., :2]


def drawn(pictures: Sequence[Kept], *, mirrored: bool) -> Floats:
    """(N, 20, 2) px: the joints of the character in every picture, NaN where none is sure.

    Args:
        pictures: that were shown.
        mirrored: whether they show the person as a mirror would; it is undone.
    """
    estimator = AnimePose()
    found = np.stack([estimator.estimate(one.image) for one in pictures]).astype(np.float64)
    found[found[..., 2] < _SURE] = np.nan
    if mirrored:
        found = found[:, PUPPET_20.mirror()]
        found[..., 0] *= -1
    return found[..., :2]


def off_deg(shown: Floats, sent: Floats) -> Floats:
    """(N, 4) angles between the limbs of two (N, 20, 2) figures, NaN where one is not to be seen.

    Limbs of `sent` that are much shorter than they mostly are point at the camera, and are not
    counted.
    """
    ends = np.array(LIMBS)
    a, b = (joints[:, ends[:, 1]] - joints[:, ends[:, 0]] for joints in (shown, sent))
    lengths = np.linalg.norm(b, axis=2)
    usual = [_median(column) for column in lengths.T]
    turned = np.arctan2(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(axis=2))
    return np.where(lengths >= _SHORT * np.array(usual), np.degrees(np.abs(turned)), np.nan)


def measures(
    pictures: Sequence[Kept], sent: Floats, *, mirrored: bool, length: int
) -> dict[str, Measure]:
    """For a row of a result; empty where no limb could be seen.

    Args:
        pictures: that were shown, each with the number of its frame.
        sent: (T, 20, 2) px, see `people`.
        mirrored: see `drawn`.
        length: of the camera's film; after it the numbers come round.
    """
    if not pictures:
        return {}
    length = min(length, len(sent))
    numbers = np.array([one.number for one in pictures])
    shown = drawn(pictures, mirrored=mirrored)
    by_lag = {lag: off_deg(shown, sent[(numbers - lag) % length]) for lag in LAGS}
    count = int(np.isfinite(by_lag[0]).sum())
    if not count:
        return {}
    # At other moments of the film, each a second and more away.
    away = range(30, max(length - 29, 31), 15)
    others = [off_deg(shown, sent[(numbers + step) % length]) for step in away]
    best = min(LAGS, key=lambda lag: (_median(by_lag[lag]), abs(lag)))
    return {
        "arms off the performer's": Measure.single(_median(by_lag[0]), "°", count=count),
        "arms off other moments": Measure.single(_median(np.array(others)), "°", "neither"),
        "arms behind": Measure.single(float(best), "frames", "neither", count=count),
    }


def _median(values: Floats) -> float:
    """Of what is finite; infinite where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.inf
