"""Drawings that are sent to the server and become characters.

POST /api/enrol              multipart: `name`, then `drawing`, a PNG, JPEG or WebP; answers {"id"}
GET  /api/enrol/ID/events    server-sent events: {"stage": in words, "share": [0, 1]}, with "note"
                             where its maker should know something of the drawing; and at last one
                             that also has "done": {"character": name, "mended": whether more
                             follows} and "preview", or "error"; then, while the character is mended
                             and plays already, some with "mending": name, perhaps a "preview" of
                             before and after, and at last "over": true
"""

import asyncio
import base64
import contextlib
import json
import logging
import re
import secrets
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from aiohttp import BodyPartReader, web

from engine.app import LIVE_FPS
from engine.character import SUFFIX
from engine.errors import AyatsuriError, BadLook, BundleError, MissingDependency, StudioFull
from engine.refining import Background, installed
from engine.studio.gallery import Gallery
from engine.studio.guard import Guard
from engine.studio.studio import Studio

log = logging.getLogger(__name__)

FOLDER: Final = "characters"
"""Of the settings' folder: where those are kept who were drawn."""
MAX_BYTES: Final = 32 * 2**20
"""Of a drawing's file."""
MOST_CHARACTERS: Final = 32
"""Every session loads all there are."""
_MOST_WAITING: Final = 4
_REMEMBERED: Final = 32
_LONGEST_NAME: Final = 40
_OPTIONS: Final = " (what begins with -- are options of `ayatsuri adapt`, in a terminal)"
_STEPS: Final = 5  # reading, finding, cutting, writing, and the end
_QUIET_S: Final = 15.0  # then a comment is sent, so that nobody takes the stream for dead

Event = dict[str, Any]
Step = Callable[[str], None]


@dataclass(eq=False)
class Enrolment:
    """What has become of one drawing so far."""

    events: list[Event] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether nothing more comes: it is done and mended, or has failed."""
        last = self.events[-1] if self.events else {}
        return "error" in last or "over" in last or not last.get("done", {}).get("mended", True)

    def tell(self, event: Event) -> None:
        """Add an event; on the event loop."""
        self.events.append(event)
        self.news.set()


class Enrolments:
    """The handlers, and one thread that works on one drawing at a time.

    Args:
        studio: whose gallery the characters join.
        guard: gives streams their headers.
    """

    def __init__(self, studio: Studio, guard: Guard) -> None:
        self._studio = studio
        self._guard = guard
        self._enrolments: dict[str, Enrolment] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refining: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)
        self._mending = asyncio.Semaphore(1)

    def add_routes(self, app: web.Application) -> None:
        """Put them where they belong."""
        app.router.add_post("/api/enrol", self._begin)
        app.router.add_get("/api/enrol/{id}/events", self._events)
        app.on_shutdown.append(self._shutdown)

    async def _begin(self, request: web.Request) -> web.Response:
        self._check_room()
        name, suffix, data = await _parts(request)
        self._check_room()  # others may have come while this one was read
        identity = secrets.token_urlsafe(12)
        while len(self._enrolments) >= _REMEMBERED:
            del self._enrolments[next(iter(self._enrolments))]
        enrolment = self._enrolments[identity] = Enrolment()
        task = asyncio.create_task(self._work(enrolment, name, suffix, data), name="enrolment")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return web.json_response({"id": identity}, status=201)

    def _check_room(self) -> None:
        waiting = len(self._tasks)
        if waiting >= _MOST_WAITING:
            raise StudioFull(f"{waiting} drawings are waiting already: try again later")
        there = len(self._studio.gallery.bundles)
        if there + waiting >= MOST_CHARACTERS:
            raise StudioFull(
                f"there are {there} characters, and {waiting} to come, as many as may be: take "
                f"some out of the folder {FOLDER!r} among the server's settings, and start it again"
            )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        enrolment = self._enrolments.get(request.match_info["id"])
        if enrolment is None:
            raise web.HTTPNotFound
        response = web.StreamResponse()
        response.content_type = "text/event-stream"
        self._guard.dress(request, response)
        await response.prepare(request)
        with contextlib.suppress(
            ConnectionResetError
        ):  # they have closed the page; the work goes on
            await _tell(response, enrolment)
        return response

    async def _work(self, enrolment: Enrolment, name: str, suffix: str, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        if self._turn.locked():
            enrolment.tell({"stage": "Waiting for its turn", "share": 0.0})
        steps, now = 0, {}

        def step(text: str) -> None:
            nonlocal steps, now
            now = {"stage": text[:1].upper() + text[1:], "share": steps / _STEPS}
            steps += 1
            loop.call_soon_threadsafe(enrolment.tell, now)

        def say(text: str) -> None:
            loop.call_soon_threadsafe(enrolment.tell, {**now, "note": text})

        try:
            async with self._turn:
                done = await asyncio.to_thread(self._make, name, suffix, data, step, say)
        except AyatsuriError as error:
            why = f"{error}{_OPTIONS if ' --' in str(error) else ''}"
            enrolment.tell({"stage": "It did not work", "share": 1.0, "error": why})
        except Exception as error:  # else whoever listens would wait for ever
            log.exception("%s could not be enrolled", name)
            why = f"{error!r}; the server's log says where"
            enrolment.tell({"stage": "It did not work", "share": 1.0, "error": why})
        else:
            name = done["done"]["character"]
            path = self._to_refine(name)
            stage = "Done" if path is None else "Done. Seams are mended meanwhile, in some minutes"
            done["done"]["mended"] = path is not None
            enrolment.tell({"stage": stage, "share": 1.0, **done})
            if path is not None:
                task = asyncio.create_task(self._refined(enrolment, name, path), name="refining")
                self._refining.add(task)
                task.add_done_callback(self._refining.discard)

    def _make(self, name: str, suffix: str, data: bytes, step: Step, say: Step) -> Event:
        """On a thread: the last event of a drawing that has become a character.

        Raises:
            AyatsuriError: it cannot; see `engine.enrol.enrol`.
        """
        from engine.enrol.enrol import Wish, enrol, png, preview, write

        gallery = self._studio.gallery
        with ExitStack() as cleanup:
            here = Path(cleanup.enter_context(tempfile.TemporaryDirectory()))
            drawing = here / f"{_file_name(name)}{suffix}"
            drawing.write_bytes(data)
            wish = Wish(name=gallery.free_name(name))
            character = enrol([drawing], wish, step=step, say=say)
            step("writing the character")
            kept = self._studio.settings.folder
            folder = here if kept is None else kept / FOLDER
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadLook(f"{folder} cannot be made: {error}") from error
            path = write(character, file_for(folder, character.name), wish)
            bundle = gallery.add(path)
            picture = base64.b64encode(png(preview(character))).decode()
        log.info("%s was enrolled", bundle.name)
        return {
            "done": {"character": bundle.name},
            "preview": f"data:image/png;base64,{picture}",
        }

    def _to_refine(self, name: str) -> Path | None:
        """The character's file, if it is kept and can be mended by and by."""
        path = self._studio.gallery.paths.get(name)
        if not self._studio.settings.refine or path is None or not path.is_file():
            return None
        try:
            installed()
        except MissingDependency as error:
            log.info("%s stays a plain puppet: %s", name, error)
            return None
        return path

    async def _refined(self, enrolment: Enrolment, name: str, path: Path) -> None:
        """Let it be mended by a process of its own; sessions take it over by themselves."""
        loop, last = asyncio.get_running_loop(), "it stays as it is"

        def tell(line: Event) -> None:
            nonlocal last
            if said := line.get("told") or line.get("error"):
                log.info("%s is refined: %s", name, said)
                last = said
            else:
                event = {"stage": line["stage"], "share": line["share"], "mending": name}
                if "picture" in line:
                    event["preview"] = line["picture"]
                loop.call_soon_threadsafe(enrolment.tell, event)

        try:
            async with self._mending:
                background = Background(path, tell, fps=LIVE_FPS)
                try:
                    await asyncio.to_thread(background.wait)
                finally:
                    background.close()
        except Exception as error:  # else whoever listens would wait for ever
            log.exception("%s could not be refined", name)
            last = f"it stays as it is: {error!r}"
        enrolment.tell({"stage": last, "share": 1.0, "mending": name, "over": True})
        try:
            await asyncio.to_thread(self._studio.gallery.add, path)
        except BundleError as error:  # somebody took it away meanwhile
            log.warning("%s cannot be read any more: %s", name, error)

    async def _shutdown(self, app: web.Application) -> None:
        tasks = (*self._tasks, *self._refining)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for enrolment in self._enrolments.values():  # else the server would wait for who listens
            if not enrolment.over:
                why = "the server ends"
                enrolment.tell({"stage": "It did not work", "share": 1.0, "error": why})


async def _tell(response: web.StreamResponse, enrolment: Enrolment) -> None:
    """Send all events, from the first one to the last.

    Raises:
        ConnectionResetError: nobody listens any more.
    """
    told = 0
    while True:
        enrolment.news.clear()
        while told < len(enrolment.events):  # more may come while one is written
            told += 1
            await response.write(f"data: {json.dumps(enrolment.events[told - 1])}\n\n".encode())
        if enrolment.over:
            return
        try:
            async with asyncio.timeout(_QUIET_S):
                await enrolment.news.wait()
        except TimeoutError:
            await response.write(b": still at it\n\n")


async def _parts(request: web.Request) -> tuple[str, str, bytes]:
    """The character's name, the suffix of the drawing's file, and its bytes.

    Raises:
        BadLook: they are not there.
        HTTPRequestEntityTooLarge: the drawing is too large.
    """
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPUnsupportedMediaType(reason="a drawing comes as multipart/form-data")
    name = ""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        data = bytearray()
        while chunk := await part.read_chunk():
            data += chunk
            if len(data) > MAX_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_BYTES, len(data))
        if part.name == "name":
            name = bytes(data).decode("utf-8", "replace").strip()[:_LONGEST_NAME]
        elif part.name == "drawing":
            file = Path(part.filename or "drawing.png")
            suffix = file.suffix.lower()
            known = suffix in (".png", ".jpg", ".jpeg", ".webp")
            return name or file.stem[:_LONGEST_NAME], suffix if known else "", bytes(data)
    raise BadLook("a part named `drawing`, with a picture's file, is expected")


def _file_name(name: str) -> str:
    """A character's name as a file's: letters and digits of any script, else dashes."""
    return re.sub(r"[^\w]+", "-", name).strip("-") or "character"


def file_for(folder: Path, name: str) -> Path:
    """A file of a new character's that is nobody's: other names may differ in signs alone."""
    stem = _file_name(name)
    stems = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    files = (folder / f"{stem}{SUFFIX}" for stem in stems)
    return next(file for file in files if not file.exists())


def add_kept(gallery: Gallery, folder: Path | None) -> None:
    """Offer the characters again that were enrolled before, oldest first."""
    if folder is None:
        return
    for path in sorted((folder / FOLDER).glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime):
        try:
            gallery.add(path)
        except BundleError as error:  # the others can still play
            log.warning("a character that was enrolled here cannot be used: %s", error)
