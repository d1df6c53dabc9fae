"""The studio's control from Python: for decks, bots and scripts beside the show.

    from engine.studio.client import Studio

    with Studio("http://127.0.0.1:8420") as studio:
        studio.set(character="Ito", background="#00ff00")
        for event in studio.events():
            print(event)

It speaks `engine.studio.control`, and needs aiohttp only.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from engine.errors import StudioError

_PATIENCE_S: Final = 10.0
_MOST_EVENTS: Final = 256  # that nobody has asked for; the oldest are forgotten


class Studio:
    """A connection to a server's /api/control. Safe to use from any thread.

    Args:
        url: of the server.
        token: what it wants, if it does.
        session: whom to control; None: the only one there is.
        verify: whether an HTTPS certificate must be one that this machine trusts; the one that
            `--make-certificate` makes is not.

    Raises:
        StudioError: there is no studio, or it does not let us in.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8420",
        *,
        token: str | None = None,
        session: str | None = None,
        verify: bool = True,
    ) -> None:
        self.session = session
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._verify = verify
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._events: deque[dict[str, Any]] = deque(maxlen=_MOST_EVENTS)
        self._changed = threading.Condition()
        self._open = True
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="studio", daemon=True)
        self._thread.start()
        try:
            self._wait(self._connect())
        except BaseException:
            self.close()
            raise

    def state(self) -> dict[str, Any]:
        """The sessions with their settings, the characters, the presets."""
        return self.ask("state")

    def set(self, **settings: Any) -> dict[str, Any]:
        """Change some settings (see `engine.studio.looks.Look`); all of them as they are then."""
        return dict(self.ask("set", settings=settings)["settings"])

    def wear(self, preset: str) -> dict[str, Any]:
        """Take on a preset of this name; the settings as they are then."""
        return dict(self.ask("wear", preset=preset)["settings"])

    def calibrate(self, countdown_s: float = 3.0) -> None:
        """Measure the performer anew, after a countdown."""
        self.ask("calibrate", countdown_s=countdown_s)

    def press(self, key: str) -> dict[str, Any]:
        """Do what a key of `ayatsuri live` does; the settings as they are then."""
        return dict(self.ask("press", key=key)["settings"])

    def events(self, timeout_s: float | None = None) -> Iterator[dict[str, Any]]:
        """What happens on the server, from the last that was not asked for on.

        Args:
            timeout_s: ends when nothing has happened for so long; None: with the connection.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or not self._open, timeout_s)
                if not self._events:
                    return
                event = self._events.popleft()
            yield event

    def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """Any message of the protocol; its answer.

        Raises:
            StudioError: the server says why not, or is gone.
        """
        session = {} if self.session is None else {"session": self.session}
        return dict(self._wait(self._ask({"do": do, **session, **what})))

    def close(self) -> None:
        """Hang up; idempotent."""
        if not self._thread.is_alive():
            return
        if hasattr(self, "_http"):
            self._wait(self._disconnect())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        if not self._loop.is_running() and not self._thread.is_alive():
            work.close()
            raise StudioError("this connection to the studio was closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(2 * _PATIENCE_S)

    async def _connect(self) -> None:
        self._http = aiohttp.ClientSession(headers=self._headers)
        address = "ws" + self._url.removeprefix("http") + "/api/control"
        try:
            async with asyncio.timeout(_PATIENCE_S):
                self._socket = await self._http.ws_connect(
                    address, heartbeat=_PATIENCE_S, ssl=self._verify
                )
        except aiohttp.WSServerHandshakeError as error:
            raise StudioError(
                f"the studio at {self._url} answers {error.status}"
                + (": it wants a token, Studio(url, token=...)" if error.status == 401 else "")
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise StudioError(
                f"there is no studio at {self._url} ({error}); start one: ayatsuri serve"
            ) from error
        self._reader = asyncio.create_task(self._read())

    async def _disconnect(self) -> None:
        if hasattr(self, "_socket"):
            await self._socket.close()
            await self._reader
        await self._http.close()

    async def _read(self) -> None:
        why = "the studio has hung up"
        try:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                self._hear(message.json())
        except ValueError as error:
            why = f"what the studio says is no JSON: {error}"
        finally:
            with self._changed:
                self._open = False
                self._changed.notify_all()
            for waiting in self._answers.values():
                if not waiting.done():  # else nobody waits any more
                    waiting.set_exception(StudioError(why))
            self._answers.clear()

    def _hear(self, said: Any) -> None:
        waiting = self._answers.pop(said.get("id"), None)
        if waiting is not None:
            if not waiting.done():  # else it was too late
                waiting.set_result(said)
        elif said.get("type") not in ("answer", "error"):
            with self._changed:
                self._events.append(said)
                self._changed.notify_all()

    async def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        if not self._open:
            raise StudioError("the studio has hung up")
        self._number += 1
        number = self._number
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_json({"id": number, **message})
            async with asyncio.timeout(_PATIENCE_S):
                said = await answer
        except (TimeoutError, ConnectionError) as error:
            self._answers.pop(number, None)
            raise StudioError(f"the studio does not answer ({error!r})") from error
        if said["type"] == "error":
            raise StudioError(said["error"])
        return {key: value for key, value in said.items() if key not in ("type", "id")}
