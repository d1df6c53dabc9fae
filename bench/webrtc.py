"""`ayatsuri bench webrtc`: how late is the puppet in a browser, glass to glass?

A real Chromium with a pretended camera opens the studio's page and performs. Every frame of the
camera's film carries its number as a block code; the pipeline carries the code over to the
character's picture; and the page's own frames are read: those of the camera, with the time at which
each was captured, and those of the character, with the time at which each comes to the screen. Both
are times of one clock, the page's, so that glass to glass needs no other. What a real camera's
exposure and a real display's scan-out add is not in it.

For the parts of the way the server's clock is told by the page's, by exchanges of four times, and
the uncertainty is given. Networks are made by a relay of our own that loses and delays the same
packets in every run.
"""

import asyncio
import functools
import itertools
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final
from unittest import mock

import numpy as np
import typer
from rich.markup import escape

from bench import blockcode, codec, moves, pages
from bench.browser import Page, browsing, camera_file
from bench.clocks import ClockMap, exchange
from bench.codec import Kept
from bench.glass import SCREEN, CodedSink, Film, Ledger, timelines
from bench.lossy import Network, Relay, relaying
from bench.pages import FLAGS, PAGES, PageRival, serving
from bench.quality import is_known, likeness_of, pose_errors, told
from bench.report import Bench, Goal, drawings, measures_table, singles_table
from bench.show import files_of, latency_charts, waterfall_chart
from bench.statistics import Measure
from bench.timeline import Timeline
from engine.app import DEFAULT_CHARACTER, LIVE_FPS, PERFORMER, Options, load_cast
from engine.commands.options import (
    Draw,
    DrawOption,
    PoseModel,
    PoseModelOption,
    PoseRuntimeName,
    PoseRuntimeOption,
    ThreadsOption,
)
from engine.errors import MediaError, MissingDependency, StudioError
from engine.io.file import FileSource

FILM: Final = 300
"""Frames until the numbers come round: ten seconds."""

SHORTEST: Final = 60
"""Of a film, so that what is shown late is not taken for its next turn."""

STALE_MS: Final = 200.0
_SHOWN: Final = "#character"
_KEPT: Final = "__kept.length"
_START: Final = "document.getElementById('start').click()"
_MIRRORED: Final = "document.getElementById('mirror')?.getAttribute('aria-pressed') === 'true'"
_OPENING_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One run in the browser; `pictures` are some of those that it showed."""

    whole: Timeline
    parts: Timeline
    measures: dict[str, Measure]
    about: dict[str, Any]
    pictures: list[Kept]


class Receiver(StrEnum):
    """What puts the packets of the performer's camera together."""

    OURS = "ours"
    AIORTC = "aiortc"


def receiving(receiver: Receiver) -> AbstractContextManager[object]:
    """Within it studios receive by this."""
    if receiver is Receiver.OURS:
        return nullcontext()
    return mock.patch("engine.studio.peer.receive_live", return_value=None)


@functools.lru_cache(maxsize=4)
def film_length(clip: Path) -> int:
    """How many numbers there are until they come round; of a short clip fewer than `FILM`.

    Raises:
        MediaError: it cannot be read, or is too short.
    """
    source = FileSource(clip)
    try:
        count = sum(1 for _ in itertools.islice(source.frames(), FILM))
    finally:
        source.close()
    if count < SHORTEST:
        raise MediaError(f"{clip} has {count} pictures; at least {SHORTEST} are needed")
    return count


def script(direct: bool, keep_every: int) -> str:
    """The recorder, ready to be run in the page."""
    text = (files("bench") / "recorder.js").read_text(encoding="utf-8").rstrip()
    place = {name: getattr(blockcode.PLACE, name) for name in ("left", "top", "width", "height")}
    given = (
        place, blockcode.COLUMNS, blockcode.ROWS, blockcode.BITS, blockcode.CHECK_BITS, _SHOWN,
        direct, keep_every, codec.MOST,
    )  # fmt: skip
    return f"{text}({', '.join(map(json.dumps, given))});"


@asynccontextmanager
async def studio(
    character: Path, options: Options, ledger: Ledger, relay: Relay | None
) -> AsyncIterator[str]:
    """The studio as it is, whose sinks keep a ledger; its address.

    Only the loopback is used: aioice leaves that out unless it is told.
    """
    from aiohttp import web
    from aioice import ice

    from engine.studio.gallery import Gallery
    from engine.studio.server import application
    from engine.studio.settings import Settings
    from engine.studio.shows import gallery_shows
    from engine.studio.studio import Studio

    gallery = Gallery([character])
    make = gallery_shows(gallery, options)
    server = Studio(
        Settings(port=0, sessions=1),
        lambda source, sink, clock, first: make(
            source, CodedSink(sink, clock, ledger), clock, first
        ),
        gallery,
    )
    app = application(server)

    @web.middleware
    async def through_the_network(request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if relay is not None and isinstance(response, web.Response) and response.status == 201:
            response.text = await relay.rewrite(response.text or "")
        return response

    app.middlewares.append(through_the_network)
    own_addresses = ice.get_host_addresses
    ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    runner = web.AppRunner(app)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()
        ice.get_host_addresses = own_addresses


async def perform(
    page: Page,
    ledger: Ledger,
    seconds: float,
    skip_s: float,
    *,
    length: int = FILM,
    exchanges: int = 40,
    with_figures: bool = False,
) -> tuple[Timeline, Timeline, ClockMap, list[Kept], dict[str, Measure], dict[str, Any]]:
    """Perform for so long; what was seen, with the studio's own figures if the page has them.

    Returns:
        The whole way, its parts, the server's clock, pictures that were shown, how like they are to
        those that were sent, and more about the run.
    """

    async def ask() -> tuple[float, float]:
        heard, answered = await page.js("[performance.now(), performance.now()]")
        return heard, answered

    def now_ms() -> float:
        return time.monotonic_ns() * 1e-6

    clicked = time.monotonic()
    await page.js(_START)
    await page.until("window.__bench.shown.length > 5", _OPENING_S)
    first_s = time.monotonic() - clicked
    before = await exchange(ask, now_ms, exchanges)
    await asyncio.sleep(seconds + skip_s)
    noted = await page.js("({...window.__bench, mirror: null, report: null})")
    after = await exchange(ask, now_ms, exchanges)
    clocks = ClockMap.of(before, after)
    camera, shown = noted["camera"], noted["shown"]
    # Chromium tells when a local camera captured a frame; if one does not, when it was presented.
    told = all(capture > 0 for _, capture, *_ in camera)
    times_ms = [row[1] if told else row[3] for row in camera]
    film = Film.of([n for n, *_ in camera], times_ms, length)
    on_screen = [(row[0], row[4]) for row in shown]
    # The warm-up counts from the first picture: a page may load for long before it asks.
    camera_ms = film.due_ms[film.first]
    first_ms = next((at_ms for number, at_ms in on_screen if number >= 0), camera_ms)
    after_ms = first_ms + 1e3 * skip_s
    whole, parts = timelines(film, on_screen, ledger, clocks, 1e-3 * (after_ms - camera_ms))
    hud = await hud_of(page, seconds) if with_figures else {}
    pictures = [Kept.of(await page.js(f"__take({i})")) for i in range(await page.js(_KEPT))]
    sent = [
        Kept(number, float(clocks.there(np.array([at_ns * 1e-6]))[0]), image)
        for number, at_ns, image in ledger.pictures
    ]
    first = next((i for i, row in enumerate(shown) if row[0] >= 0), 0)  # what came before is blank
    unread = sum(row[0] < 0 for row in shown[first:])
    about = {
        "first picture after s": first_s,
        "camera's time": "capture" if told else "presentation",
        "clock uncertainty ms": clocks.uncertainty_ms,
        "clock drift ppm": clocks.drift_ppm,
        "reading a code ms": float(np.median(noted["reading"])),
        "not read on the screen": unread,
        "not read in the server": ledger.unread,
        "pictures on the screen": len(shown),
        "mirrored": await page.js(_MIRRORED),
        "figures of the page": hud,
    }
    likeness = codec.measures(codec.scores(film, sent, pictures, after_ms))
    pictures = [one for one in pictures if one.at_ms >= after_ms]
    return whole, parts, clocks, pictures, likeness, about


async def hud_of(page: Page, seconds: float) -> dict[str, float]:
    """What the page itself says of the last so many seconds (`engine/studio/web/src/latency.ts`).

    Returns:
        The median from camera to screen and its uncertainty, ms; the pictures that it is of; and
        the share of them whose time of capture the page could tell. The others' way begins at the
        server: a lower bound.
    """
    await page.js("document.getElementById('export').click()")
    await page.until("window.__bench.report")
    report = await page.js("window.__bench.report")
    pictures = report["pictures"]
    pictures = [p for p in pictures if p["at"] >= pictures[-1]["at"] - 1e3 * seconds]
    whole = [p["total_ms"] for p in pictures if p["from_camera"]]
    return {
        "uncertainty": report["clock"]["uncertainty_ms"],
        "pictures": len(pictures),
        "from the camera": len(whole) / len(pictures),
        **({"p50": float(np.median(whole))} if whole else {}),
    }


async def measure(
    clip: Path, character: Path, options: Options, network: Network, seconds: float, skip_s: float
) -> Seen:
    """One run over one network."""
    keep_every = codec.every(seconds + skip_s)
    ledger = Ledger(keep_every=keep_every)
    with tempfile.TemporaryDirectory() as folder:
        camera = camera_file(clip, Path(folder) / "camera.mjpeg", FILM, coded=True)
        async with relaying(network) as relay:
            direct = network.name == "direct"
            async with (
                studio(character, options, ledger, None if direct else relay) as url,
                browsing(
                    url, Path(folder) / "home", camera=camera, script=script(direct, keep_every)
                ) as page,
            ):
                whole, parts, clocks, pictures, likeness, about = await perform(
                    page, ledger, seconds, skip_s, length=film_length(clip), with_figures=True
                )
            counts = {"to server": relay.to_server, "to client": relay.to_client}
            about["packets"] = {n: {"came": c.came, "lost": c.lost} for n, c in counts.items()}
    if not len(whole.sequence):
        raise StudioError(f"not one frame's number was read off the screen: {about}")
    measures = whole.measures(STALE_MS)
    measures["clock uncertainty"] = Measure.single(clocks.uncertainty_ms, "ms", "neither")
    if "p50" in about["figures of the page"]:
        less_ms = about["figures of the page"]["p50"] - measures["frames shown"]["p50"]
        measures["the page's own figure, less"] = Measure.single(less_ms, "ms", "neither")
    unread = 100 * about["not read on the screen"] / max(about["pictures on the screen"], 1)
    measures["codes not read"] = Measure.single(unread, "%")
    measures |= likeness
    return Seen(whole, parts, measures, about, pictures)


async def measure_page(clip: Path, rival: PageRival, seconds: float, skip_s: float) -> Seen:
    """One run of a rival's page: the same film, browser and recorder, and no server."""
    with tempfile.TemporaryDirectory() as folder:
        camera = camera_file(clip, Path(folder) / "camera.mjpeg", FILM, coded=True)
        async with (
            serving(rival) as url,
            browsing(
                url, Path(folder) / "home", camera=camera, script=script(True, 0), flags=FLAGS
            ) as page,
        ):
            whole, parts, _, _, _, told = await perform(
                page, Ledger(), seconds, skip_s, length=film_length(clip), exchanges=1
            )
            joints = await page.js("window.__joints ?? []")
    if not len(whole.sequence):
        raise StudioError(f"{rival.name} said of no frame that it was shown: {told}")
    measures = whole.measures(STALE_MS)
    if is_known(clip):
        measures |= pages.pose_errors(joints, clip, measures["every frame due"]["p50"])
    kept = ("first picture after s", "camera's time", "reading a code ms", "pictures on the screen")
    return Seen(whole, parts, measures, {k: told[k] for k in kept} | pages.about(rival), [])


def main(
    clip: Annotated[Path, typer.Argument(help="What the camera sees.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    networks: Annotated[
        str, typer.Option(help="Each of: direct, clean (relayed), 5%, 50ms, 20ms-late, 5%+50ms.")
    ] = "direct,5%,25%,50ms",
    rivals: Annotated[
        str, typer.Option(help="Pages of others, by name, all or none: kalidokit.")
    ] = "all",
    seconds: Annotated[float, typer.Option(help="On each.")] = 30.0,
    warm_up: Annotated[float, typer.Option(help="Seconds before that, not counted.")] = 5.0,
    with_quality: Annotated[
        bool,
        typer.Option("--quality/--no-quality", help="How truly she moves and is drawn, too."),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the networks.")] = 0,
    receiver: Annotated[
        Receiver, typer.Option(help="The studio's own, or aiortc's as it comes.")
    ] = Receiver.OURS,
    draw: DrawOption = Draw.AUTO,
    threads: ThreadsOption = 1,
    pose_model: PoseModelOption = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
) -> None:
    """Measure it."""
    bench = Bench(
        "webrtc",
        "How late is the puppet in a browser, glass to glass?",
        "the engine's own latency (see open), two encodings, two decodings, and a frame of display",
        seed=seed, warm_up=f"{warm_up:g} s", models=[character],
    )  # fmt: skip
    length = film_length(clip)
    options = Options(
        threads=threads, draw=draw.value, pose_model=pose_model.value,
        pose_runtime=pose_runtime.value,
    )  # fmt: skip
    cast = load_cast([character], options, fps=LIVE_FPS)  # chooses, once for all, what draws
    bundle, drawn_by = cast.actors[0].bundle, told(cast.actors[0], options)
    cast.close()
    runs: list[tuple[str, Timeline]] = []
    parts: list[tuple[str, Timeline]] = []
    missing: dict[str, str] = {}
    for text in networks.split(","):
        network = Network("direct") if text == "direct" else Network.parse(text, seed)
        try:
            with receiving(receiver):
                seen = asyncio.run(measure(clip, character, options, network, seconds, warm_up))
        except (StudioError, TimeoutError, ValueError) as error:
            # A network can be too bad to connect over: that is a result.
            missing[network.name] = str(error)
            bench.console.print(f"[yellow]not connected[/] {network.name}: {escape(str(error))}")
            continue
        late_ms = seen.measures["every frame due"]["p50"]
        measures = seen.measures
        if with_quality:
            measures |= moves.measures(
                seen.pictures, moves.people(clip, options), mirrored=seen.about["mirrored"],
                length=length,
            )  # fmt: skip
        if with_quality and is_known(clip):
            measures |= likeness_of(bundle, options, drawn_by, clip)
            measures |= pose_errors(clip, options, late_ms)
        bench.add(network.name, measures, **seen.about, drawn_by=drawn_by)
        runs.append((network.name, seen.whole))
        parts.append((network.name, seen.parts))
    if not runs:
        raise StudioError(f"nothing could be seen in the browser: {missing}")
    wanted = {"all": list(PAGES), "none": []}.get(rivals, rivals.split(","))
    for rival in (PAGES[name] for name in wanted):
        try:
            seen = asyncio.run(measure_page(clip, rival, seconds, warm_up))
        except (MissingDependency, StudioError, TimeoutError, ValueError) as error:
            missing[rival.name] = str(error)
            bench.console.print(f"[yellow]not measured[/] {escape(str(error))}")
            continue
        bench.add(rival.name, seen.measures, **seen.about)
        runs.append((rival.name, seen.whole))
        bench.console.print(f"[bold]{rival.name}[/]: {rival.about}")
    bench.console.print(measures_table("Glass to glass", bench.rows))
    bench.console.print(singles_table("On the screen", bench.rows))
    bench.charts = [
        *latency_charts(runs, STALE_MS), waterfall_chart(*parts[0], last=SCREEN),
    ]  # fmt: skip
    bench.extras = files_of(bench.name, parts)
    first = bench.rows[0].measures
    bench.finish(
        sum(len(timeline.due_ns) for _, timeline in runs), {"missing": missing},
        [
            Goal("every frame due, p95", first["every frame due"]["p95"], STALE_MS, False, "ms"),
            Goal("codes not read", first["codes not read"]["value"], 1.0, False, "%"),
        ],
        clip=clip.name, drawn=drawings(bench.rows), seconds=seconds, threads=threads,
        pose_model=options.pose_model, pose_runtime=options.pose_runtime, film=length,
        **({} if receiver is Receiver.OURS else {"receiver": receiver.value}),
    )  # fmt: skip
