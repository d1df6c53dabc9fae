"""A studio to test with, and clients that speak WHIP and WHEP to it."""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from aiohttp import ClientResponse, ClientSession, web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from av import VideoFrame

from engine.app import Show, make_smoother
from engine.cast import Actor, Cast
from engine.clock import Clock
from engine.controls import Controls
from engine.frame import Packet
from engine.generator import NetworkGenerator
from engine.io.composite import Background, CompositeStage
from engine.pipeline import Pipeline, Sink, Source, Stage
from engine.stages import MotionStage, PoseStage
from engine.studio.connection import Connection
from engine.studio.gallery import Gallery
from engine.studio.looks import Look
from engine.studio.server import application
from engine.studio.settings import Settings
from engine.studio.shows import MakeShow
from engine.studio.studio import Studio
from engine.studio.telemetry import LABEL
from tests.puppets import FakeBackend, FakeBundle

SIDE = 64
BITS = 8  # of a picture's number, one in each column of 8 pixels


def numbered(number: int) -> np.ndarray:
    """A picture that carries a number: its bits are black and white columns.

    Neighbours differ in one bit (Gray's code), so that what a codec smears is either of the two.
    """
    number ^= number >> 1
    bits = [255 * (number >> (BITS - 1 - bit) & 1) for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8), SIDE // BITS)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (SIDE, SIDE, 3)))


def number_of(image: np.ndarray) -> int:
    """The number of a picture, however coded."""
    number = 0
    for bright in image.reshape(image.shape[0], BITS, -1).mean(axis=(0, 2)) > 127:
        number = number << 1 | (int(bright) ^ (number & 1))
    return number


def within(seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine; none of its tasks may outlive it."""

    async def watched() -> None:
        async with asyncio.timeout(seconds):
            await work()
        for _ in range(100):
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if not left:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"tasks outlive the test: {left}")

    asyncio.run(watched())


async def until(true: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        await asyncio.sleep(0.01)


class Mirror:
    """The stage in the place of the character: what comes in goes out, upside down.

    In the picture with alpha, black is transparent.
    """

    name = "mirror"

    def __init__(self, *, work_s: float = 0.0, fail_at: int = -1) -> None:
        self._work_s, self._fail_at = work_s, fail_at

    def process(self, packet: Packet) -> Iterable[Packet]:
        if 0 <= self._fail_at <= packet.frame.sequence:
            raise ValueError(f"the mirror broke at {self._fail_at}")
        time.sleep(self._work_s)
        image = packet.frame.image[::-1]
        yield replace(packet, output=image, picture=np.dstack([image, image[..., 0]]))

    def flush(self) -> Iterable[Packet]:
        return ()

    def close(self) -> None: ...


NAMES = ("Ito", "Double")


@cache
def gallery() -> Gallery:
    """Two characters, of the names of those whom `mirrors` pretends to have."""
    made = Gallery()
    ito = made.bundles[0]
    made.add(replace(ito, manifest=ito.manifest.model_copy(update={"name": NAMES[1]})))
    return made


def actor(name: str) -> Actor:
    """Somebody of this name."""
    bundle = FakeBundle(64)
    bundle.name = name
    return Actor(bundle, NetworkGenerator(FakeBackend(64)))


class Nobody:
    """An estimator that finds nobody."""

    def estimate(self, image: np.ndarray, time_ns: int) -> None:
        """Nobody."""

    def close(self) -> None:
        """Nothing to release."""


class Late:
    """The stage in the place of the character: what comes in goes out so much later."""

    name = "late"

    def __init__(self, seconds: float) -> None:
        self._late_ns = round(seconds * 1e9)
        self._held: deque[Packet] = deque()

    def process(self, packet: Packet) -> Iterable[Packet]:
        self._held.append(packet)
        due_ns = packet.frame.captured_ns - self._late_ns
        while self._held[0].frame.captured_ns <= due_ns:
            first = self._held.popleft()
            yield replace(first, output=first.frame.image)

    def flush(self) -> Iterable[Packet]:
        return ()

    def close(self) -> None: ...


def mirrors(
    *, names: tuple[str, ...] = NAMES, stage: Callable[..., Stage] = Mirror, **kwargs: Any
) -> MakeShow:
    """Makes shows with a `Mirror` in the place of the character; their controls do nothing."""

    def make(source: Source, sink: Sink, clock: Clock, first: str | None) -> Show:
        cast = Cast([actor(name) for name in names])
        motion = MotionStage(cast, make_smoother("none", live=True))
        controls = Controls(cast, motion, clock, quit_show=source.stop, say=lambda text: None)
        pipeline = Pipeline(source, [stage(**kwargs)], [sink], clock=clock)
        pose = PoseStage(Nobody())
        return Show(pipeline, controls, cast, pose, motion, CompositeStage(Background()))

    return make


class Performer(MediaStreamTrack):
    """Numbered pictures, 30 a second, each for `hold` pictures."""

    kind = "video"

    def __init__(self, hold: int = 3) -> None:
        super().__init__()
        self.sent = 0
        self._hold = hold
        self._begin = 0.0

    async def recv(self) -> VideoFrame:
        if self.readyState != "live":
            raise MediaStreamError
        self._begin = self._begin or time.monotonic()
        await asyncio.sleep(self._begin + self.sent / 30 - time.monotonic())
        frame = VideoFrame.from_ndarray(numbered(self.sent // self._hold % 2**BITS))
        frame.pts, frame.time_base = self.sent * 3000, Fraction(1, 90_000)
        self.sent += 1
        return frame


@dataclass
class Client:
    """One connection to the studio, and what it has received."""

    connection: Connection
    numbers: list[int] = field(default_factory=list)
    pieces: int = 0
    location: str = ""
    status: int = 0
    said: str = ""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    channel: Any = None
    facts: list[dict[str, Any]] = field(default_factory=list)
    sizes: set[tuple[int, ...]] = field(default_factory=set)
    alphas: list[int] = field(default_factory=list)

    def open_channel(self) -> None:
        """Ask for telemetry."""
        self.channel = self.connection.createDataChannel(LABEL, ordered=False, maxRetransmits=0)
        self.channel.on("message", lambda text: self.facts.append(json.loads(text)))

    def watch(self) -> None:
        """Take all that comes; without it, the client is one who never reads."""
        for receiver in self.connection.getReceivers():
            self.tasks.append(asyncio.create_task(self._take(receiver.track)))

    async def close(self) -> None:
        await self.connection.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _take(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                got = await track.recv()
                if isinstance(got, VideoFrame):
                    image = got.to_ndarray(format="rgb24")
                    self.sizes.add(image.shape[:2])
                    self.numbers.append(number_of(image[: len(image) // 2]))
                    self.alphas.append(number_of(image[len(image) // 2 :]))
                else:
                    self.pieces += 1
        except MediaStreamError:
            return


@dataclass
class Running:
    """A server that listens, and somebody to speak to it."""

    studio: Studio
    port: int
    http: ClientSession
    clients: list[Client] = field(default_factory=list)
    candidates: bool = True
    """Whether offers carry them; a client that trickles, such as OBS, sends its offer without."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def get(self, path: str, **kwargs: Any) -> Any:
        async with self.http.get(self.url(path), **kwargs) as response:
            return await response.json()

    async def delete(self, path: str, **kwargs: Any) -> int:
        async with self.http.delete(self.url(path), **kwargs) as response:
            return response.status

    async def post(
        self, path: str, body: str | bytes, headers: dict[str, str] | None = None
    ) -> ClientResponse:
        headers = {"Content-Type": "application/sdp"} | (headers or {})
        async with self.http.post(self.url(path), data=body, headers=headers) as response:
            await response.read()
            return response

    async def perform(
        self, *, sound: bool = False, codec: str = "VP8", watch: bool = True,
        headers: dict[str, str] | None = None, direction: str = "sendrecv", query: str = "",
        channel: bool = False, tracks: tuple[MediaStreamTrack, ...] = (),
    ) -> Client:  # fmt: skip
        """Send numbered pictures, or other `tracks`, and take what comes back."""
        client = self._client()
        if channel:
            client.open_channel()
        video, *others = tracks or (Performer(),)
        _prefer(client.connection.addTransceiver(video, direction=direction), codec)
        for other in others:
            client.connection.addTrack(other)
        if sound:
            client.connection.addTrack(AudioStreamTrack())
        await self._offer(client, f"/whip{query}", headers)
        if watch and client.status == 201:
            client.watch()
        return client

    async def view(
        self, session: str, *, codec: str = "VP8", watch: bool = True, query: str = ""
    ) -> Client:
        """Watch a session, given as its Location."""
        client = self._client()
        _prefer(client.connection.addTransceiver("video", direction="recvonly"), codec)
        client.connection.addTransceiver("audio", direction="recvonly")
        await self._offer(client, session.replace("whip", "whep") + query, None)
        if watch and client.status == 201:
            client.watch()
        return client

    def _client(self) -> Client:
        client = Client(Connection(RTCConfiguration(iceServers=[])))
        self.clients.append(client)
        return client

    async def _offer(self, client: Client, path: str, headers: dict[str, str] | None) -> None:
        await client.connection.setLocalDescription(await client.connection.createOffer())
        offer = client.connection.localDescription.sdp
        if not self.candidates:
            offer = "".join(line for line in offer.splitlines(True) if "candidate" not in line)
        response = await self.post(path, offer, headers)
        client.status, client.said = response.status, await response.text()
        if client.status == 201:
            client.location = response.headers["Location"]
            await client.connection.setRemoteDescription(
                RTCSessionDescription(client.said, "answer")
            )


def _prefer(transceiver: Any, codec: str) -> None:
    offered = RTCRtpSender.getCapabilities("video").codecs
    transceiver.setCodecPreferences([c for c in offered if c.name == codec])


@asynccontextmanager
async def running(
    make: Any = None,
    look: Look | None = None,
    characters: Gallery | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A studio on a free port of this machine; all that speaks to it is closed after it."""
    often = {"offers_per_s": 1000.0, "offers_burst": 1000}
    offered = gallery() if characters is None else characters
    studio = Studio(Settings(port=0, **(often | settings)), make or mirrors(), offered, look=look)
    runner = web.AppRunner(application(studio))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession() as http:
        server = Running(studio, port, http)
        try:
            yield server
        finally:
            for client in server.clients:
                await client.close()
            await runner.cleanup()
            assert not studio.sessions, "a session outlives its server"
