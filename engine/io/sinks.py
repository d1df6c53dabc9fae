"""What a user types for a sink."""

from collections.abc import Callable
from pathlib import Path

from engine.clock import Clock
from engine.errors import MissingDependency, SinkError, pip_install
from engine.io.video_writer import SUFFIXES, has_alpha
from engine.pipeline import Sink


def takes_alpha(wish: str | Path) -> bool:
    """Whether a sink carries transparency."""
    path = Path(wish)
    if path.suffix.lower() in SUFFIXES:
        return has_alpha(path)
    return str(wish) not in ("window", "virtualcam")


def open_push(url: str, clock: Clock, *, token: str | None = None) -> Sink:
    """What sends a show to a streaming service.

    Args:
        url: see `engine.push.address.parse`.
        clock: the pipeline's.
        token: a WHIP service's bearer token.

    Raises:
        SinkError: there is no such address.
        MissingDependency: WHIP needs the extra `studio`.
    """
    from engine.push.address import parse

    address = parse(url)
    if address.kind != "whip":
        from engine.push.sink import PushSink

        return PushSink(address, clock)
    try:
        from engine.studio.whip import WhipSink
    except ImportError as error:
        raise MissingDependency(
            f"a push by WHIP needs aiortc and aiohttp ({error}): {pip_install('studio')}"
        ) from error
    return WhipSink(address, clock, token=token)


def open_sink(
    wish: str | Path,
    *,
    audio_from: str | None = None,
    fps: float | None = None,
    on_key: Callable[[str], object] = lambda key: None,
    on_close: Callable[[], None] = lambda: None,
) -> Sink:
    """Open `window`, `virtualcam`, `null`, a video file, or a folder for PNG pictures.

    Args:
        wish: what the user asked for.
        audio_from: a file whose sound goes along into a video file.
        fps: told to a virtual camera.
        on_key, on_close: told of a window's keys and of its end.

    Raises:
        SinkError: see the sinks themselves.
    """
    path = Path(wish)
    match str(wish):
        case "window":
            from engine.io.window import WindowSink

            return WindowSink(on_key=on_key, on_close=on_close)
        case "virtualcam":
            from engine.io.virtualcam import VirtualCameraSink

            return VirtualCameraSink(fps=fps or 30.0)
        case "null":
            from engine.io.null import NullSink

            return NullSink()
    if path.suffix.lower() in SUFFIXES:
        from engine.io.video_writer import VideoSink

        return VideoSink(path, audio_from=audio_from)
    if path.suffix and not path.is_dir():
        raise SinkError(
            f"{path.name} is no kind of file that can be written; use {', '.join(SUFFIXES)}, "
            "or a name without a suffix for a folder of PNG"
        )
    from engine.io.image_writer import ImageSequenceSink

    return ImageSequenceSink(path)
