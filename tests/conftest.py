"""For every test: no thread, file or device outlives it."""

import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

T = TypeVar("T")

# A shell without job control makes its background jobs, and their children, deaf to Ctrl-C: tests
# that press it would wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An example that takes long says that the machine is busy, and no more.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

_FD_FOLDER = Path("/proc/self/fd")  # Linux; elsewhere only threads are watched
_PATIENCE_S = 2.0
_FINE_TO_KEEP = (
    "/dev/null",
    "/dev/urandom",
    "/dev/pts",
    "/dev/dri",
    "/proc",
    "/sys",
    "/usr",
    "/etc",
)


def open_files() -> set[tuple[str, str]]:
    """Descriptor and target of every open file, socket and device; libraries' plumbing aside."""
    found = set()
    if _FD_FOLDER.is_dir():
        for fd in os.listdir(_FD_FOLDER):  # noqa: PTH208  Path.iterdir holds a descriptor itself
            try:
                target = os.readlink(_FD_FOLDER / fd)  # noqa: PTH115  names that are no paths
            except OSError:
                continue  # the descriptor that listed them
            if target.startswith(("/", "socket:", "pipe:")) and not target.startswith(
                _FINE_TO_KEEP
            ):
                found.add((fd, target))
    return found


def _left(before: set[T], now: Callable[[], set[T]]) -> set[T]:
    """What is there and was not before, once it has had time to go away."""
    left = now() - before
    if left:
        gc.collect()  # tracebacks that pytest keeps hold objects alive in cycles
    deadline = time.monotonic() + _PATIENCE_S
    while (left := now() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """Fails a test that leaves a thread running or a file open."""
    threads, files = set(threading.enumerate()), open_files()
    yield
    running = _left(threads, lambda: set(threading.enumerate()))
    assert not running, f"threads outlive the test: {sorted(t.name for t in running)}"
    still_open = _left(files, open_files)
    assert not still_open, f"left open: {sorted(target for _, target in still_open)}"
