"""What a run tells of itself while it trains."""

import json
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import NO_SPACE
from training.errors import NoRoom
from training.fewshot.errors import CheckpointError
from training.fewshot.validate import encode_sheet
from training.files import make_folder, write_whole

CURVE = "curve.jsonl"


class Diary:
    """What a run leaves in its folder: curve.jsonl, samples.png and TensorBoard's events.

    A run that was killed may have written more than its last checkpoint knows: what came after
    `step` is cut off. CheckpointError where the curve is none.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        make_folder(folder)
        self.folder, self.curve = folder, folder / CURVE
        if self.curve.exists():
            lines = self.curve.read_text().splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]  # the last may be cut short
            try:
                kept = [line for line in whole if int(json.loads(line)["step"]) <= step]
            except (ValueError, KeyError, TypeError) as error:
                raise CheckpointError(
                    f"{self.curve} is damaged or no curve ({error}): delete it, the run goes on "
                    "without"
                ) from error
            write_whole(self.curve, "".join(kept).encode())
        self._events = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def write(self, line: dict[str, float]) -> None:
        """A line of the curve: to the file, to TensorBoard and to the terminal; NoRoom."""
        try:
            with self.curve.open("a") as curve:
                curve.write(json.dumps(line) + "\n")
            for name, value in line.items():
                self._events.add_scalar(name, value, int(line["step"]))
            self._events.flush()
        except OSError as error:
            if error.errno in NO_SPACE:
                raise NoRoom(
                    f"no room for the curve in {self.folder}: free some and start again; the last "
                    "checkpoint is whole"
                ) from error
            raise
        print(" ".join(f"{name}={value:.5g}" for name, value in line.items()), flush=True)

    def show(self, picture: NDArray[np.uint8], step: int) -> None:
        """Write the sheet of samples."""
        write_whole(self.folder / "samples.png", encode_sheet(picture))
        self._events.add_image("samples", picture, step, dataformats="HWC")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._events.close()


def curve(folder: Path) -> list[dict[str, float]]:
    """What a run wrote down of itself, a line for each checkpoint; none of a run without."""
    path = folder / CURVE
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def minutes(folder: Path) -> float:
    """The wall time of a run by its curve, however often it was stopped and went on."""
    seconds, last = 0.0, 0
    for line in curve(folder):
        seconds += (line["step"] - last) / line["steps_per_second"]
        last = int(line["step"])
    return seconds / 60
