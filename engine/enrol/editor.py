"""A page of this machine's own browser where a drawing's joints are dragged.

GET  /SECRET/             the page
GET  /SECRET/picture.png  the drawing
GET  /SECRET/figure       its joints
POST /SECRET/find         joints that are certain; the others are found again
POST /SECRET/save         all joints; the editor ends

The secret keeps other programs and pages of this machine from reading the drawing.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.character import encode_reference
from engine.enrol.keypoints import parse_keypoints
from engine.enrol.reading import Picture
from engine.errors import AyatsuriError, BadKeypoints, MissingDependency, pip_install
from engine.io._kernels_composite import straighten
from engine.pose.skeleton import PUPPET_20

if TYPE_CHECKING:
    from aiohttp import web

PAGE: Final = Path(__file__).parent / "page"
DOUBT: Final = 0.25
"""A joint with less confidence than this is shown as guessed."""
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FILES: Final = {"": "index.html", "editor.css": "editor.css", "editor.js": "editor.js"}

Joints = NDArray[np.floating]
Given = dict[str, tuple[float, float]]


class Editor:
    """One drawing's joints, until they are saved.

    Args:
        picture: the drawing.
        joints: (20, 3) x, y px of its pixels, and score.
        find: finds a figure's joints again, where some are given.
    """

    def __init__(self, picture: Picture, joints: Joints, find: Callable[[Given], Joints]) -> None:
        self.secret = secrets.token_urlsafe(12)
        self.saved: asyncio.Future[Joints] | None = None
        self._picture = picture
        self._joints = joints
        self._find = find

    def application(self) -> "web.Application":
        """What aiohttp serves."""
        from aiohttp import web

        app = web.Application(client_max_size=64 * 1024, middlewares=[self._guard()])
        root = f"/{self.secret}"
        for path, file in _FILES.items():
            app.router.add_get(f"{root}/{path}", self._file(file))
        app.router.add_get(f"{root}/picture.png", self._png)
        app.router.add_get(f"{root}/figure", self._figure)
        app.router.add_post(f"{root}/find", self._find_again)
        app.router.add_post(f"{root}/save", self._save)
        return app

    def _guard(self) -> Any:
        from aiohttp import web

        @web.middleware
        async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
            try:
                response: web.StreamResponse = await handler(request)
            except AyatsuriError as error:
                response = web.Response(status=400, text=str(error))
            response.headers.update(_HEADERS)
            return response

        return guard

    def _file(self, name: str) -> Any:
        from aiohttp import web

        async def serve(request: web.Request) -> web.FileResponse:
            return web.FileResponse(PAGE / name)

        return serve

    async def _png(self, request: "web.Request") -> "web.Response":
        from aiohttp import web

        straight = np.empty_like(self._picture.pixels)
        straighten(self._picture.pixels, straight)
        return web.Response(body=encode_reference(straight), content_type="image/png")

    async def _figure(self, request: "web.Request") -> "web.Response":
        from aiohttp import web

        return web.json_response(self._content())

    def _content(self) -> dict[str, object]:
        height, width = self._picture.pixels.shape[:2]
        return {
            "picture": self._picture.name,
            "size": [width, height],
            "names": PUPPET_20.joints,
            "bones": PUPPET_20.bones,
            "doubt": DOUBT,
            "joints": [[round(float(v), 2) for v in joint] for joint in self._joints],
        }

    async def _given(self, request: "web.Request") -> Given:
        try:
            joints = (await request.json())["joints"]
            return parse_keypoints(joints, "the page") if joints else {}
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise BadKeypoints(f'expected {{"joints": {{...}}}}, but found {error!r}') from error

    async def _find_again(self, request: "web.Request") -> "web.Response":
        from aiohttp import web

        given = await self._given(request)
        self._joints = await asyncio.to_thread(self._find, given)
        return web.json_response(self._content())

    async def _save(self, request: "web.Request") -> "web.Response":
        from aiohttp import web

        given = await self._given(request)
        missing = [name for name in PUPPET_20.joints if name not in given]
        if missing:
            raise BadKeypoints(f"joints are missing: {', '.join(missing)}")
        joints = np.array([(*given[name], 1.0) for name in PUPPET_20.joints])
        joints[:, 2] = np.where(_same(joints, self._joints), self._joints[:, 2], 1.0)
        if self.saved is not None and not self.saved.done():
            self.saved.set_result(joints)
        return web.json_response({"saved": True})


def _same(joints: Joints, before: Joints) -> NDArray[np.bool_]:
    return np.asarray(np.abs(joints[:, :2] - before[:, :2]).max(axis=1) < 0.05)


def edit(
    picture: Picture,
    joints: Joints,
    find: Callable[[Given], Joints],
    say: Callable[[str], None],
) -> Joints:
    """Serve the page until the joints are saved.

    Args:
        picture, joints, find: see `Editor`.
        say: told the page's address.

    Returns:
        (20, 3): x, y px and score; 1 where the user moved a joint.

    Raises:
        MissingDependency: aiohttp is not installed.
    """
    try:
        import aiohttp  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"the editor needs aiohttp ({error}): {pip_install('studio')}"
        ) from error
    return asyncio.run(_serve(Editor(picture, joints, find), say))


async def _serve(editor: Editor, say: Callable[[str], None]) -> Joints:
    from aiohttp import web

    editor.saved = asyncio.get_running_loop().create_future()
    runner = web.AppRunner(editor.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        say(f"http://127.0.0.1:{port}/{editor.secret}/")
        joints = await editor.saved
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.3)  # the answer still has to leave
        return joints
    finally:
        await runner.cleanup()
