import threading
import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fails a test that leaves one of the engine's threads running."""
    yield
    deadline = time.monotonic() + 2
    while left := [t.name for t in threading.enumerate() if t.name.startswith("ayatsuri-")]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads still running after the test: {', '.join(left)}")
        time.sleep(0.01)
