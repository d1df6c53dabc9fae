import io
import os
import sys
import threading
import time

import pytest

from engine.keys import TerminalKeys


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_keys_arrive_without_enter_and_the_terminal_is_restored(monkeypatch):
    import termios

    master, slave = os.openpty()
    with os.fdopen(slave, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(terminal.fileno())
        typed: list[str] = []
        both = threading.Event()

        def on_key(key: str) -> None:
            typed.append(key)
            if len(typed) == 2:
                both.set()

        with TerminalKeys(on_key):
            for _ in range(1000):  # until the thread is ready
                if termios.tcgetattr(terminal.fileno()) != before:
                    break
                time.sleep(0.005)
            os.write(master, b"mq")
            assert both.wait(5)
        assert typed == ["m", "q"]
        assert termios.tcgetattr(terminal.fileno()) == before
    os.close(master)
    assert not [t for t in threading.enumerate() if t.name == "keys"]


def test_a_pipe_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("mq"))
    typed: list[str] = []
    with TerminalKeys(typed.append):
        pass
    assert typed == []
