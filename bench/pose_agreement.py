"""`ayatsuri bench pose-agreement VIDEOS`: do our pose networks say what MediaPipe says?

Both look at every frame, in turn, so that what else the machine does burdens both alike. A joint
agrees where it is within 1% of the torso of MediaPipe's; where only one of them sees anybody, no
joint agrees.

*Alone* takes every picture for itself: that compares detector, crop, landmarks and refinement.
*Followed* is the real thing, with tracking and smoothing. There the region of one picture comes
from the landmarks of the last, the picture is sampled at rounded places, and so the smallest
difference grows to a certain size within a few frames. *Floor* says what size: MediaPipe beside
itself, on the same video with one grey level of difference in one pixel of ten thousand.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.report import Bench, Goal, Timing, timing_table
from bench.statistics import Measure
from engine import models
from engine.app import PERFORMER
from engine.frame import Frame
from engine.io.file import FileSource
from engine.pose.blazepose import BlazePose, BlazePoseEstimator
from engine.pose.mediapipe import MediaPipeEstimator, to_pose
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, convert
from engine.stages import media_time_ns

LIMIT = 0.01  # of the torso
_OURS, _THEIRS, _FLOOR = "ours", "MediaPipe", "floor"


@dataclass(slots=True)
class Agreement:
    """How far joints are from MediaPipe's, in torso lengths."""

    errors: list[NDArray[np.float32]] = field(default_factory=list)
    one_sided: int = 0

    def add(self, theirs: Pose | None, ours: Pose | None) -> None:
        """Take in one picture."""
        if theirs is None and ours is None:
            return
        if theirs is None or ours is None:
            self.one_sided += 1
            return
        a, b = (convert(pose.keypoints, MEDIAPIPE_33, PUPPET_20) for pose in (theirs, ours))
        hips = PUPPET_20.index("r_hip"), PUPPET_20.index("l_hip")
        torso = np.linalg.norm(a[PUPPET_20.index("neck")] - a[list(hips)].mean(axis=0))
        self.errors.append(np.linalg.norm(a - b, axis=1) / max(float(torso), 1e-6))

    @property
    def pictures(self) -> int:
        """With anybody in them, as at least one of the two has it."""
        return len(self.errors) + self.one_sided

    @property
    def share(self) -> float:
        """Of the joints that agree."""
        return float((np.array(self.errors) < LIMIT).sum() / max(20 * self.pictures, 1))

    def percentile(self, rank: float) -> float:
        """Of the errors, where both see somebody: per cent of the torso."""
        return 100 * float(np.percentile(self.errors, rank)) if self.errors else float("nan")


@dataclass(slots=True)
class Result:
    """What was measured on one video, or on all."""

    alone: Agreement = field(default_factory=Agreement)
    followed: Agreement = field(default_factory=Agreement)
    floor: Agreement = field(default_factory=Agreement)
    spent_ns: dict[str, list[int]] = field(default_factory=dict)

    def merge(self, other: "Result") -> None:
        """Add another video's."""
        for mine, its in (
            (self.alone, other.alone),
            (self.followed, other.followed),
            (self.floor, other.floor),
        ):
            mine.errors += its.errors
            mine.one_sided += its.one_sided
        for name, spent in other.spent_ns.items():
            self.spent_ns.setdefault(name, []).extend(spent)

    def figures(self) -> dict[str, Any]:
        """For the JSON line."""
        return {
            name: {
                "pictures": part.pictures,
                "share": part.share,
                "one_sided": part.one_sided,
                "median_percent": part.percentile(50),
                "p95_percent": part.percentile(95),
            }
            for name, part in (
                ("alone", self.alone), ("followed", self.followed), ("floor", self.floor),
            )
            if part.pictures
        }  # fmt: skip


class _Alone:
    """Both estimators on single pictures, with nothing remembered."""

    def __init__(self, model: str) -> None:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision

        path = str(models.verified(f"pose-{model}"))
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=path), running_mode=vision.RunningMode.IMAGE
        )
        self._mediapipe: Any = mediapipe
        self._landmarker: Any = vision.PoseLandmarker.create_from_options(options)
        self._blazepose = BlazePose(model)

    def both(self, image: NDArray[np.uint8]) -> tuple[Pose | None, Pose | None]:
        height, width = image.shape[:2]
        wrapped = self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=image)
        result = self._landmarker.detect(wrapped)
        theirs = None
        if result.pose_landmarks:
            world = result.pose_world_landmarks[0]
            theirs = to_pose(result.pose_landmarks[0], world, width, height)
        regions = self._blazepose.people(image)
        found = self._blazepose.look(image, regions[0]) if regions else None
        if found is None:
            return theirs, None
        places = (found.keypoints, found.visibility, found.world)
        return theirs, Pose(*(array.astype(np.float32) for array in places))

    def close(self) -> None:
        self._landmarker.close()
        self._blazepose.close()


def _frames(video: Path, count: int | None) -> Iterator[Frame]:
    source = FileSource(video)
    try:
        yield from islice(source.frames(), count)
    finally:
        source.close()


def measure(video: Path, model: str, count: int | None, every: int, floor: bool) -> Result:
    """Compare on one video; every so many pictures also alone."""
    result = Result()
    rng = np.random.default_rng(0)
    with ExitStack() as cleanup:
        estimators: dict[str, Any] = {
            _THEIRS: MediaPipeEstimator(model), _OURS: BlazePoseEstimator(model),
        }  # fmt: skip
        if floor:
            estimators[_FLOOR] = MediaPipeEstimator(model)
        alone = _Alone(model)
        for estimator in (*estimators.values(), alone):
            cleanup.callback(estimator.close)
        for i, frame in enumerate(_frames(video, count)):
            image, time_ns = frame.image, media_time_ns(frame)
            poses = {}
            for name, estimator in estimators.items():
                seen = _changed(image, rng) if name == _FLOOR else image
                start = time.perf_counter_ns()
                poses[name] = estimator.estimate(seen, time_ns)
                result.spent_ns.setdefault(name, []).append(time.perf_counter_ns() - start)
            result.followed.add(poses[_THEIRS], poses[_OURS])
            if floor:
                result.floor.add(poses[_THEIRS], poses[_FLOOR])
            if i % every == 0:
                result.alone.add(*alone.both(image))
    return result


def _changed(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture with one grey level of difference in one pixel of ten thousand."""
    chosen = rng.random(image.shape[:2]) < 1e-4
    changed = image.copy()
    changed[chosen] ^= 1
    return changed


def main(
    videos: Annotated[list[Path] | None, typer.Argument(help="Videos; none: the demo's.")] = None,
    model: Annotated[str, typer.Option(help="lite, full or heavy.")] = "full",
    frames: Annotated[int | None, typer.Option(help="So many of each video; else all.")] = None,
    every: Annotated[int, typer.Option(help="Take every so many pictures alone, too.")] = 5,
    floor: Annotated[bool, typer.Option(help="Also compare MediaPipe with itself.")] = True,
) -> None:
    """Measure them."""
    bench = Bench("pose_agreement", "Do our pose networks say what MediaPipe says?", seed=0)
    table = Table(title="joints within 1% of the torso", caption="followed: error in % of torso")
    table.add_column("video", overflow="fold")
    columns = ("pictures", "alone", "followed", "floor", "median", "p95", "one sided")
    for column in columns:
        table.add_column(column, justify="right")
    total, each = Result(), {}
    for video in videos or [PERFORMER]:
        result = measure(video, model, frames, every, floor)
        # Videos of one recording often have one name, in folders of their own.
        name = "/".join(video.parts[-3:])
        each[name] = result.figures()
        table.add_row(name, *_cells(result))
        total.merge(result)
    table.add_section()
    table.add_row("all", *_cells(total), style="bold")
    bench.console.print(table)
    times = timing_table("one picture, one thread", first="estimator")
    timings = {}
    for name in (_THEIRS, _OURS):
        timings[name] = Timing.of(total.spent_ns[name])
        times.add_row(name, *timings[name].cells())
        measures = {"a picture": timings[name].measure()}
        if name == _OURS:
            followed = Measure.single(100 * total.followed.share, "%", "higher")
            measures |= {"joints within 1%": followed}
        bench.add(name, measures)
    bench.console.print(times)
    bench.finish(
        total.followed.pictures,
        {
            **total.figures(),
            "videos": each,
            **{f"{name}_ms": timing.to_dict() for name, timing in timings.items()},
        },
        _goals(total),
        model=model,
        clip=" ".join(sorted({video.name for video in videos or [PERFORMER]})),
    )


def _goals(total: Result) -> list[Goal]:
    goals = [
        Goal(f"joints within 1% of the torso, {name}", part.share, 0.95, at_least=True)
        for name, part in (("alone", total.alone), ("followed", total.followed))
    ]
    if total.floor.pictures:
        # Nothing agrees with MediaPipe better than MediaPipe does, but for chance.
        share = total.followed.share / max(total.floor.share, 1e-9)
        goals.append(Goal("followed, of what MediaPipe reaches itself", share, 0.97, at_least=True))
    return goals


def _cells(result: Result) -> list[str]:
    followed = result.followed
    return [
        str(followed.pictures),
        f"{100 * result.alone.share:.1f}%",
        f"{100 * followed.share:.1f}%",
        f"{100 * result.floor.share:.1f}%" if result.floor.pictures else "-",
        f"{followed.percentile(50):.2f}",
        f"{followed.percentile(95):.2f}",
        str(followed.one_sided),
    ]
