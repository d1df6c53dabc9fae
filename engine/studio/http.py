"""What all of the server's HTTP handlers share."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from engine.errors import BadLook, BadOffer

SDP: Final = "application/sdp"
FIRST: Final = "first"
"""In the place of a session's name: whoever performs; an address that can be kept in OBS."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def say(status: int, text: str) -> web.Response:
    """An error, as every one of them is told."""
    return web.json_response({"error": text}, status=status)


def port_of(request: web.Request) -> int:
    """Where the server listens that got the request."""
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport is not None else None
    return int(name[1]) if name else 0


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """The body.

    Raises:
        HTTPRequestEntityTooLarge: it is longer, and is not read to its end.
    """
    body = bytearray()
    async for chunk in request.content.iter_chunked(2**16):
        body += chunk
        if len(body) > most_bytes:
            raise web.HTTPRequestEntityTooLarge(most_bytes, len(body))
    return bytes(body)


async def read_text(request: web.Request, kind: str, what: str) -> str:
    """A body of a kind, as text.

    Args:
        request: whose.
        kind: the content type that it must have.
        what: what it is, in words.

    Raises:
        HTTPUnsupportedMediaType: it is of another kind.
        HTTPRequestEntityTooLarge: it is longer than the application's `client_max_size`.
        BadOffer: it is no UTF-8.
    """
    if request.content_type != kind:
        raise web.HTTPUnsupportedMediaType(reason=f"{what} comes as {kind}")
    body = await request.read()
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadOffer(f"{what} is no UTF-8: {error}") from error


async def read_json(request: web.Request, *, default: Any = None) -> Any:
    """A body of JSON; `default` where there is none.

    Raises:
        HTTPRequestEntityTooLarge: it is longer than the application's `client_max_size`.
        BadLook: it is no JSON.
    """
    body = await request.read()
    if not body and default is not None:
        return default
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadLook(f"the body is no JSON: {error}") from error
