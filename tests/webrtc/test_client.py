"""The Python client, against a server on another thread."""

import asyncio

import pytest

from engine.errors import StudioError
from engine.studio.client import Studio
from tests.webrtc.studio import running, within

TOKEN = "a long and secret token"


def test_a_script_controls_the_show():
    async def show():
        async with running(token=TOKEN) as server:
            url = server.url("/")
            performer = await server.perform(headers={"Authorization": f"Bearer {TOKEN}"})
            name = performer.location.removeprefix("/whip/")

            def script():
                with pytest.raises(StudioError, match="token"):
                    Studio(url)
                with Studio(url, token=TOKEN) as studio:
                    assert studio.state()["sessions"][0]["session"] == name
                    assert studio.set(mirror=True, character="Double")["mirror"]
                    assert studio.press("n")["character"] == "Ito"
                    studio.calibrate(1.0)
                    events = list(studio.events(timeout_s=0.2))
                    kinds = [event["type"] for event in events]
                    assert kinds == ["settings", "settings", "calibration"]
                    assert all(event["session"] == name for event in events)
                    with pytest.raises(StudioError, match="no character"):
                        studio.set(character="Nobody")
                    with pytest.raises(StudioError, match="no preset"):
                        studio.wear("none")
                    assert studio.wear("last")["mirror"]
                studio.close()
                with pytest.raises(StudioError, match="closed"):
                    studio.state()
                with (
                    Studio(url, token=TOKEN, session="nobody") as lost,
                    pytest.raises(StudioError, match="no session"),
                ):
                    lost.press("m")

            await asyncio.to_thread(script)

    within(20, show)


def test_a_server_that_ends_ends_the_events():
    async def show():
        async with running() as server:
            studio = await asyncio.to_thread(Studio, server.url(""))
            told = asyncio.create_task(asyncio.to_thread(lambda: list(studio.events())))
            await asyncio.sleep(0.1)
        assert await told == []

        def script():
            with pytest.raises(StudioError, match="hung up"):
                studio.state()
            studio.close()
            with pytest.raises(StudioError, match="ayatsuri serve"):
                Studio(server.url(""))

        await asyncio.to_thread(script)

    within(20, show)
