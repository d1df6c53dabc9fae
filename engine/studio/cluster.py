"""`ayatsuri serve --ray`: many studios, on one machine or many, behind one front.

Each replica of a Ray Serve deployment runs the same studio as `ayatsuri serve` does, on a port of
its own. A session is one request of Serve's, a stream that stays open for as long as the session
lasts. So Serve counts sessions when it chooses among replicas, starts more of them and lets some
go; it prefers a replica that has the character already (`serve.multiplexed`), and waits for the
sessions of one that is to end. Pictures and sound do not pass through Serve.
"""

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import ray
from aiohttp import hdrs, web
from ray import serve

from engine.app import Options, Show
from engine.character import CharacterBundle
from engine.clock import Clock
from engine.errors import StudioError
from engine.pipeline import Sink, Source
from engine.studio.front import LEASE, PATIENCE_S, Front, Grant, Lease
from engine.studio.gallery import Gallery
from engine.studio.http import Handler
from engine.studio.looks import Look
from engine.studio.run import asked_for, check_free, run_until_told, tls
from engine.studio.server import application
from engine.studio.settings import Settings
from engine.studio.shows import gallery_shows
from engine.studio.studio import Studio

log = logging.getLogger(__name__)

APPLICATION: Final = "ayatsuri"
_FULL_ENOUGH: Final = 0.75  # share of the places taken at which another replica is started
_LOOK_S: Final = 0.25
_LONGEST_SESSION_S: Final = 24 * 3600.0
_CLAIM_S: Final = 1.5 * PATIENCE_S  # a place that nobody has taken by then is free again


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """How many replicas, and what each takes.

    Attributes:
        least, most: replicas; Serve chooses between them by load.
        cpus, gpus: of one replica; parts of one are possible.
        characters: that one replica holds at a time.
        idle_s: how long fewer must do before one more is let go.
    """

    least: int = 1
    most: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    characters: int = 4
    idle_s: float = 120.0

    @classmethod
    def parse(cls, replicas: str, **other: Any) -> "Fleet":
        """From `N` or `LEAST:MOST`.

        Raises:
            StudioError: it is neither.
        """
        least, _, most = replicas.partition(":")
        try:
            fleet = cls(least=int(least), most=int(most or least), **other)
        except ValueError:
            fleet = None
        if fleet is None or not 1 <= fleet.least <= fleet.most:
            raise StudioError(f"replicas are N or LEAST:MOST, from 1 on, not {replicas!r}")
        return fleet


class Replica:
    """One studio, as Ray Serve runs it. `_replica_class` says how many characters it holds.

    Args:
        settings: of the studio.
        host: where it listens, at a free port; None: at this machine's address in the cluster.
        paths: the file of each character, by name.
        options: how characters are drawn.
        look: how sessions begin; None: as the last one was left.
        explicit: see `Studio`.
    """

    def __init__(
        self,
        settings: Settings,
        host: str | None,
        paths: dict[str, Path],
        options: Options,
        look: Look | None,
        explicit: dict[str, object],
    ) -> None:
        host = host or ray.util.get_node_ip_address()
        self._settings = replace(settings, host=host, port=0, internal=True)
        self._paths = paths
        self._gallery = Gallery([])
        make = gallery_shows(self._gallery, options)
        self._studio = Studio(self._settings, make, self._gallery, look=look, explicit=explicit)
        self._claims: dict[str, str | None] = {}  # the session of each lease
        self._runner: web.AppRunner | None = None
        self._starting = asyncio.Lock()

    async def load(self, name: str) -> "Held":
        """A character, from its file; it is offered to all sessions that begin while it is held."""
        bundle = await asyncio.to_thread(CharacterBundle.load, self._paths[name])
        return Held(self._gallery, self._gallery.add(bundle))

    async def lease(self) -> AsyncGenerator[Grant, None]:
        """A place for a session with the character that the request is for; see `Lease`."""
        url = await self._address()
        await self.load(serve.get_multiplexed_model_id())
        lease, session, waited_s = secrets.token_urlsafe(12), None, 0.0
        self._claims[lease] = None
        try:
            yield Grant(url, lease)
            while session is None and waited_s < _CLAIM_S:
                await asyncio.sleep(_LOOK_S)
                session, waited_s = self._claims[lease], waited_s + _LOOK_S
            while session in self._studio.sessions:
                await asyncio.sleep(_LOOK_S)
        finally:
            session = self._claims.pop(lease)
            if session in self._studio.sessions:  # the front is gone
                await self._studio.sessions[session].close()

    async def _address(self) -> str:
        """Where the studio listens; it begins to with the first lease, on the loop that has it."""
        async with self._starting:
            if self._runner is None:
                app = application(self._studio)
                app.middlewares.append(self._claim)
                self._runner = web.AppRunner(app, access_log=None)
                await self._runner.setup()
                await web.TCPSite(self._runner, self._settings.host, 0).start()
            host, port = self._runner.addresses[0][:2]
            return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @web.middleware
    async def _claim(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        lease = request.headers.get(LEASE)
        if lease is not None and lease not in self._claims:
            raise web.HTTPGone(reason="this lease is over")
        response = await handler(request)
        if lease is not None and response.status == 201:
            session = response.headers[hdrs.LOCATION].rpartition("/")[2]
            if lease not in self._claims:  # the front has not waited: nobody would ever end it
                await self._studio.sessions[session].close()
                raise web.HTTPGone(reason="this lease is over")
            self._claims[lease] = session
        return response


class Held:
    """A character that a replica holds; Serve lets go of the one that was asked for longest ago."""

    def __init__(self, gallery: Gallery, bundle: CharacterBundle) -> None:
        self._gallery = gallery
        self._name = bundle.name

    def __del__(self) -> None:
        self._gallery.remove(self._name)


def _replica_class(characters: int) -> type[Replica]:
    class HoldingReplica(Replica):
        load = serve.multiplexed(max_num_models_per_replica=characters)(Replica.load)

    return HoldingReplica


def serve_cluster(
    settings: Settings,
    fleet: Fleet,
    characters: Sequence[Path] = (),
    options: Options | None = None,
    *,
    look: Look | None = None,
    say: Callable[[list[str]], None] = lambda pages: None,
) -> None:
    """As `engine.studio.run.serve`, with the sessions on replicas.

    Joins the Ray cluster that RAY_ADDRESS names, or else starts one on this machine.

    Args:
        settings: of the front, and of every replica: `settings.sessions` is what one of them takes.
        fleet: the replicas.
        characters: files of bundles, or folders of them, at the same place on every machine.
        options, look, say: see `engine.studio.run.serve`.

    Raises:
        StudioError, AyatsuriError: see `engine.studio.run.serve`.
    """
    options = Options() if options is None else options
    check_free(settings)
    log.info("loading the characters, and Ray with its replicas")
    gallery = Gallery(characters or None)
    token = secrets.token_urlsafe(24)
    own_cluster = "RAY_ADDRESS" not in os.environ
    # Ray's workers give way to every other program (15); a live show must not.
    os.environ.setdefault("RAY_worker_niceness", "0")
    ray.init(include_dashboard=False, log_to_driver=True, logging_level=logging.WARNING)
    serve.start(http_options={"location": "NoServer"})
    explicit = asked_for(options, settings)
    deployment = serve.deployment(
        _replica_class(fleet.characters),
        name="studio",
        # A lease is a request: as many as there are places, and no queue behind them.
        max_ongoing_requests=settings.sessions,
        autoscaling_config={
            "min_replicas": fleet.least, "max_replicas": fleet.most,
            "target_ongoing_requests": max(settings.sessions * _FULL_ENOUGH, 1),
            # Whoever comes waits for the new replica: Serve's own half a minute is too long.
            "upscale_delay_s": 1.0, "metrics_interval_s": 1.0, "look_back_period_s": 2.0,
            "downscale_delay_s": fleet.idle_s,
        },
        # Serve lets any replica go, busy or not, and gives its requests so long to end.
        graceful_shutdown_timeout_s=_LONGEST_SESSION_S,
        ray_actor_options={"num_cpus": fleet.cpus, "num_gpus": fleet.gpus},
    ).bind(
        replace(
            settings, token=token, origins=(), certificate=None, key=None, internal=True,
            offers_per_s=1e6, offers_burst=10**6, requests_per_s=1e6, requests_burst=10**6,
        ),
        "127.0.0.1" if own_cluster else None,
        gallery.paths, options, look, explicit,
    )  # fmt: skip
    try:
        handle = serve.run(deployment, name=APPLICATION, route_prefix=None)

        async def lease(name: str) -> Lease:
            grants = handle.options(stream=True, multiplexed_model_id=name).lease.remote()
            try:
                async for grant in grants:
                    yield grant
            finally:
                grants.cancel()

        async def run() -> None:
            studio = Studio(
                replace(settings, sessions=settings.sessions * fleet.most), _no_show, gallery
            )
            app = application(studio)
            Front(studio, lease, token).add_to(app)
            await run_until_told(studio, app, tls(settings), lambda: None, say)

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run())
    finally:
        serve.shutdown()
        ray.shutdown()


def _no_show(source: Source, sink: Sink, clock: Clock, first: str | None) -> Show:
    raise StudioError("the front of a cluster has no sessions of its own")
