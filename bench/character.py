"""`ayatsuri bench character`: how good are the pictures of poses that were never seen?

Poses are drawn at random with a seed of their own, neither trained on nor looked at while training;
each is rendered from the 3D character, Ito, which is the truth, and drawn by the bundle from its
joints alone, through the engine, in every way that is in it and at its own size.

SSIM (Wang 2004) is taken over white, as both papers show their pictures. Most of such a picture is
white and easily right, so that SSIM within the character's own box is given as well.
"""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.quality import BEST, told
from bench.report import Bench, Goal, drawings
from bench.statistics import Measure
from bench.ways import DrawName, DrawsOption, ways
from engine.app import DEFAULT_CHARACTER, Options, load_cast
from engine.cast import Actor
from engine.motion.draw import draw_pose
from training.data import PosedPictures, render_poses
from training.metrics import alpha_iou, on_white, ssim

SEED = 7_000_003

_MARGIN_PX = 8
_ON_SHEET = 6


def box(alpha: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Where a picture is not empty, with a margin; at least SSIM's own window."""
    rows, columns = (np.flatnonzero(alpha.max(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(None), slice(None)
    return (
        slice(max(rows[0] - _MARGIN_PX, 0), rows[-1] + 1 + _MARGIN_PX),
        slice(max(columns[0] - _MARGIN_PX, 0), columns[-1] + 1 + _MARGIN_PX),
    )


def draw_all(
    actor: Actor, joints: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pose images (N, S, S, 3) and an actor's pictures (N, S, S, 4) of single poses (N, 20, 4)."""
    size = actor.bundle.resolution
    poses = np.empty((len(joints), size, size, 3), np.uint8)
    pictures = np.empty((len(joints), size, size, 4), np.uint8)
    for i, one in enumerate(joints):
        draw_pose(one, poses[i])
        actor.forget()
        actor.draw(one, poses[i], pictures[i])
    return poses, pictures


def sheet(
    picks: NDArray[np.intp],
    poses: NDArray[np.uint8],
    made: NDArray[np.uint8],
    truth: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    """One column for each pick: pose image, generated, true; RGB."""
    columns = [np.concatenate([poses[i], on_white(made[i]), on_white(truth[i])]) for i in picks]
    return np.concatenate(columns, axis=1)


def main(
    characters: Annotated[
        list[Path] | None, typer.Argument(metavar="BUNDLES", help="Else Ito.")
    ] = None,
    draw: DrawsOption = DrawName.ALL,
    poses: Annotated[int, typer.Option(help="How many.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the poses.")] = SEED,
    sheet_to: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="PNG", help="Show the first's worst and median."),
    ] = None,
) -> None:
    """Measure it."""
    bench = Bench(
        "character", "How good are pictures of poses never seen?", seed=seed,
        models=characters or [DEFAULT_CHARACTER],
    )  # fmt: skip
    # In the best precision: what another one loses is told beside every latency.
    options = Options(backend=BEST.backend, precision=BEST.precision)
    summaries: dict[str, Any] = {}
    goals: list[Goal] = []
    for way in ways(characters, draw, options):
        trained = way.bundle.manifest.training.get("data", {})
        if isinstance(trained, dict) and trained.get("seed") == seed:
            raise SystemExit(f"seed {seed} is the one that {way.bundle.name} was trained on")
        cast = load_cast([way.bundle], way.options)
        actor = cast.actors[0]
        size, drawn_by = actor.bundle.resolution, told(actor, way.options)
        with tempfile.TemporaryDirectory() as folder:
            truth = render_poses(Path(folder), poses, size=size, seed=seed, workers=1)
            truth = PosedPictures(np.array(truth.pictures), truth.joints)
        pose_images, made = draw_all(actor, truth.joints)
        cast.close()
        measures = scores(made, truth.pictures)
        name = f"{way.prefix}{way.bundle.name}"
        summaries[name] = summary = {
            what: {
                "mean": float(np.mean(values)),
                "median": float(np.median(values)),
                "p5": float(np.percentile(values, 5)),
                "worst": float(np.min(values)),
            }
            for what, values in measures.items()
        }
        bench.console.print(_table(f"{name}, {size} px, {poses} poses", summary))
        means = {what: figures["mean"] for what, figures in summary.items()}
        row = {n: Measure.single(mean, "", "higher", count=poses) for n, mean in means.items()}
        bench.add(name, row, drawn_by=drawn_by)
        goals += [
            Goal(f"{way.prefix}mean SSIM", means["SSIM"], 0.92, True),
            Goal(f"{way.prefix}mean alpha IoU", means["alpha IoU"], 0.93, True),
        ]
        if sheet_to is not None and len(summaries) == 1:
            order = np.argsort(measures["SSIM in the box"])
            middle = len(order) // 2
            picks = np.concatenate([order[:_ON_SHEET], order[middle : middle + _ON_SHEET]])
            shown = sheet(picks, pose_images, made, truth.pictures)
            cv2.imwrite(str(sheet_to), shown[..., ::-1].copy())
            bench.console.print(f"{sheet_to}: pose image, drawn, true; the worst come first")
    bench.finish(
        poses * len(summaries), summaries, goals, poses=poses, drawn=drawings(bench.rows)
    )  # fmt: skip


def scores(made: NDArray[np.uint8], truth: NDArray[np.uint8]) -> dict[str, list[float]]:
    """By measure, of every picture."""
    found: dict[str, list[float]] = {"SSIM": [], "SSIM in the box": [], "alpha IoU": []}
    for picture, true in zip(made, truth, strict=True):
        where = box(np.maximum(picture, true)[..., 3])
        found["SSIM"].append(ssim(picture, true))
        found["SSIM in the box"].append(ssim(picture[where], true[where]))
        found["alpha IoU"].append(alpha_iou(picture, true))
    return found


def _table(title: str, summary: dict[str, dict[str, float]]) -> Table:
    table = Table(title=title)
    for column in ("measure", "mean", "median", "p5", "worst"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for what, figures in summary.items():
        table.add_row(what, *(f"{value:.4f}" for value in figures.values()))
    return table
