"""Chromium without a window, for tests: see `bench.browser`."""

import pytest

from bench.browser import CHROMIUM, Page, browsing, camera_file

__all__ = ["Page", "browsing", "camera_file", "needs_chromium"]

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no Chromium: sudo apt install chromium"
)
