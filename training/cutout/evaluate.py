"""How well figures are cut out: characters never trained on, before grounds of many kinds.

The grounds' makers are those of the training with other draws, but for the photographs, which come
with scikit-image and were never trained on.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.background import plain_background
from engine.enrol.cutout import cut_out, from_plain
from engine.enrol.matte import lifted
from engine.enrol.segment import Segmenter
from engine.pose.anime import AnimePose
from training.characters.observe import observe
from training.characters.procedural.build import build
from training.cutout.baselines import flood, grabcut
from training.cutout.data import over_ground
from training.cutout.grounds import GROUNDS, held_out_photographs, part_of
from training.errors import BadInput
from training.estimator.augment import developed, placed
from training.estimator.data import TEST_SEEDS
from training.motion.poses import random_pose

U8 = NDArray[np.uint8]
Cut = Callable[[U8, NDArray[np.floating]], U8]

EDGE_PX = 5
_SEED = 7
_PLAIN = ("white", "flat colour", "gradient", "paper")


@dataclass(frozen=True, slots=True)
class Trial:
    """One picture with the truth."""

    ground: str
    picture: U8  # (S, S, 3)
    joints: NDArray[np.float32]  # (20, 3) as the estimator finds them
    figure: U8  # (S, S, 4) premultiplied RGBA


def trials(seeds: Sequence[int] = TEST_SEEDS[::2], size: int = 512) -> Iterator[Trial]:
    """Every other test character in a pose of its own, before each kind of ground.

    Half are compressed as JPEG, some blurred, recoloured or grained; two of five cast a shadow.
    """
    estimator = AnimePose()
    real = held_out_photographs()
    for seed in seeds:
        rng = np.random.default_rng([_SEED, seed])
        character = build(seed, 1.0)
        seen = observe(character, random_pose(rng, character.rest), size)
        for kind in (*GROUNDS, "photograph"):
            figure, _ = placed(seen.picture, seen.joints[:, :2], size, rng, plain=True)
            if kind in GROUNDS:
                behind = GROUNDS[kind](size, rng)
            else:
                behind = part_of(real[int(rng.integers(len(real)))], size, rng)
            picture = over_ground(figure, behind, rng)
            picture = developed(picture, rng) if rng.random() < 0.3 else _pressed(picture, rng)
            picture = np.ascontiguousarray(picture)
            yield Trial(kind, picture, estimator.estimate(picture), figure)


def drawn_trials(drawings: Sequence[Path], size: int = 512) -> Iterator[Trial]:
    """Drawings whose alpha is known before plain grounds, without a shadow and with one.

    They fill the picture's height and stand at its lower border, as sprites do.

    Raises ValueError for a picture that cannot be read or has no alpha.
    """
    estimator = AnimePose()
    rng = np.random.default_rng(_SEED)
    for path in drawings:
        found = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if found is None or found.ndim != 3 or found.shape[2] != 4:
            raise BadInput(f"expected pictures with alpha, found {path}")
        straight = found[..., [2, 1, 0, 3]].astype(np.float32)
        straight[..., :3] *= straight[..., 3:] / 255
        scale = 0.94 * size / max(found.shape[:2])
        small = cv2.resize(straight, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = small.shape[:2]
        left = (size - width) // 2
        figure = np.zeros((size, size, 4), np.uint8)
        figure[size - height :, left : left + width] = small
        for kind in _PLAIN:
            for shadow, name in ((0.0, kind), (1.0, f"{kind}, shadow")):
                picture = over_ground(figure, GROUNDS[kind](size, rng), rng, shadow)
                yield Trial(name, picture, estimator.estimate(picture), figure)


def _pressed(picture: U8, rng: np.random.Generator) -> U8:
    if rng.random() < 0.4:
        return picture
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))]
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR))


def ways(model: bytes | None = None) -> dict[str, Cut]:
    """What is compared."""
    network = Segmenter(model)
    nothing = np.zeros((20, 3), np.float32)
    return {
        "flood fill": flood,
        "GrabCut": grabcut,
        "network": lambda picture, joints: network.alpha(picture, joints, refined=False),
        "network, refined edge": network.alpha,
        "the same, without joints": lambda picture, joints: network.alpha(picture, nothing),
        "plain background": _plain,
        "enrolment": _enrolment,
    }


def _plain(picture: U8, joints: NDArray[np.floating]) -> U8:
    plain = plain_background(picture)
    if plain is None:
        return np.zeros(picture.shape[:2], np.uint8)
    return from_plain(picture, plain, joints)[..., 3]


def _enrolment(picture: U8, joints: NDArray[np.floating]) -> U8:
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    cut = cut_out(opaque, joints)
    return np.zeros(picture.shape[:2], np.uint8) if cut is None else cut.pixels[..., 3]


def scores(made: U8, trial: Trial) -> dict[str, float]:
    """Percent: `iou` of alpha; `edge`, the mean error of alpha within `EDGE_PX` of the edge;
    `colour` and `stained`, that of the figure's premultiplied colours there with the ground's
    colour taken out, and with the picture's colours as they are.
    """
    true = trial.figure[..., 3]
    either = float(np.maximum(made, true).sum(dtype=np.int64))
    edge = _near_edge(true > 127)
    clean = lifted(trial.picture, made)[..., :3]
    plain = np.rint(trial.picture * (made[..., None] / 255.0))

    def off(a: NDArray, b: NDArray) -> float:
        return 100 / 255 * float(np.abs(a[edge].astype(np.float64) - b[edge]).mean())

    return {
        "iou": 100 * float(np.minimum(made, true).sum(dtype=np.int64)) / max(either, 1.0),
        "edge": off(made, true),
        "colour": off(clean, trial.figure[..., :3]),
        "stained": off(plain, trial.figure[..., :3]),
    }


def _near_edge(solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5)
    outer = cv2.distanceTransform((~solid).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray((inner + outer) <= EDGE_PX, np.bool_)


def table(found: Sequence[Trial], cuts: dict[str, Cut]) -> list[dict[str, object]]:
    """A line for each way and kind of ground, and for all grounds together.

    `bad` is the percentage of pictures whose IoU is under 80.
    """
    lines: list[dict[str, object]] = []
    for name, cut in cuts.items():
        began = time.process_time()
        made = [cut(trial.picture, trial.joints) for trial in found]
        took_ms = 1e3 * (time.process_time() - began) / len(found)
        by_ground: dict[str, list[dict[str, float]]] = defaultdict(list)
        for alpha, trial in zip(made, found, strict=True):
            measured = scores(alpha, trial)
            by_ground[trial.ground].append(measured)
            by_ground["all"].append(measured)
        for ground, many in by_ground.items():
            means = {key: round(float(np.mean([m[key] for m in many])), 2) for key in many[0]}
            bad = round(100 * float(np.mean([m["iou"] < 80 for m in many])), 1)
            line: dict[str, object] = {"by": name, "ground": ground, "pictures": len(many)}
            lines.append({**line, **means, "bad": bad})
            if ground == "all":
                lines[-1]["processor_ms"] = round(took_ms, 1)
    return lines


def as_markdown(lines: Sequence[dict[str, object]]) -> str:
    """The tables of the documentation: IoU on every ground, then all figures over all grounds."""
    grounds = list(dict.fromkeys(line["ground"] for line in lines if line["ground"] != "all"))
    ways = list(dict.fromkeys(line["by"] for line in lines))
    at = {(line["by"], line["ground"]): line for line in lines}
    keys = ("iou", "edge", "colour", "stained", "bad", "processor_ms")
    return "\n".join(
        [
            _row("IoU", grounds),
            _row("---", ["---"] * len(grounds)),
            *(_row(way, [f"{at[way, g]['iou']:.1f}" for g in grounds]) for way in ways),
            "",
            _row("all grounds", keys),
            _row("---", ["---"] * len(keys)),
            *(_row(way, [f"{at[way, 'all'][key]:.1f}" for key in keys]) for way in ways),
        ]
    )


def _row(first: object, cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, (first, *cells)))} |"
