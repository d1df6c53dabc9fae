"""Sends encoded pictures and sound to a streaming service, and connects again when it is lost."""

import io
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Literal

import av
import numpy as np
from av.error import FFmpegError

from engine.errors import AyatsuriError, SinkError
from engine.push import srt
from engine.push.address import Address, speaks
from engine.push.waits import Waits
from engine.studio.encoder import Encoded

log = logging.getLogger(__name__)

KEY_EVERY_NS: Final = 2_000_000_000
"""What services expect: their segments begin at key frames."""

_RATE_HZ: Final = 48_000
_SOUND_BITRATE: Final = 128_000
_LATE_S, _EARLY_S = 0.25, 0.75  # how far sound may be from its pictures before it is put right
_PATIENCE_S: Final = 5.0  # for a connection
_STUCK_S: Final = 10.0  # a write that takes so long is given up
_LOOK_S: Final = 0.1
_GOODBYE_S: Final = 2.0

State = Literal["waiting", "connecting", "live", "closed"]


@dataclass(frozen=True, slots=True)
class PushStatistics:
    """What became of the packets of pictures: sent = delivered + dropped + waiting."""

    state: State
    sent: int
    delivered: int
    dropped: int
    waiting: int
    connections: int
    error: str | None


class Publisher:
    """A thread that sends H.264 and AAC.

    Nobody waits for it: what comes while it is not connected, or faster than the network takes, is
    dropped up to the next key frame. Sound is silence where there is none, since services expect
    some.

    Args:
        address: where to.
        capacity: packets of pictures that may wait: three seconds by default.
        sleep: waits for so many seconds, or until the event is set.
    """

    def __init__(
        self,
        address: Address,
        *,
        capacity: int = 90,
        sleep: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self._address = address
        self._capacity = capacity
        self._sleep = sleep
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._pictures: deque[Encoded] = deque()
        self._sound: deque[av.AudioFrame] = deque(maxlen=capacity)
        self._state: State = "connecting"
        self._needs_key = True
        self._keyed_pts: int | None = None
        self._sent = self._delivered = self._dropped = self._connections = 0
        self._in_hand = 0  # a packet that is being sent
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="ayatsuri-push", daemon=True)
        self._thread.start()

    def wants_key(self, pts: int) -> bool:
        """Whether the picture of this time stamp (90 kHz) should be a key frame."""
        with self._changed:
            since = None if self._keyed_pts is None else pts - self._keyed_pts
            return self._needs_key or since is None or since * 100_000 >= KEY_EVERY_NS * 9

    def put(self, packet: Encoded) -> None:
        """Send an H.264 packet with its parameters in its key frames; never waits."""
        with self._changed:
            if self._stop.is_set():
                return
            self._sent += 1
            if len(self._pictures) >= self._capacity:
                self._forget()
            if self._needs_key and not packet.is_keyframe:
                self._dropped += 1
                return
            if packet.is_keyframe:
                self._needs_key, self._keyed_pts = False, packet.pts
            self._pictures.append(packet)
            self._changed.notify_all()

    def put_sound(self, piece: av.AudioFrame) -> None:
        """Send sound that belongs to the pictures that are put now; never waits."""
        self._sound.append(piece)

    def statistics(self) -> PushStatistics:
        """A consistent count at this moment."""
        with self._changed:
            return PushStatistics(
                self._state, self._sent, self._delivered, self._dropped,
                len(self._pictures) + self._in_hand,
                self._connections, self._error,
            )  # fmt: skip

    def close(self) -> None:
        """Send what waits, if that is quick, and hang up; idempotent."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        self._thread.join(_GOODBYE_S)
        with self._changed:
            self._forget()
            self._state = "closed"

    def _forget(self) -> None:
        self._dropped += len(self._pictures)
        self._pictures.clear()
        self._needs_key = True

    def _run(self) -> None:
        waits = Waits()
        while not self._stop.is_set():
            line = _Line()
            thread = threading.Thread(
                target=self._publish, args=(line,), name="ayatsuri-push-line", daemon=True
            )
            thread.start()
            while thread.is_alive() and not line.stuck():
                thread.join(_LOOK_S)
            line.hang_up()
            with self._changed:
                # FFmpeg has no time-out for a write. Whoever hangs in one is left alone with it,
                # and goes when it returns.
                line.abandoned = True
                self._dropped, self._in_hand = self._dropped + self._in_hand, 0
                if self._stop.is_set():
                    return
                self._forget()
                self._state, self._error = "waiting", line.error or "it takes nothing any more"
            if line.connected:
                waits.begin_anew()
            wait_s = waits.next_s()
            log.warning("push to %s: %s; again in %.0f s", self._address, self._error, wait_s)
            self._sleep(self._stop, wait_s)

    def _publish(self, line: "_Line") -> None:
        """One connection, from a key frame on; ends with the line or the publisher."""
        with self._changed:
            self._state = "connecting"
        try:
            with self._target(line) as target:
                packet = self._take(line)
                if packet is None:
                    return
                line.began_s = time.monotonic()
                with _Stream(target, self._address.format, packet) as stream:
                    self._send_all(line, stream, packet)
        except (FFmpegError, OSError, AyatsuriError) as error:
            # FFmpeg's own text may have the whole address in it, and so the stream key.
            text = (error.strerror if isinstance(error, OSError) else None) or str(error)
            line.error = text.replace(self._address.url, str(self._address))
        except Exception as error:  # a live show goes on trying, and whoever looks is told
            line.error = f"unexpected: {error!r}".replace(self._address.url, str(self._address))
            log.exception("push to %s: unexpected", self._address)

    @contextmanager
    def _target(self, line: "_Line") -> "Iterator[_Target]":
        """What a container is written to; SRT's has reached the other side already."""
        if self._address.kind != "srt":
            yield _Target(self._address.url, {})
            return
        address = srt.SrtAddress.parse(self._address.url)
        if speaks("srt") and not address.listens:
            yield _Target(address.for_ffmpeg(), {})
            return
        with srt.Transmitter(address) as program:
            line.hang_up = program.kill
            if program.wait(lambda: self._stop.is_set() or line.abandoned):
                with self._changed:
                    self._forget()  # who came late sees what is now
            yield _Target(program, {"flush_packets": "1"})

    def _send_all(self, line: "_Line", stream: "_Stream", packet: "Encoded | None") -> None:
        with self._changed:
            self._state, self._error = "live", None
            self._connections += 1
        line.connected = True
        log.info("push to %s: connected", self._address)
        while packet is not None:
            line.began_s = time.monotonic()
            stream.send(packet, self._sound)
            line.began_s = None
            with self._changed:
                if not line.abandoned:
                    self._delivered, self._in_hand = self._delivered + 1, 0
            packet = self._take(line)

    def _take(self, line: "_Line") -> "Encoded | None":
        """The next packet; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._pictures or self._stop.is_set())
            if not self._pictures or line.abandoned:
                return None
            self._in_hand = 1
            return self._pictures.popleft()


@dataclass(slots=True)
class _Line:
    """How one connection does."""

    began_s: float | None = None  # when what it does now began; None: it waits for a picture
    connected: bool = False
    abandoned: bool = False
    error: str | None = None
    hang_up: Callable[[], object] = lambda: None  # from any thread; whoever writes is told

    def stuck(self) -> bool:
        began_s = self.began_s
        return began_s is not None and time.monotonic() - began_s > _STUCK_S


@dataclass(frozen=True, slots=True)
class _Target:
    """What a container is written to."""

    place: str | srt.Transmitter
    options: dict[str, str]


class _Stream:
    """One connection: a container, its two streams, and how far each is."""

    def __init__(self, target: _Target, kind: str, first: Encoded) -> None:
        self._container = av.open(
            target.place, "w", format=kind, timeout=_PATIENCE_S,
            options=target.options,
            buffer_size=25 * srt.MESSAGE,  # no packet of a transport stream is torn
        )  # fmt: skip
        try:
            self._parameters = _parameters(bytes(first))
            # A muxer wants them before the first packet: FFmpeg finds them in it.
            with av.open(io.BytesIO(bytes(first)), format="h264") as probe:
                self._video = self._container.add_stream_from_template(probe.streams.video[0])
            self._audio: Any = self._container.add_stream("aac", rate=_RATE_HZ)
            self._audio.layout = "stereo"
            self._audio.bit_rate = _SOUND_BITRATE
            self._container.start_encoding()
        except BaseException:
            self._container.close()
            raise
        self._resampler = av.AudioResampler("fltp", "stereo", _RATE_HZ)
        self._begin = first.pts or 0
        self._samples = 0

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *args: object) -> None:
        self._container.close()

    def send(self, packet: Encoded, sound: deque[av.AudioFrame]) -> None:
        """A picture, and the sound up to it."""
        assert packet.pts is not None
        assert packet.time_base is not None
        data = bytes(packet)
        if packet.is_keyframe and _parameters(data) != self._parameters:
            raise SinkError("the pictures have changed their size")
        own = av.Packet(data)  # the packet itself goes to viewers, too
        own.pts = own.dts = packet.pts - self._begin
        seconds = float(own.pts * packet.time_base)
        own.time_base = packet.time_base
        own.is_keyframe = packet.is_keyframe
        own.stream = self._video
        self._container.mux(own)
        while sound:
            for piece in self._resampler.resample(sound.popleft()):
                if self._samples / _RATE_HZ <= seconds + _EARLY_S:
                    self._play(piece)
        silent = round((seconds - _LATE_S) * _RATE_HZ) - self._samples
        if silent > 0:
            self._play(_silence(silent))

    def _play(self, piece: av.AudioFrame) -> None:
        piece.pts, piece.time_base = self._samples, Fraction(1, _RATE_HZ)
        self._samples += piece.samples
        self._container.mux(self._audio.encode(piece))


def _parameters(data: bytes) -> list[bytes]:
    """The parameter sets (NAL units 7 and 8) of an H.264 packet with start codes."""
    units = data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [unit for unit in units if unit and unit[0] & 31 in (7, 8)]


def _silence(samples: int) -> av.AudioFrame:
    piece = av.AudioFrame.from_ndarray(np.zeros((2, samples), np.float32), "fltp", "stereo")
    piece.sample_rate = _RATE_HZ
    return piece
