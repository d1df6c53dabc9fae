"""Chromium without a window, for tests: see `bench.browser`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.browser import CHROMIUM, Page, browsing, camera_file
from tests.webrtc.studio import Running, running

__all__ = ["COUNT", "STATE", "Page", "browsing", "camera_file", "needs_chromium", "press",
           "visiting"]  # fmt: skip

STATE = "document.getElementById('stage').dataset.state"
COUNT = "document.getElementById('character').getVideoPlaybackQuality().totalVideoFrames"

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium: sudo apt install chromium"
)


def press(button: str) -> str:
    """The script that clicks a button, by its id."""
    return f"document.getElementById('{button}').click()"


@asynccontextmanager
async def visiting(home: Path, **options: Any) -> AsyncIterator[tuple[Running, Page]]:
    """A studio with two characters and its page, open; `options` are those of `browsing`."""
    async with running() as server, browsing(server.url("/"), home, **options) as page:
        yield server, page
