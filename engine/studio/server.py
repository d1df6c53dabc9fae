"""The HTTP side: WHIP in (RFC 9725), WHEP out, the page.

GET    /                     the page
GET    /health, /ready       for whoever watches over the server
GET    /config               what a page needs before it can offer: ICE servers, free places
POST   /whip                 a performer's offer; 201, the answer, and the session's Location
GET    /whip/SESSION         the session's report
DELETE /whip/SESSION         ends it
GET    /whep/SESSION         whether there is something to watch
POST   /whep/SESSION         a viewer's offer
DELETE /whep/SESSION/VIEWER  ends a viewing
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from engine._version import __version__
from engine.app import DEFAULT_CHARACTER, LIVE_FPS, Character, Options, build, load_cast
from engine.clock import Clock
from engine.errors import AyatsuriError, BadOffer, StudioError, StudioFull
from engine.pipeline import Pipeline, Sink, Source
from engine.studio.session import MakePipeline, Session
from engine.studio.settings import Settings

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).parent / "page"
SDP: Final = "application/sdp"

_OPEN: Final = ("/", "/studio.css", "/studio.js", "/health", "/ready")  # nothing secret in them
_STATUS: Final = {"host": 403, "origin": 403, "token": 401}
_WHY: Final = {
    "host": "this server does not go by that name (Host); name it with --origin",
    "origin": "pages of this origin may not use the server; name it with --origin",
    "token": "a token is needed: Authorization: Bearer TOKEN",
}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Studio:
    """Sessions, and the HTTP application that opens and ends them.

    Args:
        settings: how it runs.
        make_pipeline: what makes a character of a performer.
    """

    def __init__(self, settings: Settings, make_pipeline: MakePipeline) -> None:
        self.sessions: dict[str, Session] = {}
        self._settings = settings
        self._make_pipeline = make_pipeline
        self._opening = 0
        self._draining = False

    def application(self) -> web.Application:
        """What aiohttp serves; shutting it down ends all sessions."""
        app = web.Application(middlewares=[self._guard], client_max_size=self._settings.offer_bytes)
        add = app.router.add_route
        for path, file in (
            ("/", "index.html"),
            *((f"/{n}", n) for n in ("studio.css", "studio.js")),
        ):
            add("GET", path, _file(PAGE / file))
        add("GET", "/health", self._health)
        add("GET", "/ready", self._ready)
        add("GET", "/config", self._config)
        add("POST", "/whip", self._whip)
        add("GET", "/whip/{session}", self._report)
        add("DELETE", "/whip/{session}", self._whip_end)
        add("GET", "/whep/{session}", self._whep_look)
        add("POST", "/whep/{session}", self._whep)
        add("DELETE", "/whep/{session}/{viewer}", self._whep_end)
        for path in ("/whip", "/whip/{session}", "/whep/{session}", "/whep/{session}/{viewer}"):
            add("OPTIONS", path, self._preflight)
        app.on_shutdown.append(self._shutdown)
        return app

    async def close(self) -> None:
        """End all sessions, and open no more."""
        self._draining = True
        await asyncio.gather(*(session.close() for session in list(self.sessions.values())))

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuses whoever may not, and turns the studio's errors into answers."""
        origin = request.headers.get(hdrs.ORIGIN)
        try:
            response = self._refuse(request, origin) or await handler(request)
        except web.HTTPException as error:  # 404, 405 and 413 of aiohttp's own
            response = _say(error.status, error.reason)
            if error.headers.get(hdrs.ALLOW):
                response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        except BadOffer as error:
            response = _say(400, str(error))
        except StudioFull as error:
            response = _say(503, str(error))
            response.headers[hdrs.RETRY_AFTER] = "5"
        except AyatsuriError as error:  # the pipeline cannot be built: the operator must know too
            log.error("%s", error)
            response = _say(500, str(error))
        response.headers.update(_HEADERS)
        if origin is not None and origin.lower() in self._settings.allowed_origins(_port(request)):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Location, Link"
            response.headers[hdrs.VARY] = "Origin"
        return response

    def _refuse(self, request: web.Request, origin: str | None) -> web.Response | None:
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        refusal = self._settings.refusal(
            port=_port(request), host=request.host, origin=origin, authorization=authorization
        )
        if refusal == "token" and (request.path in _OPEN or request.method == "OPTIONS"):
            refusal = None
        if refusal is None:
            return None
        response = _say(_STATUS[refusal], _WHY[refusal])
        if refusal == "token":
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return response

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": __version__})

    async def _ready(self, request: web.Request) -> web.Response:
        free = self._free
        return web.json_response(
            {"ready": free > 0, "sessions": len(self.sessions), "free": free},
            status=200 if free > 0 else 503,
        )

    async def _config(self, request: web.Request) -> web.Response:
        servers = [
            {"urls": s.url, "username": s.username, "credential": s.credential}
            if s.username is not None
            else {"urls": s.url}
            for s in self._settings.ice_servers
        ]
        return web.json_response({"iceServers": servers, "free": self._free})

    async def _whip(self, request: web.Request) -> web.Response:
        offer = await _offer(request)
        if self._free <= 0:
            raise StudioFull(
                f"{len(self.sessions)} of at most {self._settings.sessions} performers are here"
            )
        session = Session(self._settings, self._make_pipeline, self._forget)
        self.sessions[session.name] = session
        answer = await session.start(offer)
        return self._created(answer, f"/whip/{session.name}")

    async def _report(self, request: web.Request) -> web.Response:
        return web.json_response(self._session(request).report())

    async def _whip_end(self, request: web.Request) -> web.Response:
        await self._session(request).close()
        return web.Response()

    async def _whep_look(self, request: web.Request) -> web.Response:
        report = self._session(request).report()
        return web.json_response({key: report[key] for key in ("session", "viewers")})

    async def _whep(self, request: web.Request) -> web.Response:
        session = self._session(request)
        viewer, answer = await session.view(await _offer(request))
        return self._created(answer, f"/whep/{session.name}/{viewer}")

    async def _whep_end(self, request: web.Request) -> web.Response:
        if not await self._session(request).leave(request.match_info["viewer"]):
            raise web.HTTPNotFound
        return web.Response()

    async def _preflight(self, request: web.Request) -> web.Response:
        return web.Response(
            status=204,
            headers={
                hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, DELETE",
                hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type",
                "Accept-Post": SDP,
            },
        )

    async def _shutdown(self, app: web.Application) -> None:
        await self.close()

    @property
    def _free(self) -> int:
        return 0 if self._draining else self._settings.sessions - len(self.sessions)

    def _forget(self, session: Session) -> None:
        del self.sessions[session.name]

    def _session(self, request: web.Request) -> Session:
        try:
            return self.sessions[request.match_info["session"]]
        except KeyError:
            raise web.HTTPNotFound from None

    def _created(self, answer: str, location: str) -> web.Response:
        response = web.Response(status=201, text=answer, content_type=SDP)
        response.headers[hdrs.LOCATION] = location
        for server in self._settings.ice_servers:
            link = f'<{server.url}>; rel="ice-server"'
            if server.username is not None:
                link += f'; username="{server.username}"; credential="{server.credential}"'
                link += '; credential-type="password"'
            response.headers.add(hdrs.LINK, link)
        return response


def character_pipeline(
    characters: Sequence[Character] = (), options: Options | None = None
) -> MakePipeline:
    """The pipeline of `engine.app`, once for every session."""
    options = Options() if options is None else options
    wanted = characters or [DEFAULT_CHARACTER]

    def make(source: Source, sink: Sink, clock: Clock) -> Pipeline:
        with ExitStack() as cleanup:
            cleanup.callback(source.close)
            cleanup.callback(sink.close)
            cast = load_cast(wanted, options, fps=LIVE_FPS, say=log.info)
            cleanup.pop_all()
        return build(source, sink, cast, options, clock=clock).pipeline

    return make


def serve(
    settings: Settings,
    characters: Sequence[Character] = (),
    options: Options | None = None,
    *,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Run the server until Ctrl-C or SIGTERM; ends all sessions in order.

    Args:
        settings: how it runs.
        characters: bundles; the first one plays. Ito where none is named.
        options: how the character looks and moves.
        say: told in words where the page is.

    Raises:
        StudioError: the address is taken, or the certificate cannot be used.
        AyatsuriError: what a session needs is missing; see `engine.app.build`.
    """
    make = character_pipeline(characters, options)
    context: ssl.SSLContext | None = None
    if settings.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(settings.certificate, settings.key)
        except OSError as error:  # ssl.SSLError is one
            raise StudioError(
                f"the certificate {settings.certificate} and its key {settings.key} cannot be "
                f"used: {error}"
            ) from error
    app = Studio(settings, make).application()

    async def rehearse(app: web.Application) -> None:
        # On a thread, as for a session: OpenVINO 2026.4 that was loaded on the main thread crashes
        # as the process ends.
        await asyncio.to_thread(_rehearse, make)

    async def announce(app: web.Application) -> None:
        say(f"{settings.scheme}://{settings.host}:{settings.port}/")

    app.on_startup.extend([rehearse, announce])
    try:
        web.run_app(
            app, host=settings.host, port=settings.port, ssl_context=context, print=None,
            access_log=None,
        )  # fmt: skip
    except OSError as error:
        raise StudioError(
            f"{settings.host}:{settings.port} cannot be listened at: {error.strerror}; "
            "choose another --port"
        ) from error


def _rehearse(make: MakePipeline) -> None:
    """A session without a performer: what is missing is told before anybody comes."""
    from engine.clock import MonotonicClock
    from engine.io.null import NullSink
    from engine.studio.source import WebRtcSource

    clock = MonotonicClock()
    source = WebRtcSource(clock)
    source.stop()
    make(source, NullSink(), clock).run()


async def _offer(request: web.Request) -> str:
    if request.content_type != SDP:
        raise web.HTTPUnsupportedMediaType(reason=f"an offer comes as {SDP}")
    body = await request.read()  # 413 where it is larger than client_max_size
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadOffer(f"the offer is no UTF-8: {error}") from error


def _file(path: Path) -> Handler:
    async def send(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(path)

    return send


def _say(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)


def _port(request: web.Request) -> int:
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport is not None else None
    return int(name[1]) if name else 0
