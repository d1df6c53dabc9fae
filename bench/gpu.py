"""`python -m bench.gpu -o FOLDER`: how fast are the generators on this machine's NVIDIA GPU?

The presets `live`, `base` and `paper` at 256 and 512 pixels, with random weights, in every way that
is here: PyTorch with one CUDA graph a frame, eager and compiled; ONNX Runtime; TensorRT in its two
kinds; and the whole frame, from the camera's bytes to the output's, as one CUDA graph of PyTorch.
Beside each is the floor: its arithmetic and its memory at the speed of a large matrix product and
of a large copy, and its upload and download, all measured in the same run.

It is made for a machine that is lent for minutes, and needs no more than torch, onnx, onnxscript,
onnxruntime, OpenCV, numpy and typer there; for whole frames also numba, and the pose networks as
they are kept where the engine has run (`engine.pose.networks.path_of`). Every figure is written as
soon as it is known; a way that fails is kept with its message and the run goes on, in a new process
where the GPU's state is lost; the same command goes on where it stopped.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.floor import Work
from bench.gpu_ceilings import Ceilings, ceilings
from bench.gpu_methods import (
    LATE,
    METHODS,
    WHOLE,
    Networks,
    Row,
    measure,
    truth_of,
    work,
)
from engine import console
from engine.backends.cuda import why_not
from engine.files import write_whole
from export.torch_backend import first_of

GOALS_MS: Final = {("live", 256): 0.5, ("paper", 512): 4.0}
START_GOAL_S: Final = 2.0
_ROW_LIMIT_S: Final = 120.0
_LATE_LIMIT_S: Final = 240.0
_RECORDS: Final = ("torch", WHOLE)
"""How those begin that record graphs by torch, whose memory may stay as it was in a recording
that failed: a new process goes on."""
_COLUMNS: Final = (
    "way", "precision", "device p50", "p99", "end to end p50", "p99", "floor", "start",
    "GPU memory", "mean error",
)  # fmt: skip
_STATE: Final = "gpu.json"
_TABLE: Final = "gpu.md"
_ERRORS: Final = "gpu.errors.txt"


@dataclass(slots=True)
class State:
    """All that was found so far, as it is in the file.

    Attributes:
        machine: device, versions.
        work: of "preset size": operations and bytes.
        running: the row that a worker has begun, if it has not ended it.
    """

    machine: dict[str, str]
    ceilings: Ceilings | None = None
    work: dict[str, tuple[float, float]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    running: tuple[str, int, str, str] | None = None

    def write(self, folder: Path) -> None:
        """Whole or not at all, and the table with it."""
        for name, text in ((_STATE, json.dumps(asdict(self), indent=1)), (_TABLE, markdown(self))):
            write_whole(folder / name, f"{text}\n".encode())

    @classmethod
    def read(cls, folder: Path) -> "State | None":
        """What was written; None where nothing was."""
        try:
            told = json.loads((folder / _STATE).read_text("utf-8"))
        except FileNotFoundError:
            return None
        for row in told["rows"]:
            for name in ("device_ms", "end_to_end_ms", "beside", "moved"):
                row[name] = row[name] and tuple(row[name])
        rows = [Row(**row) for row in told["rows"]]
        found = Ceilings(**told["ceilings"]) if told["ceilings"] else None
        works = {name: (one, other) for name, (one, other) in told["work"].items()}
        running = tuple(told["running"]) if told["running"] else None
        return cls(told["machine"], found, works, rows, running)

    def left(self, wanted: list[Row]) -> list[Row]:
        """Of what is wanted that which nothing is known of."""
        known = {row.key for row in self.rows}
        return [row for row in wanted if row.key not in known]


def wanted_rows(presets: list[str], sizes: list[int], methods: list[str]) -> list[Row]:
    """All rows, in the order that they are measured in."""
    chosen = [(m, p) for m, p in METHODS if not methods or m in methods]
    cells = [(preset, size) for size in sizes for preset in presets]
    cells.sort(key=lambda cell: cell not in GOALS_MS)  # what is asked about comes first
    return [
        Row(preset, size, method, precision)
        for late in (False, True)
        for preset, size in cells
        for method, precision in chosen
        if (method in LATE) is late
    ]


def machine(device: str) -> dict[str, str]:
    """What figures depend on."""
    import torch

    found = {"device": device, "torch": torch.__version__, "python": sys.version.split()[0]}
    if device == "cuda":
        if not torch.cuda.is_available():
            told = why_not() or f"torch {torch.__version__} finds no GPU"
            raise SystemExit(f"{told}; to rehearse: --device cpu")
        found["device"] = torch.cuda.get_device_name()
        found["cuda"] = str(torch.version.cuda)
    return found


def worker(
    folder: Path,
    work_folder: Path,
    wanted: list[Row],
    device: str,
    seconds: float,
    until: float,
    pose: Path | None = None,
) -> None:
    """Measure what is left, until time is up or the GPU's state is lost."""
    networks = Networks(work_folder, pose)
    state = State.read(folder) or State(machine(device))
    if state.ceilings is None:
        try:
            state.ceilings = ceilings(device)
        except Exception as error:  # noqa: BLE001  rows have their figures without a floor, too
            state.ceilings = Ceilings(failed={"all": _first_line(error)})
        state.write(folder)
    truths: dict[tuple[str, int], Any] = {}
    for row in state.left(wanted):
        if time.time() > until:
            return
        cell = (row.preset, row.size)
        state.running = row.key
        state.write(folder)
        try:
            if cell not in truths:
                truths[cell] = truth_of(*cell, networks, device)
                told = work(*cell, networks)
                state.work[f"{row.preset} {row.size}"] = (told.operations, told.bytes)
            measure(row, networks, device, truths[cell], seconds)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this row's result
            row.failed = _first_line(error)
            with (folder / _ERRORS).open("a", encoding="utf-8") as errors:
                errors.write(f"{_line(row)}\n{traceback.format_exc()}\n")
        state.rows.append(row)
        state.running = None
        state.write(folder)
        print(_line(row), flush=True)
        if row.failed and (lost(device) or (device == "cuda" and row.method.startswith(_RECORDS))):
            return


def lost(device: str) -> bool:
    """Whether the GPU answers no more in this process: after some errors it never does."""
    if device != "cuda":
        return False
    import torch

    try:
        torch.cuda.synchronize()
        return bool(torch.ones(1, device="cuda").sum().item() != 1)
    except RuntimeError:
        return True


def supervise(folder: Path, arguments: list[str], wanted: list[Row], until: float) -> None:
    """Run workers until nothing is left; what ends or outlasts one is kept as failed."""
    while True:
        before = State.read(folder)
        if before is not None and (not before.left(wanted) or time.time() > until):
            return
        process = subprocess.Popen([sys.executable, "-m", "bench.gpu", *arguments])
        hung = _watch(process, folder)
        after = State.read(folder)
        if after is None:
            raise SystemExit("the worker ended before it had found anything: see above")
        if after.running is not None:
            why = (
                f"took longer than {_limit_s(after):.0f} s" if hung
                else f"its process ended with code {process.returncode}"
            )  # fmt: skip
            after.rows.append(Row(*after.running, failed=why))
            after.running = None
            after.write(folder)
        elif before is not None and len(after.rows) == len(before.rows):
            return  # for want of time


def _watch(process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Wait for a worker's end; whether it had to be ended, as one row took too long."""
    begun = time.time()
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
            return False
        with suppress(FileNotFoundError):
            begun = max(begun, (folder / _STATE).stat().st_mtime)
        if time.time() - begun > _limit_s(State.read(folder)):
            process.kill()
            process.wait()
            return True


def _limit_s(state: State | None) -> float:
    """How long the row that is running may take."""
    compiled = state is not None and state.running is not None and state.running[2] in LATE
    return _LATE_LIMIT_S if compiled else _ROW_LIMIT_S


def markdown(state: State) -> str:
    """The tables."""
    lines = ["# Generators on a GPU", "", ", ".join(f"{k} {v}" for k, v in state.machine.items())]
    found = state.ceilings
    if found is not None:
        told = [f"{p} {1e-12 * v:.1f} T operations/s" for p, v in found.operations_per_s.items()]
        told += [f"{p} failed: {why}" for p, why in found.failed.items()]
        told += [
            f"copy {1e-9 * found.bytes_per_s:.0f} GB/s",
            f"upload {1e-9 * found.upload_per_s:.1f} GB/s",
            f"download {1e-9 * found.download_per_s:.1f} GB/s",
        ]
        lines += ["", f"Ceilings, measured in this run: {'; '.join(told)}."]
    cells = dict.fromkeys((row.preset, row.size) for row in state.rows)
    for preset, size in cells:
        lines += [
            "", f"## `{preset}`, {size} x {size}", "",
            f"| {' | '.join(_COLUMNS)} |", "| --- " * len(_COLUMNS) + "|",
        ]  # fmt: skip
        here = [row for row in state.rows if (row.preset, row.size) == (preset, size)]
        here.sort(key=lambda row: (row.end_to_end_ms or (1e9,))[0])
        lines += [_markdown_row(row, state) for row in here if row.failed is None]
        lines += [
            f"| {row.method} | {row.precision} | failed: {row.failed.replace('|', '/')} ||||||||"
            for row in here
            if row.failed is not None
        ]
    reached = goals(state)
    if reached:
        lines += ["", "## Goals", "", *reached]
    return "\n".join(lines)


def goals(state: State) -> list[str]:
    """What was asked for, and what was found."""
    found = []
    for (preset, size), goal in GOALS_MS.items():
        times = [
            (row.device_ms[0], row)
            for row in state.rows
            if (row.preset, row.size) == (preset, size) and row.device_ms is not None
            and not row.method.startswith(WHOLE)
        ]  # fmt: skip
        if times:
            best, row = min(times, key=lambda pair: pair[0])
            told = "reached" if best < goal else "missed"
            found.append(
                f"- {preset} at {size}: {best:.3f} ms of device time ({row.method} "
                f"{row.precision}); under {goal} ms was asked: {told}"
            )
    kept = [row for row in state.rows if row.method.startswith("TensorRT") and row.start_s]
    if kept:
        slowest = max(kept, key=lambda row: row.start_s or 0.0)
        assert slowest.start_s is not None
        told = "reached" if slowest.start_s < START_GOAL_S else "missed"
        found.append(
            f"- start from the cache: {slowest.start_s:.1f} s at most ({slowest.preset} at "
            f"{slowest.size}, {slowest.method}); under {START_GOAL_S:.0f} s was asked: {told}"
        )
    return found


def _markdown_row(row: Row, state: State) -> str:
    def pair(value: tuple[float, float] | None) -> str:
        return "| |" if value is None else f"{value[0]:.3f} | {value[1]:.3f} |"

    floor = None
    told = state.work.get(f"{row.preset} {row.size}")
    if state.ceilings is not None and told is not None:
        channels = 3 if row.method.endswith("composited") else 4
        moved = row.moved or (3 * row.size**2, channels * row.size**2)
        floor = state.ceilings.floor_ms(Work(*told), row.precision, moved)
        if row.beside is not None and floor is not None:  # the pose network, always in fp32
            beside = state.ceilings.floor_ms(Work(*row.beside), "fp32", (0, 0))
            floor = None if beside is None else floor + beside
    error = "" if row.mean_error is None else f"{row.mean_error:.2f}"
    if row.joints_px is not None:
        error = f"joints {row.joints_px:.2f} px"
    return (
        f"| {row.method} | {row.precision} | {pair(row.device_ms)} {pair(row.end_to_end_ms)} "
        f"{'' if floor is None else f'{floor:.3f}'} | "
        f"{'' if row.start_s is None else f'{row.start_s:.1f} s'} | "
        f"{'' if row.memory_mb is None else f'{row.memory_mb:.0f} MB'} | "
        f"{error} |"
    )


def _line(row: Row) -> str:
    who = f"{row.preset} {row.size}, {row.method}, {row.precision}"
    if row.failed is not None:
        return f"{who}: failed: {row.failed}"
    told = "" if row.device_ms is None else f"device {row.device_ms[0]:.3f} ms, "
    assert row.end_to_end_ms is not None
    return f"{who}: {told}end to end {row.end_to_end_ms[0]:.3f} ms"


def _first_line(error: Exception) -> str:
    first = first_of(error)
    text = str(first).strip().splitlines()
    return f"{type(first).__name__}: {text[0] if text else ''}"[:300]


def main(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER")],
    device: Annotated[str, typer.Option(help="cuda; cpu to rehearse.")] = "cuda",
    presets: Annotated[str, typer.Option(help="Generators.")] = "live,base,paper",
    sizes: Annotated[str, typer.Option(help="Of the pictures, px.")] = "256,512",
    methods: Annotated[str, typer.Option(help="By name, with ; between; empty: all.")] = "",
    seconds: Annotated[float, typer.Option(help="For each way and clock.")] = 0.5,
    minutes: Annotated[float, typer.Option(help="No row begins later.")] = 5.0,
    pose: Annotated[
        Path | None, typer.Option(metavar="FILE", help="pose-full.onnx.zip, for whole frames.")
    ] = None,
    work_folder: Annotated[Path | None, typer.Option(hidden=True)] = None,
    until: Annotated[float | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure it; the same command goes on where it stopped."""
    wanted = wanted_rows(
        presets.split(","), [int(size) for size in sizes.split(",")],
        [name.strip() for name in methods.split(";") if name.strip()],
    )  # fmt: skip
    if work_folder is not None and until is not None:
        worker(output, work_folder, wanted, device, seconds, until, pose)
        return
    output.mkdir(parents=True, exist_ok=True)
    kept = State.read(output)
    here = machine(device)
    if kept is not None and kept.machine != here:
        raise SystemExit(
            f"{output} holds figures of {kept.machine}, this is {here}: choose another"
        )
    until = time.time() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="ayatsuri-gpu-") as networks:
        arguments = [
            "-o", str(output), "--device", device, "--presets", presets, "--sizes", sizes,
            "--methods", methods, "--seconds", str(seconds), "--work-folder", networks,
            "--until", str(until), *(() if pose is None else ("--pose", str(pose))),
        ]  # fmt: skip
        supervise(output, arguments, wanted, until)
    state = State.read(output)
    assert state is not None
    print((output / _TABLE).read_text("utf-8"))
    left = state.left(wanted)
    if left:
        names = "; ".join(f"{r.preset} {r.size} {r.method} {r.precision}" for r in left)
        print(f"left out for want of time ({names}): run the same command again")
    failed = sum(row.failed is not None for row in state.rows)
    print(json.dumps({"rows": len(state.rows), "failed": failed, "folder": os.fspath(output)}))


if __name__ == "__main__":
    console.run(main)
