"""The HTTP side: WHIP in (RFC 9725), WHEP out, the pages, and what `engine.studio.api` adds.

GET    /                     the page; /obs: the character alone, for a browser source; /privacy
GET    /healthz, /readyz     for whoever watches over the server; /metrics for Prometheus
GET    /config               what a page needs before it can offer: ICE servers, free places
POST   /whip                 a performer's offer; 201, the answer, and the session's Location
GET    /whip/SESSION         the session's report
DELETE /whip/SESSION         ends it
GET    /whep/SESSION         whether there is something to watch
POST   /whep/SESSION         a viewer's offer; SESSION may be "first"
DELETE /whep/SESSION/VIEWER  ends a viewing

Both kinds of offer take `?packed-alpha=1`: see `engine.studio.packed_alpha`.
"""

from aiohttp import hdrs, web

from engine.clock import MonotonicClock
from engine.studio.api import Api
from engine.studio.control import Control
from engine.studio.enrolments import Enrolments
from engine.studio.guard import Guard
from engine.studio.http import FIRST, SDP, read_text
from engine.studio.metrics import Metrics
from engine.studio.page import add_pages
from engine.studio.session import Session
from engine.studio.studio import Studio


def application(studio: Studio) -> web.Application:
    """What aiohttp serves; shutting it down ends all sessions."""
    guard = Guard(studio.settings, MonotonicClock())
    app = web.Application(middlewares=[guard.check], client_max_size=studio.settings.offer_bytes)
    guard.open |= add_pages(app)
    guard.open |= Metrics(studio, guard).add_routes(app)
    _Doors(studio).add_routes(app)
    Api(studio).add_routes(app)
    Control(studio, guard).add_routes(app)
    Enrolments(studio, guard).add_routes(app)

    async def shutdown(app: web.Application) -> None:
        await studio.close()

    app.on_shutdown.append(shutdown)
    return app


class _Doors:
    """Where performers and viewers come in."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def add_routes(self, app: web.Application) -> None:
        """Put the handlers where they belong."""
        add = app.router.add_route
        add("GET", "/config", self._config)
        add("POST", "/whip", self._whip)
        add("GET", "/whip/{session}", self._report)
        add("DELETE", "/whip/{session}", self._whip_end)
        add("GET", "/whep/{session}", self._whep_look)
        add("POST", "/whep/{session}", self._whep)
        add("DELETE", "/whep/{session}/{viewer}", self._whep_end)

    async def _config(self, request: web.Request) -> web.Response:
        servers = [
            {"urls": s.url, "username": s.username, "credential": s.credential}
            if s.username is not None
            else {"urls": s.url}
            for s in self._studio.settings.ice_servers
        ]
        return web.json_response(
            {"iceServers": servers, "free": self._studio.free, "settled": self._studio.settled}
        )

    async def _whip(self, request: web.Request) -> web.Response:
        offer = await read_text(request, SDP, "an offer")
        session, answer = await self._studio.open(
            offer,
            packed=_packed(request),
            preset=request.query.get("preset"),
            character=request.query.get("character"),
        )
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
        offer = await read_text(request, SDP, "an offer")
        viewer, answer = await session.view(offer, packed=_packed(request))
        return self._created(answer, f"/whep/{session.name}/{viewer}")

    async def _whep_end(self, request: web.Request) -> web.Response:
        if not await self._session(request).leave(request.match_info["viewer"]):
            raise web.HTTPNotFound
        return web.Response()

    def _session(self, request: web.Request) -> Session:
        name, sessions = request.match_info["session"], self._studio.sessions
        if name == FIRST:
            name = next(iter(sessions), name)
        if name not in sessions:
            raise web.HTTPNotFound
        return sessions[name]

    def _created(self, answer: str, location: str) -> web.Response:
        response = web.Response(status=201, text=answer, content_type=SDP)
        response.headers[hdrs.LOCATION] = location
        for server in self._studio.settings.ice_servers:
            link = f'<{server.url}>; rel="ice-server"'
            if server.username is not None:
                link += f'; username="{server.username}"; credential="{server.credential}"'
                link += '; credential-type="password"'
            response.headers.add(hdrs.LINK, link)
        return response


def _packed(request: web.Request) -> bool:
    return request.query.get("packed-alpha", "0") in ("1", "true")
