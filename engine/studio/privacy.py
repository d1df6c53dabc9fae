"""GET /privacy: what leaves the machine, and what does not."""

from pathlib import Path
from typing import Final

from aiohttp import web

_FOLDER: Final = Path(__file__).parent / "plain"
_FILES: Final = {"/privacy": "privacy.html", "/privacy.css": "privacy.css"}


def add_privacy(app: web.Application) -> set[str]:
    """Serve it; where it is."""
    for path in _FILES:
        app.router.add_get(path, _send)
    return set(_FILES)


async def _send(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(_FOLDER / _FILES[request.path])
