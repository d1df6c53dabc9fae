"""Single key presses from the terminal, for a live show without a window."""

import os
import sys
import threading
from collections.abc import Callable
from types import TracebackType

_POLL_S = 0.1


class TerminalKeys:
    """Calls `on_key` with each character typed, without waiting for Enter.

    A context manager: within it a thread reads the terminal, and on leaving the terminal is as it
    was. Where standard input is no terminal (a pipe, a service) it does nothing.

    Args:
        on_key: called on the reading thread with one character.
    """

    def __init__(self, on_key: Callable[[str], object]) -> None:
        self._on_key = on_key
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "TerminalKeys":
        if sys.stdin is not None and sys.stdin.isatty():
            read = _read_windows if sys.platform == "win32" else _read_posix
            self._thread = threading.Thread(
                target=read, args=(self._on_key, self._done), name="keys", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()


def _read_posix(on_key: Callable[[str], object], done: threading.Event) -> None:
    import select
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    try:
        tty.setcbreak(terminal)  # keeps Ctrl-C
        while not done.is_set():
            ready, _, _ = select.select([terminal], [], [], _POLL_S)
            if ready:
                typed = os.read(terminal, 1)  # sys.stdin would hold back what select cannot see
                if not typed:  # the terminal is gone
                    return
                on_key(typed.decode("ascii", "ignore"))
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _read_windows(on_key: Callable[[str], object], done: threading.Event) -> None:
    import msvcrt

    while not done.wait(_POLL_S):
        while msvcrt.kbhit():  # type: ignore[attr-defined,unused-ignore]
            on_key(msvcrt.getwch())  # type: ignore[attr-defined,unused-ignore]
