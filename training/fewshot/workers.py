"""One process or several, a GPU each: `torchrun --nproc-per-node N` (or --gpus N, which calls it).

Each process takes its share of a meta-batch's characters; gradients are summed. Not DDP: its hooks
wait for a module's forward pass, and an inner loop calls functions of parameters.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from training.fewshot.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Workers:
    """This process among those that train together."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files and talks."""
        return self.rank == 0

    def share(self, tasks: int) -> range:
        """The places in a meta-batch that this process draws."""
        if tasks < self.count:
            raise SettingsError(
                f"{self.count} processes cannot share {tasks} characters a batch: take at least "
                f"{self.count}"
            )
        return range(self.rank, tasks, self.count)

    @torch.no_grad()
    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Add up each tensor over the processes, in place, in one message."""
        found = list(tensors)
        if self.count == 1 or not found:
            return
        flat = torch.cat([t.flatten() for t in found])
        dist.all_reduce(flat)
        for tensor, part in zip(found, flat.split([t.numel() for t in found]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def any(self, flag: bool) -> bool:
        """Whether any process says so: all then do the same."""
        if self.count == 1:
            return flag
        said = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(said)
        return bool(said > 0)


@contextmanager
def workers(device: str | None = None) -> Iterator[Workers]:
    """This process; under torchrun it joins the others and leaves them at the end.

    `device` is "cpu" or "cuda"; without, a GPU where there is one. SettingsError without it.
    """
    kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and not torch.cuda.is_available():
        raise SettingsError("found no GPU that this torch can use: pass --device cpu")
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Workers(torch.device(kind))
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    if kind == "cuda":
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield Workers(
            torch.device(kind, local) if kind == "cuda" else torch.device(kind), rank, count
        )
    finally:
        dist.destroy_process_group()


def launch(processes: int) -> bool:
    """Start this very command in so many processes, and wait for them; False within one of them."""
    if "WORLD_SIZE" in os.environ:
        return False
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={processes}", "-m", "training.cli", *sys.argv[1:]]
    ended = subprocess.run(command, check=False).returncode
    if ended:
        raise SettingsError(f"{processes} processes ended with {ended}: see above")
    return True
