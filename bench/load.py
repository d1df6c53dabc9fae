"""Other programs that want the processor, when a benchmark asks for them."""

import subprocess
import sys
import threading
from types import TracebackType
from typing import Final

_BUSY: Final = "import time\nend = time.monotonic() + {}\nwhile time.monotonic() < end: pass"


class OtherPrograms:
    """Processes that keep the processor busy at their time; a context manager.

    They end by themselves, whatever becomes of this one.
    """

    def __init__(self, count: int, wait_s: float, busy_s: float) -> None:
        self._count, self._busy_s = count, busy_s
        self._running: list[subprocess.Popen[bytes]] = []
        self._timer = threading.Timer(wait_s, self._start)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._timer.cancel()
        self._timer.join()
        for process in self._running:
            process.kill()
            process.wait()

    def _start(self) -> None:
        command = [sys.executable, "-S", "-c", _BUSY.format(self._busy_s)]
        self._running = [subprocess.Popen(command) for _ in range(self._count)]
