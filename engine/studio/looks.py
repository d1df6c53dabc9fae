"""How a session looks and moves, as it is asked for over HTTP and kept in files."""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from engine.errors import BadLook

SCHEMA_VERSION: Final = 1
LAST: Final = "last"
"""The preset that every session is saved as, unless it was begun from another one."""

_NAME = re.compile(r"[\w-]{1,40}")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}|[a-z]{3,11}")
_UPLOADED = re.compile(r"image:[0-9a-f]{16}")
_SHOWS_THE_PERFORMER = ("source", "blur")


class Look(BaseModel):
    """What a performer can choose; all of it may change while the show runs.

    Attributes:
        character: by name; None: whoever is first.
        background: "soft", "transparent" (a checker for those who watch without alpha), "source"
            (the performer's own surroundings), "blur" (the same, out of focus), a colour, or
            "image:ID" for a picture that was sent to `POST /api/backgrounds`. Never a path: who
            sends it need not be who owns this machine.
        mirror: swap left and right.
        smoothing: see `engine.app.make_smoother`.
        layout: the character alone, or beside the performer.
        show_pose: draw the pose over the picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    character: str | None = Field(default=None, max_length=80)
    background: str = "soft"
    mirror: bool = False
    smoothing: (
        Literal["auto", "one-euro", "savitzky-golay", "none"] | Annotated[float, Field(ge=0, le=1)]
    ) = "auto"
    layout: Literal["character", "side-by-side"] = "character"
    show_pose: bool = False

    @field_validator("background")
    @classmethod
    def _check_background(cls, wish: str) -> str:
        if not (_COLOUR.fullmatch(wish) or _UPLOADED.fullmatch(wish)):
            raise ValueError(
                "a background is soft, transparent, blur, source, #rrggbb, the name of a colour, "
                f"or image:ID, not {wish[:40]!r}"
            )
        return wish

    @classmethod
    def parse(cls, content: Any, where: str) -> "Look":
        """From JSON's values.

        Raises:
            BadLook: it is none; `where` says whose it is.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'all of it'}: {e['msg']}"
                for e in error.errors()[:3]
            )
            raise BadLook(f"{where}: {problems}") from error

    def changed(self, changes: Any) -> "Look":
        """This look with some of its fields set anew.

        Raises:
            BadLook: these are no such fields.
        """
        if not isinstance(changes, dict):
            raise BadLook("the settings are a JSON object with the fields to change")
        return Look.parse(self.model_dump() | changes, "the settings")

    def discreet(self) -> "Look":
        """This look without what shows the performer: nobody is shown by an old setting."""
        background = "soft" if self.background in _SHOWS_THE_PERFORMER else self.background
        return self.model_copy(update={"background": background, "layout": "character"})


def load_preset(path: Path) -> Look:
    """Read a preset's file.

    Raises:
        BadLook: it cannot be read, or is none, or was made by a later version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("schema_version")
    except OSError as error:
        raise BadLook(f"the preset {path} cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise BadLook(
            f"{path} cannot be read as a preset, which `GET /api/session/ID/preset` gives: "
            f"{error!r}"
        ) from error
    if version != SCHEMA_VERSION:
        raise BadLook(f"{path} has schema version {version}; this one reads {SCHEMA_VERSION}")
    return Look.parse(content, str(path))


def preset_json(look: Look) -> str:
    """A look as the text of a preset's file."""
    return json.dumps({"schema_version": SCHEMA_VERSION, **look.model_dump()}, indent=1) + "\n"


class Presets:
    """Looks by name, one file each.

    Args:
        folder: where they are kept; None: only for as long as this lives.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: dict[str, Look] = {}  # where there is no folder

    def names(self) -> list[str]:
        """All that there are."""
        if self._folder is None:
            return sorted(self._kept)
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def get(self, name: str) -> Look | None:
        """The look of this name, or None.

        Raises:
            BadLook: the name cannot be one, or its file cannot be read.
        """
        check_name(name)
        if self._folder is None:
            return self._kept.get(name)
        path = self._folder / f"{name}.json"
        return load_preset(path) if path.is_file() else None

    def put(self, name: str, look: Look) -> None:
        """Keep a look.

        Raises:
            BadLook: the name cannot be one, or the file cannot be written.
        """
        check_name(name)
        if self._folder is None:
            self._kept[name] = look
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: two sessions may save at once.
            handle, partial = tempfile.mkstemp(dir=self._folder, suffix=".partial")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(preset_json(look))
                Path(partial).replace(self._folder / f"{name}.json")
            except BaseException:
                Path(partial).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise BadLook(f"the preset {name} cannot be written: {error}") from error

    def delete(self, name: str) -> bool:
        """Forget a look; whether there was one.

        Raises:
            BadLook: the name cannot be one, or the file cannot be removed.
        """
        check_name(name)
        if self._folder is None:
            return self._kept.pop(name, None) is not None
        path = self._folder / f"{name}.json"
        there = path.is_file()
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise BadLook(f"the preset {name} cannot be removed: {error}") from error
        return there


def check_name(name: str) -> None:
    """Refuse what could be a path.

    Raises:
        BadLook: it is more than letters, digits, - and _.
    """
    if not _NAME.fullmatch(name):
        raise BadLook(f"a preset's name is 1 to 40 letters, digits, - or _, not {name[:40]!r}")
