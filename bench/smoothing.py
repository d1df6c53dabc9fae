"""`ayatsuri bench smoothing`: what lag does how much smoothing cost?

A filter can always be made steadier by making it later. So the two are plotted against each other,
for a sweep of One Euro's two parameters around the ones that ship (whose tables are scaled as a
whole), for Savitzky-Golay, which looks ahead, and for no smoothing at all. *Jitter* is what is left
of the estimator's noise: the mean second difference of the joints' error against the truth, which a
smooth lag hardly shows in. *Lag* is the delay at which the joints fit the truth's own velocities
best. The third figure decides: how far the joints are from the truth when they are shown.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.table import Table

from bench.charts import Chart, Series
from bench.fidelity import OTHERS, SIZE_PX, Truth, lag_ms
from bench.quality import error_when_shown, estimated, live_track
from bench.report import Bench, Goal
from bench.statistics import Floats, Measure
from engine.app import PERFORMER
from engine.commands.options import PoseModel, PoseModelOption, PoseRuntimeName, PoseRuntimeOption
from engine.motion.smooth import OneEuro, SavitzkyGolayDelay

SCALES: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
SHIPPED: Final = "One Euro, as shipped"
OTHERS_NAME: Final = "not One Euro"


@dataclass(frozen=True, slots=True)
class Result:
    """One way to smooth.

    Attributes:
        jitter: mean second difference of the error, % of the torso.
        lag: ms behind the truth; what a filter waits for frames to come is in it.
        error: when shown, % of the torso.
    """

    name: str
    jitter: float
    lag: float
    error: float


def jitter(places: Floats, truth: Truth) -> float:
    """Mean |e(t-1) - 2 e(t) + e(t+1)| of all joints but the neck, in percent of the torso."""
    error = places - truth.places
    second = error[:-2] - 2 * error[1:-1] + error[2:]
    return float(100 * np.linalg.norm(second, axis=2)[:, OTHERS].mean() / truth.torso_px)


def judge(
    name: str, places: Floats, truth: Truth, latency_ms: float, waits_ms: float = 0.0
) -> Result:
    """Rate a track of joints, by a filter that waits so long for frames to come."""
    fast = truth.fast()
    lag = lag_ms(places[:, fast], truth.places[:, fast], truth.fps) + waits_ms
    error = error_when_shown(places, truth, latency_ms + waits_ms)
    return Result(name, jitter(places, truth), lag, error)


def sweep(
    clip: Path, model: str, runtime: str, latency_ms: float, scales: tuple[float, ...]
) -> dict[str, list[Result]]:
    """Every way to smooth: One Euro by its cutoffs, along its betas; and what it stands against."""
    truth, poses = Truth.of(clip), estimated(clip, model, runtime)
    shipped = OneEuro(size=SIZE_PX)
    families: dict[str, list[Result]] = {}
    for cutoff in scales:
        family = families.setdefault(f"cutoffs × {cutoff:g}", [])
        for beta in scales:
            smooth = OneEuro(shipped.min_cutoff_hz * cutoff, shipped.beta * beta, size=SIZE_PX)
            name = SHIPPED if cutoff == beta == 1 else f"× {beta:g}"
            family.append(judge(name, live_track(truth, poses, smooth), truth, latency_ms))
    waits_ms = 1e3 * (SavitzkyGolayDelay().window // 2) / truth.fps
    families[OTHERS_NAME] = [
        judge("none", live_track(truth, poses, "none"), truth, latency_ms),
        judge(
            "Savitzky-Golay",
            live_track(truth, poses, "savitzky-golay"),
            truth,
            latency_ms,
            waits_ms,
        ),
    ]
    return families


def frontier(families: dict[str, list[Result]], latency_ms: float) -> list[Chart]:
    """Jitter against lag, and against the error when shown."""

    def series(figure: str) -> list[Series]:
        return [
            Series(
                family,
                [one.jitter for one in results],
                [float(getattr(one, figure)) for one in results],
                [
                    one.name if family == OTHERS_NAME or one.name == SHIPPED else ""
                    for one in results
                ],
                joined=family != OTHERS_NAME,
            )
            for family, results in families.items()
        ]

    return [
        Chart(
            "points", "The frontier of smoothing",
            "Down and to the left is better. Each line is one scale of One Euro's cutoffs at rest; "
            "along it grow the betas, which let it follow faster. Savitzky-Golay waits for frames "
            "to come.",
            "jitter, % of the torso", "lag, ms", series("lag"), log_y=True,
        ),
        Chart(
            "points", "Where the joints are when they are shown",
            f"Jitter against the distance from where the performer is {latency_ms:g} ms after the "
            "picture was taken: a filter that lags pays here.",
            "jitter, % of the torso", "% of the torso", series("error"),
        ),
    ]  # fmt: skip


def main(
    clip: Annotated[Path, typer.Argument(help="With STEM.joints.npz beside it.")] = PERFORMER,
    latency: Annotated[
        float, typer.Option(help="Of the pipeline, ms; what `open` measures.")
    ] = 40.0,
    pose_model: PoseModelOption = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
) -> None:
    """Measure it."""
    bench = Bench("smoothing", "What lag does how much smoothing cost?", "neither lag nor jitter")
    families = sweep(clip, pose_model.value, pose_runtime.value, latency, SCALES)
    table = Table(title=f"Smoothing, and joints shown {latency:g} ms later")
    table.add_column("")
    for column in ("jitter, % torso", "lag, ms", "error when shown, % torso"):
        table.add_column(column, justify="right")
    every = []
    for family, results in families.items():
        table.add_section()
        for one in results:
            named = family == OTHERS_NAME or one.name == SHIPPED
            name = one.name if named else f"{family}, betas {one.name}"
            every.append(one)
            table.add_row(name, f"{one.jitter:.3f}", f"{one.lag:.0f}", f"{one.error:.2f}")
            bench.add(name, {
                "jitter": Measure.single(one.jitter, "% torso"),
                "lag": Measure.single(one.lag, "ms"),
                "error when shown": Measure.single(one.error, "% torso"),
            })  # fmt: skip
    bench.console.print(table)
    bench.charts = frontier(families, latency)
    shipped = next(r for r in every if r.name == SHIPPED)
    none = next(r for r in every if r.name == "none")
    bench.finish(
        len(Truth.of(clip).times_ns), {},
        [
            Goal("lag of what ships", shipped.lag - none.lag, 15.0, False, "ms"),
            Goal("jitter of what ships, of unsmoothed", shipped.jitter / none.jitter, 0.8, False),
        ],
        clip=clip.name, latency_ms=latency, pose_model=pose_model.value,
        pose_runtime=pose_runtime.value,
    )  # fmt: skip
