"""`python -m bench.connecting`: how long until a browser has its first picture on a bad network?

A connection begins with a few packets, and each that is lost may cost seconds. Chromium opens the
studio's page and performs, through the relay of `ayatsuri bench webrtc`. What counts is the time
from the server's answer to its offer until the first picture of the character is on the screen,
both by the page's clock. A line of JSON for each connection, and one of them all; each has a seed
of its own, which says which packets are lost.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from bench.browser import browsing, camera_file
from bench.glass import Ledger
from bench.lossy import Network, relaying
from bench.webrtc import FILM, script, studio
from engine import console
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options
from engine.errors import StudioError

_START: Final = "document.getElementById('start').click()"
_ANSWERED: Final = (
    "performance.getEntriesByType('resource')"
    ".find((entry) => new URL(entry.name).pathname === '/whip').responseEnd"
)
_SHOWN: Final = "window.__bench.shown[0][4]"
_PATIENCE_S: Final = 60.0
_OPTIONS: Final = Options(threads=1)


async def connect(camera: Path, network: Network) -> float:
    """Seconds of one connection.

    Args:
        camera: see `bench.browser.camera_file`.
        network: not `direct`: the relay stands between.

    Raises:
        StudioError: no picture within a minute.
    """
    with tempfile.TemporaryDirectory() as home:
        async with (
            relaying(network) as relay,
            studio(DEFAULT_CHARACTER, _OPTIONS, Ledger(), relay) as url,
            browsing(url, Path(home), camera=camera, script=script(False, 0)) as page,
        ):
            await page.js(_START)
            await page.until("window.__bench.shown.length > 0", _PATIENCE_S)
            return 1e-3 * float(await page.js(f"{_SHOWN} - {_ANSWERED}"))


async def connections(network: str, first: int, count: int) -> list[float | None]:
    """Seconds of so many, one seed after the other; None where none came about."""
    found: list[float | None] = []
    with tempfile.TemporaryDirectory() as folder:
        camera = camera_file(PERFORMER, Path(folder) / "camera.mjpeg", FILM, coded=True)
        for seed in range(first, first + count):
            line: dict[str, object] = {"network": network, "seed": seed}
            try:
                seconds = await connect(camera, Network.parse(network, seed))
            except StudioError as error:
                print(json.dumps(line | {"not_connected": str(error)}), flush=True)
                found.append(None)
                continue
            print(json.dumps(line | {"seconds": round(seconds, 2)}), flush=True)
            found.append(seconds)
    return found


def main(
    network: Annotated[str, typer.Option(help="As `bench webrtc` takes them.")] = "25%",
    count: Annotated[int, typer.Option(min=1, help="Connections.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the first; the others' follow.")] = 0,
) -> None:
    """How long until a browser has its first picture on a bad network?"""
    from engine.studio.gallery import Gallery
    from engine.studio.shows import gallery_shows, rehearse

    rehearse(gallery_shows(Gallery([DEFAULT_CHARACTER]), _OPTIONS))  # the first compiles and loads
    found = asyncio.run(connections(network, seed, count))
    came = [seconds for seconds in found if seconds is not None]
    if not came:
        raise typer.Exit(1)
    line = {
        "network": network, "connections": count, "connected": len(came),
        "median_s": round(float(np.median(came)), 2), "longest_s": round(max(came), 2),
    }  # fmt: skip
    print(json.dumps(line))


if __name__ == "__main__":
    console.run(main)
