"""What is on stage, to a virtual camera: a pretended one, with performers over WebRTC."""

import pytest

from engine.errors import VirtualCameraMissing
from engine.studio.run import serve
from engine.studio.settings import Settings
from tests.virtual_cameras import FakeCamera, pretend
from tests.webrtc.studio import NAMES, SIDE, number_of, running, until, within


@pytest.fixture
def made(monkeypatch):
    return pretend(monkeypatch)


async def switch(server, on):
    url = server.url("/api/camera")
    async with server.http.put(url, json={"on": on}) as response:
        return response.status, await response.json()


def numbers(camera):
    return {number_of(image[::-1]) for image in camera.sent}


def test_the_first_performer_is_shown_then_the_next_then_nothing(made):
    async def show():
        async with running() as server:
            await server.studio.switch_camera(True)
            first = await server.perform()
            second = await server.perform()
            await until(lambda: len(made) == 2 and len(numbers(made[1])) > 5, "pictures")
            assert made[0].closed == 1  # it was only looked for
            assert made[1].asked == (SIDE, SIDE, 30.0)
            [first_session, second_session] = server.studio.sessions.values()
            assert [s.on_stage for s in (first_session, second_session)] == [True, False]
            [report] = (await server.get(first.location))["pushes"]
            assert (report["to"], report["state"]) == ("virtual camera /dev/video9", "live")
            assert (await server.get(second.location))["pushes"] == []
            assert (await server.get("/healthz"))["pushes"] == {"live": 1}
            async with server.http.get(server.url("/metrics")) as response:
                told = await response.text()
            assert 'ayatsuri_push_live{number="0",to="virtual camera /dev/video9"} 1.0' in told
            await server.delete(first.location)
            await until(lambda: second_session.on_stage, "the second on stage")
            before = len(made[1].sent)
            await until(lambda: len(made[1].sent) > before + 10, "pictures of the second")
            await server.delete(second.location)
            await until(lambda: int(made[1].sent[-1].max()) == 0, "black")
            assert made[1].closed == 0  # programs that look keep their camera
            assert (await server.get("/healthz"))["pushes"] == {"live": 1}
        assert (len(made), made[1].closed) == (2, 1)

    within(40, show)


def test_it_is_switched_on_and_off_in_the_middle_of_a_show(made):
    async def show():
        async with running() as server:
            assert await server.get("/api/camera") == {"on": False}
            performer = await server.perform()
            await until(lambda: bool(performer.numbers), "pictures")
            async with server.http.ws_connect(server.url("/api/control")) as socket:
                status, said = await switch(server, True)
                assert (status, said["on"]) == (200, True)
                assert await socket.receive_json(timeout=5) == {"type": "camera", "on": True}
            await until(lambda: len(made) == 2 and len(made[1].sent) > 5, "the camera")
            async with server.http.patch(
                server.url(performer.location.replace("whip", "api/session") + "/settings"),
                json={"character": NAMES[1]},
            ) as response:
                assert response.status == 200
            before = len(made[1].sent)
            await until(lambda: len(made[1].sent) > before + 10, "pictures of the other character")
            assert await switch(server, True) == (200, await server.get("/api/camera"))
            assert await switch(server, False) == (200, {"on": False})
            assert (len(made), made[1].closed) == (2, 1)
            seen = len(performer.numbers)
            await until(lambda: len(performer.numbers) > seen + 5, "the show, which goes on")
            for wrong in ("on", None, 1):
                assert (await switch(server, wrong))[0] == 400

    within(40, show)


def test_a_device_that_is_lost_or_slow_stops_nobody(made, monkeypatch):
    async def show():
        async with running() as server:
            await server.studio.switch_camera(True)
            performer = await server.perform()
            await until(lambda: len(made) == 2 and len(made[1].sent) > 5, "the camera")
            monkeypatch.setattr(FakeCamera, "lost", True)
            await until(lambda: server.studio.camera["state"] == "waiting", "the loss")
            assert "was removed" in server.studio.camera["error"]
            monkeypatch.setattr(FakeCamera, "lost", False)
            monkeypatch.setattr(FakeCamera, "slow_s", 0.5)
            seen = len(performer.numbers)
            await until(lambda: server.studio.camera["state"] == "live", "the device again")
            await until(lambda: len(performer.numbers) > seen + 30, "pictures all the while")
            assert server.studio.camera["connections"] == 2

    within(40, show)


def test_what_is_missing_is_told(made, monkeypatch):
    monkeypatch.setattr(FakeCamera, "missing", True)

    async def show():
        async with running() as server:
            status, said = await switch(server, True)
            assert status == 409
            assert "to get one" in said["error"]
            assert await server.get("/api/camera") == {"on": False}
            monkeypatch.setitem(__import__("sys").modules, "pyvirtualcam", None)
            status, said = await switch(server, True)
            assert status == 409
            assert ".[virtualcam]" in said["error"]

    within(20, show)


def test_a_server_that_is_to_have_one_does_not_start_without(made, monkeypatch, tmp_path):
    monkeypatch.setattr(FakeCamera, "missing", True)
    with pytest.raises(VirtualCameraMissing, match="to get one"):
        serve(Settings(port=0, folder=tmp_path, virtual_camera=True))
