"""Files of named tensors with words in their header: safetensors."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from training.fewshot.errors import CheckpointError


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A file's tensors, on the processor and as precise as they lie there, and its header.

    Raises:
        CheckpointError: there is no such file, or it is none of safetensors.
    """
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as weights: {error}") from error
