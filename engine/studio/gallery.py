"""The characters that a server offers."""

import threading
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np

from engine.app import DEFAULT_CHARACTER, Character
from engine.character import SUFFIX, CharacterBundle, encode_reference, is_bundle
from engine.errors import BundleNotFound

_THUMBNAIL_PX: Final = 256


class Gallery:
    """Loaded bundles by name, in order; each is loaded once for all sessions. Thread-safe.

    Args:
        characters: bundles, or files, or folders full of files; Ito where there is no list.

    Raises:
        BundleError: one of them cannot be used.
    """

    def __init__(self, characters: Sequence[Character] | None = None) -> None:
        self._lock = threading.Lock()
        self._bundles: dict[str, CharacterBundle] = {}
        self._thumbnails: dict[str, bytes] = {}
        self._paths: dict[str, Path] = {}
        for character in [DEFAULT_CHARACTER] if characters is None else characters:
            for one in _spread(character):
                self.add(one)

    @property
    def bundles(self) -> tuple[CharacterBundle, ...]:
        """All of them."""
        with self._lock:
            return tuple(self._bundles.values())

    @property
    def paths(self) -> dict[str, Path]:
        """The file of each that came from one, by name."""
        with self._lock:
            return dict(self._paths)

    def add(self, character: Character) -> CharacterBundle:
        """Offer one more; one of the same name gives way to it.

        Raises:
            BundleError: it cannot be used.
        """
        bundle = (
            character if isinstance(character, CharacterBundle) else CharacterBundle.load(character)
        )
        with self._lock:
            self._bundles[bundle.name] = bundle
            self._paths.pop(bundle.name, None)
            if not isinstance(character, CharacterBundle):
                self._paths[bundle.name] = Path(character).absolute()
            self._thumbnails.pop(bundle.name, None)
        return bundle

    def free_name(self, wish: str) -> str:
        """A name that nobody has: the wish, or the wish and a number."""
        taken = {bundle.name for bundle in self.bundles}
        names = (wish if number == 1 else f"{wish} {number}" for number in count(1))
        return next(name for name in names if name not in taken)

    def remove(self, name: str) -> None:
        """Offer it no more, if it is there; sessions that have it keep it."""
        with self._lock:
            self._bundles.pop(name, None)
            self._paths.pop(name, None)
            self._thumbnails.pop(name, None)

    def get(self, name: str) -> CharacterBundle | None:
        """The one of this name, or None."""
        with self._lock:
            return self._bundles.get(name)

    def thumbnail(self, bundle: CharacterBundle) -> bytes:
        """A PNG with alpha, 256 pixels high at most."""
        import cv2

        with self._lock:
            offered = self._bundles.get(bundle.name) is bundle
            made = self._thumbnails.get(bundle.name) if offered else None
        if made is None:
            picture = bundle.reference
            scale = _THUMBNAIL_PX / max(picture.shape[:2])
            if scale < 1:
                smaller = cv2.resize(
                    picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
                )
                picture = np.asarray(smaller, np.uint8)
            made = encode_reference(picture)
            with self._lock:
                if self._bundles.get(bundle.name) is bundle:  # another may have its name by now
                    self._thumbnails[bundle.name] = made
        return made


def _spread(character: Character) -> Sequence[Character]:
    """The bundles of a folder that is none itself, or the one."""
    if isinstance(character, CharacterBundle):
        return [character]
    folder = Path(character)
    if not folder.is_dir() or (folder / "manifest.json").is_file():
        return [character]
    found = sorted(filter(is_bundle, folder.iterdir()))
    if not found:
        raise BundleNotFound(f"there is no *{SUFFIX} in the folder {folder}")
    return found
