"""The paper's figures 6, 8 and 9 as sheets: a row for each character."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.fewshot.errors import ResultError
from training.fewshot.tables.plan import FIGURES
from training.fewshot.tables.results import Pictures, read_budget, read_pictures, result_path
from training.fit import pose_images
from training.metrics.pictures import on_white

U8 = NDArray[np.uint8]
CELL = 128
"""Pixels of a picture in a sheet, at least."""
_TITLE = 22


def figure(folder: Path, number: int, rows: int = 8) -> U8:
    """Figure 6 (methods), 8 (shots) or 9 (ablation), RGB: source, pose, what was made, truth.

    Each row shows another character in another pose. ResultError where a trial is damaged, or none
    was made yet.
    """
    seed = read_budget(folder).seeds[0]
    columns: list[tuple[str, Pictures]] = [
        (title, read_pictures(folder, trial, seed))
        for title, trial in FIGURES[number]
        if result_path(folder, trial, seed).exists()
    ]
    if not columns:
        raise ResultError(f"{folder} has no pictures for figure {number}: run its table first")
    first = columns[0][1]
    picks = [(c, c % first.truth.shape[1]) for c in range(min(rows, len(first.source)))]
    poses = np.concatenate(
        [pose_images(first.joints[c, q : q + 1], first.truth.shape[2]) for c, q in picks]
    )
    shown = [
        ("source", [on_white(first.source[c]) for c, _ in picks]),
        ("pose", list(poses)),
        *((title, [on_white(p.made[c, q]) for c, q in picks]) for title, p in columns),
        ("truth", [on_white(first.truth[c, q]) for c, q in picks]),
    ]
    return np.concatenate([_column(title, pictures) for title, pictures in shown], axis=1)


def _column(title: str, pictures: list[U8]) -> U8:
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
