"""Which runtime a character's network is run by, and in which precision: asked for, or measured.

`auto` measures what is there, once: every runtime and precision draws the same few poses in turn,
and those whose pictures are not like those of fp32 are refused. What was measured is kept in the
user's cache, for as long as the character, the libraries and the machine stay the same.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.backends import nvidia
from engine.backends.base import Backend
from engine.backends.columns import open_columns
from engine.backends.probes import Subject
from engine.character import Network
from engine.errors import BackendError, MissingDependency, ProviderMissing, pip_install
from engine.models import cache_folder
from engine.report import machine

PROVIDERS: Final = {
    "onnxruntime": "CPUExecutionProvider",
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
    "onnxruntime-directml": "DmlExecutionProvider",
    "onnxruntime-coreml": "CoreMLExecutionProvider",
}
DEVICES: Final = {"openvino": "CPU", "openvino-gpu": "GPU"}
BACKENDS: Final = (*PROVIDERS, *DEVICES, *nvidia.BACKENDS)
ON_PROCESSOR: Final = ("onnxruntime", "openvino")
"""They draw on the processor alone, by as many threads as are asked for."""
ONLY_IF_ASKED: Final = ("onnxruntime-tensorrt",)
"""They take minutes to start: `auto` does not try them."""

PRECISIONS: Final = ("fp32", "bf16", "fp16", "int8")
"""The most exact first."""

GATE: Final = 0.985
"""Least SSIM against fp32, as mean over the poses that are measured with."""

SHARE: Final = 0.25
"""Of the time between two frames: the generator may take so much while exactness comes first."""

MEASURED: Final = "measured"
"""The folder of the user's cache that keeps what was measured."""

_SCHEMA: Final = 2
_ROUNDS: Final = 8
_SECONDS: Final = 1.0  # for one candidate at most, unless a single round takes longer
_PACKAGES: Final = ("ayatsuri", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "torch")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to draw a character here."""

    backend: str
    precision: str

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a candidate did in the trial.

    Attributes:
        p50_ms, p95_ms: time of a frame.
        ssim: mean against fp32, over white.
        refused: why it is out of the question, if it is.
    """

    backend: str
    precision: str
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    ssim: float = 0.0
    refused: str | None = None

    @property
    def candidate(self) -> Candidate:
        """Who."""
        return Candidate(self.backend, self.precision)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who draws a character, and what that was decided upon.

    Attributes:
        trial: what was measured, now or on an earlier day; empty where nothing had to be.
        name: of the backend in full, with versions.
    """

    character: str
    candidate: Candidate
    trial: tuple[Measured, ...]
    name: str = ""

    def __str__(self) -> str:
        line = f"{self.character}: drawn by {self.candidate} ({self.name or 'not started'}"
        told = ", ".join(
            f"{m.candidate} {'refused' if m.refused else f'{m.p50_ms:.1f} ms'}" for m in self.trial
        )
        return line + (f"; measured: {told})" if told else ")")

    def to_dict(self) -> dict[str, object]:
        """For the report."""
        return {
            "name": self.name,
            **asdict(self.candidate),
            "measured": [asdict(entry) for entry in self.trial],
        }


def start(
    subject: Subject,
    *,
    backend: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    fps: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Backend, Choice]:
    """A network in the runtime and precision that are asked for, or the best.

    With a frame rate, the most exact precision is taken that leaves three quarters of the time
    between two frames to everything else; where none does, or no rate is asked for, the quickest.

    Args:
        subject: the network, and what it is tried on.
        backend: one of `BACKENDS`, or "auto".
        precision: one of `PRECISIONS`, or "auto".
        threads: processor threads, for the runtimes that use the processor.
        fps: frames a second that are wanted; None: as many as can be.
        say: told when something is measured, as that takes seconds.

    Raises:
        ProviderMissing: what is asked for is not here; the message lists what is.
        BackendError: nothing draws the character as it should be.
    """
    found = candidates(subject.network)
    wanted = select(found, backend, precision, subject)
    trial: tuple[Measured, ...] = ()
    # fp32 is what all others are compared with; a lone candidate of it needs no trial.
    if len(wanted) == 1 and wanted[0].precision == "fp32":
        chosen = wanted[0]
    else:
        trial = tuple(_remembered(subject, wanted, threads, say))
        chosen = best(trial, fps)
    made = open_candidate(chosen, subject.network, threads)
    return made, Choice(subject.name, chosen, trial, made.name)


def candidates(network: Network) -> list[Candidate]:
    """All that can run this network on this machine."""
    from engine.backends.onnxruntime import load

    present = load().get_available_providers()
    found = [Candidate(name, "fp32") for name, told in PROVIDERS.items() if told in present]
    if "int8" in network.variants:
        found.append(Candidate("onnxruntime", "int8"))
    found += [Candidate(*able) for able in nvidia.candidates(network)]
    try:
        from engine.backends.openvino import devices, precisions

        there = devices()
    except MissingDependency:
        return found
    names: dict[str, str] = {"f32": "fp32", "bf16": "bf16", "f16": "fp16"}
    for backend, device in DEVICES.items():
        if device in there:
            found += [Candidate(backend, names[able]) for able in precisions(device)]
    if "int8" in network.variants:
        found.append(Candidate("openvino", "int8"))
    return found


def select(
    found: Sequence[Candidate], backend: str, precision: str, subject: Subject
) -> list[Candidate]:
    """Those that were asked for.

    Raises:
        ValueError: no such name.
        ProviderMissing: it is not here.
    """
    for word, known, kind in ((backend, BACKENDS, "backend"), (precision, PRECISIONS, "precision")):
        if word not in ("auto", *known):
            raise ValueError(f"{kind} must be auto, {', '.join(known)}, but it is {word!r}")
    wanted = [
        c
        for c in found
        if (backend == c.backend or (backend == "auto" and c.backend not in ONLY_IF_ASKED))
        and precision in ("auto", c.precision)
    ]
    if not wanted:
        what = " ".join(word for word in (backend, precision) if word != "auto")
        message = (
            f"{subject.name} cannot be drawn by {what} here; present: {', '.join(map(str, found))}"
        )
        if precision == "int8" and "int8" not in subject.network.variants:
            message += "; the bundle holds no int8"
        if backend == "openvino" and not any(c.backend == "openvino" for c in found):
            message += f"; install it with `{pip_install('openvino')}`"
        if backend in nvidia.BACKENDS and not any(c.backend == backend for c in found):
            message += f"; {backend}: {nvidia.missing(backend)}"
        raise ProviderMissing(message)
    return wanted


def open_candidate(candidate: Candidate, network: Network, threads: int) -> Backend:
    """Start it; a processor draws only the columns that are not empty, where it can.

    Raises:
        BackendError: see the backends.
    """
    if candidate.backend in nvidia.BACKENDS:
        return nvidia.open_backend(candidate.backend, candidate.precision, network)
    model = network.variants["int8"] if candidate.precision == "int8" else network.model
    if candidate.backend in ON_PROCESSOR:
        return open_columns(model, lambda model: _open(candidate, model, threads))
    return _open(candidate, model, threads)


def _open(candidate: Candidate, model: bytes, threads: int) -> Backend:
    """Start a runtime that is not NVIDIA's, for whole pictures."""
    if candidate.backend in PROVIDERS:
        from engine.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(model, threads=threads, provider=PROVIDERS[candidate.backend])
    from engine.backends.openvino import OpenVinoBackend, Precision, precisions

    device = DEVICES[candidate.backend]
    calculates: Precision = "f32"
    # Layers that a file in int8 has in float take the quickest there is: it is measured so.
    if candidate.precision == "bf16" or (
        candidate.precision == "int8" and "bf16" in precisions(device)
    ):
        calculates = "bf16"
    elif candidate.precision == "fp16":
        calculates = "f16"
    return OpenVinoBackend(model, threads=threads, precision=calculates, device=device)


def best(trial: Sequence[Measured], fps: float | None) -> Candidate:
    """Whom to take; see `start`.

    Raises:
        BackendError: all were refused.
    """
    allowed = [entry for entry in trial if entry.refused is None]
    if not allowed:
        reasons = "; ".join(f"{entry.candidate}: {entry.refused}" for entry in trial)
        raise BackendError(f"nothing that was asked for draws as it should: {reasons}")
    if fps is not None:
        budget_ms = SHARE * 1000 / fps
        for precision in PRECISIONS:
            quick = [e for e in allowed if e.precision == precision and e.p95_ms <= budget_ms]
            if quick:
                return min(quick, key=lambda e: e.p50_ms).candidate
    return min(allowed, key=lambda e: e.p50_ms).candidate


def measure(subject: Subject, wanted: Sequence[Candidate], threads: int) -> list[Measured]:
    """Let each draw the same poses, in turns, and compare their pictures with fp32's."""
    from engine.likeness import ssim

    inputs = subject.inputs()
    truth = _truth(subject, inputs, threads)
    measured: list[Measured] = []
    running: list[tuple[Candidate, Backend, float, list[float]]] = []
    out = np.empty(subject.network.output_spec.shape[1:], np.uint8)
    with ExitStack() as cleanup:
        for candidate in wanted:
            scores = []
            try:
                backend = open_candidate(candidate, subject.network, threads)
                cleanup.callback(backend.close)
                for index, (given, wanted_picture) in enumerate(zip(inputs, truth, strict=True)):
                    backend.run(given, out)
                    scores.append(ssim(subject.picture(index, out), wanted_picture))
            except (BackendError, MissingDependency) as error:
                measured.append(Measured(**asdict(candidate), refused=str(error)))
                continue
            score = float(np.mean(scores))
            if score < GATE:
                reason = f"SSIM {score:.4f} against fp32, at least {GATE} is asked"
                measured.append(Measured(**asdict(candidate), ssim=score, refused=reason))
                continue
            running.append((candidate, backend, score, []))
        for _ in range(_ROUNDS):
            for _, backend, _, times_ms in running:
                if sum(times_ms) > 1000 * _SECONDS:
                    continue
                backend.run(inputs[-1], out)  # finds others' data in the caches: not counted
                for given in inputs:
                    began = time.perf_counter()
                    backend.run(given, out)
                    times_ms.append(1000 * (time.perf_counter() - began))
    for candidate, _, score, times_ms in running:
        p50, p95 = (float(np.percentile(times_ms, share)) for share in (50, 95))
        measured.append(Measured(**asdict(candidate), p50_ms=p50, p95_ms=p95, ssim=score))
    return measured


def _truth(
    subject: Subject, inputs: Sequence[NDArray[np.uint8]], threads: int
) -> list[NDArray[np.uint8]]:
    reference = _open(Candidate("onnxruntime", "fp32"), subject.network.model, threads)
    out = np.empty(subject.network.output_spec.shape[1:], np.uint8)
    try:
        pictures = []
        for index, given in enumerate(inputs):
            reference.run(given, out)
            pictures.append(subject.picture(index, out).copy())
        return pictures
    finally:
        reference.close()


def _remembered(
    subject: Subject,
    wanted: Sequence[Candidate],
    threads: int,
    say: Callable[[str], None],
) -> list[Measured]:
    """What was measured of these on an earlier day, or now."""
    path = cache_folder() / MEASURED / f"{_key(subject, wanted, threads)}.json"
    found = _read(path, wanted)
    if found is None:
        say(f"measuring what draws {subject.name} best: {', '.join(map(str, wanted))} ...")
        found = measure(subject, wanted, threads)
        _write(path, found)
    return found


def _key(subject: Subject, wanted: Sequence[Candidate], threads: int) -> str:
    """Changes with all that the figures depend on."""
    network = subject.network
    models = [network.model, *(network.variants[name] for name in sorted(network.variants))]
    about = machine()
    parts = {
        "schema": _SCHEMA,
        "models": [sha256(model).hexdigest() for model in models],
        "about": sha256(subject.about).hexdigest(),
        "candidates": [str(candidate) for candidate in wanted],
        "threads": threads,
        "machine": [about[name] for name in ("platform", "processor", "cores")],
        "gpu": nvidia.gpu(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _read(path: Path, wanted: Sequence[Candidate]) -> list[Measured] | None:
    """None where nothing is kept, or nothing that can be used: then it is measured again."""
    try:
        found = [Measured(**entry) for entry in json.loads(path.read_text("utf-8"))]
        complete = {entry.candidate for entry in found} == set(wanted)
        sound = all(e.refused is not None or 0 < e.p50_ms <= 1e6 for e in found)
    except (OSError, ValueError, TypeError):
        return None
    return found if complete and sound else None


def _write(path: Path, measured: Sequence[Measured]) -> None:
    """Keep it, whole or not at all; a cache that cannot be written costs seconds, not the show."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([asdict(entry) for entry in measured], indent=1)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
