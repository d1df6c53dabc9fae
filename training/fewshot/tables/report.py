"""The tables as Markdown: ours beside the paper's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from training.fewshot.cost import PUBLISHED_MINUTES, blank_inputs, multiply_adds
from training.fewshot.recipe import Recipe, build
from training.fewshot.tables.plan import FULL, TABLES, Row, Table, shots_named
from training.fewshot.tables.results import (
    MEASURES,
    Result,
    read_budget,
    read_result,
    result_path,
)

SETS = {"fid": "FID ↓", "kid": "KID × 1000 ↓"}
"""Of all pictures together."""

_PAPER_FT = "< 1"  # table 3, fine-tuning, minutes


@dataclass(frozen=True, slots=True)
class Line:
    """A row with what was found: all seeds' characters together; None where nothing was."""

    row: Row
    results: tuple[Result, ...]

    def spread(self, measure: str) -> tuple[float, float]:
        """Mean and standard deviation over characters and seeds."""
        values = [c[measure] for result in self.results for c in result.characters.values()]
        return float(np.mean(values)), float(np.std(values))

    def whole(self, measure: str) -> float | None:
        """The mean over seeds, of a measure of all pictures; None where it was not measured."""
        values = [r.whole[measure] for r in self.results if measure in r.whole]
        return float(np.mean(values)) if values else None


def lines_of(folder: Path, table: Table) -> list[Line]:
    """The table's rows, with the results that there are; ResultError for damaged ones."""
    budget = read_budget(folder)
    return [
        Line(
            row,
            tuple(
                read_result(folder, row.trial, seed, budget)
                for seed in budget.seeds
                if result_path(folder, row.trial, seed).exists()
            ),
        )
        for row in table.rows
    ]


def markdown(folder: Path, number: int) -> str:
    """Table 1, 2, 3 or 4 of a folder, with what differs from the paper's below."""
    if number == 3:
        return f"**Table 3: cost.**\n\n{_grid(list(costs(folder)))}\n"
    table = TABLES[number]
    lines = lines_of(folder, table)
    titles = ["", *MEASURES.values(), *SETS.values(), "paper: FID ↓", "SSIM ↑"]
    grid = _grid([titles, *(_cells(line) for line in lines)])
    said = "".join(f"- {text}\n" for text in (*ceiling(lines), *order(lines), *pairs(lines)))
    return f"**Table {number}: {table.title}.**\n\n{grid}\n\n{said}"


def _cells(line: Line) -> list[str]:
    if not line.results:
        found = ["not run", *[""] * (len(MEASURES) + len(SETS) - 1)]
    else:
        found = ["{:.3f} ± {:.3f}".format(*line.spread(m)) for m in MEASURES]
        for name in SETS:
            value = line.whole(name)
            scale = 1000 if name == "kid" else 1
            found.append("" if value is None else f"{scale * value:.2f}")
    row = line.row
    published = [f"{row.fid:.2f}" if row.fid else "", f"{row.ssim:.3f}" if row.ssim else ""]
    return [row.title, *found, *published]


def _grid(rows: Sequence[Sequence[str]]) -> str:
    body = [rows[0], ["---", *["---:"] * (len(rows[0]) - 1)], *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in body)


def ceiling(lines: Sequence[Line]) -> list[str]:
    """What the estimator of keypoints reaches on the true pictures."""
    found = next((line for line in lines if line.results), None)
    if found is None:
        return []
    return [f"Keypoints of the true pictures: {found.spread('keypoints_of_truth')[0]:.3f}."]


def order(lines: Sequence[Line]) -> list[str]:
    """Whether the rows that the paper has come in its order, by FID and by SSIM."""
    both = [line for line in lines if line.results and line.row.fid is not None]
    said = []
    for name, sign in (("fid", 1), ("ssim", -1)):
        known = [line for line in both if name == "ssim" or line.whole("fid") is not None]
        if len(known) < 2:
            continue
        paper = sorted(known, key=lambda line: sign * (getattr(line.row, name) or 0))
        ours = sorted(
            known,
            key=lambda line: (
                sign * (line.spread("ssim")[0] if name == "ssim" else line.whole("fid") or 0)
            ),
        )
        pairs = [(a, b) for i, a in enumerate(paper) for b in paper[i + 1 :]]
        kept = sum(ours.index(a) < ours.index(b) for a, b in pairs)
        said.append(
            f"By {name.upper()}, best first, the paper has {_names(paper)}; we find "
            f"{_names(ours)}: {kept} of {len(pairs)} pairs in its order."
        )
    return said


def pairs(lines: Sequence[Line]) -> list[str]:
    """How many characters each row draws nearer to the truth than the row that the paper has best.

    Characters differ more than methods do, so that a spread over them hides what all agree on.
    """
    known = [line for line in lines if line.results]
    best = min(known, key=lambda line: line.row.fid or float("inf"), default=None)
    if best is None or len(known) < 2:
        return []
    said, beside = [], {result.seed: result for result in best.results}
    for line in known:
        wins = [
            mine["perceptual"] < beside[result.seed].characters[name]["perceptual"]
            for result in line.results
            if result.seed in beside
            for name, mine in result.characters.items()
        ]
        if line is not best:
            said.append(f"{line.row.title} {sum(wins)} of {len(wins)} characters")
    return [f"Beside {best.row.title}, the perceptual distance is lower on: {', '.join(said)}."]


def _names(lines: Sequence[Line]) -> str:
    return ", ".join(line.row.title for line in lines)


def costs(folder: Path) -> Iterator[list[str]]:
    """Of every run: parameters, multiply-adds of a picture, times; the paper's minutes beside.

    Times are the least of the seeds: what else a machine does can only add to them.
    """
    budget = read_budget(folder)
    yield [
        "", "parameters", f"multiply-adds at {budget.size} px", "training, min",
        "a step, s", "adaptation, s a character", "paper: an epoch, min", "fine-tuning, min",
    ]  # fmt: skip
    trials = dict.fromkeys(trial for table in TABLES.values() for trial in table.trials)
    found: dict[str, dict[int, list[Result]]] = {}
    for trial in trials:
        for seed in budget.seeds:
            if trial.drawings == 1 and result_path(folder, trial, seed).exists():
                result = read_result(folder, trial, seed, budget)
                found.setdefault(trial.run, {}).setdefault(trial.shots, []).append(result)
    for run, results in found.items():
        every = [result for seeds in results.values() for result in seeds]
        parameters, work = _size(Recipe.from_dict(every[0].recipe), budget.size)
        minutes = min(result.train_minutes for result in every)
        adapted = {
            shots: min(r.adapt_seconds for r in rs) for shots, rs in results.items() if shots
        }
        shots = min(adapted, key=lambda s: abs(s - 4), default=0)
        ours = run in {"fewshot", FULL}
        yield [
            run, f"{parameters / 1e6:.2f} M", f"{work / 1e6:.0f} M",
            f"{minutes:.1f}", f"{60 * minutes / budget.steps:.2f}",
            f"{adapted[shots]:.1f} ({shots_named(shots)})" if shots else "",
            PUBLISHED_MINUTES["few-shot, paper"] if ours else PUBLISHED_MINUTES.get(run, ""),
            _PAPER_FT if ours else "",
        ]  # fmt: skip


def _size(recipe: Recipe, size: int) -> tuple[int, int]:
    method, _ = build(replace(recipe, perceptual=False, gan=False))
    method.eval()
    count = sum(p.numel() for p in method.parameters())
    with torch.no_grad():
        return count, multiply_adds(partial(method, blank_inputs(size)))
