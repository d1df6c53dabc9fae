"""Looks at every request before anything is done with it, and at every answer before it goes."""

import logging
from typing import Final

from aiohttp import hdrs, web

from engine.clock import Clock
from engine.errors import AyatsuriError, BadLook, BadOffer, StudioFull
from engine.studio.http import SDP, Handler, port_of, say
from engine.studio.limits import Buckets
from engine.studio.settings import Settings

log = logging.getLogger(__name__)

_PREFLIGHT: Final = {  # what a page of another origin may send
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, PUT, PATCH, DELETE",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type",
    "Accept-Post": SDP,
}

_STATUS: Final = {"host": 403, "origin": 403, "token": 401}
_WHY: Final = {
    "host": "this server does not go by that name (Host); name it with --origin",
    "origin": "pages of this origin may not use the server; name it with --origin",
    "token": "a token is needed: Authorization: Bearer TOKEN",
}
_HEADERS: Final = {
    # Pages speak to this server, and to nobody else. Thumbnails that want a token, and drawings
    # that are yet to be sent, are blobs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_RETRY: Final = "5"  # seconds, for whoever finds the studio full


class Guard:
    """A middleware that refuses whoever may not, and turns the studio's errors into answers.

    Args:
        settings: who may speak to the server.
        clock: for the rates.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.refused: dict[str, int] = dict.fromkeys(("host", "origin", "token", "rate"), 0)
        self.open: set[str] = set()
        """Paths that need no token: nothing secret is there."""
        self._settings = settings
        self._requests = Buckets(clock, settings.requests_per_s, settings.requests_burst)
        self._offers = Buckets(clock, settings.offers_per_s, settings.offers_burst)

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """See `aiohttp.web.middleware`."""
        origin = request.headers.get(hdrs.ORIGIN)
        response: web.StreamResponse
        try:
            refusal = self._refuse(request, origin)
            if refusal is not None:
                response = refusal
            elif request.method == "OPTIONS":
                response = web.Response(status=204, headers=_PREFLIGHT)
            else:
                response = await handler(request)
        except web.HTTPException as error:  # 404, 405 and 413 of aiohttp's own
            response = say(error.status, error.reason)
            if error.headers.get(hdrs.ALLOW):
                response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        except (BadOffer, BadLook) as error:
            response = say(400, str(error))
        except StudioFull as error:
            response = say(503, str(error))
            response.headers[hdrs.RETRY_AFTER] = _RETRY
        except AyatsuriError as error:  # the pipeline cannot be built: the operator must know too
            log.error("%s", error)
            response = say(500, str(error))
        if not response.prepared:  # a stream of events and a WebSocket have sent theirs
            self.dress(request, response)
        return response

    def dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give an answer the headers that all have."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or origin.lower() not in self._settings.allowed_origins(port_of(request)):
            return
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "Location, Link"
        response.headers[hdrs.VARY] = "Origin"

    def _refuse(self, request: web.Request, origin: str | None) -> web.Response | None:
        wait_s = self._requests.take(request.remote)
        if not wait_s and request.method == "POST":
            wait_s = self._offers.take(request.remote)
        if wait_s:
            self.refused["rate"] += 1
            response = say(429, f"too many requests: wait {wait_s:.1f} s")
            response.headers[hdrs.RETRY_AFTER] = str(int(wait_s) + 1)
            return response
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        if authorization is None and request.method == "GET" and "access_token" in request.query:
            # RFC 6750, 2.3: pictures, event streams and WebSockets of a page carry no headers.
            authorization = f"Bearer {request.query['access_token']}"
        refusal = self._settings.refusal(
            port=port_of(request), host=request.host, origin=origin, authorization=authorization
        )
        if refusal == "token" and (request.path in self.open or request.method == "OPTIONS"):
            refusal = None
        if refusal is None:
            return None
        self.refused[refusal] += 1
        response = say(_STATUS[refusal], _WHY[refusal])
        if refusal == "token":
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return response
