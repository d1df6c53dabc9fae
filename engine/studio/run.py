"""The server as a process: `ayatsuri serve`."""

import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from aiohttp import web

from engine.app import DEFAULT_CHARACTER, Character, Options
from engine.character import CharacterBundle
from engine.errors import StudioError
from engine.studio.backdrops import Backdrops
from engine.studio.enrolments import add_kept
from engine.studio.gallery import Gallery
from engine.studio.looks import Look
from engine.studio.server import application
from engine.studio.settings import Settings
from engine.studio.shows import gallery_shows, rehearse
from engine.studio.studio import Studio

log = logging.getLogger(__name__)


def serve(
    settings: Settings,
    characters: Sequence[Character] = (),
    options: Options | None = None,
    *,
    look: Look | None = None,
    say: Callable[[list[str]], None] = lambda pages: None,
) -> None:
    """Run the server until Ctrl-C, which ends all sessions in order, or SIGTERM, which lets them
    go on for `settings.drain_s` first.

    Args:
        settings: how it runs.
        characters: bundles, or folders of them; the first one plays. Ito where none is named.
        options: how a character is drawn, and, where it says more than by default, looks.
        look: how sessions begin; None: as the last one was left.
        say: told where the page is.

    Raises:
        StudioError: the address is taken, or the certificate cannot be used.
        AyatsuriError: what a session needs is missing; see `engine.app.build`.
    """
    options = Options() if options is None else options
    context = tls(settings)
    check_free(settings)
    log.info("loading %s, and what finds the performer's pose", _names(characters))
    gallery = Gallery(characters or None)
    add_kept(gallery, settings.folder)
    make = gallery_shows(gallery, options)

    async def run() -> None:
        explicit = asked_for(options, settings)
        studio = Studio(settings, make, gallery, look=look, explicit=explicit)
        await studio.switch_camera(settings.virtual_camera)
        await run_until_told(studio, application(studio), context, lambda: rehearse(make), say)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


async def run_until_told(
    studio: Studio,
    app: web.Application,
    context: ssl.SSLContext | None,
    before: Callable[[], None],
    say: Callable[[list[str]], None],
) -> None:
    """Listen, and end as the process is told to.

    Args:
        studio: drained at the end.
        app: what is served.
        context: for HTTPS.
        before: called on a thread, before anybody can come. OpenVINO 2026.4 that was loaded on the
            main thread crashes as the process ends.
        say: told where the page is.
    """
    settings = studio.settings
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C cancels this task
            asyncio.get_running_loop().add_signal_handler(number, _on_signal, number, studio, told)
    await asyncio.to_thread(before)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=context)
        with _explained(settings):
            await site.start()
        own = f"{settings.scheme}://{settings.host}:{settings.port}"
        if not told.is_set():  # Ctrl-C may have come while it loaded
            say([f"{origin}/" for origin in (settings.origins or (own,))])
        await told.wait()
        if studio.draining:
            log.info("the server is to end: %d sessions go on", studio.performers)
            await studio.drain()
    finally:
        await runner.cleanup()


def check_free(settings: Settings) -> None:
    """Look, before the seconds of loading, whether the address can be listened at.

    Raises:
        StudioError: it cannot.
    """

    async def bind() -> None:
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, settings.host, settings.port, start_serving=False
        )
        server.close()

    with _explained(settings):
        asyncio.run(bind())


@contextlib.contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StudioError(
            f"{settings.host}:{settings.port} cannot be listened at: {error.strerror}; "
            "choose another --port"
        ) from error


def _names(characters: Sequence[Character]) -> str:
    return ", ".join(
        one.name if isinstance(one, CharacterBundle) else Path(one).name
        for one in characters or [DEFAULT_CHARACTER]
    )


def asked_for(options: Options, settings: Settings) -> dict[str, Any]:
    """What of a look was asked for on the command line: what is not as it is by default."""
    usual = Options()
    changed = {
        field.name: getattr(options, field.name)
        for field in fields(Options)
        if field.name in Look.model_fields
        and getattr(options, field.name) != getattr(usual, field.name)
    }
    background = options.background
    if background is not None and Path(background).is_file():
        pictures = Backdrops(None if settings.folder is None else settings.folder / "backgrounds")
        changed["background"] = pictures.add(Path(background).read_bytes())
    Look.parse(changed, "the options")
    return changed


def _on_signal(number: signal.Signals, studio: Studio, told: asyncio.Event) -> None:
    # A second one does not wait for the sessions.
    if number == signal.SIGTERM and not studio.draining:
        studio.draining = True
    elif studio.draining:
        studio.hurry.set()
    told.set()


def tls(settings: Settings) -> ssl.SSLContext | None:
    """For HTTPS, where the settings have a certificate.

    Raises:
        StudioError: it cannot be used.
    """
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except OSError as error:  # ssl.SSLError is one
        raise StudioError(
            f"the certificate {settings.certificate} and its key {settings.key} cannot be "
            f"used: {error}"
        ) from error
    return context
