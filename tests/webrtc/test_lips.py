"""A clap, seen and heard: real codecs both ways, and how far apart it is at the viewer."""

import asyncio
import time
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from aiortc import MediaStreamTrack
from av import AudioFrame, VideoFrame

from engine.clock import MonotonicClock
from engine.studio.reception import receive_live
from engine.studio.tracks import JITTER_NS
from tests.webrtc.studio import Late, mirrors, running, until, within

PERIOD_S, CLAP_S = 1.5, 0.5
RATE_HZ, PIECE = 48_000, 960
LATE_S = 0.25


def clapping(seconds: float) -> bool:
    """Whether it is bright and loud at this time of the performance."""
    return seconds % PERIOD_S > PERIOD_S - CLAP_S


class Clap(MediaStreamTrack):
    """Pieces of a performance, each when it is due; those that are late already are left out."""

    def __init__(self, began: float, rate_hz: int) -> None:
        super().__init__()
        self._began, self._rate_hz, self._next = began, rate_hz, 0

    async def number(self) -> int:
        """Of the next piece, when it is due."""
        now = (time.monotonic() - self._began) * self._rate_hz
        self._next = max(self._next, int(now))
        await asyncio.sleep(max(self._next - now, 0) / self._rate_hz)
        self._next += 1
        return self._next - 1


class Flash(Clap):
    """Dark pictures, and bright ones while there is a clap."""

    kind = "video"

    async def recv(self) -> VideoFrame:
        number = await self.number()
        level = 235 if clapping(number / self._rate_hz) else 20
        frame = VideoFrame.from_ndarray(np.full((64, 64, 3), level, np.uint8))
        frame.pts, frame.time_base = number, Fraction(1, self._rate_hz)
        return frame


class Beep(Clap):
    """Silence, and a tone while there is a clap."""

    kind = "audio"

    async def recv(self) -> AudioFrame:
        at = await self.number() * PIECE + np.arange(PIECE)
        tone = 12_000 * np.sin(2 * np.pi * 440 / RATE_HZ * at) * clapping(at[0] / RATE_HZ)
        frame = AudioFrame.from_ndarray(tone.astype(np.int16)[None], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, int(at[0]), Fraction(1, RATE_HZ)
        return frame


def begins(seen: list[tuple[float, float]]) -> list[float]:
    """When a quiet or dark time ended, of (moment, loudness or brightness) in order."""
    top = max(level for _, level in seen)
    high = [(at, level > 0.5 * top) for at, level in seen]
    return [at for (_, before), (at, now) in pairwise(high) if now > before]


def test_a_clap_is_heard_when_it_is_seen():
    """Without the delay the sound would be early by what the pictures take in the server."""

    async def show():
        async with running(mirrors(stage=Late, seconds=LATE_S)) as server:
            seen: list[tuple[float, float]] = []
            heard: list[tuple[float, float]] = []

            async def watch(track: MediaStreamTrack) -> None:
                while True:
                    got = await track.recv()
                    if isinstance(got, VideoFrame):
                        level = float(got.to_ndarray(format="gray").mean()) - 16
                        seen.append((time.monotonic(), level))
                    else:
                        level = float(np.abs(got.to_ndarray().astype(float)).mean())
                        heard.append((time.monotonic(), level))

            began = time.monotonic() + 0.2
            performer = await server.perform(
                tracks=(Flash(began, 30), Beep(began, RATE_HZ // PIECE)), watch=False
            )
            viewer = await server.view(performer.location, watch=False)
            for receiver in viewer.connection.getReceivers():
                if receiver.track.kind == "video":  # aiortc's own is a picture late
                    receive_live(receiver, MonotonicClock())
                viewer.tasks.append(asyncio.create_task(watch(receiver.track)))
            await until(lambda: bool(seen and heard), "pictures and sound", 20)
            await asyncio.sleep(2)  # the delay follows the latency as it is measured
            session = server.studio.sessions[performer.location.removeprefix("/whip/")]
            latency_s = session.report()["latency_ms"] * 1e-3
            assert latency_s > 0.8 * LATE_S
            seen.clear()
            heard.clear()
            await asyncio.sleep(5.5 * PERIOD_S)
            flashes, beeps = begins(seen), begins(heard)
            due = 5.5 * PERIOD_S
            if len(heard) < 0.9 * due * RATE_HZ / PIECE or len(seen) < 0.8 * 30 * due:
                pytest.skip(f"too busy a machine: {len(heard)} pieces, {len(seen)} pictures")
            # The viewer's receiver of sound holds four pieces back, as the server's does.
            late = [
                min((beep - JITTER_NS * 1e-9 - flash for beep in beeps), key=abs)
                for flash in flashes
            ]
            print(
                f"sound after its picture: {[round(1e3 * s) for s in late]} ms, "
                f"pictures after the performer: {1e3 * latency_s:.0f} ms"
            )
            assert len(late) >= 3
            assert abs(np.median(late)) < 0.4 * latency_s

    within(60, show)
