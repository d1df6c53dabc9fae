"""The paper's figures 6 to 11 as sheets: a row for each character."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.fewshot.errors import ResultError
from training.fewshot.tables.people import POSES, drawn_as, read_person
from training.fewshot.tables.plan import FIGURES, FIGURES_OF_ONE, PEOPLE, Trial, shots_named
from training.fewshot.tables.results import Pictures, read_budget, read_pictures, result_path
from training.fit import pose_images
from training.metrics.pictures import on_white, ssim

U8 = NDArray[np.uint8]
Column = tuple[str, Sequence[U8]]
CELL = 128
"""Pixels of a picture in a sheet, at least."""
EACH = 2
"""Rows of each kind of failure."""
_TITLE = 22


def figure(folder: Path, number: int, rows: int = 8, people: Sequence[Path] = ()) -> U8:
    """A figure of a folder's results, RGB.

    6 (methods), 8 (shots) and 9 (ablation): source, pose, what was made, truth; each row shows
    another character in another pose. 7: the methods on `people`, enrolled characters of any kind.
    10: the full method with ten shots, in several poses, on characters and on `people`. 11: where
    it fails.

    Raises:
        ResultError: a trial is damaged, or none was made yet; figure 7 without people.
        BundleError: somebody is no enrolled character.
        CheckpointError: a run that is to draw people is not there.
    """
    match number:
        case 7:
            columns = _methods_on_people(folder, people)
        case 10:
            columns = _poses(folder, rows, people)
        case 11:
            columns = _failures(folder)
        case _:
            columns = _methods(folder, number, rows)
    return np.concatenate([_column(title, pictures) for title, pictures in columns], axis=1)


def _methods(folder: Path, number: int, rows: int) -> list[Column]:
    columns = _kept(folder, FIGURES[number])
    if not columns:
        raise ResultError(f"{folder} has no pictures for figure {number}: run its table first")
    first = columns[0][1]
    picks = [(c, c % first.truth.shape[1]) for c in range(min(rows, len(first.source)))]
    return _compared(columns, picks)


def _methods_on_people(folder: Path, people: Sequence[Path]) -> list[Column]:
    if not people:
        raise ResultError(
            "figure 7 is of people: give some by --person, as `ayatsuri adapt PICTURE --anyway` "
            "writes them"
        )
    known = [read_person(path, read_budget(folder).size) for path in people]
    made = [
        (title, list(chain.from_iterable(map(on_white, drawn_as(folder, t, p)) for p in known)))
        for title, t in PEOPLE
    ]
    return [
        ("source", [on_white(p.drawings.pictures[0]) for p in known for _ in p.poses]),
        ("pose", [image for p in known for image in pose_images(p.poses, p.drawings.size)]),
        *made,
    ]


def _poses(folder: Path, rows: int, people: Sequence[Path]) -> list[Column]:
    trial = FIGURES_OF_ONE[10]
    kept = read_pictures(folder, trial, read_budget(folder).seeds[0])
    size, count = kept.truth.shape[2], min(kept.truth.shape[1], len(POSES))
    subjects = [
        (kept.source[c], kept.joints[c], kept.made[c]) for c in range(min(rows, len(kept.source)))
    ]
    for path in people:
        person = read_person(path, size)
        made = drawn_as(folder, trial, person)
        subjects.append((person.drawings.pictures[0], person.poses, made))
    columns: list[Column] = [("source", [on_white(source) for source, _, _ in subjects])]
    for q in range(count):
        drawn = [pose_images(joints[q : q + 1], size)[0] for _, joints, _ in subjects]
        columns += [
            ("pose", drawn),
            (shots_named(trial.shots), [on_white(made[q]) for _, _, made in subjects]),
        ]
    return columns


def _failures(folder: Path) -> list[Column]:
    """Above the most patterned characters, as they were drawn worst; below the most bent poses."""
    trial = FIGURES_OF_ONE[11]
    columns = _kept(folder, [(shots_named(trial.shots), trial), ("warp", Trial("warp", 0))])
    if not columns or columns[0][0] != shots_named(trial.shots):
        raise ResultError(f"{folder} has no pictures for figure 11: run table 2 first")
    kept = columns[0][1]
    pattern = np.argsort([-_pattern(source) for source in kept.source])[:EACH]
    worst = [(int(c), _worst(kept, c)) for c in pattern]
    tall = np.ptp(kept.joints[..., 1], axis=2)
    tall = tall / tall.max(axis=1, keepdims=True)
    bent = [(int(c), int(tall[c].argmin())) for c in np.argsort(tall.min(axis=1))[:EACH]]
    return _compared(columns, [*worst, *bent])


def _worst(pictures: Pictures, character: int) -> int:
    """The pose in which a character is least like the truth."""
    pairs = zip(pictures.made[character], pictures.truth[character], strict=True)
    return int(np.argmin([ssim(made, truth) for made, truth in pairs]))


def _pattern(picture: U8) -> float:
    """How much colours change within a character, per pixel of it."""
    inside = picture[1:, 1:, 3] > 127
    rgb = on_white(picture).astype(np.int16)
    change = np.abs(np.diff(rgb, axis=0))[:, 1:] + np.abs(np.diff(rgb, axis=1))[1:]
    return float(change[inside].sum() / max(np.count_nonzero(inside), 1))


def _kept(folder: Path, wanted: Sequence[tuple[str, Trial]]) -> list[tuple[str, Pictures]]:
    """The pictures of those trials that were made, of the first seed."""
    seed = read_budget(folder).seeds[0]
    return [
        (title, read_pictures(folder, trial, seed))
        for title, trial in wanted
        if result_path(folder, trial, seed).exists()
    ]


def _compared(
    columns: Sequence[tuple[str, Pictures]], picks: Sequence[tuple[int, int]]
) -> list[Column]:
    """Source, pose, what each made, and truth, of picked characters and poses."""
    first = columns[0][1]
    poses = np.concatenate(
        [pose_images(first.joints[c, q : q + 1], first.truth.shape[2]) for c, q in picks]
    )
    return [
        ("source", [on_white(first.source[c]) for c, _ in picks]),
        ("pose", list(poses)),
        *((title, [on_white(p.made[c, q]) for c, q in picks]) for title, p in columns),
        ("truth", [on_white(first.truth[c, q]) for c, q in picks]),
    ]


def _column(title: str, pictures: Sequence[U8]) -> U8:
    size = max(CELL, pictures[0].shape[0])
    head = np.full((_TITLE, size, 3), 255, np.uint8)
    cv2.putText(
        head, title, (4, _TITLE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA
    )
    cells = [
        np.asarray(cv2.resize(p, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
        for p in pictures
    ]
    return np.concatenate([head, *cells])
