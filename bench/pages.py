"""Other programs that are a page in a browser: rivals of `bench webrtc`, glass to glass.

To add one: a page in this folder and a line in `PAGES`. The page has a button `#start`, asks for
the camera, and works as the other program does. It reads the number of every frame that it works on
(`__bench.numberOn(context, width, height)`, of a 2D canvas), and when a picture that shows it comes
to the screen it says so: `__bench.shown.push([number, -1, -1, 0, at])`, with `at` in milliseconds
as `performance.now()` has them. `__joints`, if it is there, has MediaPipe's landmarks of every
frame. Nothing of others is kept in this repository: `packages` come from npm, by the command that
is told.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from aiohttp import web

from bench.fidelity import OTHERS, Truth, from_neck
from bench.statistics import Measure
from engine import models
from engine.errors import MissingDependency
from engine.models import cache_folder
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, convert

FLAGS: Final = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL on the processor, whatever the machine has: the same for all."""


@dataclass(frozen=True, slots=True)
class PageRival:
    """One of them.

    Attributes:
        name: as a row of the result.
        about: what is drawn, how large, by what.
        page: its file in this folder.
        packages: of npm, with versions.
    """

    name: str
    about: str
    page: str
    packages: tuple[str, ...]

    def modules(self) -> Path:
        """Where its packages are.

        Raises:
            MissingDependency: what to install.
        """
        folder = cache_folder() / "bench"
        found = folder / "node_modules"
        if not all((found / name.rpartition("@")[0]).is_dir() for name in self.packages):
            raise MissingDependency(
                f"{self.name}: npm install --ignore-scripts --prefix {folder} "
                + " ".join(self.packages)
            )
        return found


PAGES: Final = {
    "kalidokit": PageRival(
        "a page of MediaPipe, Kalidokit and three.js",
        "whole body in 3D, 512 px, capsules of 20,000 triangles in place of a VRM model; "
        "MediaPipe Tasks (full, WebAssembly), Kalidokit, three.js on SwiftShader, no server",
        "kalidokit.html",
        ("@mediapipe/tasks-vision@0.10.35", "kalidokit@1.1.5", "three@0.187.0"),
    )
}


@asynccontextmanager
async def serving(rival: PageRival) -> AsyncIterator[str]:
    """Its page on this machine; the address."""
    text = (files("bench") / rival.page).read_text(encoding="utf-8")
    model = models.get("pose-full").path

    async def index(request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="text/html")

    async def pose(request: web.Request) -> web.FileResponse:
        return web.FileResponse(model)

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_get("/pose.task", pose)
    app.router.add_static("/modules", rival.modules())
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def pose_errors(told: list[list[float]], clip: Path, latency_ms: float) -> dict[str, Measure]:
    """How far a page's landmarks are off, as `bench.quality.pose_errors` has it of ours.

    The landmarks as they were found: what a page does to them until they are drawn, which easing
    makes later still, is not in it.

    Args:
        told: [number of the frame, x, y, ...] px of 33 landmarks each.
        clip: with its truth.
        latency_ms: from a picture to its being shown.
    """
    truth = Truth.of(clip)
    table = np.array([row for row in told if row[0] < len(truth.places)], np.float64)
    if not len(table):
        return {}
    frames = table[:, 0].astype(int)
    joints = np.stack([
        convert(places.reshape(33, 2).astype(np.float32), MEDIAPIPE_33, PUPPET_20)
        for places in table[:, 1:]
    ])  # fmt: skip
    places = from_neck(joints.astype(np.float64)) * truth.zoom[frames, None, None]
    found = {}
    for name, ms in (("pose error, as found", 0.0), ("pose error, when shown", latency_ms)):
        distance = np.linalg.norm(places - truth.at(ms)[frames], axis=2)[:, OTHERS]
        if np.isfinite(distance).any():
            error = float(100 * np.nanmean(distance) / truth.torso_px)
            found[name] = Measure.single(error, "% torso", count=len(frames))
    return found


def about(rival: PageRival) -> dict[str, Any]:
    """For a row of a result."""
    return {"what": rival.about, "packages": list(rival.packages)}
