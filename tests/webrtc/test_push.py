"""The show to a streaming service: by WHIP to our own server, by MPEG-TS to a socket."""

import asyncio
import re
import time

import av
import numpy as np
import pytest
from aiohttp import web
from aiortc import RTCConfiguration, RTCSessionDescription

from engine.clock import MonotonicClock
from engine.frame import Packet
from engine.push.address import parse
from engine.studio.connection import Connection
from engine.studio.push import begin
from engine.studio.sink import WebRtcSink
from engine.studio.tracks import SoundTrack
from engine.studio.whip import WhipPush, WhipSink
from tests.fakes import frame
from tests.webrtc.studio import numbered, running, until, within

TOKEN = "a long and secret token"


def test_a_session_is_pushed_by_whip_and_again_when_the_service_was_gone():
    async def show():
        async with running(token=TOKEN) as service:
            address = parse(service.url("/whip"))
            async with running(push=(address,), push_token=TOKEN) as server:
                performer = await server.perform(sound=True)
                await until(lambda: len(service.studio.sessions) == 1, "the push")

                def arrived(pictures):
                    sessions = list(service.studio.sessions.values())
                    engine = sessions[0].report()["engine"] if sessions else None
                    return engine is not None and engine["frames_out"] >= pictures

                await until(lambda: arrived(20), "pictures at the service")
                [report] = (await server.get(performer.location))["pushes"]
                assert report["state"] == "live"
                assert "token" not in str(report)
                await next(iter(service.studio.sessions.values())).close()
                await until(lambda: arrived(20), "pictures again", 20)
                [report] = (await server.get(performer.location))["pushes"]
                assert report["connections"] == 2
                assert await server.delete(performer.location) == 200
                await until(lambda: not service.studio.sessions, "the end of the push")

    within(60, show)


def test_a_service_that_refuses_is_tried_again_and_says_why():
    async def show():
        async with (
            running(token=TOKEN) as service,
            running(push=(parse(service.url("/whip")),)) as server,
        ):
            performer = await server.perform()
            session = next(iter(server.studio.sessions.values()))

            def report():
                return session.report()["pushes"][0]

            await until(lambda: report()["state"] == "waiting", "the refusal")
            assert "401" in report()["error"]
            await until(lambda: len(performer.numbers) > 10, "pictures all the same")

    within(30, show)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda sdp: re.sub(r"a=candidate.*\r\n", "", sdp), "no connection"),
        (lambda sdp: sdp.replace("a=mid:", "a=candidate:none\r\na=mid:"), "cannot be used"),
    ],
    ids=["unreachable", "unusable"],
)
def test_an_answer_that_leads_nowhere_counts_as_no_connection(spoil, why):
    async def show():
        async def answer(request):
            other = Connection(RTCConfiguration(iceServers=[]))
            offer = RTCSessionDescription(await request.text(), "offer")
            await other.setRemoteDescription(offer)
            await other.setLocalDescription(await other.createAnswer())
            text = spoil(other.localDescription.sdp)
            await other.close()
            return web.Response(status=201, text=text)

        app = web.Application()
        app.router.add_post("/whip", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        push = WhipPush(parse(f"http://127.0.0.1:{port}/whip"), WebRtcSink(MonotonicClock()))
        running = asyncio.create_task(push.run())
        await until(lambda: push.state == "waiting" or running.done(), "the failure", 25)
        assert push.state == "waiting"
        assert why in push.error
        assert push.connections == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await runner.cleanup()

    within(40, show)


def test_a_fault_of_ours_in_a_push_by_whip_is_told_and_it_is_tried_again(monkeypatch, caplog):
    async def show():
        async def fails(self):
            raise ZeroDivisionError("by zero")

        monkeypatch.setattr(WhipPush, "_publish", fails)
        push = begin(parse("http://127.0.0.1:9/whip"), None, lambda: None, None)
        await until(lambda: push.report()["state"] == "waiting", "the fault")
        assert "ZeroDivisionError('by zero')" in push.report()["error"]
        await push.close()
        [record] = [record for record in caplog.records if record.exc_info]
        assert "push to http://127.0.0.1:9" in record.getMessage()

    within(30, show)


def test_a_fault_of_ours_in_the_sound_of_a_push_is_told_and_the_pictures_go_on(caplog):
    class Sound(SoundTrack):
        async def recv(self):
            raise ZeroDivisionError("by zero")

    async def show():
        clock = MonotonicClock()
        sink = WebRtcSink(clock)
        service = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = service.sockets[0].getsockname()[1]
        address = parse(f"tcp://127.0.0.1:{port}")
        push = begin(address, sink, lambda: Sound(clock, lambda: 0), None)
        await until(lambda: push.report()["error"] is not None, "the fault")
        assert push.report()["error"] == "no sound any more: ZeroDivisionError('by zero')"
        assert push.report()["state"] == "connecting"
        await push.close()
        service.close()
        sink.close()
        [record] = [record for record in caplog.records if record.exc_info]
        assert f"push to {address}: no sound any more" in record.getMessage()

    within(30, show)


def test_a_session_is_pushed_as_a_transport_stream_with_its_sound():
    async def show():
        got = bytearray()

        async def take(reader, writer):
            while data := await reader.read(65536):
                got.extend(data)
            writer.close()

        service = await asyncio.start_server(take, "127.0.0.1", 0)
        port = service.sockets[0].getsockname()[1]
        async with running(push=(parse(f"tcp://127.0.0.1:{port}"),)) as server:
            first = await server.perform(sound=True, codec="H264")
            second = await server.perform()
            await until(lambda: len(got) > 40_000, "a stream")
            sessions = server.studio.sessions
            assert [session.on_stage for session in sessions.values()] == [True, False]
            await server.delete(first.location)
            [left] = sessions.values()
            assert left.on_stage  # the next one takes over
            await until(lambda: left.report()["pushes"][0]["state"] == "live", "the second push")
            assert second.status == 201
        service.close()
        await service.wait_closed()
        return bytes(got)

    streams = []
    within(40, lambda: _kept(show, streams))
    from io import BytesIO

    with av.open(BytesIO(streams[0]), format="mpegts") as stream:
        kinds = {s.type for s in stream.streams}
        pictures = list(stream.decode(video=0))
    assert kinds == {"video", "audio"}
    assert len(pictures) > 10


async def _kept(work, results):
    results.append(await work())


def test_a_pipeline_is_pushed_by_whip_from_any_thread():
    async def show():
        async with running() as service:
            sink = await asyncio.to_thread(WhipSink, parse(service.url("/whip")), MonotonicClock())

            def write():
                for number in range(200):
                    image = numbered(number % 256)
                    alpha = np.dstack([image, image[..., :1]])
                    sink.write(Packet(frame(number), output=alpha if number % 2 else image))
                    time.sleep(0.02)
                    sessions = list(service.studio.sessions.values())
                    engine = sessions[0].report()["engine"] if sessions else None
                    if engine is not None and engine["frames_out"] >= 20:
                        return True
                return False

            assert await asyncio.to_thread(write)
            await asyncio.to_thread(sink.close)
            await asyncio.to_thread(sink.close)
            await until(lambda: not service.studio.sessions, "the end of the session")

    within(30, show)
