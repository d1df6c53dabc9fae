"""`ayatsuri bench character`: how good are the generator's pictures of poses it never saw?

Poses are drawn at random with a seed of their own, neither trained on nor looked at while training;
each is rendered from the 3D character, which is the truth, and drawn by the bundle's generator from
its pose image alone, through the engine's own backend.

SSIM (Wang 2004) is taken over white, as both papers show their pictures. Most of such a picture is
white and easily right, so that SSIM within the character's own box is given as well.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.report import Bench, Goal
from bench.statistics import Measure
from engine.app import DEFAULT_CHARACTER
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.character import CharacterBundle
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
    bundle: CharacterBundle, joints: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Pose images (N, S, S, 3) and the generator's pictures (N, S, S, 4) of joints (N, 20, 4)."""
    size = bundle.resolution
    poses = np.empty((len(joints), size, size, 3), np.uint8)
    pictures = np.empty((len(joints), size, size, 4), np.uint8)
    backend = OnnxRuntimeBackend(bundle.need_generator().model)
    try:
        for i, one in enumerate(joints):
            draw_pose(one, poses[i])
            backend.run(poses[i], pictures[i])
    finally:
        backend.close()
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
    character: Annotated[Path, typer.Argument(help="The bundle.")] = DEFAULT_CHARACTER,
    poses: Annotated[int, typer.Option(help="How many.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the poses.")] = SEED,
    sheet_to: Annotated[
        Path | None, typer.Option("--sheet", metavar="PNG", help="Show the worst and the median.")
    ] = None,
) -> None:
    """Measure it."""
    bench = Bench(
        "character", "How good are the generator's pictures of poses it never saw?", seed=seed,
        models=[character],
    )  # fmt: skip
    bundle = CharacterBundle.load(character)
    trained = bundle.manifest.training.get("data", {})
    if isinstance(trained, dict) and trained.get("seed") == seed:
        raise SystemExit(f"seed {seed} is the one that {bundle.name} was trained on")
    with tempfile.TemporaryDirectory() as folder:
        truth = render_poses(Path(folder), poses, size=bundle.resolution, seed=seed, workers=1)
        truth = PosedPictures(np.array(truth.pictures), truth.joints)
    pose_images, made = draw_all(bundle, truth.joints)

    measures: dict[str, list[float]] = {"SSIM": [], "SSIM in the box": [], "alpha IoU": []}
    for picture, true in zip(made, truth.pictures, strict=True):
        where = box(np.maximum(picture, true)[..., 3])
        measures["SSIM"].append(ssim(picture, true))
        measures["SSIM in the box"].append(ssim(picture[where], true[where]))
        measures["alpha IoU"].append(alpha_iou(picture, true))
    table = Table(title=f"{bundle.name}, {bundle.resolution} px, {poses} poses of seed {seed}")
    for column in ("measure", "mean", "median", "p5", "worst"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    summary = {}
    for name, values in measures.items():
        summary[name] = {
            "mean": float(np.mean(values)),
            "median": float(np.median(values)),
            "p5": float(np.percentile(values, 5)),
            "worst": float(np.min(values)),
        }
        table.add_row(name, *(f"{v:.4f}" for v in summary[name].values()))
    bench.console.print(table)
    mean = {
        name: Measure.single(one["mean"], "", "higher", count=poses)
        for name, one in summary.items()
    }
    bench.add(bundle.name, mean)
    if sheet_to is not None:
        order = np.argsort(measures["SSIM in the box"])
        middle = len(order) // 2
        picks = np.concatenate([order[:_ON_SHEET], order[middle : middle + _ON_SHEET]])
        cv2.imwrite(
            str(sheet_to), sheet(picks, pose_images, made, truth.pictures)[..., ::-1].copy()
        )
        bench.console.print(f"{sheet_to}: pose image, generated, true; the worst come first")
    bench.finish(
        poses,
        summary,
        [
            Goal("mean SSIM", summary["SSIM"]["mean"], 0.92, True),
            Goal("mean alpha IoU", summary["alpha IoU"]["mean"], 0.93, True),
        ],
        character=bundle.name,
        trained=json.loads(json.dumps(bundle.manifest.training, default=str)),
    )
