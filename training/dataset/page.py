"""The statistics of a data set as a page, beside the papers' figures."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.pose.skeleton import PUPPET_20
from training.characters.procedural.choices import draw_design
from training.dataset.statistics import Statistics, nearest

_PERCENTILES = (0, 5, 50, 95, 100)
_SIDES = (("front", 0.0), ("left", -90.0), ("back", 180.0), ("right", 90.0))
_SPLITS = ["", "train", "test"]
_SPREAD = ["", *(f"{s} {p}%" for s in ("train", "test") for p in _PERCENTILES)]

Values = Callable[[Statistics], NDArray[np.float64]]


def write_page(folder: Path, train: Statistics, test: Statistics, command: str) -> Path:
    """Write `dataset.md` into a folder whose `pictures` hold the contact sheet and the densities.

    `command` is what made the data set.
    """
    path = folder / "dataset.md"
    path.write_text(page(train, test, command))
    return path


def page(train: Statistics, test: Statistics, command: str) -> str:
    """The page in Markdown."""
    both = (train, test)
    paragraphs = [
        "# What is in the data set",
        (
            f"Made by `{command}`, measured by `ayatsuri-train data stats FOLDER -o docs`. "
            f"Pictures are {train.size} x {train.size}. No character and no motion of the test set "
            "is in the training set; the dance phrases that test characters dance are danced by "
            "nobody else."
        ),
        "![A row for each of some test characters, skeletons drawn on](pictures/dataset.jpg)",
        "Ringed joints are hidden. Below: where wrists (red), noses (green) and ankles (blue) are.",
        "![Density of wrists, noses and ankles](pictures/dataset-joints.png)",
        *_beside_the_papers(both),
        *_samples(both),
        *_views_and_joints(both),
        *_poses(train, test),
        *_proportions(both),
    ]
    return "\n\n".join(paragraphs) + "\n"


def _beside_the_papers(both: Sequence[Statistics]) -> list[str]:
    head = ["", "characters", "samples", "of a character", "joints", "size", "where from"]
    wang = ["Wang 2024, section 4", "260 (214 + 46)", "45,207 (37,289 + 7,918)", "174"]
    tan = ["Tan, section 4.1", "61", "79,829 frames", "1,309"]
    rows = [
        [*wang, "17, found by AlphaPose", "256", "Unity"],
        [*tan, "18, found by OpenPose", "not said", "MMD, moved by 201 clips of dances"],
        ["here", *_counts(both), "20, true, with visibility", str(both[0].size), "this project"],
    ]
    return [
        "## Beside the papers",
        _table(head, rows),
        (
            "The second paper speaks of four basic views and about 140 poses of a character; its "
            "own totals make 174. Any model is a character here with `--model`, any video of a "
            "dance or motion file a motion with `--motion`, as in the first paper."
        ),
    ]


def _samples(both: Sequence[Statistics]) -> list[str]:
    kinds = (
        ("basic views", "view"),
        ("moments of motions, hair and cloth swinging", "motion"),
        ("single poses", "still"),
    )
    rows = [[name, *(f"{s.kinds.get(kind, 0):,}" for s in both)] for name, kind in kinds]
    rows.append(["different motions", *(f"{len(s.motions)}" for s in both)])
    rows.append(["covered by the character", *(f"{np.median(s.covered):.1%}" for s in both)])
    return ["## Samples", _table(_SPLITS, rows)]


def _views_and_joints(both: Sequence[Statistics]) -> list[str]:
    sides = [[name, *(_share(_side(s) == i) for s in both)] for i, (name, _) in enumerate(_SIDES)]
    joints = [
        [name, *(_share(s.visible[:, i]) for s in both)] for i, name in enumerate(PUPPET_20.joints)
    ]
    return [
        "## Views",
        "Which side of the body is seen, by its true hips: quarters of the circle.",
        _table(_SPLITS, sides),
        "## Joints that are seen",
        _table(_SPLITS, joints),
    ]


def _poses(train: Statistics, test: Statistics) -> list[str]:
    both = (train, test)
    rows = [
        ["elbow bends", *_spread(both, lambda s: _two_sides(s, "shoulder", "elbow", "wrist"))],
        ["knee bends", *_spread(both, lambda s: _two_sides(s, "hip", "knee", "ankle"))],
        ["the higher arm is raised", *_spread(both, Statistics.raised)],
    ]
    apart = nearest(test, train)
    return [
        "## Poses",
        "Angles in 3D, in degrees.",
        _table(_SPREAD, rows),
        (
            f"The nearest of 4,000 training poses is {np.median(apart):.3f} torsos away from a "
            "test pose (median of 4,000; root of the mean square over joints), and "
            f"{apart.min():.3f} at the least (the basic views, which are the same in both)."
        ),
    ]


def _proportions(both: Sequence[Statistics]) -> list[str]:
    rows = [
        [name, *(cell for s in both for cell in _percentiles(s.proportions()[name], "{:.2f}"))]
        for name in both[0].proportions()
    ]
    rows.append(["heads tall, of the procedural ones", *_spread(both, _heads, "{:.1f}")])
    return [
        "## Proportions",
        "Lengths over the torso's, from the neck to the hips; percentiles over characters.",
        _table(_SPREAD, rows),
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _counts(both: Sequence[Statistics]) -> list[str]:
    characters = [len(s.characters) for s in both]
    samples = [s.samples for s in both]
    return [
        f"{sum(characters):,} ({' + '.join(f'{n:,}' for n in characters)})",
        f"{sum(samples):,} ({' + '.join(f'{n:,}' for n in samples)})",
        f"{sum(samples) // max(sum(characters), 1)}",
    ]


def _share(which: NDArray[np.bool_]) -> str:
    return f"{np.mean(which):.1%}"


def _side(statistics: Statistics) -> NDArray[np.intp]:
    """(N,) the index of the side that is seen."""
    facing = statistics.facing()
    away = [np.abs((facing - angle + 180.0) % 360.0 - 180.0) for _, angle in _SIDES]
    return np.argmin(away, axis=0)


def _two_sides(s: Statistics, *joints: str) -> NDArray[np.float64]:
    return np.concatenate([s.bend(*(f"{side}_{joint}" for joint in joints)) for side in "lr"])


def _spread(both: Sequence[Statistics], values: Values, form: str = "{:.0f}") -> list[str]:
    return [cell for s in both for cell in _percentiles(values(s), form)]


def _percentiles(values: NDArray[np.float64], form: str) -> list[str]:
    if not len(values):
        return ["-"] * len(_PERCENTILES)
    return [form.format(value) for value in np.percentile(values, _PERCENTILES)]


def _heads(statistics: Statistics) -> NDArray[np.float64]:
    seeds = [name.removeprefix("procedural-") for name in statistics.characters]
    return np.array([draw_design(int(seed)).body.heads for seed in seeds if seed.isdigit()])
