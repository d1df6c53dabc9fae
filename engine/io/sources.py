"""What a user types for a source."""

from pathlib import Path

from engine.clock import Clock
from engine.errors import SourceError
from engine.pipeline import Source


def open_source(
    location: str | Path, *, realtime: bool = False, loop: bool = False, clock: Clock | None = None
) -> Source:
    """Open `webcam:N`, `images:FOLDER`, a video file or a stream's URL.

    Raises:
        SourceError: see the sources themselves.
    """
    kind, _, rest = str(location).partition(":")
    if kind == "webcam":
        from engine.io.webcam import WebcamSource

        if not rest.isdigit():
            raise SourceError(f"a webcam is webcam:0, webcam:1, ..., but this is {location!r}")
        return WebcamSource(int(rest), clock=clock)
    if kind == "images":
        from engine.io.images import ImageSequenceSource

        return ImageSequenceSource(rest, realtime=realtime, clock=clock)
    from engine.io.file import FileSource

    return FileSource(location, realtime=realtime, loop=loop, clock=clock)


def frames_total(source: Source) -> int | None:
    """How many frames a source will give, where it knows."""
    total: int | None = getattr(source, "frames_total", None)
    return total
