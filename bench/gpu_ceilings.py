"""What a GPU does at its best, and how fast a network could be on it: see `bench.gpu`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.floor import Work


@dataclass(slots=True)
class Ceilings:
    """What the device was seen to do; its best of several tries.

    Attributes:
        operations_per_s: of a large matrix product, by precision; those that failed are left out.
        bytes_per_s: copying on the device, reading and writing counted.
        upload_per_s, download_per_s: bytes from and to pinned memory.
        failed: why a precision is left out.
    """

    operations_per_s: dict[str, float] = field(default_factory=dict)
    bytes_per_s: float = 0.0
    upload_per_s: float = 0.0
    download_per_s: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)

    def floor_ms(self, work: Work, precision: str, moved: tuple[int, int]) -> float | None:
        """The least device time: upload, arithmetic or memory, download; they cannot overlap."""
        if precision not in self.operations_per_s:
            return None
        smaller = 1.0 if precision == "fp32" else 0.5
        inside = max(
            work.operations / self.operations_per_s[precision],
            work.bytes * smaller / self.bytes_per_s,
        )
        outside = moved[0] / self.upload_per_s + moved[1] / self.download_per_s
        return 1e3 * (inside + outside)


def ceilings(device: str) -> Ceilings:
    """Measure them."""
    found = Ceilings()
    side = 8192 if device == "cuda" else 512
    kinds: dict[str, Callable[[], Any]] = {
        "fp32": lambda: _product(side, torch.float32, device),  # TF32, as convolutions are run
        "fp16": lambda: _product(side, torch.float16, device),
        "bf16": lambda: _product(side, torch.bfloat16, device),
    }
    if device == "cuda":
        kinds["fp8"] = lambda: _product_fp8(side)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        for precision, make in kinds.items():
            try:
                seconds = _best_s(make(), device)
            except Exception as error:  # noqa: BLE001  whatever it is, this one is left out
                found.failed[precision] = (str(error).splitlines() or [type(error).__name__])[0]
                continue
            found.operations_per_s[precision] = 2.0 * side**3 / seconds
    finally:
        torch.set_float32_matmul_precision(before)
    count = 2**30 if device == "cuda" else 2**26
    source = torch.ones(count, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found.bytes_per_s = 2 * count / _best_s(lambda: target.copy_(source), device)
    pinned = torch.empty(count // 16, dtype=torch.uint8, pin_memory=device == "cuda")
    part = target[: count // 16]
    up = _best_s(lambda: part.copy_(pinned, non_blocking=True), device)
    down = _best_s(lambda: pinned.copy_(part, non_blocking=True), device)
    found.upload_per_s, found.download_per_s = len(pinned) / up, len(pinned) / down
    return found


def _product(side: int, dtype: torch.dtype, device: str) -> Callable[[], object]:
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)
    return lambda: torch.mm(left, right, out=out)


def _product_fp8(side: int) -> Callable[[], object]:
    left, right = (torch.randn(side, side, device="cuda") for _ in range(2))
    one = torch.ones((), device="cuda")
    a, b = left.to(torch.float8_e4m3fn), right.to(torch.float8_e4m3fn).t()
    return lambda: torch._scaled_mm(a, b, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)


def _best_s(call: Callable[[], object], device: str, tries: int = 8) -> float:
    """The least time of one call, seconds, by the device's clock."""
    for _ in range(3):
        call()
    spent = []
    for _ in range(tries):
        if device == "cuda":
            first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            first.record()
            call()
            last.record()
            torch.cuda.synchronize()
            spent.append(1e-3 * float(first.elapsed_time(last)))
        else:
            begun = time.perf_counter()
            call()
            spent.append(time.perf_counter() - begun)
    return min(spent)
