"""WHIP from the other end (RFC 9725): the show to a streaming service, over WebRTC."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import aiohttp
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCRtpSender,
    RTCSessionDescription,
)

from engine.clock import Clock
from engine.errors import SinkError, StudioError
from engine.frame import Packet
from engine.push.address import Address
from engine.push.waits import Waits
from engine.studio.connection import Connection
from engine.studio.http import SDP
from engine.studio.network import observe
from engine.studio.sdp import video_codec
from engine.studio.sink import WebRtcSink
from engine.studio.tracks import CharacterTrack

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 10.0


class WhipPush:
    """Connects, sends, and connects again when the connection is lost, until it is cancelled.

    Args:
        address: the service's endpoint.
        sink: whose pictures are sent.
        sound: makes the track of sound of a new connection; None: there is none.
        token: what the service calls the bearer token, or stream key.
    """

    def __init__(
        self,
        address: Address,
        sink: WebRtcSink,
        sound: Callable[[], MediaStreamTrack] | None = None,
        *,
        token: str | None = None,
    ) -> None:
        self.connections = 0
        self.state = "connecting"
        self.error: str | None = None
        self._address = address
        self._sink = sink
        self._sound = sound
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def run(self) -> None:
        """Ends only when it is cancelled; nothing is left then."""
        waits = Waits()
        while True:
            self.state = "connecting"
            try:
                await self._publish()
                waits.begin_anew()
                self.error = "the connection was lost"
            except (StudioError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self.error = str(error) or repr(error)
            except Exception as error:  # a live show goes on trying, and whoever looks is told
                self.error = f"unexpected: {error!r}"
                log.exception("push to %s: unexpected", self._address)
            self.state, wait_s = "waiting", waits.next_s()
            log.warning("push to %s: %s; again in %.0f s", self._address, self.error, wait_s)
            await asyncio.sleep(wait_s)

    async def _publish(self) -> None:
        """One connection; ends when it is lost."""
        connection = Connection(RTCConfiguration(iceServers=[]))
        character = CharacterTrack(self._sink)
        sound = None if self._sound is None else self._sound()
        over = asyncio.Event()
        connection.on("connectionstatechange", lambda: self._look(connection, over))
        location = None
        async with aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(_PATIENCE_S)
        ) as http:
            try:
                transceiver = connection.addTransceiver(character, direction="sendonly")
                known = RTCRtpSender.getCapabilities("video").codecs
                transceiver.setCodecPreferences([c for c in known if c.name in ("H264", "VP8")])
                sender = transceiver.sender
                observe(sender, character)
                sender._send_keyframe = character.request_key  # type: ignore[method-assign]
                if sound is not None:
                    connection.addTransceiver(sound, direction="sendonly")
                await connection.setLocalDescription(await connection.createOffer())
                async with http.post(
                    self._address.url,
                    data=connection.localDescription.sdp,
                    headers={"Content-Type": SDP},
                ) as response:
                    answer = await response.text()
                    if response.status != 201:
                        raise StudioError(f"the service answers {response.status}: {answer[:200]}")
                    location = response.headers.get("Location")
                    if location is not None:
                        location = str(response.url.join(response.url.__class__(location)))
                character.codec = video_codec(answer)
                try:
                    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
                except Exception as error:  # aiortc lets through whatever its parser stumbles over
                    raise StudioError(f"the service's answer cannot be used: {error!r}") from error
                async with asyncio.timeout(_PATIENCE_S):
                    while connection.connectionState != "connected":
                        if over.is_set():
                            raise StudioError(
                                "the service has answered, but no connection to it came about: is "
                                "UDP let through?"
                            )
                        await asyncio.sleep(0.02)
                self.connections += 1
                await over.wait()
            finally:
                connection.remove_all_listeners()
                character.stop()
                if sound is not None:
                    sound.stop()  # a connection that never came about stops none
                await connection.close()
                if location is not None:
                    await _leave(http, location)

    def _look(self, connection: Connection, over: asyncio.Event) -> None:
        if connection.connectionState == "connected":
            self.state, self.error = "live", None
            log.info("push to %s: connected", self._address)
        elif connection.connectionState in ("failed", "closed"):
            over.set()


async def _leave(http: aiohttp.ClientSession, location: str) -> None:
    try:
        async with http.delete(location):
            pass
    except (aiohttp.ClientError, TimeoutError) as error:
        log.debug("the service was not told that the push is over: %r", error)


class WhipSink:
    """The pictures of a pipeline, to a WHIP endpoint: an event loop on a thread of its own.

    Args:
        address: the service's endpoint.
        clock: the pipeline's.
        token: what the service calls the bearer token, or stream key.
    """

    name = "push"

    def __init__(self, address: Address, clock: Clock, *, token: str | None = None) -> None:
        self._sink = WebRtcSink(clock)
        self._loop = asyncio.new_event_loop()
        self._push = WhipPush(address, self._sink, token=token)
        self._task: asyncio.Task[None] | None = None
        self._began = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ayatsuri-whip", daemon=True)
        self._thread.start()
        self._began.wait()

    def write(self, packet: Packet) -> None:
        """Send one packet's output; transparency becomes black.

        Raises:
            SinkError: there is none.
        """
        if packet.output is None:
            raise SinkError("there is no output to push: put the composite stage before the sink")
        # Premultiplied colour is over black already; other kinds of sinks may want the alpha.
        self._sink.write(replace(packet, output=packet.output[..., :3]))

    def close(self) -> None:
        """Hang up; idempotent."""
        self._sink.close()
        if self._thread.is_alive() and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()

    def _run(self) -> None:
        async def run() -> None:
            self._task = asyncio.create_task(self._push.run())
            self._began.set()
            await asyncio.gather(self._task, return_exceptions=True)

        try:
            self._loop.run_until_complete(run())
        finally:
            self._loop.close()
