"""What a session runs: a show of `engine.app`, with the server's characters."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from engine.app import LIVE_FPS, Options, Show, build
from engine.backends.shelf import Shelf
from engine.cast import Actor, Cast
from engine.casting import open_actor
from engine.clock import Clock
from engine.pipeline import Sink, Source
from engine.studio.gallery import Gallery
from engine.watching import Watch

log = logging.getLogger(__name__)

MakeShow = Callable[[Source, Sink, Clock, str | None], Show]
"""Builds what is between, for the character of a name first, or whoever is; closes the source and
the sink if it fails. Called on a thread."""


def gallery_shows(gallery: Gallery, options: Options | None = None) -> MakeShow:
    """The show of `engine.app`, once for every session, with the gallery's characters.

    A session begins when the first one is ready; the others are opened while it runs.
    """
    options = Options() if options is None else options

    def make(source: Source, sink: Sink, clock: Clock, first: str | None) -> Show:
        with ExitStack() as cleanup:
            cleanup.callback(source.close)
            cleanup.callback(sink.close)
            from engine import opencv

            opencv.check()
            shelf = Shelf(options.memory_mb)
            opened = partial(open_actor, options=options, shelf=shelf, fps=LIVE_FPS, say=log.info)
            wanted = None if first is None else gallery.get(first)
            cast = Cast([opened(wanted or gallery.bundles[0])])
            cleanup.pop_all()
        show = build(source, sink, cast, options, clock=clock)
        watch = Watch(cast, lambda: gallery.paths, options, fps=LIVE_FPS, say=log.info, shelf=shelf)
        watch.start()

        def recruit(name: str) -> Actor:
            bundle = gallery.get(name)
            if bundle is None:
                raise KeyError(name)
            return opened(bundle)

        return replace(show, recruit=recruit)

    return make


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
    make(source, NullSink(), clock, None).pipeline.run()
