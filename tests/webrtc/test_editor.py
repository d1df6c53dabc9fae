"""The page where joints are dragged, in a real browser; and what its server refuses."""

import asyncio

import numpy as np
import pytest
from aiohttp import ClientSession

from engine.enrol.editor import Editor, _serve
from engine.pose.skeleton import PUPPET_20
from tests.drawings import ito, picture
from tests.webrtc.browser import browsing, needs_chromium

WRIST = PUPPET_20.index("r_wrist")


def joints() -> np.ndarray:
    """(20, 3) somewhere on Ito, the left toe below the picture."""
    rng = np.random.default_rng(0)
    found = np.column_stack([rng.uniform(100, 400, (20, 2)), np.full(20, 0.9)])
    found[WRIST] = (200, 300, 0.1)
    found[19, 1] = 600
    return found


def found_again(given):
    answer = joints()
    answer[0, :2] = (256, 150)
    for name, place in given.items():
        answer[PUPPET_20.index(name)] = (*place, 1)
    return answer


class Told:
    """Who waits for the page's address."""

    def __init__(self):
        self.address = asyncio.get_running_loop().create_future()

    def __call__(self, address):
        self.address.set_result(address)


async def opened(editor):
    told = Told()
    serving = asyncio.create_task(_serve(editor, told))
    return await asyncio.wait_for(told.address, 10), serving


@pytest.mark.browser
@needs_chromium
def test_a_joint_is_dragged_and_saved(tmp_path):
    async def show():
        address, serving = await opened(Editor(picture(ito()), joints(), found_again))
        async with browsing(address, tmp_path / "home", size_wh=(1200, 900)) as page:
            await page.until("document.body.dataset.state === 'ready'")
            assert await page.js("document.querySelectorAll('.joint').length") == 20
            assert await page.js("document.querySelector('#joint-r_wrist').matches('.doubt')")
            assert await page.js("document.documentElement.scrollHeight <= innerHeight + 1")
            await page.picture(tmp_path / "1-ready.png")
            where = (
                "(() => { const b = document.getElementById('joint-r_wrist')"
                ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
            )
            x, y = await page.js(where)
            for kind, dx in (("mousePressed", 0), ("mouseMoved", 60), ("mouseReleased", 60)):
                await page.do(
                    "Input.dispatchMouseEvent", type=kind, x=x + dx, y=y + dx / 2, button="left",
                    buttons=1, clickCount=1,
                )  # fmt: skip
            moved = await page.js("figure.joints[4]")
            assert moved[0] > 220
            assert moved[1] > 310
            # The keyboard moves it, too; undo takes that back.
            await page.js(
                "document.getElementById('joint-r_wrist').dispatchEvent("
                "new KeyboardEvent('keydown', {key: 'ArrowUp', shiftKey: true}))"
            )
            assert await page.js("figure.joints[4][1]") == pytest.approx(moved[1] - 10)
            await page.js("undo()")
            assert await page.js("figure.joints[4][1]") == pytest.approx(moved[1])
            # The others are found again, this one stays.
            await page.js("document.getElementById('find').click()")
            await page.until("document.getElementById('status').textContent.startsWith('Found')")
            assert await page.js("figure.joints[4]") == pytest.approx([*moved[:2], 1], abs=0.01)
            assert await page.js("figure.joints[0]") == pytest.approx([256, 150, 0.9])
            await page.picture(tmp_path / "2-found.png")
            await page.js("document.getElementById('save').click()")
            saved = await asyncio.wait_for(serving, 10)
        return moved, saved

    moved, saved = asyncio.run(show())
    np.testing.assert_allclose(saved[WRIST], [*moved[:2], 1], atol=0.01)
    np.testing.assert_allclose(saved[1], joints()[1], atol=0.01)


def test_strangers_and_nonsense_are_refused():
    async def show():
        editor = Editor(picture(ito()), joints(), found_again)
        address, serving = await opened(editor)
        root = address.removesuffix(f"{editor.secret}/")
        async with ClientSession() as http:
            for path in ("", "figure", "guess/figure"):
                async with http.get(root + path) as response:
                    assert response.status == 404
            async with http.get(address + "picture.png") as response:
                assert response.status == 200
                assert response.headers["Content-Security-Policy"].startswith("default-src 'self'")
            for body in ("", "[]", '{"joints": {"tail": [1, 2]}}', '{"joints": {"nose": [1, 2]}}'):
                async with http.post(address + "save", data=body) as response:
                    assert response.status == 400, body
            assert not serving.done()
            async with http.post(address + "save", data=b"x" * 100_000) as response:
                assert response.status in (400, 413)
            whole = {name: [1.0, 2.0] for name in PUPPET_20.joints}
            async with http.post(address + "save", json={"joints": whole}) as response:
                assert response.status == 200
        return await asyncio.wait_for(serving, 10)

    saved = asyncio.run(show())
    np.testing.assert_allclose(saved, [[1, 2, 1]] * 20)
