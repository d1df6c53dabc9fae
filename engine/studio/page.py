"""The pages, as `make page` builds them from `engine/studio/web`."""

from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from engine.studio.http import Handler

STATIC: Final = Path(__file__).parent / "static"
_ADDRESSES: Final = {"index.html": "/", "obs.html": "/obs", "privacy.html": "/privacy"}
_FOREVER: Final = "public, max-age=31536000, immutable"


def add_pages(app: web.Application, folder: Path = STATIC) -> set[str]:
    """Serve every file of the folder; where they are.

    What is in a folder `assets` is named by its content, and so is kept by browsers.
    """
    paths = set()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = file.relative_to(folder).as_posix()
        path = _ADDRESSES.get(name, f"/{name}")
        app.router.add_get(path, _sender(file, kept=name.startswith("assets/")))
        paths.add(path)
    return paths


def _sender(file: Path, *, kept: bool) -> Handler:
    async def send(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(file)
        if kept:
            response.headers[hdrs.CACHE_CONTROL] = _FOREVER
        return response

    return send
