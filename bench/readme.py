"""The README's table of figures, from the results of one machine; see `bench.publish`.

A line of the table is known by its first cell, without the marks of footnotes. Lines that are made
here are written anew where there is a result of their benchmark; all others are left as they are.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from bench.report import number
from bench.statistics import Measure

BEGIN: Final = re.compile(r"<!-- figures: made by `ayatsuri bench publish` of ([\w.-]+) -->\n")
END: Final = "<!-- end of figures -->"
_MARKS: Final = re.compile(r"\s*[¹²³⁴⁵⁶⁷⁸⁹⁰]+$")

Result = dict[str, Any]
Cells = tuple[str, int]
"""What was measured, in Markdown, and of how many samples."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: its first cells, the benchmark, and what it reads from the result."""

    what: str
    goal: str
    bench: str
    read: Callable[[Result], Cells]

    def of(self, result: Result, what: str) -> str:
        """In Markdown; `what` is the first cell as it stands there, with its footnotes."""
        measured, samples = self.read(result)
        command = f"`ayatsuri bench {self.bench}`"
        cells = (what, self.goal, measured, f"{samples:,}", command)
        return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"


def _row(result: Result, ending: str) -> dict[str, Measure]:
    """The first row of this name; rows of several ways to draw have it at their end."""
    row = next(row for row in result["rows"] if row["name"].endswith(ending))
    return {name: Measure.from_dict(stored) for name, stored in row["measures"].items()}


def _late(measures: dict[str, Measure], shares: Iterable[str]) -> str:
    due = measures["every frame due"]
    cells = [f"**{number(due[s])}**" if s == "p95" else number(due[s]) for s in shares]
    return f"{' / '.join(cells)} ms"


def _count(measures: dict[str, Measure]) -> int:
    return measures["every frame due"].count


def _goal(result: Result, part: str) -> float:
    return float(next(goal["measured"] for goal in result["goals"] if part in goal["figure"]))


def _sustained(result: Result) -> Cells:
    row = _row(result, "30 fps")
    lost = row["never shown"]["value"]
    said = "none dropped" if not lost else f"{number(lost)} % dropped"
    return f"**{number(row['fps shown']['value'])}**, {said}", _count(row)


def _latency(result: Result) -> Cells:
    row = _row(result, "30 fps")
    return _late(row, ("p50", "p95", "p99")), _count(row)


def _sixty(result: Result) -> Cells:
    row = _row(result, "60 fps")
    late = number(row["every frame due"]["p95"])
    return f"{number(row['fps shown']['value'])}; {late} ms", _count(row)


def _glass(ending: str) -> Callable[[Result], Cells]:
    def read(result: Result) -> Cells:
        row = _row(result, ending)
        fps = number(row["fps shown"]["value"])
        return f"**{fps}**; {_late(row, ('p50', 'p95'))}", _count(row)

    return read


def _networks(result: Result) -> Cells:
    rows = [_row(result, name) for name in ("5%", "50ms")]
    late = ", ".join(number(row["every frame due"]["p95"]) for row in rows)
    return f"{late} ms", sum(map(_count, rows))


def _codec(result: Result) -> Cells:
    ssim = _row(result, "direct")["SSIM after the codec"]
    return f"**{ssim['value']:.3f}**", ssim.count


def _live(result: Result) -> Cells:
    row = {n: Measure.from_dict(m) for n, m in result["rows"][0]["measures"].items()}
    ms, mb = (row[f"growth of {what}"]["value"] for what in ("latency p95", "memory"))
    minutes = float(result["setup"]["seconds"]) / 60
    return f"{ms:+.1f} ms and {mb:+.1f} MB a minute, over {minutes:g} minutes", _count(row)


def _soak(result: Result) -> Cells:
    row = _row(result, "30 fps")
    minutes = float(result["setup"]["minutes"])
    grown = ", ".join(
        f"{row[f'growth of {what}']['value'] * minutes / 60:+.1f} {unit}"
        for what, unit in (("memory", "MB"), ("threads", "threads"), ("latency p95", "ms"))
    )
    return f"{grown} in {minutes:g} minutes", _count(row)


def _whole(result: Result) -> Cells:
    rate = _row(result, "whole pipeline")["rate"]
    return f"**{number(rate['value'])} fps**", rate.count


def _share(result: Result) -> Cells:
    goal = next(goal for goal in result["goals"] if "can do alone" in goal["figure"])
    slowest = goal["figure"].partition("of what ")[2].partition(" can")[0]
    alone = _row(result, f"{slowest}, alone")["rate"]
    return (
        f"{number(goal['measured'])} % (the {slowest}: {number(alone['value'])} fps)",
        _row(result, "whole pipeline")["rate"].count,
    )


def _carry(result: Result) -> Cells:
    works = [_row(result, f"carry {size}")["work"] for size in (256, 512)]
    measured = " / ".join(number(work["p50"]) for work in works)
    return f"**{measured} ms**", sum(work.count for work in works)


def _rest(result: Result) -> Cells:
    return f"**{number(_goal(result, 'sum of p95'))} ms**", result["samples"]


def _euro(result: Result) -> Cells:
    return f"**{number(_goal(result, 'One Euro'))} µs**", result["samples"]


def _fidelity(result: Result) -> Cells:
    files, live = (_goal(result, name) for name in ("Savitzky-Golay", "One Euro"))
    return f"**{number(files)} %** for files, **{number(live)} %** live", result["samples"]


def _lag(result: Result) -> Cells:
    return f"{result['figures']['lag_of_one_euro_ms']:.0f} ms", result["samples"]


def _unseen(result: Result) -> Cells:
    """Of every way that she is drawn: each has a row, whose name begins with it."""
    said = []
    for row in result["rows"]:
        way, colon, _ = row["name"].partition(":")
        ssim, iou = (Measure.from_dict(row["measures"][n])["value"] for n in ("SSIM", "alpha IoU"))
        said.append(f"{'by her ' + way + ' ' if colon else ''}{ssim:.3f}, {iou:.3f}")
    return "; ".join(said), result["samples"]


def _best(result: Result) -> Cells:
    """The quickest whose pictures are like enough to fp32's, which the first goal names."""
    goal = next(goal for goal in result["goals"] if goal["figure"].startswith("live,"))
    who = goal["figure"].removeprefix("live, ").removesuffix(" threads, p50")
    name, _, threads = who.rpartition(", ")
    row = _row(result, f"live, {name}, threads {threads}")
    over, ssim = _goal(result, "over ONNX Runtime fp32"), row["SSIM to fp32"]["value"]
    said = f"{name}, SSIM {ssim:.3f} to fp32, {number(over)} times as fast as ONNX Runtime fp32"
    return f"**{number(goal['measured'])} ms**: {said}", row["a frame"].count


def _wider(result: Result) -> Cells:
    """The presets that are not trained here, each by its quickest."""
    times, overs, samples = [], [], 0
    for preset in ("base", "paper"):
        of = [goal for goal in result["goals"] if goal["figure"].startswith(f"{preset},")]
        times.append(number(of[0]["measured"]))
        overs.append(number(_goal({"goals": of}, "over ONNX Runtime fp32")))
        name, _, threads = of[0]["figure"].removesuffix(" threads, p50").rpartition(", ")
        samples += _row(result, f"{name}, threads {threads}")["a frame"].count
    said = f"{overs[0]} and {overs[1]} times as fast as ONNX Runtime fp32"
    return f"**{', '.join(times)} ms**: {said}", samples


def _render(result: Result) -> Cells:
    rates = [f"{goal['measured']:.0f}" for goal in result["goals"]]
    return f"**{' / '.join(rates)} fps**", result["samples"]


# fmt: off
LINES: Final = (
    Line("live, 30 fps source: frames a second", "30", "open", _sustained),
    Line("the same: from when a frame was due to the sink, p50 / p95 / p99", "p95 ≤ 60 ms", "open",
         _latency),
    Line("a 60 fps source: frames a second; p95", "", "open", _sixty),
    Line("in a browser on the same two cores, from camera to screen: frames a second; p50 / p95",
         "≥ 25; p95 ≤ 200 ms", "webrtc", _glass("direct")),
    Line("the same over a network that loses 5 %, or wavers by 50 ms: p95", "", "webrtc",
         _networks),
    Line("the same: SSIM of what is shown, after the codec, to what was drawn", "", "webrtc",
         _codec),
    Line("beside it a page of MediaPipe, Kalidokit and three.js, without a server", "", "webrtc",
         _glass("three.js")),
    Line("live: growth of latency p95, of memory", "none", "live", _live),
    Line("a soak: growth of memory, threads, latency p95", "none", "soak", _soak),
    Line("a file, as fast as it can", "≥ 35 fps", "closed", _whole),
    Line("the same: share of what the slowest stage alone can do", "≥ 90 %", "closed", _share),
    Line("a puppet of a drawing, at 256 / 512 px", "≤ 4 / 15 ms", "puppet", _carry),
    Line("everything that is not a network, per frame at 512 px, p95", "< 2 ms", "stages", _rest),
    Line("normalisation and One Euro, per frame, p95", "< 50 µs", "stages", _euro),
    Line("pose fidelity: mean joint error, share of the torso", "< 5 %", "fidelity", _fidelity),
    Line("lag of the live smoothing", "", "fidelity", _lag),
    Line("the character on 50 unseen poses: SSIM, alpha IoU", "≥ 0.92, ≥ 0.93", "character",
         _unseen),
    Line("Ito's generator alone, two threads, p50", "≤ 6 ms", "models", _best),
    Line("the wider presets, untrained, the same way: `base`, `paper`", "≤ 16, 60 ms", "models",
         _wider),
    Line("the renderer: 20,000 triangles at 256 / 512 px, 2 × 2 samples a pixel",
         "≥ 100 / 30 fps on two cores", "render", _render),
)
# fmt: on


def table(text: str, results: list[Result]) -> tuple[str, list[str]]:
    """A table's lines written anew; and the benchmarks of which there was no result.

    Args:
        text: between the marks, with a heading of two lines.
        results: of the machine.
    """
    by_bench = {result["bench"]: result for result in results}
    by_name = {line.what: line for line in LINES}
    made, there = [], set()
    for old in text.strip().splitlines():
        what = old.strip("| ").partition(" | ")[0]
        line = by_name.get(_MARKS.sub("", what))
        if line is None or line.bench not in by_bench:
            there |= {line.what} if line else set()
            made.append(old)
            continue
        there.add(line.what)
        made.append(_made(line, by_bench[line.bench], what) or old)
    for line in LINES:
        if line.what not in there and line.bench in by_bench:
            made += filter(None, [_made(line, by_bench[line.bench], line.what)])
    gone = sorted({line.bench for line in LINES} - by_bench.keys())
    return "\n".join(made), gone


def _made(line: Line, result: Result, what: str) -> str | None:
    """None where the result has not what the line tells: it was made in brief, or in part."""
    try:
        return line.of(result, what)
    except (KeyError, StopIteration):
        return None
