"""A WebSocket for hot keys, decks and scripts: tell a show what to do, hear what it was told.

GET /api/control. Each message is a JSON object; `id`, if there is one, comes back in the answer,
and `session` may be left out where there is one session only.

    {"do": "state"}                                    sessions and characters
    {"do": "set", "settings": {"mirror": true}}        some fields of the look
    {"do": "wear", "preset": "evening"}                a preset
    {"do": "calibrate", "countdown_s": 3}
    {"do": "press", "key": "n"}                        what the key does in `ayatsuri live`

    {"type": "answer", "id": ..., ...}   or   {"type": "error", "id": ..., "error": "..."}

Without being asked, to everybody who is connected:

    {"type": "settings", "session", "settings"}    {"type": "calibration", "session", "state", ...}
    {"type": "session", "session", "state": "began" | "ended"}      {"type": "draining", "seconds"}
    {"type": "camera", "on": true}    the virtual camera was switched
"""

import asyncio
import json
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType, web

from engine.clock import MonotonicClock
from engine.errors import AyatsuriError, BadLook
from engine.studio.api import characters, countdown
from engine.studio.director import Director
from engine.studio.events import Event
from engine.studio.guard import Guard
from engine.studio.limits import Buckets
from engine.studio.studio import Studio

MAX_MESSAGE: Final = 4096
_MOST_CONNECTIONS: Final = 32
_RATE_PER_S, _BURST = 30.0, 60  # messages of one connection
_HEARTBEAT_S: Final = 20.0


class Control:
    """The handler.

    Args:
        studio: whose sessions are controlled.
        guard: gives the answer its headers.
    """

    def __init__(self, studio: Studio, guard: Guard) -> None:
        self._studio = studio
        self._guard = guard
        self._connections = 0
        self._sockets: set[web.WebSocketResponse] = set()

    def add_routes(self, app: web.Application) -> None:
        """Put it where it belongs."""
        app.router.add_get("/api/control", self._connect)
        app.on_shutdown.append(self._shutdown)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self._connections >= _MOST_CONNECTIONS:
            raise web.HTTPServiceUnavailable(reason=f"at most {_MOST_CONNECTIONS} may control")
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=MAX_MESSAGE)
        if not socket.can_prepare(request):
            raise web.HTTPUpgradeRequired(reason="this address speaks WebSocket")
        self._guard.dress(request, socket)
        self._connections += 1  # before the first await, so that the cap holds
        try:
            await socket.prepare(request)
            self._sockets.add(socket)
            with self._studio.events.listen() as events:
                telling = asyncio.create_task(_tell(socket, events), name="control events")
                try:
                    await self._hear(socket)
                finally:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)
        finally:
            self._connections -= 1
            self._sockets.discard(socket)
        return socket

    async def _hear(self, socket: web.WebSocketResponse) -> None:
        bucket = Buckets(MonotonicClock(), _RATE_PER_S, _BURST)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"text is expected")
                return
            if wait_s := bucket.take(None):
                await asyncio.sleep(wait_s)  # the network holds back whoever sends faster
            await socket.send_json(await self._answer(message.data))

    async def _answer(self, text: str) -> dict[str, Any]:
        number = None
        try:
            try:
                request = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise BadLook(f"the message is no JSON: {error}") from error
            if not isinstance(request, dict):
                raise BadLook("a message is a JSON object")
            number = request.get("id")
            return {"type": "answer", "id": number, **await self._do(request)}
        except AyatsuriError as error:  # such as a character whose file is damaged
            return {"type": "error", "id": number, "error": str(error)}

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        match request.get("do"):
            case "state":
                return self._state()
            case "set":
                look = await self._director(request).change(request.get("settings"))
                return {"settings": look.model_dump()}
            case "wear":
                kept = self._studio.presets.get(str(request.get("preset")))
                if kept is None:
                    raise BadLook(f"there is no preset {request.get('preset')!r}")
                look = await self._director(request).wear(kept)
                return {"settings": look.model_dump()}
            case "calibrate":
                director = self._director(request)
                director.calibrate(countdown(request))
                return {"calibration": director.calibration()}
            case "press":
                key = request.get("key")
                if not isinstance(key, str) or not self._director(request).press(key):
                    raise BadLook(f"no key {key!r} does anything")
                return {"settings": self._director(request).look.model_dump()}
        raise BadLook(
            f"do: state, set, wear, calibrate or press are expected, not {request.get('do')!r}"
        )

    def _state(self) -> dict[str, Any]:
        return {
            "characters": characters(self._studio, None),
            "presets": self._studio.presets.names(),
            "sessions": [
                {
                    "session": session.name,
                    "settings": session.director.look.model_dump(),
                    "calibration": session.director.calibration(),
                }
                for session in self._studio.sessions.values()
                if session.director is not None
            ],
        }

    def _director(self, request: dict[str, Any]) -> Director:
        sessions = self._studio.sessions
        name = request.get("session")
        if name is None and len(sessions) == 1:
            name = next(iter(sessions))
        session = sessions.get(name) if isinstance(name, str) else None
        if session is None or session.director is None:
            if name is not None:
                raise BadLook(f"there is no session {str(name)[:40]!r}")
            if not sessions:
                raise BadLook("nobody performs yet: begin in the studio's page, then try again")
            raise BadLook(f"which session? there are {len(sessions)}")
        return session.director

    async def _shutdown(self, app: web.Application) -> None:
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server ends")


async def _tell(socket: web.WebSocketResponse, events: "asyncio.Queue[Event | None]") -> None:
    while (event := await events.get()) is not None:
        await socket.send_json(event)
    await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow")
