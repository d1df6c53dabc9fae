"""What becomes of drawings, and how long each step of enrolment takes.

`python -m bench.enrolment DRAWING...` prints a line for each: a user waits for all of it, once.
Beside the time that passed there is the processor's, which other programs change less.
"""

import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from engine import console
from engine.enrol.enrol import Character, Wish, enrol, write
from engine.enrol.judging import flatness
from engine.errors import EnrolError


def enrolled(path: Path, folder: Path) -> dict[str, object]:
    """One drawing's line: seconds of every step and what was found, or why it was refused."""
    steps: list[tuple[str, float]] = []
    worked = time.process_time()

    def step(text: str) -> None:
        steps.append((text.partition(" ")[0], time.perf_counter()))

    wish = Wish()
    try:
        character: Character = enrol([path], wish, step=step)
    except EnrolError as error:
        return {"drawing": path.name, "refused": type(error).__name__, "because": str(error)}
    step("writing")
    bundle = write(character, folder / "a.character", wish)
    step("done")
    view = character.front
    flat, common = flatness(view.picture.on_white)
    seconds = {
        name: round(after - begun, 2) for (name, begun), (_, after) in itertools.pairwise(steps)
    }
    return {
        "drawing": path.name,
        "seconds": seconds,
        "total_s": round(steps[-1][1] - steps[0][1], 2),
        "processor_s": round(time.process_time() - worked, 2),
        "cut_out_by": view.figure.cut.how,
        "evidence": round(view.figure.evidence, 2),
        "flat": round(flat, 2),
        "commonest_colours": round(common, 2),
        "parts_by": "cutter" if view.figure.familiar else "bones",
        "ends_above_the_feet": view.is_cut,
        "inferred": len(view.doubtful),
        "bundle_kb": round(bundle.stat().st_size / 1000),
    }


def main(
    drawings: Annotated[list[Path], typer.Argument(metavar="DRAWING...", help="Any pictures.")],
) -> None:
    """Print a line of JSON for each drawing; the first also loads what the others find loaded."""
    with tempfile.TemporaryDirectory() as folder:
        for path in drawings:
            print(json.dumps(enrolled(path, Path(folder))), flush=True)


if __name__ == "__main__":
    console.run(main)
