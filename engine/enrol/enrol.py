"""From drawings to a character: every step of enrolment, in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.enrol.bones import cut_by_bones
from engine.enrol.clip import (
    dance,
    drawn,
    laid_over,
    moving,
    pose_to_show,
    soft_ground,
    thumbnail,
    write_clip,
)
from engine.enrol.cutout import cut_out
from engine.enrol.editor import edit
from engine.enrol.finding import Figure, find_figure
from engine.enrol.hands import with_hands
from engine.enrol.judging import judge_figure, judge_picture, judge_upright
from engine.enrol.keypoints import read_keypoints
from engine.enrol.overlay import DOUBT, overlay, panels, parts_picture
from engine.enrol.paint import painter_for
from engine.enrol.proportions import ASIDE, NARROW, SIZE, Placed, girth, is_cut, place, yaw_of
from engine.enrol.reading import Picture, read_picture
from engine.enrol.support import sheet, support_set, symmetry
from engine.enrol.usual import usual
from engine.errors import BadKeypoints, EnrolError, SinkError
from engine.generator import Generator
from engine.io._kernels_composite import straighten
from engine.manifest import MAX_DRAWINGS
from engine.pose.anime import AnimePose
from engine.pose.skeleton import PUPPET_20
from engine.puppet.bundle import write_puppet_bundle
from engine.puppet.cut import cut
from engine.puppet.drawing import CutDrawing
from engine.puppet.puppet import Puppet

U8 = NDArray[np.uint8]
Given = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for.

    Attributes:
        name: of the character; else the first drawing's file name.
        author, licence: of the drawings, kept in the bundle.
        size: width and height of the character's picture, a multiple of 16.
        keypoints: files of joints, one for each drawing or none.
        by_hand: let the user correct the joints in the browser.
        anyway: do not refuse what looks like a photograph or shows several figures.
        paint: let the painter that ships redraw seams and edges.
    """

    name: str | None = None
    author: str = ""
    licence: str = ""
    size: int = SIZE
    keypoints: tuple[Path, ...] = ()
    by_hand: bool = False
    anyway: bool = False
    paint: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One drawing, enrolled."""

    name: str
    picture: Picture
    figure: Figure
    placed: Placed
    drawing: CutDrawing

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Joints that were not seen but inferred."""
        scores = self.figure.fitted.joints[:, 2]
        return tuple(n for n, s in zip(PUPPET_20.joints, scores, strict=True) if s < DOUBT)

    @property
    def is_cut(self) -> bool:
        """Whether the drawing ends above the feet."""
        return is_cut(self.figure.cut.solid, self.figure.fitted.joints, self.figure.fitted.spine)


@dataclass(frozen=True, slots=True, eq=False)
class Character:
    """An enrolled character, not written yet."""

    name: str
    views: tuple[View, ...]
    puppet: Puppet

    @property
    def front(self) -> View:
        """The view that the body is measured on."""
        return self.views[0]


def enrol(
    paths: Sequence[str | Path],
    wish: Wish | None = None,
    *,
    step: Callable[[str], None] = lambda text: None,
    say: Callable[[str], None] = lambda text: None,
    show_page: Callable[[str], None] = lambda address: None,
) -> Character:
    """Make a puppet of one drawing, or of several of the same character.

    Args:
        paths: of the pictures, 16 at most; the first should be seen from the front.
        wish: see `Wish`.
        step: told in words of each step as it begins.
        say: told what the user should know.
        show_page: told the editor's address.

    Raises:
        EnrolError: a picture cannot be used, or there are too many; the message says why, and what
            to do.
        BackendError, MissingDependency: a network or the editor cannot run.
    """
    wish = Wish() if wish is None else wish
    if not 1 <= len(paths) <= MAX_DRAWINGS:
        raise EnrolError(
            f"a character is made of 1 to {MAX_DRAWINGS} drawings, and there are {len(paths)}: "
            "show each view once"
        )
    if wish.keypoints and len(wish.keypoints) != len(paths):
        raise BadKeypoints(
            f"{len(paths)} drawings need as many files of keypoints, or none; "
            f"there are {len(wish.keypoints)}"
        )
    estimator = AnimePose()
    views: list[View] = []
    first = 0.0  # drawing's girth
    for number, path in enumerate(paths):
        step(f"reading {Path(path).name}")
        picture = read_picture(path)
        for note in picture.notes:
            say(f"{picture.name}: {note}")
        given = read_keypoints(wish.keypoints[number]) if wish.keypoints else {}
        step(f"finding the figure in {picture.name}")
        figure = _figure(picture, estimator, _to_pixels(given, picture), wish, show_page)
        step(f"cutting {picture.name} into parts")
        placed = place(
            figure.cut.pixels, figure.fitted.joints, figure.fitted.spine,
            figure.fitted.ear_half, wish.size,
        )  # fmt: skip
        name = view_name(figure, {view.name for view in views})
        width = girth(placed.picture, placed.joints)
        first = first or width
        is_told = _trusted(wish, given) or name.startswith(("left", "right"))
        if width < NARROW * first and not is_told:
            say(
                f"{picture.name} is left out: it seems to be seen from a side, {width / first:.2f} "
                "as wide as the first drawing, but its joints are found as of a front or a back; "
                "show them with --edit or --keypoints to use it"
            )
            continue
        cutting = cut if figure.familiar else cut_by_bones
        drawing = with_hands(cutting(placed.picture, placed.joints, name))
        views.append(View(name, picture, figure, placed, drawing))
    views.sort(key=lambda view: not view.name.startswith("front"))
    name = (wish.name or Path(paths[0]).stem)[:80]
    return Character(name, tuple(views), Puppet([view.drawing for view in views]))


def _figure(
    picture: Picture,
    estimator: AnimePose,
    given: Given,
    wish: Wish,
    show_page: Callable[[str], None],
) -> Figure:
    if not wish.anyway:
        judge_picture(picture)
    figure = find_figure(picture, estimator, given)
    if not (wish.anyway or _trusted(wish, given)):
        judge_upright(picture, figure, estimator)
        judge_figure(picture, figure)
    if wish.by_hand:

        def find(pinned: Given) -> NDArray[np.floating]:
            return find_figure(picture, estimator, pinned).fitted.joints

        joints = edit(picture, figure.fitted.joints, find, show_page)
        recut = cut_out(picture.pixels, joints) or figure.cut
        figure = replace(
            figure, fitted=replace(figure.fitted, joints=np.asarray(joints, np.float64)), cut=recut
        )
    return figure


def _trusted(wish: Wish, given: Given) -> bool:
    """Whether the user says where all joints are."""
    return wish.by_hand or len(given) == len(PUPPET_20.joints)


def _to_pixels(given: Given, picture: Picture) -> Given:
    """Joints in pixels of the file, in those of the picture as it was read."""
    x, y = (picture.pixels.shape[1 - i] / picture.size_wh[i] for i in (0, 1))
    return {name: (at[0] * x, at[1] * y) for name, at in given.items()}


def file_joints(view: View) -> NDArray[np.float64]:
    """(20, 2) joints in pixels of the view's file."""
    picture = view.picture
    scale = [picture.size_wh[i] / picture.pixels.shape[1 - i] for i in (0, 1)]
    return np.asarray(view.figure.fitted.joints[:, :2] * np.array(scale), np.float64)


def view_name(figure: Figure, taken: set[str]) -> str:
    """From where a drawing shows its character: front, back, left or right, and a number."""
    joints = figure.fitted.joints
    yaw = yaw_of(joints, usual(figure.fitted.ear_half))
    name = "front"
    if joints[5, 0] < joints[2, 0]:
        name = "back"
    elif abs(yaw) > ASIDE:
        name = "right" if yaw > 0 else "left"
    number = 1
    while (full := name if number == 1 else f"{name}-{number}") in taken:
        number += 1
    return full


def preview(character: Character, generator: Generator | None = None) -> U8:
    """(S, W, 3) of every view joints and parts, and the character in a pose of the dance.

    The generator draws the latter; else the puppet.
    """
    shown = []
    for view in character.views:
        shown += [overlay(view.placed.picture, view.placed.joints), parts_picture(view.drawing)]
    size = character.puppet.size
    joints = pose_to_show(character.front.placed.skeleton, size)
    pose = drawn(generator or character.puppet, joints, size)
    return panels([*shown, laid_over(pose, soft_ground(size))])


def write(character: Character, path: str | Path, wish: Wish) -> Path:
    """Write the bundle, with the support set's pictures, a thumbnail and a moving preview in it.

    Raises:
        SinkError: it cannot be written.
        ValueError, BackendError: see `engine.enrol.paint.painter_for`.
    """
    front = character.front
    drawings = [view.drawing for view in character.views]
    painter, int8 = painter_for(drawings, front.placed.skeleton) if wish.paint else (None, None)
    examples = list(support_set(front.placed.picture, front.placed.joints, character.puppet))
    fitted = front.figure.fitted
    return write_puppet_bundle(
        path,
        character.name,
        drawings,
        front.placed.skeleton,
        straight(front.placed.picture),
        author=wish.author,
        licence=wish.licence,
        painter=painter,
        painter_int8=int8,
        training={
            "method": "enrolment",
            "drawings": [
                {
                    "view": view.name, "file": view.picture.name,
                    "size": list(view.picture.size_wh), "cut_out_by": view.figure.cut.how,
                    "evidence": round(view.figure.evidence, 3),
                    "parts_by": "the cutter" if view.figure.familiar else "bones",
                    "inferred": list(view.doubtful), "cut": view.is_cut,
                }
                for view in character.views
            ],
            "head": round(fitted.ear_half, 3),
            "symmetry": round(symmetry(front.placed.picture, front.placed.joints), 3),
            "support": [example.how for example in examples],
        },
        extras={
            "preview.webp": moving(character.puppet, front.placed.skeleton, character.puppet.size),
            "support.png": png(sheet(examples)),
            "thumbnail.png": png(thumbnail(front.placed.picture)),
        },
    )  # fmt: skip


def clip(
    character: Character,
    path: str | Path,
    generator: Generator | None = None,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a video of the character that dances the standard dance, 20 s.

    The generator draws it; else the puppet.
    """
    size = character.puppet.size
    track = dance(character.front.placed.skeleton, size)
    write_clip(path, generator or character.puppet, track, size, on_frame)


def straight(picture: U8) -> U8:
    """Premultiplied RGBA (H, W, 4) as straight RGBA."""
    out = np.empty_like(picture)
    straighten(picture, out)
    return out


def png(picture: U8) -> bytes:
    """The bytes of a PNG file of an RGB picture (H, W, 3)."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def save_png(picture: U8, path: Path) -> None:
    """Write an RGB picture; raises SinkError."""
    try:
        path.write_bytes(png(picture))
    except OSError as error:
        raise SinkError(f"{path} cannot be written: {error}") from error
