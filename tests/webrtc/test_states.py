"""What the page says when something is wrong, and how it goes on by itself."""

import asyncio
import base64

import cv2
import numpy as np
import pytest

from bench.lossy import Network, relaying, without_candidates
from engine.app import PERFORMER
from engine.studio.peer import Peer
from engine.studio.settings import Settings
from tests.webrtc.browser import (
    COUNT,
    STATE,
    browsing,
    camera_file,
    needs_chromium,
    press,
    visiting,
)
from tests.webrtc.studio import running, until, within

pytestmark = [pytest.mark.browser, needs_chromium]

TITLE = "document.querySelector('#screen h2')?.textContent"
TOKEN = "a-token-that-is-long-enough"
FAIL = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{name}'))"

NO_DEVICES = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })"  # as http has


@pytest.mark.parametrize(
    ("flags", "spoil", "title"),
    [
        (("--use-fake-device-for-media-stream=device-count=0",), "", "No camera was found"),
        (("--use-fake-ui-for-media-stream=deny",), "", "The camera was refused"),
        ((), FAIL.replace("{name}", "NotReadableError"), "The camera is busy"),
        ((), NO_DEVICES, "This page cannot have a camera"),
    ],
    ids=["none", "refused", "busy", "insecure"],
)
def test_without_a_camera_the_page_says_why(tmp_path, flags, spoil, title):
    async def show():
        async with (
            running() as server,
            browsing(
                server.url("/"), tmp_path / "home", size_wh=(500, 800), flags=flags
            ) as page,
        ):  # fmt: skip
            if spoil:
                await page.js(f"void ({spoil})")
            await page.js(press("start"))
            await page.until(f"{STATE} === 'trouble'")
            assert await page.js(TITLE) == title
            assert await page.js("document.documentElement.scrollWidth <= innerWidth")
            assert not server.studio.sessions
            await page.picture(tmp_path / "no-camera.png")

    within(60, show)


def test_a_token_is_asked_for_and_kept_in_the_address(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with (
            running(token=TOKEN) as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as page,
        ):
            await page.js(press("start"))
            await page.until(f"{TITLE} === 'This stage has a key'")
            typed = "document.querySelector('#screen input')"
            submit = "document.querySelector('#screen form').requestSubmit()"
            await page.js(f"{typed}.value = 'wrong'")
            await page.js(submit)
            await page.until(f"{TITLE} === 'That was not the key'")
            await page.js(f"{typed}.value = '{TOKEN}'")
            await page.js(submit)
            await page.until(f"{STATE} === 'live'")
            assert await page.js("location.hash") == f"#token={TOKEN}"
            await page.until("document.querySelectorAll('#gallery img').length === 2")
            assert (await page.js("document.getElementById('obs-address').value")).endswith(
                f"/obs#token={TOKEN}"
            )

    within(60, show)


def test_whoever_finds_the_stage_taken_is_next(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with (
            running(sessions=1) as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as page,
        ):
            other = await server.perform()
            await page.js(press("start"))
            await page.until(f"{TITLE} === 'The stage is taken'")
            await page.picture(tmp_path / "taken.png")
            await server.delete(other.location)
            await page.until(f"{STATE} === 'live'")

    within(60, show)


def test_of_two_tabs_the_second_waits_for_the_first(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with (
            running(sessions=1) as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as waiting,
        ):
            async with waiting.beside(server.url("/")) as first:
                await first.js(press("start"))
                await first.until(f"{STATE} === 'live'")
                [session] = server.studio.sessions
                await waiting.js(press("start"))
                await waiting.until(f"{TITLE} === 'The stage is taken'")
                shown = await first.js(COUNT)  # the show goes on
                await first.until(f"{COUNT} > {shown} + 15")
                assert list(server.studio.sessions) == [session]
            await waiting.until(f"{STATE} === 'live'")
            assert list(server.studio.sessions) != [session]

    within(60, show)


def test_two_tabs_have_a_session_each_and_one_look(tmp_path):
    """What is saved is this user's: who comes second begins as the first one left it."""
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)
    mirrored = "document.getElementById('mirror').getAttribute('aria-pressed')"

    async def show():
        async with (
            running(folder=tmp_path / "kept") as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as first,
        ):
            await first.js(press("start"))
            await first.until(f"{STATE} === 'live'")
            [one] = server.studio.sessions.values()
            await first.js(press("mirror"))
            await until(lambda: not one.director.look.mirror, "the picture is not mirrored")
            async with first.beside(server.url("/")) as second:
                await second.js(press("start"))
                await second.until(f"{STATE} === 'live'")
                [other] = set(server.studio.sessions.values()) - {one}
                await second.until(f"{mirrored} === 'false'")
                await second.js("document.querySelector('[data-name=Double]').click()")
                await until(lambda: other.director.look.character == "Double", "the second's")
                assert one.director.look.character == "Ito"
            await until(lambda: list(server.studio.sessions.values()) == [one], "one is left")
            shown = await first.js(COUNT)
            await first.until(f"{COUNT} > {shown} + 15")

    within(60, show)


def test_a_server_that_forgets_the_session_is_called_again(tmp_path):
    """As after a restart: connections are silent, and the session is unknown."""
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with visiting(tmp_path / "home", camera=camera) as (server, page):
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            [first] = server.studio.sessions.values()
            await first.close()
            await page.until(f"{STATE} === 'cut'")
            await page.until(f"{STATE} === 'live'")
            [second] = server.studio.sessions.values()
            assert second.name != first.name

    within(60, show)


def test_the_server_is_waited_for(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with visiting(tmp_path / "home", camera=camera) as (_, page):
            await page.js("window.really = fetch; window.fetch = () => Promise.reject(TypeError())")
            await page.js(press("start"))
            await page.until(f"{TITLE} === 'The server is away'")
            await page.js("window.fetch = window.really")
            await page.until("document.getElementById('act') !== null")
            await page.js(press("act"))
            await page.until(f"{STATE} === 'live'")

    within(60, show)


@pytest.mark.slow
def test_a_cut_line_mends_by_itself_or_is_called_again(tmp_path, monkeypatch):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with relaying(Network("clean")) as relay:
            answer, send = Peer.answer, relay._send

            async def through_the_relay(peer: Peer, offer: str) -> str:
                return await relay.rewrite(await answer(peer, without_candidates(offer)))

            monkeypatch.setattr(Peer, "answer", through_the_relay)
            async with visiting(tmp_path / "home", camera=camera) as (_, page):
                await page.js(press("start"))
                await page.until(f"{STATE} === 'live'")
                for seconds in (5, 10):
                    monkeypatch.setattr(relay, "_send", lambda *packet: None)
                    await page.until(f"{TITLE} === 'The line was cut'")
                    assert await page.js("document.getElementById('character').srcObject !== null")
                    await asyncio.sleep(seconds - 3)
                    monkeypatch.setattr(relay, "_send", send)
                    await page.until(f"{STATE} === 'live'")

    within(90, show)


async def transparent_picture(page) -> np.ndarray:
    """A screenshot (H, W, 4), BGRA, of a page without a ground of its own."""
    nothing = {"r": 0, "g": 0, "b": 0, "a": 0}
    await page.do("Emulation.setDefaultBackgroundColorOverride", color=nothing)
    answer = await page.do("Page.captureScreenshot", format="png")
    data = np.frombuffer(base64.b64decode(answer["data"]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    return picture if picture.shape[2] == 4 else cv2.cvtColor(picture, cv2.COLOR_BGR2BGRA)


def test_a_microphone_that_is_refused_is_no_camera(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)
    refuse = """
        const really = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = (wish) => wish.audio
          ? Promise.reject(new DOMException('', 'NotAllowedError')) : really(wish);
    """
    pressed = "document.getElementById('sound').getAttribute('aria-pressed')"

    async def show():
        async with visiting(tmp_path / "home", camera=camera) as (_, page):
            await page.js(f"(() => {{ {refuse} }})()")
            await page.js(press("sound"))
            assert await page.js(pressed) == "true"
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            status = await page.js("document.getElementById('status').textContent")
            assert status == "The microphone was refused: allow it in the address bar."
            assert await page.js(pressed) == "false"
            await page.picture(tmp_path / "refused.png")

    within(60, show)


def test_obs_gets_true_transparency_and_never_gives_up(tmp_path):
    size = "document.getElementById('character').width"

    async def show():
        async with (
            running() as server,
            browsing(server.url("/obs"), tmp_path / "home", size_wh=(400, 400)) as page,
        ):
            await asyncio.sleep(1)  # nobody performs yet
            performer = await server.perform()
            await page.until(f"{size} === 64")
            await asyncio.sleep(0.5)
            # In the mirror, each column is white and opaque, or black and transparent.
            shown = await transparent_picture(page)
            alphas = shown[shown.shape[0] // 2, :, 3]
            assert (alphas < 32).any()
            assert (alphas > 223).any()
            await server.delete(performer.location)
            again = await server.perform()
            [session] = server.studio.sessions.values()
            await until(lambda: session.report()["viewers"] == 1, "the page comes back")
            assert again.location.endswith(session.name)

    within(60, show)


@pytest.mark.slow
def test_obs_goes_on_watching_while_its_scene_is_not_on(tmp_path):
    """Nothing is drawn on a page that is hidden: no reason to call again, and again."""

    async def show():
        async with (
            running() as server,
            browsing(server.url("/obs"), tmp_path / "home", size_wh=(400, 400)) as page,
        ):
            await server.perform()
            await page.until("document.getElementById('character').width === 64")
            [session] = server.studio.sessions.values()
            before = list(session._viewers)
            async with page.beside("about:blank"):
                assert await page.js("document.hidden")
                await asyncio.sleep(12)
            assert list(session._viewers) == before
            await asyncio.sleep(5)  # it would have been missed by then
            assert list(session._viewers) == before

    within(60, show)


@pytest.mark.parametrize("colour", ["00ff00", "lime", "%23" + "0f0"])
def test_obs_can_have_a_ground_to_key_out(tmp_path, colour):
    async def show():
        async with (
            running() as server,
            browsing(
                server.url(f"/obs?chroma={colour}"), tmp_path / "home", size_wh=(400, 400)
            ) as page,
        ):
            await server.perform()
            await page.until("document.getElementById('character').width === 64")
            await asyncio.sleep(0.5)
            shown = await transparent_picture(page)
            row = shown[shown.shape[0] // 2].astype(int)
            assert (row[:, 3] == 255).all()
            green = (row[:, 1] > 200) & (row[:, 0] < 60) & (row[:, 2] < 60)
            assert green.any()
            assert not green.all()

    within(60, show)


@pytest.mark.parametrize("colour", ["grean", "inherit", "%2300ff0080", "", "#00ff00"])
def test_obs_says_what_a_ground_is(tmp_path, colour):
    wrong = "document.getElementById('wrong').textContent"

    async def show():
        async with (
            running() as server,
            browsing(
                server.url(f"/obs?chroma={colour}"), tmp_path / "home", size_wh=(640, 360)
            ) as page,
        ):
            await page.until(f"{wrong} !== ''")
            assert "chroma=lime" in await page.js(wrong)
            await page.picture(tmp_path / "wrong.png")

    within(60, show)


def test_obs_says_that_a_token_is_wanted_as_long_as_it_is(tmp_path, monkeypatch):
    wrong = "document.getElementById('wrong').textContent"

    async def show():
        async with running() as server:
            await server.perform()
            with monkeypatch.context() as locked:
                locked.setattr(Settings, "refusal", lambda settings, **given: "token")
                async with browsing(
                    server.url("/obs"), tmp_path / "home", size_wh=(640, 360)
                ) as page:
                    await page.until(f"{wrong}.includes('token')")
                    locked.undo()
                    await page.until("document.getElementById('character').width === 64")
                    assert await page.js(wrong) == ""

    within(60, show)
