"""As a person meets it: the page in a real browser, with a dancer before its camera."""

import asyncio
import itertools
import json
import re
import threading
import time
from dataclasses import replace

import pytest

from engine.app import PERFORMER, Options
from engine.studio.gallery import Gallery
from engine.studio.looks import Look
from engine.studio.shows import gallery_shows
from tests.marks import needs_pose_model
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

# What the page shows, 32 x 32, as numbers.
LOOK = """(() => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 32 });
  const drawing = canvas.getContext('2d');
  drawing.drawImage(document.getElementById('character'), 0, 0, 32, 32);
  return Array.from(drawing.getImageData(0, 0, 32, 32).data);
})()"""
SAVED = """(() => {
  const make = URL.createObjectURL;
  window.saved = [];
  URL.createObjectURL = (blob) => { window.saved.push(blob); return make.call(URL, blob); };
})()"""


CONTROLS = {
    "ColorWell", "button", "checkbox", "combobox", "link", "radio", "slider", "tab", "textbox"
}  # fmt: skip


def test_every_control_has_a_name_and_nobody_else_is_asked(tmp_path):
    async def show():
        async with visiting(tmp_path / "home") as (server, page):
            for tab in ("puppet", "devices", "figures"):
                await page.js(press(f"tab-{tab}"))
                nodes = (await page.do("Accessibility.getFullAXTree"))["nodes"]
                named = [
                    node["name"]["value"]
                    for node in nodes
                    if not node["ignored"] and node["role"]["value"] in CONTROLS
                ]
                assert len(named) > 12
                assert all(named), f"{tab}: {named}"
            await page.js("dispatchEvent(new KeyboardEvent('keydown', { key: '?' }))")
            assert await page.js("document.getElementById('help').open")
            assert await page.js("document.querySelectorAll('#help-list kbd').length") >= 12
            asked = "performance.getEntriesByType('resource').map((entry) => entry.name)"
            own = (server.url("/"), "blob:")
            assert all(name.startswith(own) for name in await page.js(asked))

    within(60, show)


FOCUSED = "document.activeElement.id || document.activeElement.dataset.name || ''"
HIDDEN = """[...document.querySelectorAll('button, select, input:not(.unseen)')]
  .filter((one) => one.checkVisibility() && !one.disabled)
  .filter((one) => { const { left, right } = one.getBoundingClientRect();
                     return left < -1 || right > innerWidth + 1; })
  .map((one) => one.id || one.className)"""


async def tap(page, key: str, code: int) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        await page.do("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)


def test_the_page_can_be_used_by_keyboard_alone(tmp_path):
    """Tab goes from the head over the stage and its tools to the tabs; nothing keeps the focus."""

    async def show():
        async with visiting(tmp_path / "home") as (_, page):
            await page.until("document.querySelectorAll('#gallery img').length === 2")
            order: list[str] = []
            for _ in range(40):
                await tap(page, "Tab", 9)
                order.append(await page.js(FOCUSED))
                if order[-1]:  # where one is can be seen
                    style = "getComputedStyle(document.activeElement).outlineStyle"
                    assert await page.js(style) != "none", order[-1]
                if len(order) > 1 and order[-1] == order[0]:
                    break
            else:
                pytest.fail(f"the focus does not come round: {order}")
            wanted = ["theme", "keys", "start", "sound", "mirror", "full", "hud", "tab-puppet",
                      "smoothing"]  # fmt: skip
            places = [order.index(name) for name in wanted]
            assert places == sorted(places), order
            assert len(set(order)) >= len(order) - 3, f"somewhere twice: {order}"
            # The arrows go through the tabs.
            await page.js("document.getElementById('tab-puppet').focus()")
            await tap(page, "ArrowRight", 39)
            assert await page.js(FOCUSED) == "tab-devices"
            assert not await page.js("document.getElementById('panel-devices').hidden")

    within(90, show)


def test_it_fits_a_phone_and_fills_a_screen(tmp_path):
    async def show():
        async with visiting(tmp_path / "home") as (_, page):
            await page.until("document.querySelectorAll('#gallery img').length === 2")
            await page.do(
                "Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2,
                mobile=True,
            )  # fmt: skip
            for theme in ("light", "dark"):
                await page.do(
                    "Emulation.setEmulatedMedia",
                    features=[{"name": "prefers-color-scheme", "value": theme}],
                )
                ground = await page.js("getComputedStyle(document.body).backgroundColor")
                assert (min(map(int, re.findall(r"\d+", ground)[:3])) > 128) == (theme == "light")
                for tab in ("puppet", "devices", "figures"):
                    await page.js(press(f"tab-{tab}"))
                    assert await page.js("document.documentElement.scrollWidth") <= 360, tab
                    assert await page.js(HIDDEN) == [], tab
                    await page.picture(tmp_path / f"phone-{theme}-{tab}.png")
            await page.do("Emulation.clearDeviceMetricsOverride")
            await page.js(press("full"))
            await page.until("document.fullscreenElement?.id === 'stage'")
            await page.js(press("full"))
            await page.until("document.fullscreenElement === null")

    within(90, show)


@needs_pose_model
def test_one_click_and_you_are_the_character(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg")

    async def show():
        async with (
            running(gallery_shows(Gallery(), Options(pose_model="full"))) as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as page,
        ):
            await page.until("document.getElementById('start').textContent === 'Become Ito'")
            await page.picture(tmp_path / "1-idle.png")
            clicked = time.monotonic()
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            first_s = time.monotonic() - clicked
            looks, began, shown = [], time.monotonic(), await page.js(COUNT)
            for _ in range(6):
                looks.append(await page.js(LOOK))
                await asyncio.sleep(0.5)
            fps = (await page.js(COUNT) - shown) / (time.monotonic() - began)
            assert await page.js("document.documentElement.scrollHeight <= innerHeight")
            await page.picture(tmp_path / "2-live.png")
            await page.js(press("hud"))
            await page.until("/^\\d+ ms/.test(document.getElementById('chip').textContent)")
            await page.picture(tmp_path / "3-figures.png")
            way = await report_of(page)
            [session] = server.studio.sessions.values()
            report = session.report()
            print(f"first picture after {first_s:.2f} s, then {fps:.1f} fps; from camera to screen "
                  f"{way['last_minute']['p50']:.0f} ms; server: {report['latency_ms']:.0f} ms, "
                  f"{report['engine']['fps']:.1f} fps, {report['connections']}")  # fmt: skip
            check_way(way)
            moved = [
                sum(abs(a - b) for a, b in zip(one, two, strict=True)) / len(one)
                for one, two in itertools.pairwise(looks)
            ]
            assert max(moved) > 0.5, f"the character stands still: {moved}"
            await page.js(press("stop"))
            await page.until(f"{STATE} === 'idle'")
            await until(lambda: not server.studio.sessions, "the end of the session")
            assert await page.js("document.getElementById('chip').hidden")  # it is measured no more
            assert await page.js("!document.querySelector('#panel-figures > .fine').hidden")
            # Once more in the same page, and reloaded in the middle of it.
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            await page.js("location.reload()")
            await until(lambda: not server.studio.sessions, "the end of the session")

    within(120, show)


async def report_of(page) -> dict:
    """What the figures' button saves."""
    await page.js(SAVED)
    await page.js(press("export"))
    await page.until("window.saved.length > 0")
    return json.loads(await page.js("window.saved[0].text()"))


def check_way(report: dict) -> None:
    """The parts of each picture's way add up to it, and the clocks are known."""
    assert report["schema_version"] == 1
    assert report["server"]["engine"]["stages"]
    assert 0 < report["clock"]["uncertainty_ms"] < 50
    assert len(report["pictures"]) > 10
    for picture in report["pictures"]:
        parts = {part["name"]: part["ms"] for part in picture["parts"]}
        assert {"pose", "generate", "encode", "display"} <= parts.keys()
        assert sum(parts.values()) == pytest.approx(picture["total_ms"], abs=1e-3)
        assert min(parts.values()) >= 0


def test_what_is_chosen_reaches_the_server_and_is_remembered(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with (
            running(folder=tmp_path / "kept") as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as page,
        ):
            await page.until("document.querySelectorAll('#gallery img').length === 2")
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            [session] = server.studio.sessions.values()

            async def settled(**expected):
                director = session.director
                await until(
                    lambda: expected.items() <= director.look.model_dump().items(), str(expected)
                )

            await settled(mirror=True, smoothing="auto", background="soft", character="Ito")
            await page.js("document.querySelector('[data-name=Double]').click()")
            await page.js(press("mirror"))
            await page.js("document.querySelectorAll('#backgrounds button')[1].click()")
            await page.js(
                "(({ style }, slider) => { slider.value = 0.2; "
                "slider.dispatchEvent(new Event('input', { bubbles: true })); })"
                "(document.body, document.getElementById('smoothing'))"
            )
            await settled(character="Double", mirror=False, background="transparent", smoothing=0.2)
            for key, field in (("s", {"show_pose": True}), ("v", {"layout": "side-by-side"})):
                await page.js(f"dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}' }}))")
                await settled(**field)
            assert not await page.js("document.getElementById('seen').hidden")
            # A picture goes to the server, and comes back as a name.
            await page.js(
                "(async () => { const canvas = document.createElement('canvas');"
                "const blob = await new Promise((made) => canvas.toBlob(made));"
                "const files = new DataTransfer(); "
                "files.items.add(new File([blob], 'sky.png', { type: 'image/png' }));"
                "const input = document.getElementById('image'); input.files = files.files;"
                "input.dispatchEvent(new Event('change')); })()"
            )
            await until(lambda: session.director.look.background.startswith("image:"), "a picture")
            await page.js(press("calibrate"))
            await page.until("document.getElementById('calibration').dataset.step === 'done'")
            # Reloaded: what shows the performer is off again, the rest is as it was.
            await page.js("location.reload()")
            await until(lambda: not server.studio.sessions, "the end of the session")
            await page.until("document.querySelectorAll('#gallery img').length === 2")
            assert await page.js("document.getElementById('start').textContent") == "Become Double"
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            [session] = server.studio.sessions.values()
            await settled(
                character="Double", mirror=False, smoothing=0.2, show_pose=False, layout="character"
            )

    within(90, show)


def test_what_the_server_was_started_with_stays(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)
    look = Look(character="Double", background="#0000ff", mirror=False, smoothing="none")

    async def show():
        async with (
            running(look=look) as server,
            browsing(server.url("/"), tmp_path / "home", camera=camera) as page,
        ):
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            pressed = "document.getElementById('mirror').getAttribute('aria-pressed')"
            await page.until(f"{pressed} === 'false'")
            assert await page.js("document.getElementById('smoothing').value") == "0"
            [session] = server.studio.sessions.values()
            assert session.director.look == look

    within(60, show)


def test_a_snapshot_and_a_recording_are_saved(tmp_path):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    async def show():
        async with visiting(tmp_path / "home", camera=camera) as (server, page):
            await page.js(SAVED)
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            await page.js(press("sound"))
            await page.js(press("record"))
            await asyncio.sleep(1.5)
            await page.js(press("snapshot"))
            await page.js(press("record"))
            kinds = "window.saved.map((blob) => blob.type)"
            await page.until(f"{kinds}.includes('image/png')")
            await page.until(f"{kinds}.some((type) => type.startsWith('video/'))")
            size = await page.js("window.saved.find((b) => b.type.startsWith('video/')).size")
            assert size > 5000
            [session] = server.studio.sessions.values()
            await until(
                lambda: session.report()["connections"][0]["sound"]["delivered"] > 10, "sound"
            )

    within(60, show)


DROP = """(async () => {
  const canvas = document.createElement('canvas');
  const blob = await new Promise((made) => canvas.toBlob(made));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([blob], 'My hero.png', { type: 'image/png' }));
  dispatchEvent(new DragEvent('drop', { dataTransfer }));
})()"""
SUBMIT = "document.querySelector('.enrol-form').requestSubmit()"


def test_a_drawing_that_is_dropped_comes_on_stage(tmp_path, monkeypatch):
    camera = camera_file(PERFORMER, tmp_path / "camera.mjpeg", frames=30)

    def make(self, name, suffix, data, step, say):
        assert (name, suffix, data[:4]) == ("My hero", ".png", b"\x89PNG")
        step("finding the figure")
        time.sleep(0.5)
        return {"done": {"character": "Double"}, "preview": "data:image/png;base64,"}

    monkeypatch.setattr("engine.studio.enrolments.Enrolments._make", make)

    async def show():
        async with visiting(tmp_path / "home", camera=camera) as (server, page):
            await page.js(press("start"))
            await page.until(f"{STATE} === 'live'")
            [first] = server.studio.sessions.values()
            await page.js(DROP)
            assert await page.js("document.getElementById('enrol-name').value") == "My hero"
            await page.js(SUBMIT)
            stage = "document.querySelector('.enrol-stage')?.textContent"
            await page.until(f"{stage} === 'Finding the figure'")
            await page.until("!document.getElementById('enrol').open")
            # The same session goes on, as her.
            await until(lambda: first.director.look.character == "Double", "the new character")
            shown = await page.js("document.getElementById('character').currentTime")
            await page.until(f"document.getElementById('character').currentTime > {shown}")
            assert list(server.studio.sessions.values()) == [first]
            assert await page.js(f"{STATE} === 'live'")

    within(60, show)


def test_a_drawing_can_wait_for_a_server_that_is_away(tmp_path, monkeypatch):
    away = "window.really = fetch; window.fetch = () => Promise.reject(TypeError())"
    title = "document.querySelector('#enrol h3')?.textContent"

    def make(self, name, suffix, data, step, say):
        return {"done": {"character": "Double"}, "preview": "data:image/png;base64,"}

    monkeypatch.setattr("engine.studio.enrolments.Enrolments._make", make)

    async def show():
        async with (
            running() as server,
            browsing(server.url("/"), tmp_path / "home") as page,
        ):
            await page.js(DROP)
            await page.js("document.getElementById('enrol-name').value = 'Mia'")
            await page.js(away)
            await page.js(SUBMIT)
            await page.until(f"{title} === 'The server is away'")
            await page.js("window.fetch = window.really")
            await page.js("document.querySelector('#enrol-body button').click()")
            assert await page.js("document.getElementById('enrol-name').value") == "Mia"
            await page.js(SUBMIT)
            await page.until("document.querySelector('.enrol-stage')?.textContent === 'Done'")

    within(60, show)


def test_the_gallery_has_those_who_joined_meanwhile(tmp_path):
    cards = "document.querySelectorAll('#gallery [data-name]').length"
    focus = "document.querySelector('#gallery [data-name=Ito]').focus()"

    async def show():
        offered = Gallery()
        async with (
            running(characters=offered) as server,
            browsing(server.url("/"), tmp_path / "home") as page,
        ):
            await page.until(f"{cards} === 1")
            [ito] = offered.bundles
            offered.add(replace(ito, manifest=ito.manifest.model_copy(update={"name": "Double"})))
            await page.js(press("start"))
            await page.js(focus)
            await page.until(f"{cards} === 2")
            assert await page.js(FOCUSED) == "Ito"  # whoever goes by keyboard stays where they were

    within(60, show)


def test_a_drawing_is_not_forgotten_when_the_page_is_loaded_again(tmp_path, monkeypatch):
    goes_on = threading.Event()

    def make(self, name, suffix, data, step, say):
        step("finding the figure")
        say("it was reduced")
        goes_on.wait(30)
        return {"done": {"character": "Double"}, "preview": "data:image/png;base64,"}

    monkeypatch.setattr("engine.studio.enrolments.Enrolments._make", make)
    chosen = "document.querySelector('#gallery [aria-checked=true]')?.dataset.name"
    notes = "document.querySelector('.enrol-notes')?.innerText"
    begun = "sessionStorage['ayatsuri.enrolments']"

    async def show():
        async with (
            running() as server,
            browsing(server.url("/"), tmp_path / "home") as page,
        ):
            await page.until(f"{chosen} === 'Ito'")
            await page.js(DROP)
            await page.js(SUBMIT)
            await page.until(f"{notes} === 'it was reduced'")
            await page.js("location.reload()")
            await page.until("document.getElementById('status')?.textContent === 'it was reduced'")
            await page.until(f"{chosen} === 'Ito'")
            goes_on.set()
            await page.until(f"{chosen} === 'Double'")
            assert await page.js(begun) == "[]"

    within(60, show)
