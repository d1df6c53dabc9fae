"""Chromium without a window, driven by its own protocol: nothing but Chromium to install."""

import asyncio
import base64
import itertools
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from aiohttp import ClientSession, ClientWebSocketResponse
from numpy.typing import NDArray

from bench.blockcode import stamp
from engine.errors import MissingDependency, StudioError
from engine.io.file import FileSource

CAMERA_WH = (640, 480)
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def camera_file(video: Path, out: Path, frames: int = 120, *, coded: bool = False) -> Path:
    """The first pictures of a video, as Chromium's pretended camera plays them round and round.

    They are fitted into `CAMERA_WH`, as a webcam gives them: of others a page that asks for so much
    would be given a part. With `coded`, each carries its number: see `bench.blockcode`.
    """
    with closing(FileSource(video)) as clip, av.open(str(out), "w", format="mjpeg") as file:
        stream = file.add_stream("mjpeg", rate=Fraction(30), options={"qscale": "4"})
        stream.width, stream.height = CAMERA_WH
        stream.pix_fmt = "yuvj420p"
        for number, frame in enumerate(itertools.islice(clip.frames(), frames)):
            image = _fitted(frame.image)
            if coded:
                stamp(image, number)
            picture = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            file.mux(stream.encode(picture))
        file.mux(stream.encode())
    return out


def _fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of a picture (H, W, 3) as large as a camera's, black where it is none."""
    height, width = image.shape[:2]
    scale = min(CAMERA_WH[0] / width, CAMERA_WH[1] / height)
    columns, rows = round(width * scale), round(height * scale)
    left, top = (CAMERA_WH[0] - columns) // 2, (CAMERA_WH[1] - rows) // 2
    whole = np.zeros((CAMERA_WH[1], CAMERA_WH[0], 3), np.uint8)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    cut = whole[top : top + rows, left : left + columns]
    cut[:] = cv2.resize(image, (columns, rows), interpolation=method)
    return whole


class Page:
    """One page of the browser.

    Args:
        port: of the browser's protocol.
        socket: to this page.
    """

    def __init__(self, port: int, socket: ClientWebSocketResponse) -> None:
        self._port = port
        self._socket = socket
        self._numbers = itertools.count(1)

    async def do(self, method: str, **params: Any) -> Any:
        """Chrome's DevTools protocol, one command at a time; events are passed over."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                if "error" in answer:
                    raise StudioError(f"the browser could not do {method}: {answer['error']}")
                return answer["result"]

    async def js(self, code: str) -> Any:
        """The value of an expression in the page."""
        answer = await self.do(
            "Runtime.evaluate", expression=code, userGesture=True, awaitPromise=True,
            returnByValue=True,
        )  # fmt: skip
        if "exceptionDetails" in answer:
            raise StudioError(f"the page could not do {code}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def until(self, code: str, seconds: float = 20.0) -> None:
        """Wait for an expression to become true."""
        try:
            async with asyncio.timeout(seconds):
                while not await self.js(code):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            said = await self.js("document.getElementById('status')?.textContent")
            raise StudioError(f"waited {seconds} s in vain: {code}; the page: {said}") from None

    async def picture(self, path: Path) -> None:
        """A screenshot."""
        answer = await self.do("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    @asynccontextmanager
    async def beside(self, url: str) -> AsyncIterator["Page"]:
        """Another tab of the same browser, in front of this one until it is closed."""
        async with _tab(self._port, url) as page:
            yield page


@asynccontextmanager
async def _tab(port: int, url: str, script: str = "") -> AsyncIterator[Page]:
    async with ClientSession(f"http://127.0.0.1:{port}") as http:
        async with http.put("/json/new?about:blank") as response:
            tab = await response.json()
        async with http.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(port, socket)
            if script:
                await page.do("Page.enable")
                await page.do("Page.addScriptToEvaluateOnNewDocument", source=script)
            await page.do("Page.navigate", url=url)
            await page.until(f"document.readyState === 'complete' && location.href === '{url}'")
            yield page
        async with http.get(f"/json/close/{tab['id']}") as response:
            await response.read()


@asynccontextmanager
async def browsing(
    url: str, home: Path, *, camera: Path | None = None, size_wh: tuple[int, int] = (1024, 900),
    flags: tuple[str, ...] = (), script: str = "",
) -> AsyncIterator[Page]:  # fmt: skip
    """A page that is open in a browser of its own, with a pretended camera.

    Args:
        url: of the page.
        home: an empty folder for the browser.
        camera: see `camera_file`; None: Chromium's own pretended one.
        size_wh: of the window.
        flags: more of Chromium's.
        script: run in the page before its own.
    """
    if CHROMIUM is None:
        raise MissingDependency("there is no Chromium: sudo apt install chromium")
    devices = () if camera is None else (f"--use-file-for-fake-video-capture={camera}",)
    browser = subprocess.Popen(
        [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio",
            "--no-first-run", "--disable-dev-shm-usage", "--remote-debugging-port=0",
            "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
            "--allow-loopback-in-peer-connection", f"--user-data-dir={home}",
            f"--window-size={size_wh[0]},{size_wh[1]}", *devices, *flags, "about:blank",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = home / "DevToolsActivePort"
        async with asyncio.timeout(30):
            while not told.is_file() or not told.read_text():
                if browser.poll() is not None:
                    raise StudioError("Chromium ended at once")
                await asyncio.sleep(0.05)
        port = int(told.read_text().splitlines()[0])
        async with _tab(port, url, script) as page:
            yield page
    finally:
        browser.terminate()
        try:
            browser.wait(10)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()
