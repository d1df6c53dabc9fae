"""How long a browser waits for its first picture: one connection, nothing of which is lost."""

import asyncio

import pytest

from bench.connecting import connections
from tests.marks import needs_pose_model
from tests.webrtc.browser import needs_chromium

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_chromium, needs_pose_model]


def test_a_connection_through_the_relay_is_timed() -> None:
    (seconds,) = asyncio.run(connections("clean", 0, 1))
    assert seconds is not None
    assert seconds > 0
