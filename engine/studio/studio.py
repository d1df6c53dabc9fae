"""All the sessions of a server, and what they share; nothing of HTTP."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from engine.errors import BadLook, StudioFull
from engine.io.virtualcam import VirtualCameraSink
from engine.push.camera import CameraPublisher
from engine.studio.backdrops import Backdrops
from engine.studio.director import Direction
from engine.studio.events import Events
from engine.studio.gallery import Gallery
from engine.studio.looks import LAST, Look, Presets
from engine.studio.push import report_of
from engine.studio.session import Session
from engine.studio.settings import Settings
from engine.studio.shows import MakeShow

log = logging.getLogger(__name__)


class Studio:
    """Opens sessions, remembers how they looked, and ends them. Belongs to the event loop.

    Args:
        settings: how it runs.
        make_show: what makes a character of a performer.
        gallery: the characters there are.
        look: how sessions begin; None: as the last one was left, but for what would show the
            performer.
        explicit: fields of a look that were asked for at the start of the server; they go before
            what the last session left.
    """

    def __init__(
        self,
        settings: Settings,
        make_show: MakeShow,
        gallery: Gallery,
        *,
        look: Look | None = None,
        explicit: dict[str, object] | None = None,
    ) -> None:
        folder = settings.folder
        self.settings = settings
        self.gallery = gallery
        self.sessions: dict[str, Session] = {}
        self.presets = Presets(None if folder is None else folder / "presets")
        self.backdrops = Backdrops(None if folder is None else folder / "backgrounds")
        self.events = Events()
        self.draining = False
        self.hurry = asyncio.Event()
        """Set: whoever still performs is not waited for."""
        self.opened = self.failed = 0
        self.elsewhere: Callable[[], int] = lambda: 0
        """Asked for sessions that this studio is only the front of; see `engine.studio.front`."""
        self._make_show = make_show
        self._look = look
        self._explicit = explicit or {}
        self._camera: CameraPublisher | None = None
        self._switching = asyncio.Lock()

    @property
    def performers(self) -> int:
        """Who performs now."""
        return len(self.sessions) + self.elsewhere()

    @property
    def settled(self) -> list[str]:
        """Fields of a look that were asked for at the start of the server."""
        return sorted(self._explicit if self._look is None else Look.model_fields)

    @property
    def free(self) -> int:
        """Performers who may still come."""
        return 0 if self.draining else self.settings.sessions - self.performers

    async def open(
        self,
        offer: str,
        *,
        packed: bool = False,
        preset: str | None = None,
        character: str | None = None,
    ) -> tuple[Session, str]:
        """A session for a performer's offer, and the answer.

        Args:
            offer: the performer's SDP.
            packed: the character comes back with its alpha below it.
            preset: the look to begin with, and to save changes as.
            character: who plays; None: as the look says.

        Raises:
            StudioFull: there is no place, or the server is about to end.
            BadOffer, BadLook: it cannot be answered, or there is no such preset.
            AyatsuriError: the show cannot be built.
        """
        if self.free <= 0:
            raise StudioFull(
                "the server is about to end"
                if self.draining
                else f"{self.performers} of at most {self.settings.sessions} performers are here"
            )
        direction = Direction(
            self._first_look(preset, character), self.backdrops, partial(self._keep, preset or LAST)
        )
        session = Session(
            self.settings,
            self._make_show,
            direction,
            others=[bundle.name for bundle in self.gallery.bundles],
            packed=packed,
            on_end=self._forget,
        )
        self.sessions[session.name] = session  # before the first await, so that the cap holds
        try:
            answer = await session.start(offer)
        except BaseException:
            self.failed += 1
            raise
        self.opened += 1
        director = session.director
        if director is not None:  # it may be over already
            director.listen(lambda event: self.events.tell({"session": session.name, **event}))
        self.events.tell({"type": "session", "session": session.name, "state": "began"})
        log.info("session %s began", session.name, extra={"session": session.name})
        self._set_stage()
        return session, answer

    @property
    def camera(self) -> dict[str, Any] | None:
        """How the virtual camera does; None: it is off."""
        camera = self._camera
        return None if camera is None else report_of(camera.name, camera.statistics())

    async def switch_camera(self, on: bool) -> None:
        """Show what is on stage to a virtual camera of this machine, or no longer.

        Raises:
            MissingDependency: pyvirtualcam is not installed.
            VirtualCameraMissing: there is no device.
        """
        async with self._switching:
            if on == (self._camera is not None) or (on and self.draining):
                return
            camera = self._camera
            if on:
                self._camera = await asyncio.to_thread(_open_camera)
            else:
                self._camera = None
            self._set_stage()
            if camera is not None:
                await asyncio.to_thread(camera.close)
        self.events.tell({"type": "camera", "on": on})

    async def drain(self) -> None:
        """Open no more sessions, and wait until those there are have ended, `drain_s` at most."""
        self.draining = True
        self.events.tell({"type": "draining", "seconds": self.settings.drain_s})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_s):
                while self.performers and not self.hurry.is_set():
                    await asyncio.sleep(0.05)

    async def close(self) -> None:
        """End all sessions, and open no more."""
        self.draining = True
        await asyncio.gather(*(session.close() for session in list(self.sessions.values())))
        await self.switch_camera(False)

    def _first_look(self, preset: str | None, character: str | None) -> Look:
        look: Look | None
        if preset is not None:
            look = self.presets.get(preset)
            if look is None:
                raise BadLook(f"there is no preset {preset}: PUT /api/presets/{preset} makes one")
        elif self._look is not None:
            look = self._look
        else:
            try:
                look = self.presets.get(LAST)
            except BadLook as error:
                log.warning("the last session's settings are not used: %s", error)
                look = None
            look = (look or Look()).discreet().model_copy(update=self._explicit)
        if character is not None:
            look = look.model_copy(update={"character": character})
        if look.character is not None and self.gallery.get(look.character) is None:
            log.warning("there is no character %s any more", look.character)
            look = look.model_copy(update={"character": None})
        if not self.backdrops.has(look.background):
            log.warning("there is no background %s any more", look.background)
            look = look.model_copy(update={"background": "soft"})
        return look

    def _set_stage(self) -> None:
        """One session at a time goes to the streaming services and the camera: the oldest."""
        sessions = [s for s in self.sessions.values() if s.director is not None]
        if sessions and not any(s.on_stage for s in sessions):
            sessions[0].push(self.settings.push, self.settings.push_token)
        for session in sessions:
            session.aim(self._camera if session.on_stage else None)
        if self._camera is not None and not sessions:
            self._camera.blank()

    def _keep(self, name: str, look: Look) -> None:
        try:
            self.presets.put(name, look)
        except BadLook as error:  # the show goes on
            log.warning("%s", error)

    def _forget(self, session: Session) -> None:
        del self.sessions[session.name]  # first: whatever fails below, the place is free
        if session.error is not None:
            self.failed += 1
        report = session.report()
        engine = report["engine"] or {}
        log.info(
            "session %s is over", session.name,
            extra={
                "session": session.name, "pictures": engine.get("frames_out", 0),
                "dropped": engine.get("dropped", 0), "seconds": engine.get("duration_s", 0),
                "latency_ms": report["latency_ms"], "encoded": report["encoded"],
            },
        )  # fmt: skip
        self.events.tell({"type": "session", "session": session.name, "state": "ended"})
        self._set_stage()


def _open_camera() -> CameraPublisher:
    VirtualCameraSink().look()  # what is missing is told at once
    return CameraPublisher()
