"""Several studios behind one front; leases are given by hand, as Ray Serve would."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import ClientSession, web

from engine.studio.front import Front, Grant
from engine.studio.server import application
from engine.studio.settings import Settings
from engine.studio.studio import Studio
from tests.webrtc.studio import Running, gallery, running, until, within

TOKEN = "what the front knows"


class Places:
    """One session for each studio."""

    def __init__(self, studios: list[Running]) -> None:
        self.free = list(studios)
        self.asked: list[str] = []
        self.over = 0

    async def lease(self, name):
        self.asked.append(name)
        while not self.free:
            await asyncio.sleep(0.01)
        studio = self.free.pop(0)
        try:
            yield Grant(studio.url(""), "lease")
            # The front asks for more when the session has begun.
            while studio.studio.sessions:
                await asyncio.sleep(0.02)
        finally:
            self.free.append(studio)
            self.over += 1


@asynccontextmanager
async def fronted(places: Places):
    studio = Studio(Settings(port=0, sessions=2), None, gallery())
    app = application(studio)
    Front(studio, places.lease, TOKEN).add_to(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with ClientSession() as http:
        server = Running(studio, runner.addresses[0][1], http)
        try:
            yield server
        finally:
            for client in server.clients:
                await client.close()
            await runner.cleanup()


def test_sessions_go_where_there_is_room_and_are_found_again(monkeypatch):
    monkeypatch.setattr("engine.studio.front._LEASE_S", 0.5)

    async def show():
        async with running(token=TOKEN) as one, running(token=TOKEN) as two:
            places = Places([one, two])
            async with fronted(places) as front:
                first = await front.perform(query="?character=Double")
                second = await front.perform(query="?character=Nobody")
                assert (first.status, second.status) == (201, 201)
                assert places.asked == ["Double", "Ito"]
                assert len(one.studio.sessions) == len(two.studio.sessions) == 1
                await until(lambda: bool(first.numbers and second.numbers), "pictures")
                assert (await front.perform()).status == 503
                assert (await front.http.get(front.url("/readyz"))).status == 503
                assert len(places.asked) == 2  # nobody waits for what cannot be
                front.studio.settings = replace(front.studio.settings, sessions=3)
                assert (await front.perform()).status == 503  # nobody gives a lease in time
                for client, name in ((first, "Double"), (second, "Ito")):
                    session = client.location.removeprefix("/whip/")
                    assert (await front.get(client.location))["session"] == session
                    path = f"/api/session/{session}/settings"
                    async with front.http.patch(front.url(path), json={"mirror": True}) as said:
                        assert (await said.json())["mirror"]
                    told = await front.get("/api/characters", params={"session": session})
                    playing = [c["name"] for c in told["characters"] if c["is_active"]]
                    assert playing == [name]
                viewer = await front.view("/whip/first")
                await until(lambda: bool(viewer.numbers), "pictures for a viewer")
                assert viewer.location.startswith(first.location.replace("whip", "whep"))
                assert await front.delete(viewer.location) == 200
                assert await front.delete(first.location) == 200
                await until(lambda: places.over >= 1, "the end of the lease")
                assert await front.delete(first.location) == 404
                third = await front.perform()
                assert third.status == 201
                assert await front.delete(third.location) == 200
                assert await front.delete(second.location) == 200
                await until(lambda: places.over >= 3, "the end of the leases")
                # What is refused there is refused here, and its place is free again.
                assert (await front.post("/whip", "garbage")).status == 400
                assert (await front.perform()).status == 201
                assert (await front.http.get(front.url("/api/control"))).status == 501
                assert (await front.http.get(front.url("/api/camera"))).status == 501
                assert (await front.http.post(front.url("/api/enrol"))).status == 501
                assert (await front.http.get(front.url("/"))).status == 200

    within(40, show)


def test_a_studio_that_is_gone_is_told():
    class Gone:
        async def lease(self, name):
            yield Grant("http://127.0.0.1:9", "lease")

    async def show():
        async with fronted(Gone()) as front:
            performer = await front.perform()
            assert performer.status == 500
            assert "does not answer" in performer.said

    within(20, show)
