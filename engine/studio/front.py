"""The front of several studios: opens each session where there is room, and finds it again there.

What belongs to a session goes to the studio that has it: its HTTP here, its pictures and sound
directly between the performer and that studio. Everything else is answered by the front itself.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import aiohttp
from aiohttp import hdrs, web

from engine.errors import StudioError, StudioFull
from engine.studio.api import characters
from engine.studio.http import FIRST, SDP, Handler, read_text
from engine.studio.studio import Studio

log = logging.getLogger(__name__)

LEASE: Final = "X-Ayatsuri-Lease"
"""The header by which a studio knows for which lease a session is opened."""

_KEPT: Final[tuple[str, ...]] = (
    hdrs.CONTENT_TYPE,
    hdrs.LOCATION,
    hdrs.LINK,
    hdrs.CONTENT_DISPOSITION,
)
_MISSING: Final = {
    "/api/camera": "a virtual camera is of one machine: no studio of several has one",
    "/api/control": "the front of several studios has no WebSocket: PATCH the session's settings",
    "/api/enrol": "characters of several studios are those they began with: `ayatsuri adapt` first",
}
PATIENCE_S: Final = 30.0
"""For a studio's answer, which may have a character to load."""
_LEASE_S: Final = 30.0  # for a place, which may have to be made first


@dataclass(frozen=True, slots=True)
class Grant:
    """A place for one session.

    Attributes:
        url: of the studio that has it.
        lease: what the studio calls it.
    """

    url: str
    lease: str


Lease = AsyncGenerator[Grant, None]
"""Gives one grant, and ends when the session that was opened with it is over."""


class Front:
    """A middleware before the front's own application.

    Args:
        studio: the front's own, which has no sessions: its gallery names all characters there are.
        lease: asks for a place for a character of this name.
        token: what the studios behind want.
    """

    def __init__(self, studio: Studio, lease: Callable[[str], Lease], token: str) -> None:
        self.sessions: dict[str, str] = {}
        """The studio's address, by the session's name."""
        self._studio = studio
        self._lease = lease
        self._headers: dict[str, str] = {hdrs.AUTHORIZATION: f"Bearer {token}"}
        self._holds: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None
        self._opening = 0
        studio.elsewhere = lambda: len(self.sessions) + self._opening

    def add_to(self, app: web.Application) -> None:
        """Stand before an application's handlers, and behind its guard."""
        app.middlewares.append(self.route)
        app.cleanup_ctx.append(self._life)

    @web.middleware
    async def route(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """See `aiohttp.web.middleware`."""
        if (request.method, request.path) == ("POST", "/whip"):
            return await self._open(request)
        for path, why in _MISSING.items():
            if request.path.startswith(path):
                raise web.HTTPNotImplemented(reason=why)
        name = request.match_info.get("session", request.query.get("session"))
        if name == FIRST:
            name = next(iter(self.sessions), FIRST)
        url = None if name is None else self.sessions.get(name)
        if url is None:
            return await handler(request)
        if request.path == "/api/characters":
            settings = await self._forward("GET", f"{url}/api/session/{name}/settings")
            playing = json.loads(settings.text or "{}").get("character")
            return web.json_response({"characters": characters(self._studio, playing)})
        return await self._forward(
            request.method, url + request.path_qs.replace(f"/{FIRST}", f"/{name}", 1),
            await request.read(),
            request.headers.get(hdrs.CONTENT_TYPE),
        )  # fmt: skip

    async def _open(self, request: web.Request) -> web.Response:
        offer = await read_text(request, SDP, "an offer")
        if self._studio.free <= 0:
            raise StudioFull(f"{self._studio.performers} performers are here, which are all")
        self._opening += 1
        try:
            return await self._place(request, offer)
        finally:
            self._opening -= 1

    async def _place(self, request: web.Request, offer: str) -> web.Response:
        name = request.query.get("character")
        if name is None or self._studio.gallery.get(name) is None:
            name = self._studio.gallery.bundles[0].name
        query = urlencode(dict(request.query) | {"character": name})
        lease = self._lease(name)
        try:
            grant = await _granted(lease)
            response = await self._forward(
                "POST", f"{grant.url}/whip?{query}", offer.encode(), SDP, grant.lease
            )
            if response.status != 201:
                await lease.aclose()
                return response
            session = str(response.headers[hdrs.LOCATION]).rpartition("/")[2]
        except BaseException:
            await lease.aclose()  # else the place is taken until the studio itself gives it up
            raise
        self.sessions[session] = grant.url
        task = asyncio.create_task(self._hold(session, lease), name=f"lease of {session}")
        self._holds.add(task)
        task.add_done_callback(self._holds.discard)
        return response

    async def _hold(self, session: str, lease: Lease) -> None:
        """Keep a lease for as long as its session lasts."""
        try:
            async for _ in lease:
                pass
        except Exception:  # a studio that dies raises whatever its cluster makes of that
            log.exception("the studio of session %s is gone", session)
        finally:
            del self.sessions[session]
            await lease.aclose()

    async def _forward(
        self, method: str, url: str, body: bytes = b"", kind: str | None = None, lease: str = ""
    ) -> web.Response:
        """Ask a studio; its answer, as the front gives it."""
        assert self._http is not None, "the application has not started"
        headers: dict[str, str] = dict(self._headers)
        if kind is not None:
            headers[hdrs.CONTENT_TYPE] = kind
        if lease:
            headers[LEASE] = lease
        try:
            async with self._http.request(method, url, data=body, headers=headers) as response:
                kept = {k: response.headers[k] for k in _KEPT if k in response.headers}
                return web.Response(
                    status=response.status, headers=kept, body=await response.read()
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StudioError(f"the studio of this session does not answer: {error}") from error

    async def _life(self, app: web.Application) -> AsyncGenerator[None, None]:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S))
        yield
        for task in tuple(self._holds):
            task.cancel()
        await asyncio.gather(*self._holds, return_exceptions=True)
        await self._http.close()


async def _granted(lease: Lease) -> Grant:
    """What a lease gives.

    Raises:
        StudioFull: nothing in time.
    """
    try:
        async with asyncio.timeout(_LEASE_S):
            return await anext(lease)
    except (TimeoutError, StopAsyncIteration) as error:
        raise StudioFull("no studio had a place in time; more may be on their way") from error
