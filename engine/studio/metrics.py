"""For whoever watches over the server: is it alive, can it take a performer, and how does it do."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from engine._version import __version__
from engine.studio.guard import Guard
from engine.studio.studio import Studio


class Metrics:
    """/healthz, /readyz and /metrics.

    What is counted lives where it is counted; it is read when somebody asks.

    Args:
        studio: whose sessions are counted.
        guard: whose refusals are counted.
    """

    def __init__(self, studio: Studio, guard: Guard) -> None:
        self._studio = studio
        self._guard = guard
        # Of this server alone, not of the process: a test may run several.
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._registry.register(self)

    def add_routes(self, app: web.Application) -> set[str]:
        """Put the handlers where they belong; those that need no token."""
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        return {"/healthz", "/readyz"}

    async def _health(self, request: web.Request) -> web.Response:
        states = Counter(push["state"] for push in self._pushes())
        return web.json_response({"status": "ok", "version": __version__, "pushes": states})

    async def _ready(self, request: web.Request) -> web.Response:
        free = self._studio.free
        return web.json_response(
            {
                "ready": free > 0, "draining": self._studio.draining,
                "sessions": self._studio.performers, "free": free,
            },
            status=200 if free > 0 else 503,
        )  # fmt: skip

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        studio = self._studio
        yield GaugeMetricFamily("ayatsuri_sessions", "Performers now", studio.performers)
        yield GaugeMetricFamily("ayatsuri_sessions_free", "Performers who may come", studio.free)
        yield CounterMetricFamily("ayatsuri_sessions_opened", "Since the start", studio.opened)
        yield CounterMetricFamily(
            "ayatsuri_sessions_failed", "Offers that failed, and shows that broke", studio.failed
        )
        refused = CounterMetricFamily(
            "ayatsuri_requests_refused", "By what was wrong with them", labels=["reason"]
        )
        for reason, count in self._guard.refused.items():
            refused.add_metric([reason], count)
        yield refused
        yield from self._of_sessions()
        yield from self._of_pushes()

    def _pushes(self) -> list[dict[str, Any]]:
        """Streaming services, and the virtual camera whoever is on stage."""
        sessions = self._studio.sessions.values()
        pushes = [push for session in sessions for push in session.pushes]
        camera = self._studio.camera
        if camera is not None and not any(session.on_stage for session in sessions):
            pushes.append(camera)
        return pushes

    def _of_pushes(self) -> Iterator[Metric]:
        live = GaugeMetricFamily(
            "ayatsuri_push_live", "1 while it takes the show, else 0", labels=["number", "to"]
        )
        dropped = GaugeMetricFamily(
            "ayatsuri_push_dropped",
            "Pictures it did not take in time",
            labels=["number", "to"],
        )
        for number, push in enumerate(self._pushes()):  # two keys of one service look the same
            labels = [str(number), push["to"]]
            live.add_metric(labels, push["state"] == "live")
            dropped.add_metric(labels, push.get("dropped", 0))
        yield from (live, dropped)

    def _of_sessions(self) -> Iterator[Metric]:
        viewers = thin = encoded = dropped = 0
        latency = SummaryMetricFamily(
            "ayatsuri_capture_to_sink_seconds",
            "From a picture's arrival to its character's, in running sessions",
        )
        count, total_s = 0, 0.0
        for session in self._studio.sessions.values():
            report = session.report()
            viewers += report["viewers"]
            thin += sum(bool((c["network"] or {}).get("thin")) for c in report["connections"])
            encoded += report["encoded"]["pictures"]
            engine = report["engine"]
            if engine is not None:
                dropped += engine["dropped"] + engine["missed_by_source"]
                count += engine["capture_to_sink"]["count"]
                total_s += engine["capture_to_sink"]["count"] * (
                    engine["capture_to_sink"]["mean_ms"] * 1e-3
                )
        latency.add_metric([], count, total_s)
        yield GaugeMetricFamily("ayatsuri_viewers", "Viewers now", viewers)
        yield GaugeMetricFamily("ayatsuri_viewers_thin", "Who are sent the thin stream", thin)
        yield GaugeMetricFamily(
            "ayatsuri_pictures_encoded", "By the sessions that run now", encoded
        )
        yield GaugeMetricFamily(
            "ayatsuri_pictures_dropped", "By the sessions that run now", dropped
        )
        yield latency
