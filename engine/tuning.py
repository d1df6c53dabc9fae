"""A generator of a character's own: a meta-learned one is adapted to its drawings (Wang 2024).

It draws from the pose alone, as a network that was trained for the character does. Adapting it
needs torch, and is found by name (an entry point of the group `ayatsuri.tuners`), since the engine
imports none of the folders beside it. The bundle stays what it was, with a second way to draw.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from engine import entries
from engine.character import CharacterBundle
from engine.errors import NotInBundle, pip_install
from engine.generator import NetworkGenerator
from engine.manifest import PrecisionManifest

GROUP: Final = "ayatsuri.tuners"
INT8: Final = "generator.int8.onnx"
CLIP: Final = "preview.generator.webp"
_MISSING: Final = f"adapting a generator to a character needs torch: {pip_install('train')}"


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What a tuner made.

    Attributes:
        model: an ONNX file in fp32: `pose` (1, S, S, 3) to `picture` (1, S, S, 4), bytes.
        size: S, in pixels.
        int8: the same in int8, and how like fp32's its pictures are; its file is named `INT8`.
        record: how it went, for the bundle's manifest.
    """

    model: bytes
    size: int
    int8: tuple[bytes, PrecisionManifest] | None = None
    record: dict[str, Any] = field(default_factory=dict)


class Tuner(Protocol):
    """Adapts a generator to the drawings of a puppet.

    `weights` are meta-learned, as `ayatsuri-train weights` writes them; None: those that ship.
    `on_progress` is told what is done, and the share of all of it, [0, 1].
    """

    def __call__(
        self,
        bundle: CharacterBundle,
        *,
        weights: Path | None,
        on_progress: Callable[[str, float], None],
    ) -> Tuned:
        """Adapt one; nothing is written."""
        ...


def find_tuner() -> Tuner:
    """What adapts generators here.

    Raises:
        MissingDependency: nothing does.
    """
    found: Tuner = entries.loaded(GROUP, _MISSING)
    return found


def tune(
    path: str | Path,
    *,
    weights: Path | None = None,
    tuner: Tuner | None = None,
    on_progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Tuned:
    """Give a puppet's bundle a generator that is adapted to its drawings.

    The puppet goes on to be what draws it, unless the generator is asked for (`--draw generator`).

    Args:
        path: of the bundle's file, which is replaced at the end, whole or not at all.
        weights, on_progress: see `Tuner`.
        tuner: else the one that is installed.

    Raises:
        MissingDependency: torch is not installed.
        BundleError: there is no bundle, or it is no puppet's.
        RefinementFailed: what came of it cannot be used.
        AyatsuriError: the weights are damaged, or the drawings make no support set.
    """
    from engine.backends.onnxruntime import OnnxRuntimeBackend
    from engine.enrol.clip import moving
    from engine.puppet.bundle import write_tuned

    bundle = CharacterBundle.load(path)
    if not bundle.drawings:
        raise NotInBundle(f"{bundle.name} is no puppet: there is no drawing to adapt to")
    puppet = bundle.drawn_by("puppet")
    tuned = (tuner or find_tuner())(puppet, weights=weights, on_progress=on_progress)
    skeleton = puppet.skeleton.scaled(tuned.size / puppet.resolution)
    generator = NetworkGenerator(OnnxRuntimeBackend(tuned.model))
    try:
        clip = moving(generator, skeleton, tuned.size)
    finally:
        generator.close()
    write_tuned(
        path, tuned.model, tuned.int8, skeleton, tuned.size, {"tuned": tuned.record}, {CLIP: clip}
    )
    return tuned
