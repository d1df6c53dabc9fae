"""What the server is told, and who may speak to it."""

import hmac
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import platformdirs

from engine.errors import StudioError
from engine.push.address import Address


def default_folder() -> Path:
    """Where this user's settings are kept; AYATSURI_CONFIG names another folder."""
    named = os.environ.get("AYATSURI_CONFIG")
    return Path(named) if named else platformdirs.user_config_path("ayatsuri", appauthor=False)


LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
_SHORTEST_TOKEN = 16

Refusal = Literal["host", "origin", "token"]


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, as both sides of a connection are told of it."""

    url: str
    username: str | None = None
    credential: str | None = None

    @classmethod
    def parse(cls, text: str) -> "IceServer":
        """From `stun:HOST:PORT` or `turn:USER:PASSWORD@HOST:PORT` (also stuns, turns).

        Raises:
            StudioError: it is neither.
        """
        scheme, _, rest = text.partition(":")
        login, _, host = rest.rpartition("@")
        username, _, credential = login.partition(":")
        if scheme not in ("stun", "stuns", "turn", "turns") or not host:
            raise StudioError(
                f"an ICE server is stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT, not {text!r}"
            )
        if scheme.startswith("turn") and not (username and credential):
            raise StudioError(
                f"a TURN server needs a name and a password: {scheme}:USER:PASSWORD@HOST:PORT"
            )
        return cls(f"{scheme}:{host}", username or None, credential or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the server runs.

    Attributes:
        host, port: where it listens; port 0 is any that is free.
        token: what clients must present as `Authorization: Bearer TOKEN`; needed off loopback.
        origins: pages of other origins that may use the server, such as https://stage.local:8443.
            Off loopback the server's own must be named too.
        certificate, key: PEM files for HTTPS; needed off loopback, where browsers give no camera
            to a page that came by plain HTTP.
        ice_servers: none by default, so that nothing outside is spoken to.
        sessions: performers at once.
        viewers: viewers of a session at once.
        offer_bytes: the largest SDP that is read.
        silence_s: a session without pictures for so long is over.
        bitrate: of the video, bits per second; less for those whose network carries less.
        offers_per_s, offers_burst: POST requests that an address may make a second, and at once.
        requests_per_s, requests_burst: of all kinds.
        push: streaming services that the show of one session at a time goes to.
        push_token: for those that are spoken to by WHIP.
        virtual_camera: whether the same show goes to a virtual camera of this machine, too.
        internal: only our own front speaks to this server, over a cluster's network: with a token,
            without HTTPS, by whatever name.
        drain_s: how long sessions may go on when the server is told to end (SIGTERM).
        folder: where presets, the last session's settings and background pictures are kept; None:
            nowhere.
        refine: whether characters that are enrolled here are then refined, where torch is
            installed; see `engine.refining`.

    Raises:
        StudioError: they do not go together.
    """

    host: str = "127.0.0.1"
    port: int = 8420
    token: str | None = None
    origins: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    ice_servers: tuple[IceServer, ...] = ()
    sessions: int = 2
    viewers: int = 16
    offer_bytes: int = 64 * 1024
    silence_s: float = 20.0
    bitrate: int = 2_000_000
    offers_per_s: float = 1.0
    offers_burst: int = 20
    requests_per_s: float = 50.0
    requests_burst: int = 200
    push: tuple[Address, ...] = ()
    push_token: str | None = None
    virtual_camera: bool = False
    internal: bool = False
    drain_s: float = 10.0
    folder: Path | None = None
    refine: bool = False

    def __post_init__(self) -> None:
        for origin in self.origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise StudioError(
                    f"an origin is http(s)://HOST or http(s)://HOST:PORT alone, not {origin!r}"
                )
        if (self.certificate is None) != (self.key is None):
            raise StudioError("HTTPS needs both a certificate and its key: --cert and --key")
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            raise StudioError(
                f"the token has {len(self.token)} characters; at least {_SHORTEST_TOKEN} are "
                "needed: openssl rand -hex 16"
            )
        if self.internal and self.token is None:
            raise StudioError("a server inside a cluster needs a token that its front knows")
        if not (self.on_loopback or self.internal):
            lacking = [
                option
                for option, value in (
                    ("--token", self.token),
                    ("--cert and --key", self.certificate),
                    ("--origin", self.origins),
                )
                if not value
            ]
            if lacking:
                raise StudioError(
                    f"{self.host} can be reached from other machines: this needs "
                    f"{', '.join(lacking)} as well; --make-certificate gives all but the token. "
                    "For this machine alone: --host 127.0.0.1"
                )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in ("localhost", "127.0.0.1", "::1")

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "http" if self.certificate is None else "https"

    def allowed_origins(self, port: int) -> frozenset[str]:
        """Whose pages may use the server that listens at `port`."""
        own = {f"{self.scheme}://{host}:{port}" for host in LOOPBACK} if self.on_loopback else set()
        return frozenset(own | set(self.origins))

    def refusal(
        self, *, port: int, host: str, origin: str | None, authorization: str | None
    ) -> Refusal | None:
        """Why a request is refused, or None.

        The Host is looked at too: a foreign page whose name is made to resolve to this machine
        (DNS rebinding) names itself in both headers. Clients that are no browsers send no Origin.

        Args:
            port: where the server listens.
            host, origin, authorization: the request's headers; None where it has none.
        """
        allowed = self.allowed_origins(port)
        names = {origin.partition("://")[2] for origin in allowed}
        if not self.internal and host.lower() not in names:
            return "host"
        if origin is not None and origin.lower() not in allowed:
            return "origin"
        if self.token is not None:
            expected = f"Bearer {self.token}".encode()
            given = (authorization or "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(expected, given):
                return "token"
        return None
