"""The Python client, against a server on another thread."""

import asyncio
import runpy
from pathlib import Path

import pytest

from engine.errors import StudioError
from engine.studio.client import Studio
from tests.webrtc.studio import running, within

TOKEN = "a long and secret token"
DECK = Path(__file__).parents[2] / "docs" / "examples" / "deck.py"


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


def test_the_example_of_the_documents_controls_the_show(monkeypatch, capsys):
    given = iter(["m", "2", "9", " ", "1", "m"])  # an empty line ends it
    monkeypatch.setattr("builtins.input", lambda asked: next(given))

    async def show():
        async with running(token=TOKEN) as server:
            main = runpy.run_path(str(DECK))["main"]
            url = server.url("/")
            with pytest.raises(StudioError, match="token"):
                await asyncio.to_thread(main, url)
            await server.perform(headers={"Authorization": f"Bearer {TOKEN}"})
            [session] = server.studio.sessions.values()
            mirror = session.director.look.mirror
            await asyncio.to_thread(main, url, TOKEN)
            assert session.director.look.mirror != mirror
            assert session.director.look.character == "Double"

    within(20, show)
    said = capsys.readouterr().out
    assert "1 Ito\n2 Double\n" in said
    assert "'9'" in said, "a key that there is not is told"
    assert list(given) == ["1", "m"]


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
