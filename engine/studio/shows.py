"""What a session runs: a show of `engine.app`, with the server's characters."""

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from engine.app import LIVE_FPS, Character, Options, Show, build, load_cast
from engine.clock import Clock
from engine.pipeline import Sink, Source
from engine.studio.gallery import Gallery

log = logging.getLogger(__name__)

MakeShow = Callable[[Source, Sink, Clock], Show]
"""Builds what is between; closes the source and the sink if it fails. Called on a thread."""


def gallery_shows(gallery: Gallery, options: Options | None = None) -> MakeShow:
    """The show of `engine.app`, once for every session, with all the gallery's characters."""
    options = Options() if options is None else options

    def make(source: Source, sink: Sink, clock: Clock) -> Show:
        with ExitStack() as cleanup:
            cleanup.callback(source.close)
            cleanup.callback(sink.close)
            cast = load_cast(gallery.bundles, options, fps=LIVE_FPS, say=log.info)
            cleanup.pop_all()
        return build(source, sink, cast, options, clock=clock)

    return make


def character_pipeline(
    characters: Sequence[Character] = (), options: Options | None = None
) -> MakeShow:
    """As `gallery_shows`, with characters that are loaded at once."""
    return gallery_shows(Gallery(characters or None), options)


def rehearse(make: MakeShow) -> None:
    """A session without a performer: what is missing is told before anybody comes.

    Raises:
        AyatsuriError: what is missing.
    """
    from engine.clock import MonotonicClock
    from engine.io.null import NullSink
    from engine.studio.source import WebRtcSource

    clock = MonotonicClock()
    source = WebRtcSource(clock)
    source.stop()
    make(source, NullSink(), clock).pipeline.run()
