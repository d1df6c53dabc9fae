"""`python -m bench.pictures`: pictures of the documents that come of no measurement.

The README's moving one, the curve of Ito's training, arms that keep off the head, and what becomes
of three drawings.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer
from matplotlib import pyplot
from numpy.typing import NDArray
from PIL import Image

from engine import console
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options, puppeteer
from engine.character import CharacterBundle
from engine.enrol.enrol import Wish, enrol, preview
from training.characters.procedural.build import build
from training.characters.proportions import reference_picture
from training.metrics import on_white

DOCS = Path(__file__).parent.parent / "docs"

_SECONDS = (1.0, 9.0)  # of the clip
_EVERY = 2  # frames
_HEIGHT_PX = 360

_RAISED = (72, 96, 216, 236, 446, 492)  # frames of the clip
_UPPER_WH = (190, 200)  # px

_WITH_ALPHA, _ON_WHITE = 1_000_044, 1_000_031  # seeds of characters that no data set has
_DRAWN_PX, _PANEL_PX = 1024, 400
_SIDES_PX = 50  # of each panel, cut off


def side_by_side(*, clear_head: bool = True) -> Iterator[av.VideoFrame]:
    """The performer's clip with the default character beside her, as she is drawn by herself."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "demo.mp4"
        options = Options(layout="side-by-side", size_px=_HEIGHT_PX, clear_head=clear_head)
        puppeteer(PERFORMER, video, options=options)
        with av.open(video) as container:
            yield from container.decode(video=0)


def moving(output: Path) -> None:
    """The performer and the character side by side, as an animated WebP."""
    pictures = [
        frame.to_image()
        for i, frame in enumerate(side_by_side())
        if _SECONDS[0] <= frame.time < _SECONDS[1] and i % _EVERY == 0
    ]
    # Half of the performer's side is an empty wall.
    margin = pictures[0].width // 7
    pictures = [p.crop((margin, 0, p.width, p.height)) for p in pictures]
    first, *rest = pictures
    first.save(
        output, save_all=True, append_images=rest, duration=round(1000 * _EVERY / 30), loop=0,
        quality=70, method=6,
    )  # fmt: skip


def arms(output: Path) -> None:
    """Raised arms: the performer's, by the directions of bones alone, and kept off the head."""
    rows: list[list[NDArray[np.uint8]]] = []
    for clear_head in (False, True):
        frames = enumerate(side_by_side(clear_head=clear_head))
        shown = [np.asarray(frame.to_image(), np.uint8) for i, frame in frames if i in _RAISED]
        performer_px = shown[0].shape[1] - _HEIGHT_PX  # the character's side is a square
        if not rows:
            rows.append([_upper(picture, performer_px // 2) for picture in shown])
        rows.append([_upper(picture, performer_px + _HEIGHT_PX // 2) for picture in shown])
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    Image.fromarray(sheet).save(output, quality=88)


def _upper(picture: NDArray[np.uint8], x: int) -> NDArray[np.uint8]:
    """The upper part of whoever stands at x px."""
    width, height = _UPPER_WH
    return picture[:height, x - width // 2 : x + width // 2]


def curve(points: Path, output: Path) -> None:
    """Scores on unseen poses over the steps of a training."""
    lines = [json.loads(line) for line in points.read_text().splitlines()]
    steps = [line["step"] for line in lines]
    figure, axes = pyplot.subplots(figsize=(6.4, 2.8), layout="constrained")
    for key, name, limit in (("ssim", "SSIM", 0.92), ("alpha_iou", "alpha IoU", 0.93)):
        (drawn,) = axes.plot(steps, [line[f"held_out_{key}"] for line in lines], label=name)
        axes.axhline(limit, color=drawn.get_color(), linestyle=":", linewidth=1)
    axes.set(xlabel="steps (dotted: the goals)", ylabel="on 50 unseen poses")
    axes.legend(loc="lower right")
    figure.savefig(output, dpi=110)
    pyplot.close(figure)


def enrolment(output: Path) -> None:
    """Joints, parts and a pose of three drawings, each enrolled as `ayatsuri adapt` does."""
    drawings = (
        CharacterBundle.load(DEFAULT_CHARACTER).reference,
        reference_picture(build(_WITH_ALPHA), _DRAWN_PX, straight=True),
        on_white(reference_picture(build(_ON_WHITE), _DRAWN_PX)),
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawing.png"
        for drawing in drawings:
            Image.fromarray(drawing).save(path)
            shown = preview(enrol([path], Wish(size=_PANEL_PX)))
            panels = np.split(shown, 3, axis=1)
            rows.append(np.concatenate([p[:, _SIDES_PX:-_SIDES_PX] for p in panels], axis=1))
    Image.fromarray(np.concatenate(rows)).save(output, quality=88, method=6)


def main(
    only: Annotated[
        str | None, typer.Option(help="moving, curve, arms or enrolment; else all of them.")
    ] = None,
) -> None:
    """Make the pictures of the documentation anew."""
    pictures = DOCS / "pictures"
    if only in (None, "moving"):
        moving(pictures / "demo.webp")
    if only in (None, "curve"):
        curve(DOCS / "ito_curve.jsonl", pictures / "ito_curve.png")
    if only in (None, "arms"):
        arms(pictures / "arms-off-the-head.jpg")
    if only in (None, "enrolment"):
        enrolment(pictures / "enrolment.webp")
    for path in sorted(pictures.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    console.run(main)
