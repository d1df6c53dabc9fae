"""How far an exported network's results are from PyTorch's."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from engine.backends.onnxruntime import load
from engine.likeness import ssim

_PIXELS = (np.uint8, 4)  # a picture: bytes, RGBA in the last axis


@dataclass(frozen=True, slots=True)
class Parity:
    """Difference between PyTorch's and ONNX Runtime's results, in the result's own unit.

    Attributes:
        max_error, mean_error: of its numbers; levels of 255 where it is bytes.
        ssim: mean over pictures, over white; None where the result is no RGBA picture in bytes.
    """

    max_error: float
    mean_error: float
    ssim: float | None = None


@torch.no_grad()
def parity(module: nn.Module, model: bytes, given: Iterable[tuple[Tensor, ...]]) -> Parity:
    """Run a module and an ONNX file of it, in whatever precision, on the same arguments.

    Args:
        module: the network in PyTorch, whose one result is compared.
        model: the file; its inputs are the module's arguments in order.
        given: what both are given, one tuple of arguments after the other.

    Raises:
        ValueError: nothing is given.
    """
    session = load().InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [put.name for put in session.get_inputs()]
    largest, means, likeness = 0.0, [], []
    for arguments in given:
        (found,) = session.run(None, dict(zip(names, (a.numpy() for a in arguments), strict=True)))
        truth = module.eval()(*arguments).numpy()
        error = np.abs(truth.astype(np.float64) - found)
        largest = max(largest, float(error.max()))
        means.append(float(error.mean()))
        if (truth.dtype, truth.shape[-1]) == _PIXELS:
            likeness += [ssim(a, b) for a, b in zip(found, truth, strict=True)]
    if not means:
        raise ValueError("give at least one input to compare on")
    return Parity(largest, float(np.mean(means)), float(np.mean(likeness)) if likeness else None)
