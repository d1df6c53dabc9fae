"""Tells the show of a session what to do, and everybody who listens what it was told."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.app import Show, make_smoother
from engine.controls import COUNTDOWN_S, KEYS
from engine.errors import BadLook, SinkError
from engine.io.composite import Background
from engine.studio.backdrops import Backdrops
from engine.studio.looks import Look

MAX_COUNTDOWN_S: Final = 10.0
_KEYS: Final = KEYS.keys() - {"q"}  # whoever may press keys from afar need not end the show

Listen = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Direction:
    """What a director needs beside the show."""

    look: Look
    backdrops: Backdrops
    keep: Callable[[Look], None] = lambda look: None


class Director:
    """Changes a show while it runs. Belongs to the event loop.

    Args:
        show: whose pipeline may run already.
        direction: the look to begin with, and where looks are kept.
    """

    def __init__(self, show: Show, direction: Direction) -> None:
        self._show = show
        self._direction = direction
        self._listeners: list[Listen] = []
        self._background = ""
        self._smoothing: str | float = ""
        self._dressing, self._recruiting = asyncio.Lock(), asyncio.Lock()

    async def begin(self) -> None:
        """Take on the first look.

        Raises:
            BadLook: it cannot be had.
        """
        async with self._dressing:
            background = await self._prepare(self._direction.look)
            self._dress(self._direction.look, background)

    @property
    def look(self) -> Look:
        """As of now; keys change it too."""
        show = self._show
        return Look.parse(
            {
                "character": show.cast.wished.bundle.name,
                "background": self._background,
                "mirror": show.motion.mirror,
                "smoothing": self._smoothing,
                "layout": show.composite.layout,
                "show_pose": show.controls.show_pose,
            },
            "the look of the show",
        )

    @property
    def playing(self) -> str:
        """Whose turn it is, or will be when they are loaded."""
        return self._show.cast.wished.bundle.name

    async def change(self, changes: Any) -> Look:
        """Set some fields of the look.

        Raises:
            BadLook: they are none, or name what is not there; nothing is changed.
        """
        async with self._dressing:
            background = await self._prepare(self.look.changed(changes))
            # A key may have changed something else meanwhile: that stays.
            self._dress(self.look.changed(changes), background)
            return self._changed()

    async def wear(self, look: Look) -> Look:
        """Take on a whole look.

        Raises:
            BadLook: it names what is not there; nothing is changed.
        """
        async with self._dressing:
            self._dress(look, await self._prepare(look))
            return self._changed()

    async def recruit(self, name: str) -> None:
        """Have a character in the cast; the show goes on while they are opened.

        Raises:
            BadLook: there is none of that name.
            AyatsuriError: they cannot be opened.
        """
        async with self._recruiting:
            cast = self._show.cast
            if name in [actor.bundle.name for actor in cast.actors]:
                return
            try:
                await asyncio.to_thread(self._open, name)
            except KeyError:
                names = ", ".join(actor.bundle.name for actor in cast.actors)
                raise BadLook(f"there is no character {name!r}, but {names}") from None

    def press(self, key: str) -> bool:
        """Do what a key of the live show does, but for quitting; whether it does anything."""
        if key.lower() not in _KEYS or not self._show.controls.press(key):
            return False
        if key.lower() == "c":
            self._tell({"type": "calibration", **self.calibration()})
        else:
            self._changed()
        return True

    def calibrate(self, countdown_s: float = COUNTDOWN_S) -> None:
        """Measure the performer anew, after a countdown.

        Raises:
            BadLook: a countdown that cannot be.
        """
        if not 0 <= countdown_s <= MAX_COUNTDOWN_S:
            raise BadLook(f"a countdown has 0 to {MAX_COUNTDOWN_S:.0f} s, not {countdown_s}")
        self._show.controls.calibrate(countdown_s)
        self._tell({"type": "calibration", **self.calibration()})

    def calibration(self) -> dict[str, Any]:
        """How far it is: idle, countdown or measuring, and the seconds left."""
        state, left_s = self._show.controls.calibration
        return {"state": state, "left_s": round(left_s, 3)}

    def listen(self, listener: Listen) -> Callable[[], None]:
        """Be told, as JSON's values, of all that changes; what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def _prepare(self, look: Look) -> Background:
        """First all that can fail, so that a look is worn as a whole or not at all."""
        try:  # on a thread: it may have to be read from a file
            background = await asyncio.to_thread(
                self._direction.backdrops.background, look.background
            )
        except SinkError as error:
            raise BadLook(str(error)) from error
        if look.character is not None:
            await self.recruit(look.character)
        return background

    def _dress(self, look: Look, background: Background) -> None:
        if look.character is not None:
            self._show.cast.choose(look.character)
        if look.background != self._background or look.layout != self._show.composite.layout:
            self._show.composite.stage(background, look.layout)
            self._background = look.background
        if look.smoothing != self._smoothing:
            self._show.motion.smooth(make_smoother(look.smoothing, live=True))
            self._smoothing = look.smoothing
        self._show.motion.mirror = look.mirror
        self._show.controls.show_pose = look.show_pose

    def _open(self, name: str) -> None:
        # On a thread, the adding too: whoever is opened when the show is over must be closed.
        if self._show.recruit is None:
            raise KeyError(name)
        self._show.cast.add(self._show.recruit(name))

    def _changed(self) -> Look:
        look = self.look
        self._direction.keep(look)
        self._tell({"type": "settings", "settings": look.model_dump()})
        return look

    def _tell(self, event: dict[str, Any]) -> None:
        for listener in tuple(self._listeners):
            listener(event)
