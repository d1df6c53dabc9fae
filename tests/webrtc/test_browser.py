"""As a person meets it: the page in a real browser, with a dancer before its camera."""

import asyncio
import itertools
import time

import pytest

from engine.app import PERFORMER, Options
from engine.studio.shows import character_pipeline
from tests.marks import needs_pose_model
from tests.webrtc.browser import browsing, camera_file, needs_chromium
from tests.webrtc.studio import running, until, within

pytestmark = [pytest.mark.browser, needs_chromium]

STATE = "document.getElementById('stage').dataset.state"
# What the page shows, 32 x 32, as numbers.
LOOK = """(() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 32 });
  const drawing = canvas.getContext('2d');
  drawing.drawImage(document.getElementById('character'), 0, 0, 32, 32);
  return Array.from(drawing.getImageData(0, 0, 32, 32).data);
})()"""
COUNT = "document.getElementById('character').getVideoPlaybackQuality().totalVideoFrames"


@needs_pose_model
def test_one_click_and_you_are_the_character(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg")

    async def show():
        async with (
            running(character_pipeline(options=Options(pose_model="full"))) as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as page,
        ):
            await page.picture(tmp_path / "1-idle.png")
            clicked = time.monotonic()
            await page.js("document.getElementById('start').click()")
            await page.until(f"{STATE} === 'live'")
            first_s = time.monotonic() - clicked
            looks, began, shown = [], time.monotonic(), await page.js(COUNT)
            for _ in range(6):
                looks.append(await page.js(LOOK))
                await asyncio.sleep(0.5)
            fps = (await page.js(COUNT) - shown) / (time.monotonic() - began)
            await page.until("document.getElementById('latency').textContent.endsWith('ms')")
            assert await page.js("document.documentElement.scrollHeight <= innerHeight")
            await page.picture(tmp_path / "2-live.png")
            [session] = server.studio.sessions.values()
            report = session.report()
            print(f"first picture after {first_s:.2f} s, then {fps:.1f} fps; "
                  f"server: {report['latency_ms']:.0f} ms, {report['engine']['fps']:.1f} fps, "
                  f"{report['connections']}")  # fmt: skip
            moved = [
                sum(abs(a - b) for a, b in zip(one, two, strict=True)) / len(one)
                for one, two in itertools.pairwise(looks)
            ]
            assert max(moved) > 0.5, f"the character stands still: {moved}"
            await page.js("document.getElementById('stop').click()")
            await page.until(f"{STATE} === 'idle'")
            await until(lambda: not server.studio.sessions, "the end of the session")
            # Once more in the same page, and reloaded in the middle of it.
            await page.js("document.getElementById('start').click()")
            await page.until(f"{STATE} === 'live'")
            await page.js("location.reload()")
            await until(lambda: not server.studio.sessions, "the end of the session")

    within(120, show)


def test_on_a_phone_without_a_camera_the_page_says_why(tmp_path):
    async def show():
        async with (
            running() as server,
            browsing(
                server.url("/"), tmp_path / "home", size_wh=(500, 800),
                flags=("--use-fake-device-for-media-stream=device-count=0",),
            ) as page,
        ):  # fmt: skip
            await page.js("document.getElementById('start').click()")
            await page.until(f"{STATE} === 'idle'")
            said = await page.js("document.getElementById('status').textContent")
            assert "No camera was found" in said
            assert await page.js("document.documentElement.scrollWidth <= innerWidth")
            await page.picture(tmp_path / "3-no-camera.png")

    within(60, show)
