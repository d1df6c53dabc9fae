"""One performer, one pipeline, any number of viewers."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from engine.app import Show
from engine.channel import ChannelStatistics
from engine.clock import MonotonicClock
from engine.errors import AyatsuriError, StudioFull
from engine.push.address import Address
from engine.push.camera import CameraPublisher
from engine.studio.director import Direction, Director
from engine.studio.feed import Feed
from engine.studio.peer import Peer
from engine.studio.push import Push, report_of
from engine.studio.push import begin as begin_push
from engine.studio.settings import Settings
from engine.studio.shows import MakeShow
from engine.studio.sink import WebRtcSink
from engine.studio.source import WebRtcSource
from engine.studio.streams import Ladder
from engine.studio.tracks import CharacterTrack, SoundTrack

log = logging.getLogger(__name__)

_LOOK_S = 0.5  # how often silence is looked for


class Session:
    """Begins with a performer's offer; ends when they go, fall silent or are told to.

    All of it belongs to one event loop. One task, the supervisor, ends everything that was begun,
    whoever wants the end.

    Args:
        settings: of the server.
        make_show: what makes a character of a performer.
        direction: the look to begin with, and where looks are kept.
        others: the names of characters to have ready beside the first.
        packed: the performer wants the character back with its alpha below it.
        on_end: called once, when nothing of the session is left.
    """

    def __init__(
        self,
        settings: Settings,
        make_show: MakeShow,
        direction: Direction,
        *,
        others: Sequence[str] = (),
        packed: bool = False,
        on_end: Callable[["Session"], None] = lambda session: None,
    ) -> None:
        self.name = secrets.token_urlsafe(12)
        self.error: Exception | None = None
        self.on_stage = False
        """Whether this is the show that goes to streaming services and the virtual camera."""
        self._settings = settings
        self._make_show = make_show
        self._direction = direction
        self._others = tuple(others)
        self._on_end = on_end
        self._clock = MonotonicClock()
        self._over = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._source = WebRtcSource(self._clock)
        self._sink = WebRtcSink(
            self._clock,
            ladder=Ladder(full=settings.bitrate),
            character=lambda: None if self.director is None else self.director.playing,
            on_close=lambda: loop.call_soon_threadsafe(self._over.set),
        )
        self.director: Director | None = None
        self._show: Show | None = None
        self._building: asyncio.Task[Show] | None = None
        self._drains: list[asyncio.Task[None]] = []
        self._viewers: dict[str, Peer] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._pushes: list[Push] = []
        self._camera: CameraPublisher | None = None
        self._sounds: list[SoundTrack] = []  # of the pushes
        self._performer = self._peer(receives=True, packed=packed, on_end=self._over.set)
        self._supervisor = asyncio.create_task(self._supervise(), name=f"session {self.name}")

    async def start(self, offer: str) -> str:
        """Answer the performer and start the pipeline.

        The answer carries the character, and the sound, back on the same connection, to those who
        offer to receive.

        Raises:
            BadOffer: the offer cannot be answered; nothing is left of the session.
            BadLook: the look cannot be had; nothing is left of the session.
            AyatsuriError: the pipeline cannot be built; nothing is left of the session.
        """
        try:
            answer = await self._performer.answer(offer)
            self._building = asyncio.create_task(
                asyncio.to_thread(
                    self._make_show,
                    self._source,
                    self._sink,
                    self._clock,
                    self._direction.look.character,
                )
            )
            show = await asyncio.shield(self._building)
            if not self._over.is_set():
                director = Director(show, self._direction)
                await director.begin()
                self.director = director
            if not self._over.is_set():
                self._show = show
                show.pipeline.start()
                self._drain("video", self._source.put)
                self._drain("audio", self._spread)
                self._drains.append(asyncio.create_task(self._recruit(), name="recruiting"))
        except BaseException:
            await self.close()
            raise
        return answer

    async def view(self, offer: str, *, packed: bool = False) -> tuple[str, str]:
        """Answer a viewer: the name of their connection, and the SDP.

        Args:
            offer: the viewer's SDP.
            packed: send the colour with the alpha below it.

        Raises:
            BadOffer: the offer cannot be answered.
            StudioFull: as many viewers as may be are there already.
        """
        if self._over.is_set() or len(self._viewers) >= self._settings.viewers:
            raise StudioFull(
                f"{len(self._viewers)} of at most {self._settings.viewers} viewers are watching"
            )
        name = secrets.token_urlsafe(12)
        viewer = self._peer(receives=False, packed=packed, on_end=lambda: self._leave(name))
        self._viewers[name] = viewer  # before the first await, so that the cap holds
        try:
            return name, await viewer.answer(offer)
        except BaseException:
            await self.leave(name)
            raise

    def push(self, addresses: Sequence[Address], token: str | None) -> None:
        """Send the show to streaming services until the session ends."""
        self.on_stage = True
        if not self._over.is_set():
            self._pushes += [
                begin_push(address, self._sink, self._new_sound, token) for address in addresses
            ]

    @property
    def pushes(self) -> list[dict[str, Any]]:
        """How the show does where it goes to."""
        reports, camera = [push.report() for push in self._pushes], self._camera
        if camera is not None:
            reports.append(report_of(camera.name, camera.statistics()))
        return reports

    def aim(self, camera: CameraPublisher | None) -> None:
        """Show the show to a virtual camera too, or to none."""
        self._camera = camera
        self._sink.watch = None if camera is None else camera.put

    async def leave(self, viewer: str) -> bool:
        """End a viewer's connection; whether there was one."""
        peer = self._viewers.pop(viewer, None)
        if peer is not None:
            await peer.close()
        return peer is not None

    async def close(self) -> None:
        """End the session and wait until nothing of it is left; idempotent."""
        self._over.set()
        await asyncio.shield(self._supervisor)

    def report(self) -> dict[str, Any]:
        """The engine's report as of now, and what became of what each connection was sent."""
        peers = {"performer": self._performer, **self._viewers}
        return {
            "session": self.name,
            "viewers": len(self._viewers),
            "latency_ms": round(self._sink.latency_ns * 1e-6, 3),
            "connections": [
                {
                    "name": name if name == "performer" else "viewer",
                    "state": peer.state,
                    "codec": peer.character.codec,
                    "video": _counts(peer.character.statistics()),
                    "sound": _counts(peer.sound.statistics()),
                    "telemetry": {"sent": peer.telemetry.sent, "dropped": peer.telemetry.dropped},
                    "network": _network(peer.character.feed),
                }
                for name, peer in peers.items()
            ],
            "pushes": self.pushes,
            "streams": self._sink.rates,
            "encoded": self._sink.totals,
            "engine": None if self._show is None else self._show.pipeline.snapshot().to_dict(),
        }

    def _peer(self, *, receives: bool, packed: bool, on_end: Callable[[], None]) -> Peer:
        character = CharacterTrack(self._sink, packed=packed)
        sound = SoundTrack(self._clock, lambda: self._sink.latency_ns)
        return Peer(
            self._settings, character, sound, clock=self._clock, receives=receives, on_end=on_end,
            source_pts=self._source.pts_of if receives else lambda sequence: None,
        )  # fmt: skip

    def _spread(self, piece: AudioFrame) -> None:
        for peer in (self._performer, *self._viewers.values()):
            peer.sound.put(piece)
        for sound in self._sounds:
            sound.put(piece)

    def _new_sound(self) -> SoundTrack:
        self._sounds = [sound for sound in self._sounds if sound.readyState == "live"]
        self._sounds.append(SoundTrack(self._clock, lambda: self._sink.latency_ns))
        return self._sounds[-1]

    def _drain(self, kind: str, put: Callable[[Any], None]) -> None:
        """Take all that comes of a kind at once, so that aiortc's own queue never grows."""
        track = self._performer.received(kind)
        if track is not None:
            self._drains.append(asyncio.create_task(self._take(track, put), name=f"{kind} in"))

    async def _take(
        self, track: MediaStreamTrack, put: Callable[[VideoFrame | AudioFrame], None]
    ) -> None:
        try:
            while True:
                piece = await track.recv()
                assert isinstance(piece, VideoFrame | AudioFrame)
                put(piece)
        except MediaStreamError:
            if track.kind == "video":
                self._over.set()
        except Exception as error:  # a fault of ours: nobody else would hear of it
            log.exception("session %s takes no %s any more", self.name, track.kind)
            if track.kind == "video":
                self.error = error
                self._over.set()

    async def _recruit(self) -> None:
        """Have all characters ready before anybody asks for them, one after the other."""
        for name in self._others:
            try:
                if self.director is not None:
                    await self.director.recruit(name)
            except AyatsuriError as error:  # the show goes on without them
                log.warning("%s cannot play: %s", name, error, extra={"session": self.name})
            except Exception:
                log.exception("%s cannot play", name, extra={"session": self.name})

    def _leave(self, viewer: str) -> None:
        task = asyncio.create_task(self._left(viewer), name="viewer leaves")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _left(self, viewer: str) -> None:
        await self.leave(viewer)

    async def _supervise(self) -> None:
        while not self._over.is_set():
            try:
                await asyncio.wait_for(self._over.wait(), _LOOK_S)
            except TimeoutError:
                silence_s = (self._clock.now_ns() - self._source.last_ns) * 1e-9
                if silence_s > self._settings.silence_s:
                    log.info("session %s: no picture for %.0f s", self.name, silence_s)
                    self._over.set()
        try:
            await self._end()
        finally:
            self._on_end(self)

    async def _end(self) -> None:
        for task in self._drains:
            task.cancel()
        await asyncio.gather(*self._drains, *self._leaving, return_exceptions=True)
        await self._close_all(self._pushes)
        peers = [self._performer, *self._viewers.values()]
        self._viewers.clear()
        await self._close_all(peers)
        self._source.stop()
        if self._building is None:
            return
        try:
            show = await self._building
            if self._show is None:  # built too late: a run that ends at once closes its parts
                show.pipeline.start()
            await asyncio.to_thread(show.pipeline.join)
        except Exception as error:
            # Whoever built it has been told; of a run there is nobody else to tell.
            self.error = error
            log.exception("session %s failed", self.name)

    async def _close_all(self, parts: Sequence[Push | Peer]) -> None:
        """Close each, whatever becomes of the others."""
        closed = await asyncio.gather(*(part.close() for part in parts), return_exceptions=True)
        for error in closed:
            if isinstance(error, Exception):
                self.error = error
                log.error("session %s: a part cannot be closed", self.name, exc_info=error)


def _counts(channel: ChannelStatistics) -> dict[str, int]:
    return {
        "sent": channel.sent, "delivered": channel.delivered,
        "dropped": channel.dropped, "waiting": channel.waiting,
    }  # fmt: skip


def _network(feed: Feed | None) -> dict[str, Any] | None:
    """What the other side has said of its network; None before anything is sent."""
    if feed is None:
        return None
    link = feed.link
    return {"estimate": link.estimate, "loss": round(link.loss, 4), "thin": link.thin}
