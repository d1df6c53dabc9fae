"""State that lives on the device from frame to frame, and small formulas that several steps use."""

import math

import numpy as np
import torch
from torch import Tensor, nn


class Step(nn.Module):
    """A part of the frame with a state of its own in buffers, overwritten in place.

    Nothing in a step depends on a value: what the kernels branch on is chosen by `torch.where`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._first: dict[str, Tensor] = {}

    def begin(self, **values: Tensor) -> None:
        """Declare the state, and what it is at first.

        Each has a dimension: what is written to buffers without one is lost by `torch.compile`
        (2.13, seen on a processor).
        """
        for name, value in values.items():
            if not value.ndim:
                raise ValueError(f"the state {name} needs a dimension")
            self._first[name] = value
            self.register_buffer(name, value.clone())

    def keep(self, **values: Tensor) -> None:
        """Overwrite some of the state; all values are calculated before."""
        for name, value in values.items():
            getattr(self, name).copy_(value)

    def reset(self) -> None:
        """As if new; between two frames."""
        self.keep(**self._first)

    def constants(self, **values: object) -> None:
        """Declare what never changes: numbers in float64, indices in int64, bool as it is."""
        for name, value in values.items():
            # By numpy: of Python's numbers torch would make float32.
            tensor = value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
            if tensor.dtype != torch.bool:
                whole = tensor.dtype in (torch.int32, torch.int64)
                tensor = tensor.to(torch.int64 if whole else torch.float64)
            self.register_buffer(name, tensor.clone(), persistent=False)


def doubles(*shape: int, fill: float = 0.0) -> Tensor:
    """A state of numbers."""
    return torch.full(shape, fill, dtype=torch.float64)


def flags(*shape: int) -> Tensor:
    """A state of truths, all false."""
    return torch.zeros(shape, dtype=torch.bool)


def low_pass(cutoff_hz: Tensor | float, step_s: Tensor) -> Tensor:
    """Weight of a new sample in a first-order low-pass filter."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * step_s))


def either(condition: Tensor, yes: float, no: float) -> Tensor:
    """One of two numbers: `torch.where` would make float32 of them."""
    return torch.where(condition, torch.full_like(condition, yes, dtype=torch.float64), no)


def smoothstep(x: Tensor) -> Tensor:
    """From 0 to 1, smooth at both."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)
