"""Coming and going, counted: memory, threads, tasks and descriptors do not grow.

AYATSURI_COMINGS=200 AYATSURI_STUCK_S=60 is the whole of it; by default it is less of both. `pytest
-s -p no:logging` prints the figures, and keeps no log, which would be counted with the memory.
"""

import asyncio
import gc
import os
import threading
from pathlib import Path

import psutil
import pytest

from tests.webrtc.studio import running, until, within

COMINGS = int(os.environ.get("AYATSURI_COMINGS", "18"))
STUCK_S = float(os.environ.get("AYATSURI_STUCK_S", "4"))
WARM_UP = max(COMINGS // 4, 6)


def counted() -> dict[str, float]:
    gc.collect()
    process = psutil.Process()
    return {
        "memory_mb": process.memory_info().rss / 2**20,
        "descriptors": process.num_fds(),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
    }


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted by /proc")
def test_comings_and_goings_leave_nothing_behind():
    async def show():
        async with running(sessions=4, silence_s=10.0) as server:
            before = None
            for coming in range(COMINGS):
                if coming == WARM_UP:
                    await asyncio.sleep(0.3)
                    before = counted()
                performer = await server.perform(
                    codec=("VP8", "H264")[coming % 2],
                    sound=coming % 3 == 0,
                    channel=coming % 4 == 1,
                )
                query = "?packed-alpha=1" if coming % 3 == 1 else ""
                viewer = await server.view(performer.location, query=query)
                socket = await server.http.ws_connect(server.url("/api/control"))
                if coming % 4 == 0:  # the others go while they are still being connected
                    states = [c.connection.connectionState for c in (performer, viewer)]
                    what = f"a picture of {coming}, {performer.status}, {viewer.status}, {states}"
                    await until(lambda v=viewer: bool(v.numbers), what, 20)
                if coming % 6 != 5:  # these go without a word
                    assert await server.delete(performer.location) == 200
                await performer.close()
                await viewer.close()
                await socket.close()
                server.clients.clear()
                await until(lambda: not server.studio.sessions, "the end of the session")
            await asyncio.sleep(0.3)
            after = counted()
            assert before is not None
            grown = {name: after[name] - before[name] for name in after}
            print(f"{WARM_UP} comings: {before}; {COMINGS}: {after}")
            # A leak of two connections with their codecs is a megabyte; the C library keeps some.
            assert grown["memory_mb"] < 16 + 0.2 * COMINGS, (before, after)
            assert grown["descriptors"] <= 2, (before, after)
            assert grown["threads"] <= 2, (before, after)  # the pool of the event loop
            assert grown["tasks"] <= 2, (before, after)

    within(60 + 5 * COMINGS, show)


def test_a_viewer_who_is_stuck_for_long_costs_nobody_anything():
    """They stop reading in the middle: no acknowledgement comes, no wish, only packets pile up."""

    async def show():
        async with running() as server:
            performer = await server.perform()
            stuck = await server.view(performer.location)
            good = await server.view(performer.location)
            await until(lambda: bool(stuck.numbers and good.numbers), "pictures")
            [transport] = {t.receiver.transport for t in stuck.connection.getTransceivers()}
            transport._handle_rtp_data = _deaf
            transport._handle_rtcp_data = _deaf
            for receiver in stuck.connection.getReceivers():
                receiver._send_rtcp = _deaf
            before = len(good.numbers)
            began = server.studio.sessions[performer.location.removeprefix("/whip/")]
            frames = began.report()["engine"]["frames_out"]
            await asyncio.sleep(STUCK_S)
            report = began.report()
            shown = report["engine"]["frames_out"] - frames
            assert len(good.numbers) - before >= 0.9 * shown - 10
            assert all(c["video"]["waiting"] <= 8 for c in report["connections"])

    within(30 + STUCK_S, show)


async def _deaf(*args, **kwargs):
    return None
