"""The clip and the picture of the studio that the README shows.

`python -m tests.webrtc.clip docs/pictures --characters FOLDER`

On a machine that does nothing else, or it stutters.
"""

import asyncio
import base64
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from PIL import Image

from engine import console
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options
from engine.studio.gallery import Gallery
from engine.studio.shows import gallery_shows
from tests.webrtc.browser import Page, browsing, camera_file
from tests.webrtc.studio import running

SIZE_WH = (1280, 820)
CLIP_WH = (800, 512)
STEP_S = 0.08
SEEDS = {"Nezumi": 3, "Hana": 11, "Kiri": 42, "Sora": 7, "Ryu": 21}


def make_characters(folder: Path) -> list[Path]:
    """Enrol drawings of characters from seeds, as anybody's drawings are enrolled."""
    from engine.enrol.enrol import Wish, enrol, write
    from training.characters.procedural.build import build
    from training.characters.proportions import reference_picture

    made = []
    for name, seed in SEEDS.items():
        path = folder / f"{name}.character"
        if not path.exists():
            drawing = folder / f"{name}.png"
            Image.fromarray(reference_picture(build(seed), 512, straight=True)).save(drawing)
            wish = Wish(name=name)
            write(enrol([drawing], wish), path, wish)
        made.append(path)
    return made


class Camera:
    """Takes pictures of a page, each with its time."""

    def __init__(self, page: Page) -> None:
        self.frames: list[tuple[float, np.ndarray]] = []
        self._page = page

    async def film(self, seconds: float) -> None:
        """As many pictures as there can be, at most one each step."""
        end = time.monotonic() + seconds
        while (begin := time.monotonic()) < end:
            self.frames.append((begin, await self.picture()))
            await asyncio.sleep(max(begin + STEP_S - time.monotonic(), 0))

    async def picture(self) -> np.ndarray:
        """(H, W, 3) RGB."""
        answer = await self._page.do("Page.captureScreenshot", format="png", optimizeForSpeed=True)
        data = np.frombuffer(base64.b64decode(answer["data"]), np.uint8)
        return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def write(self, path: Path) -> None:
        """An animated WebP that takes as long as it took."""
        times = [at for at, _ in self.frames]
        lasts = [round(1000 * (b - a)) for a, b in pairwise([*times, times[-1] + 1])]
        first, *rest = (
            Image.fromarray(cv2.resize(picture, CLIP_WH, interpolation=cv2.INTER_AREA))
            for _, picture in self.frames
        )
        first.save(path, append_images=rest, save_all=True, duration=lasts, loop=0, quality=70,
                   method=4, kmin=9, kmax=17)  # fmt: skip


async def shoot(characters: list[Path], out: Path) -> None:
    """Film the page from the first click on."""
    gallery = Gallery([DEFAULT_CHARACTER, *characters])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        dancer = camera_file(PERFORMER, Path(home) / "camera.mjpeg", frames=600)
        async with (
            running(gallery_shows(gallery, Options()), characters=gallery) as server,
            browsing(server.url("/"), Path(home) / "home", camera=dancer) as page,
        ):
            await page.do(
                "Emulation.setDeviceMetricsOverride", width=SIZE_WH[0], height=SIZE_WH[1],
                deviceScaleFactor=1, mobile=False,
            )  # fmt: skip
            names = "document.querySelectorAll('#gallery img').length"
            await page.until(f"{names} === {len(gallery.bundles)}")
            camera = Camera(page)
            await camera.film(1.2)
            await page.js("document.getElementById('start').click()")
            await camera.film(0.4)
            await page.until("document.getElementById('stage').dataset.state === 'live'", 60)
            await camera.film(3.5)
            for bundle in gallery.bundles[1:3]:
                await page.js(f"document.querySelector('[data-name={bundle.name}]').click()")
                await camera.film(3.5)
            Image.fromarray(await camera.picture()).save(out / "studio.png", optimize=True)
            camera.write(out / "studio.webp")
            seconds = camera.frames[-1][0] - camera.frames[0][0]
            print(f"{len(camera.frames)} pictures in {seconds:.1f} s")


def main(
    out: Annotated[Path, typer.Argument(help="The folder for both.")],
    characters: Annotated[Path, typer.Option(help="A folder of them; they are made if empty.")],
) -> None:
    """Film the studio's page."""
    characters.mkdir(parents=True, exist_ok=True)
    asyncio.run(shoot(make_characters(characters), out))


if __name__ == "__main__":
    console.run(main)
