"""The last stage: the character's picture over a background, alone or beside the performer."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.buffers import BufferPool
from engine.errors import SinkError
from engine.frame import Packet
from engine.io._kernels_composite import clamp_to_alpha, over
from engine.motion.draw import draw_overlay

CHECKER = ((255, 255, 255), (222, 222, 222))
"""What transparency looks like where there is none."""

SOFT = ((250, 247, 255), (222, 228, 247))
"""Top and bottom of the default backdrop."""

_CHECKER_SHARE = 16  # squares along the height
_BLUR_PX = 12  # height that is left of a blurred picture

_NAMED = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "gray": (128, 128, 128),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
    "yellow": (255, 255, 0),
}

Layout = Literal["character", "side-by-side"]


class Background:
    """What is behind the character.

    Args:
        wish: "transparent", "checker" (what stands for transparency), "source" (the original
            video), "blur" (that, out of focus), a colour ("green", "#00ff00"), the path of a
            picture, or None for a soft backdrop.

    Raises:
        SinkError: neither a colour nor a picture that can be read.
    """

    def __init__(self, wish: str | None = None) -> None:
        self.transparent = wish == "transparent"
        self._source = wish in ("source", "blur")
        self._blurred = wish == "blur"
        self._checker = wish == "checker"
        self._picture: NDArray[np.uint8] | None = None
        self._fitted: NDArray[np.uint8] = np.empty((0, 0, 3), np.uint8)
        if wish is None:
            self._fitted = np.array([[SOFT[0]], [SOFT[1]]], np.uint8)
        elif not (self.transparent or self._source or self._checker):
            colour = _colour(wish)
            if colour is None:
                self._picture = _read(wish)
            else:
                self._fitted = np.array([[colour]], np.uint8)
        self._soft = wish is None

    def behind(self, height: int, width: int, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB for a picture of this size: (H, W, 3), (H, 1, 3) or (1, 1, 3); not to be kept.

        `image` is the source's picture, (h, w, 3).
        """
        if self._source:
            return _blurred(image, height, width) if self._blurred else _cover(image, height, width)
        if self._checker and self._fitted.shape[:2] != (height, width):
            self._fitted = _squares(height, width)
        if self._picture is not None and self._fitted.shape[:2] != (height, width):
            self._fitted = _cover(self._picture, height, width)
        if self._soft and len(self._fitted) != height:
            share = np.linspace(0, 1, height)[:, None, None]
            top, bottom = np.array(SOFT, np.float64)
            self._fitted = np.rint(top + share * (bottom - top)).astype(np.uint8)
        return self._fitted


class CompositeStage:
    """Picture to output.

    Args:
        background: behind the character.
        layout: "side-by-side" has the performer to the left, at the same height.
        size_px: height of the output; None: the picture's own, or the video's if side by side.
        show_pose: asked for every frame; whether to draw the pose over the picture.
        message: asked for every frame; a line to show to the performer, or None.

    Raises:
        SinkError: side by side on a transparent background, which no performer has.
    """

    name = "composite"

    def __init__(
        self,
        background: Background,
        *,
        layout: Layout = "character",
        size_px: int | None = None,
        show_pose: Callable[[], bool] = lambda: False,
        message: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.stage(background, layout)
        self._size_px = size_px
        self._show_pose = show_pose
        self._message = message
        self._pool = BufferPool((0, 0, 3))
        self._enlarged = BufferPool((0, 0, 4))

    @property
    def layout(self) -> Layout:
        """The layout as of the next picture."""
        return self._staged[1]

    def stage(self, background: Background, layout: Layout) -> None:
        """Show another background, used here alone, or layout from the next picture on.

        From any thread.

        Raises:
            SinkError: side by side on a transparent background.
        """
        if layout == "side-by-side" and background.transparent:
            raise SinkError("the performer has no alpha: choose a background for side-by-side")
        self._staged = (background, layout)

    def process(self, packet: Packet) -> Iterable[Packet]:
        """One packet with its output."""
        if packet.picture is None:
            raise ValueError("the composite stage needs a picture: put a generator before it")
        image = packet.frame.image
        background, layout = self._staged  # read once: another thread may change it at any time
        size = self._size_px
        if size is None:
            size = image.shape[0] if layout == "side-by-side" else packet.picture.shape[0]
        picture = self._resized(packet.picture, size)
        joints = packet.joints if self._show_pose() else None
        message = self._message()
        if background.transparent:
            marked = joints is not None or message
            output = self._copy(picture) if marked else picture
            character = output
        else:
            left = max(round(image.shape[1] * size / image.shape[0]), 1)
            width = left + size if layout == "side-by-side" else size
            output = self._take(size, width, 3)
            if layout == "side-by-side":
                cv2.resize(image, (left, size), dst=output[:, :left], interpolation=cv2.INTER_AREA)
            character = output[:, -size:]
            over(picture, background.behind(size, size, image), character)
        if joints is not None:
            joints = joints.copy()
            joints[:, :3] *= size / packet.picture.shape[0]
            _mark(character, partial(draw_overlay, joints=joints))
        if message:
            _mark(character, partial(_write, text=message))
        yield replace(packet, output=output)

    def flush(self) -> Iterable[Packet]:
        """Nothing is held back."""
        return ()

    def close(self) -> None:
        """Nothing to release."""

    def _resized(self, picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        if size == picture.shape[0]:
            return picture
        if self._enlarged.shape != (size, size, 4):
            self._enlarged = BufferPool((size, size, 4))
        out = self._enlarged.take()
        grows = size > picture.shape[0]
        cv2.resize(
            picture, (size, size), dst=out,
            interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA,
        )  # fmt: skip
        clamp_to_alpha(out)  # cubic interpolation overshoots
        return out

    def _take(self, height: int, width: int, channels: int) -> NDArray[np.uint8]:
        if self._pool.shape != (height, width, channels):
            self._pool = BufferPool((height, width, channels))
        return self._pool.take()

    def _copy(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        out = self._take(*picture.shape)
        np.copyto(out, picture)
        return out


def _mark(picture: NDArray[np.uint8], draw: Callable[[NDArray[np.uint8]], None]) -> None:
    """Draw something that is made for RGB onto RGB or premultiplied RGBA."""
    rgb = np.ascontiguousarray(picture[..., :3])
    if picture.shape[2] == 4:
        # Over white and over black: what the two differ by is what still shines through.
        over_white = rgb + (255 - picture[..., 3:])
        draw(over_white)
        draw(rgb)
        picture[..., 3] = 255 - (over_white - rgb).min(axis=2)
    else:
        draw(rgb)
    picture[..., :3] = rgb


def _write(image: NDArray[np.uint8], text: str) -> None:
    height, width = image.shape[:2]
    scale = height / 420
    (text_width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    scale *= min(1.0, 0.94 * width / text_width)
    at = (round(0.03 * width), round(0.1 * height))
    for thickness, grey in ((4, 255), (1, 30)):
        cv2.putText(
            image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (grey, grey, grey),
            max(round(thickness * height / 420), 1), cv2.LINE_AA,
        )  # fmt: skip


def _cover(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle of an image, scaled to fill (height, width)."""
    scale = max(height / image.shape[0], width / image.shape[1])
    rows, columns = (
        min(round(height / scale), image.shape[0]),
        min(round(width / scale), image.shape[1]),
    )
    y, x = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    return np.asarray(
        cv2.resize(
            image[y : y + rows, x : x + columns],
            (width, height),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        ),
        np.uint8,
    )


def _blurred(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """As `_cover`, so far out of focus that nobody is known by it."""
    few = cv2.resize(
        _cover(image, height, width),
        (max(round(width * _BLUR_PX / height), 1), _BLUR_PX),
        interpolation=cv2.INTER_AREA,
    )
    return np.asarray(cv2.resize(few, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _squares(height: int, width: int) -> NDArray[np.uint8]:
    side = max(height // _CHECKER_SHARE, 1)
    rows, columns = np.arange(height)[:, None] // side, np.arange(width) // side
    return np.take(np.array(CHECKER, np.uint8), (rows + columns) % 2, axis=0)


def _colour(wish: str) -> tuple[int, int, int] | None:
    if wish.lower() in _NAMED:
        return _NAMED[wish.lower()]
    digits = wish.removeprefix("#")
    if wish.startswith("#") and len(digits) == 6:
        try:
            red, green, blue = bytes.fromhex(digits)
        except ValueError:
            return None
        return red, green, blue
    return None


def _read(path: str) -> NDArray[np.uint8]:
    picture = cv2.imread(path, cv2.IMREAD_COLOR) if Path(path).is_file() else None
    if picture is None:
        raise SinkError(
            f"the background {path!r} is no picture that can be read, and no colour; colours are "
            f"#rrggbb or one of {', '.join(_NAMED)}"
        )
    return np.ascontiguousarray(picture[..., ::-1], np.uint8)
