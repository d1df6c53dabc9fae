"""Where a show is pushed to."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from engine.errors import MissingDependency, SinkError
from engine.push import srt

_FORMATS: Final = {
    "rtmp": "flv", "rtmps": "flv", "srt": "mpegts", "tcp": "mpegts", "udp": "mpegts",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """A place that takes a stream.

    Attributes:
        url: with all its secrets.
        kind: the protocol; "whip" for WebRTC.
        format: FFmpeg's container; empty for WHIP.
    """

    url: str
    kind: str
    format: str

    def __str__(self) -> str:
        """Without what must not be told: services take a secret key as the last part of a path."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")


def parse(url: str) -> Address:
    """An address to push to.

    Raises:
        SinkError: it is none, or this FFmpeg does not speak its protocol.
        MissingDependency: nothing here speaks SRT.
    """
    if url.startswith("srt://"):
        called = not srt.SrtAddress.parse(url).listens
        if not (srt.found() or (called and speaks("srt"))):
            raise MissingDependency(srt.missing())
        return Address(url, "srt", _FORMATS["srt"])
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole:
        raise SinkError(
            f"{re.sub('[^:]*$', '...', url[:40])} is no address to push to; expected "
            "rtmp://HOST/APP/KEY, srt://HOST:PORT or https://HOST/.../whip"
        )
    if parts.scheme in ("http", "https"):
        return Address(url, "whip", "")
    if parts.scheme not in _FORMATS:
        raise SinkError(
            f"{parts.scheme}:// cannot be pushed to; expected {', '.join(_FORMATS)}, or https for "
            "WHIP"
        )
    if not speaks(parts.scheme):
        raise SinkError(
            f"the FFmpeg inside PyAV was built without {parts.scheme}: push to rtmp:// or WHIP, or "
            "install PyAV against an FFmpeg that has it: pip install --no-binary av av"
        )
    return Address(url, parts.scheme, _FORMATS[parts.scheme])


@cache
def speaks(scheme: str) -> bool:
    """Whether the FFmpeg inside PyAV has a protocol."""
    # FFmpeg lists its protocols to nobody who comes through PyAV: a port that is closed tells. For
    # reading: PyAV opens what is written only when something is.
    import av
    from av.error import FFmpegError, ProtocolNotFoundError

    if scheme == "udp":  # every FFmpeg does, and nobody refuses a reader of it
        return True
    try:
        container = av.open(f"{scheme}://127.0.0.1:1", timeout=1.0)
    except ProtocolNotFoundError:
        return False
    except (FFmpegError, OSError):
        return True
    container.close()
    return True
