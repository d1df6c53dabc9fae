"""SRT through `srt-live-transmit`, the program of the SRT library: the PyAV of PyPI has no SRT.

The program takes a transport stream on its standard input and sends it as it comes. It is begun
anew for each connection, so that each begins at a key frame; it says on standard error when it has
reached the other side, or why not.
"""

import logging
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from engine.errors import MissingDependency, SinkError

log = logging.getLogger(__name__)

PROGRAM: Final = "srt-live-transmit"
REMEDY: Final = {  # by sys.platform
    "linux": "sudo apt install srt-tools (Debian, Ubuntu), or the package srt of your system",
    "darwin": "brew install srt",
    "win32": f"put {PROGRAM}.exe of https://github.com/Haivision/srt on the PATH",
}

MESSAGE: Final = 1316
"""Bytes of one SRT message: seven packets of a transport stream."""

_PATIENCE_S: Final = 5.0  # of a caller; who listens waits for ever
_TAIL_S, _GOODBYE_S = 0.3, 1.0  # for what is still to be sent, and to end
_LOOK_S: Final = 0.05
_CONNECTED: Final = ("SRT target connected", "Accepted SRT target connection")
_SAID: Final = re.compile(r"(?:ERROR: |\d\d:\d\d:\d\d\.\d+/\S+ )(.*)")


@dataclass(frozen=True, slots=True)
class SrtAddress:
    """What an address says.

    Attributes:
        host: empty: any of this machine's, for who listens.
        port: UDP.
        listens: whether the other side calls (mode=listener), or is called.
        options: latency (ms), passphrase, pbkeylen (bytes) and streamid, as far as they were given.
    """

    host: str
    port: int
    listens: bool
    options: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> "SrtAddress":
        """From srt://HOST:PORT?mode=caller&latency=120&passphrase=...&pbkeylen=16&streamid=...

        A streamid may have a # or ? in it, as those of the form #!::r=... have.

        Raises:
            SinkError: it is no such address; no secret of it is told.
        """
        place, _, query = url.removeprefix("srt://").partition("?")
        try:
            parts = urlsplit(f"//{place}")
            host, port = parts.hostname or "", parts.port or 0
            whole = not parts.path.strip("/") and port > 0 and parts.username is None
        except ValueError:
            whole = False
        if not whole:
            raise SinkError(
                "an SRT address is srt://HOST:PORT, or srt://:PORT to wait for a caller; "
                "?latency=, passphrase= and streamid= may follow"
            )
        options = {
            name: unquote(value)
            for name, _, value in (part.partition("=") for part in query.split("&") if part)
        }
        mode = options.pop("mode", "caller" if host else "listener")
        _check(options, mode, host)
        return cls(host, port, mode == "listener", options)

    def for_program(self) -> str:
        """As `srt-live-transmit` wants it, which takes what stands there as it is."""
        return self._url(self.options)

    def for_ffmpeg(self) -> str:
        """As FFmpeg's own SRT wants it, which has its latency in microseconds."""
        options = dict(self.options)
        if "latency" in options:
            options["latency"] += "000"
        if "streamid" in options:
            options["streamid"] = quote(options["streamid"], safe="")
        return self._url(options)

    def _url(self, options: dict[str, str]) -> str:
        mode = "listener" if self.listens else "caller"
        query = "&".join(f"{name}={value}" for name, value in {"mode": mode, **options}.items())
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"srt://{host}:{self.port}?{query}"


def _check(options: dict[str, str], mode: str, host: str) -> None:
    unknown = ", ".join(sorted(options.keys() - {"latency", "passphrase", "pbkeylen", "streamid"}))
    passphrase = options.get("passphrase")
    wrong = {
        f"{unknown} is not known": bool(unknown),
        "mode is caller or listener": mode not in ("caller", "listener"),
        "a caller needs a host": mode == "caller" and not host,
        "latency is in whole milliseconds": not options.get("latency", "0").isdecimal(),
        "a passphrase has 10 to 79 characters": not (
            passphrase is None or 10 <= len(passphrase) <= 79
        ),
        "pbkeylen is 16, 24 or 32": options.get("pbkeylen", "16") not in ("16", "24", "32"),
        "a streamid has at most 512 characters": len(options.get("streamid", "")) > 512,
        "no value can have an & in it": any("&" in value for value in options.values()),
    }
    for why, is_so in wrong.items():
        if is_so:
            raise SinkError(
                f"this SRT address cannot be used: {why}; latency, passphrase, pbkeylen, streamid "
                "and mode can be told"
            )


def found() -> str | None:
    """Where the program is, if it is there."""
    return shutil.which(PROGRAM)


class Transmitter:
    """One connection: what is written goes to the other side. Ends with its `with` block.

    Where Linux has `setpriv`, the program ends with this process, however that ends: its own
    standard input tells it nothing.

    Args:
        address: where to.

    Raises:
        MissingDependency: the program is not there.
    """

    def __init__(self, address: SrtAddress) -> None:
        program, guard = found(), shutil.which("setpriv")
        if program is None:
            raise MissingDependency(missing())
        self._address = address
        self._connected = threading.Event()
        self._said: str | None = None
        self._process = subprocess.Popen(
            [
                # The signal comes with the end of this thread, which outlives the connection.
                *([guard, "--pdeathsig", "KILL"] if guard and sys.platform == "linux" else []),
                program, "-autoreconnect:no", "-v", f"-chunk:{MESSAGE}", "file://con",
                address.for_program(),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=True,  # Ctrl-C is for us: we end it
        )  # fmt: skip
        assert self._process.stdin is not None
        self._input = self._process.stdin
        self._ears = threading.Thread(target=self._hear, name="ayatsuri-srt", daemon=True)
        self._ears.start()

    def __enter__(self) -> "Transmitter":
        return self

    def __exit__(self, *args: object) -> None:
        # The end of its input does not end the program, but without it a signal may not either.
        for end, patience_s in (
            (self._input.close, _TAIL_S),
            (self._process.terminate, _GOODBYE_S),  # the other side is told
            (self._process.kill, _GOODBYE_S),
        ):
            with suppress(subprocess.TimeoutExpired, OSError):
                end()
                self._process.wait(patience_s)
                break
        self._ears.join(_GOODBYE_S)

    def wait(self, over: Callable[[], bool]) -> bool:
        """Wait for the connection; false where it is over before.

        Raises:
            SinkError: there is none.
        """
        deadline_s = time.monotonic() + _PATIENCE_S
        while not self._connected.wait(_LOOK_S):
            late = not self._address.listens and time.monotonic() > deadline_s
            if late or self._process.poll() is not None:
                self._ears.join(_GOODBYE_S)
                raise SinkError(self._said or "nobody answers there")
            if over():
                return False
        return True

    def write(self, data: bytes) -> int:
        """Send whole packets of a transport stream.

        Raises:
            SinkError: the connection was lost.
        """
        try:
            # A pipe takes so little as a whole or not at all: packets are not torn.
            for start in range(0, len(data), MESSAGE):
                self._input.write(data[start : start + MESSAGE])
        except OSError as error:
            raise SinkError(self._said or "the connection was lost") from error
        return len(data)

    def kill(self) -> None:
        """End it at once, from any thread; who writes is told that the connection was lost."""
        self._process.kill()

    def _hear(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for raw in lines:
                line = raw.decode(errors="replace").strip()
                if line.startswith(_CONNECTED):
                    self._connected.set()
                # Nothing else is logged: it says the passphrase, too.
                if match := _SAID.match(line):
                    self._said = match[1]
                    log.info("%s: %s", PROGRAM, self._said)


def missing() -> str:
    """What to tell where neither FFmpeg nor the program speaks SRT."""
    remedy = REMEDY.get(sys.platform, REMEDY["linux"])
    return (
        f"SRT needs {PROGRAM}, since the FFmpeg inside PyAV was built without it: {remedy}. "
        "rtmp:// and WHIP need nothing more"
    )
