"""What fails in one part is told, takes nothing else with it, and leaves nothing behind."""

import asyncio
import json
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web

from engine.app import DEFAULT_CHARACTER
from engine.clock import MonotonicClock
from engine.errors import BadLook, StudioError
from engine.io.null import NullSink
from engine.push.address import parse
from engine.studio import client
from engine.studio.backdrops import Backdrops
from engine.studio.director import Direction, Director
from engine.studio.enrolments import Enrolment, Enrolments, _tell
from engine.studio.front import Grant
from engine.studio.gallery import Gallery
from engine.studio.looks import Look, Presets
from engine.studio.server import application
from engine.studio.settings import Settings
from engine.studio.source import WebRtcSource
from engine.studio.studio import Studio
from tests.webrtc.studio import actor, gallery, mirrors, running, until, within
from tests.webrtc.test_api import png
from tests.webrtc.test_enrolments import form
from tests.webrtc.test_front import fronted


def full(*given, **named):
    """What a disk without space does."""
    raise OSError(28, "No space left on device")


def test_no_more_control_than_may_however_they_come(monkeypatch):
    monkeypatch.setattr("engine.studio.control._MOST_CONNECTIONS", 2)
    prepare, coming, go = web.WebSocketResponse.prepare, [], asyncio.Event()

    async def slowly(socket, request):
        coming.append(socket)
        await go.wait()
        return await prepare(socket, request)

    monkeypatch.setattr(web.WebSocketResponse, "prepare", slowly)

    async def show():
        async with running() as server:
            url = server.url("/api/control")
            asked = [asyncio.create_task(server.http.ws_connect(url)) for _ in range(4)]
            await until(lambda: len(coming) + sum(t.done() for t in asked) == 4, "all four")
            go.set()
            answers = await asyncio.gather(*asked, return_exceptions=True)
            refused = [each for each in answers if isinstance(each, WSServerHandshakeError)]
            assert [each.status for each in refused] == [503, 503]
            for socket in set(answers) - set(refused):
                await socket.close()
            await (await server.http.ws_connect(url)).close()  # a place is free again

    within(20, show)


def test_a_character_that_left_leaves_no_file_and_no_picture():
    offered = Gallery([DEFAULT_CHARACTER])
    [bundle] = offered.bundles
    assert offered.paths == {"Ito": DEFAULT_CHARACTER}
    offered.remove("Ito")
    assert offered.paths == {}
    offered.add(DEFAULT_CHARACTER)
    offered.add(bundle)  # has her name, but not from that file
    assert offered.paths == {}
    other = replace(bundle, reference=bundle.reference[::-1].copy())
    offered.add(other)
    upright = offered.thumbnail(bundle)  # asked for before the other came
    assert offered.thumbnail(other) != upright


def test_a_push_that_cannot_be_closed_keeps_nothing_else_open(monkeypatch, caplog):
    class Push:
        def report(self):
            return {"to": "nowhere", "state": "live", "error": None, "connections": 1}

        async def close(self):
            raise ZeroDivisionError("by zero")

    monkeypatch.setattr("engine.studio.session.begin_push", lambda *given: Push())

    async def show():
        async with running(push=(parse("tcp://127.0.0.1:9"),)) as server:
            performer = await server.perform()
            viewer = await server.view(performer.location)
            [session] = server.studio.sessions.values()
            await until(lambda: bool(performer.numbers and viewer.numbers), "pictures")
            peers = [session._performer, *session._viewers.values()]
            assert await server.delete(performer.location) == 200
            assert not server.studio.sessions
            assert [peer.state for peer in peers] == ["closed", "closed"]
            assert "by zero" in str(session.error)
            assert server.studio.failed == 1
            assert any(record.exc_info for record in caplog.records)

    within(20, show)


def test_a_report_that_cannot_be_made_keeps_no_place(monkeypatch):
    def fails(session):
        raise ZeroDivisionError("by zero")

    async def show():
        async with running(sessions=1) as server:
            await server.perform()
            [session] = server.studio.sessions.values()
            with monkeypatch.context() as broken:
                broken.setattr(type(session), "report", fails)
                with suppress(ZeroDivisionError):
                    await session.close()
            assert (await server.perform()).status == 201

    within(20, show)


def test_pictures_that_cannot_be_taken_end_the_session_with_a_word(monkeypatch, caplog):
    def fails(source, picture):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(WebRtcSource, "put", fails)

    async def show():
        async with running() as server:
            await server.perform()
            [session] = server.studio.sessions.values()
            await until(lambda: not server.studio.sessions, "the end of the session")
            assert "by zero" in str(session.error)
            assert any("takes no video" in record.getMessage() for record in caplog.records)

    within(20, show)


def test_an_answer_without_a_place_gives_its_lease_back():
    over = []

    async def show():
        async def answers(request):
            return web.Response(status=201, text="v=0")  # and no Location

        app = web.Application()
        app.router.add_post("/whip", answers)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]

        class Places:
            async def lease(self, name):
                try:
                    yield Grant(f"http://127.0.0.1:{port}", "lease")
                    await asyncio.Event().wait()
                finally:
                    over.append(name)

        async with fronted(Places()) as front:
            assert (await front.post("/whip", "v=0")).status == 500
            assert over == ["Ito"]
            assert front.studio.performers == 0
        await runner.cleanup()

    within(20, show)


def test_what_cannot_be_kept_leaves_no_half_of_it(tmp_path, monkeypatch):
    presets, pictures = Presets(tmp_path), Backdrops(tmp_path)
    presets.put("evening", Look())
    with monkeypatch.context() as disk:
        disk.setattr("engine.studio.looks.Path.replace", full)
        with pytest.raises(BadLook, match="space"):
            presets.put("evening", Look(mirror=True))
    assert [path.name for path in tmp_path.iterdir()] == ["evening.json"]
    assert presets.get("evening") == Look()

    def half(path, data):
        path.open("wb").close()
        full()

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", half)
        with pytest.raises(BadLook, match="space"):
            pictures.add(png())
    assert [path.name for path in tmp_path.iterdir()] == ["evening.json"]


def test_connections_that_never_come_about_leave_no_sound_behind():
    async def show():
        async with running(push=(parse("http://127.0.0.1:9/whip"),)) as server:
            await server.perform(sound=True)
            [session] = server.studio.sessions.values()
            await until(lambda: session.pushes[0]["state"] == "waiting", "the refusal")
            assert [sound.readyState for sound in session._sounds] == ["ended"]

    within(20, show)


def test_no_event_of_a_drawing_is_lost_while_another_is_sent():
    async def show():
        enrolment = Enrolment()
        enrolment.tell({"stage": "reading"})
        said = []

        class Slow:
            async def write(self, data):
                said.append(json.loads(data.removeprefix(b"data: ")))
                if len(said) == 1:  # while a large one waits for the network
                    enrolment.tell({"stage": "done", "done": {"character": "Mia"}})
                    enrolment.tell({"stage": "it is better now", "over": True})
                await asyncio.sleep(0)

        await _tell(Slow(), enrolment)
        assert [event["stage"] for event in said] == ["reading", "done", "it is better now"]

    within(5, show)


def test_a_server_that_ends_waits_for_nobody_who_waits_for_a_drawing(monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(Enrolments, "_make", lambda self, *given: go.wait(50))

    async def show():
        runner = web.AppRunner(application(Studio(Settings(port=0), mirrors(), gallery())))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/enrol"
        async with ClientSession() as http:
            async with http.post(url, data=form(b"")) as response:
                identity = (await response.json())["id"]
            async with http.get(f"{url}/{identity}/events") as stream:
                text = asyncio.create_task(stream.text())
                await asyncio.sleep(0)
                await runner.cleanup()
                assert "the server ends" in await text
        go.set()

    within(20, show)


def test_a_key_that_is_pressed_while_a_character_is_loaded_counts():
    slow = threading.Event()

    def recruit(name):
        assert slow.wait(10)
        return actor(name)

    async def show():
        clock = MonotonicClock()
        begun = mirrors(names=("Ito",))(WebRtcSource(clock), NullSink(), clock, None)
        made = replace(begun, recruit=recruit)
        director = Director(made, Direction(Look(), Backdrops(None)))
        await director.begin()
        change = asyncio.create_task(director.change({"character": "Late", "show_pose": True}))
        await asyncio.sleep(0.05)
        assert director.press("m")
        slow.set()
        look = await change
        assert (look.character, look.mirror, look.show_pose) == ("Late", True, True)

    within(10, show)


def test_a_script_is_told_that_the_other_side_is_no_studio():
    async def show():
        async def answers(request):
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.receive()
            await socket.send_str("hello")
            await socket.receive()
            return socket

        app = web.Application()
        app.router.add_get("/api/control", answers)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"

        def script():
            with client.Studio(url) as studio:
                with pytest.raises(StudioError, match="no JSON"):
                    studio.state()
                assert list(studio.events(5)) == []

        await asyncio.to_thread(script)
        await runner.cleanup()

    within(20, show)
