"""A puppet that is painted over: by which painter, at what width, and whether in time here."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from engine.character import CharacterBundle, Network
from engine.errors import BackendError, NotInBundle, RefinementFailed
from engine.manifest import PrecisionManifest

if TYPE_CHECKING:
    from engine.generator import Generator
    from engine.puppet.puppet import Puppet

SHARE: Final = 0.75
"""Of the time between two frames that a picture may take: every stage has a thread of its own."""
STRAYS: Final = 0.08
"""How much of a drawing's silhouette a painter may change, a share of its area; see `strays`.

Renders and a drawing in their style: 0.03 to 0.05 (0.08 at 128 px); children's drawings whose limbs
are lines: 0.10 and 0.28.
"""
_ROUNDS: Final = 5
_PRECISIONS: Final = ("fp32", "int8")


def is_whole(bundle: CharacterBundle) -> bool:
    """Whether it was enrolled from drawings of whole figures, of bodies that the networks know.

    The painter that ships was trained on such alone: of a figure that is cut at the thigh it trims
    the cut edge, until it has learnt better.
    """
    told = bundle.manifest.training.get("drawings", [])
    return bool(told) and not any(
        entry.get("cut", True) or entry.get("parts_by") == "bones" for entry in told
    )


def paint(
    path: str | Path, fps: float | None, say: Callable[[str], None] = lambda text: None
) -> int | None:
    """Give a puppet's bundle the painter that ships, if this machine then holds the rate.

    Nothing is learnt, and no torch is needed. Figures that are no whole ones stay plain, see
    `is_whole`, and those whose own drawing it would change, see `strays`.

    Args:
        path: of the bundle's file, which is replaced, whole or not at all.
        fps: frames a second; None: whatever it costs, as in a file, which can wait.
        say: told what was measured.

    Returns:
        How many times smaller a picture the painter looks at; None if the puppet stays plain.

    Raises:
        BundleError: there is no bundle, or it is no puppet's, or no painter can be made for it.
        RefinementFailed: no runtime runs it.
    """
    from engine.enrol.clip import moving
    from engine.enrol.paint import painter_for
    from engine.puppet.bundle import write_painted
    from engine.puppet.shipped import usual_shrink

    bundle = CharacterBundle.load(path).drawn_by("puppet")
    if not is_whole(bundle):
        say("it stays a plain puppet: the painter is made for whole figures, of usual bodies")
        return None
    shrink = usual_shrink(bundle.resolution) if fps is None else choose_width(bundle, fps, say)
    if shrink is None:
        return None
    try:
        painter, int8 = painter_for(bundle.drawings, bundle.skeleton, shrink)
    except ValueError as error:
        raise NotInBundle(f"no painter can be made for {bundle.name}: {error}") from error
    generator, _ = open_painted(with_painter(bundle, painter, int8), fps)
    try:
        if (strayed := strays(generator, bundle)) > STRAYS:
            say(
                f"it stays a plain puppet: the painter knows no such drawing, and would change "
                f"{strayed:.0%} of its silhouette"
            )
            return None
        clip = moving(generator, bundle.skeleton, bundle.resolution)
    finally:
        generator.close()
    told = {"painted": {"by": "the painter that ships", "shrink": shrink, "fps": fps}}
    write_painted(path, painter, int8, told, {"preview.webp": clip})
    return shrink


def strays(puppet: "Puppet", bundle: CharacterBundle) -> float:
    """How much of the first drawing's silhouette its painter changes, a share of its area.

    In the pose that was drawn, where nothing is torn and all that it changes is wrong. Limbs that
    are lines it takes for gaps, and fills or removes them.
    """
    from engine.motion.draw import draw_pose

    size, joints = bundle.resolution, bundle.drawings[0].joints
    image = np.empty((size, size, 3), np.uint8)
    draw_pose(joints, image)
    painted, plain = np.empty((2, size, size, 4), np.uint8)
    puppet.draw(joints, image, painted)
    puppet.carry(joints, plain)
    alpha, drawn = (picture[..., 3].astype(np.int64) for picture in (painted, plain))
    return float(np.abs(alpha - drawn).sum() / max(int(drawn.sum()), 1))


def choose_width(
    bundle: CharacterBundle, fps: float, say: Callable[[str], None] = lambda text: None
) -> int | None:
    """How many times smaller a picture the painter is to look at; None where none is quick enough.

    Time does not depend on the weights: the painter that ships is timed, in the runtime that a live
    show would choose. The finest that holds the rate is taken, from the one that is usual for this
    size on: figures should be about as large as those that it was trained on.
    """
    from engine.puppet.painter import shrinks
    from engine.puppet.shipped import shipped_painter, usual_shrink

    budget, size = budget_ms(fps), bundle.resolution
    told = []
    for shrink in shrinks(size):
        if shrink < usual_shrink(size):
            continue
        try:
            models = [shipped_painter(size, p, shrink=shrink) for p in _PRECISIONS]
        except ValueError as error:
            raise NotInBundle(f"no painter can be made for {bundle.name}: {error}") from error
        likeness = PrecisionManifest(
            file="painter.int8.onnx", ssim=1, ssim_min=1, mean_error=0, max_error=0
        )
        painted = with_painter(bundle, models[0], (models[1], likeness))
        generator, on_processor = open_painted(painted, fps)
        try:
            spent = drawing_ms(generator, painted, on_processor=on_processor)
        finally:
            generator.close()
        told.append(f"1/{shrink} {spent:.1f} ms")
        if spent <= budget:
            say(
                f"painted at 1/{shrink} of its size ({', '.join(told)} a picture; {budget:.0f} ms "
                f"may be, at {fps:g} a second)"
            )
            return shrink
    say(f"no painter holds {fps:g} a second: {', '.join(told)}, of {budget:.0f} ms")
    return None


def with_painter(
    bundle: CharacterBundle, painter: bytes, int8: tuple[bytes, PrecisionManifest] | None
) -> CharacterBundle:
    """The bundle as it would be with this painter; not written."""
    from engine.backends.base import TensorSpec
    from engine.puppet.painter import shapes_of

    takes, gives = shapes_of(painter)
    network = Network(
        painter,
        TensorSpec("features", np.dtype(np.uint8), takes),
        TensorSpec("maps", np.dtype(np.uint8), gives),
        {} if int8 is None else {"int8": int8[0]},
    )
    return replace(bundle, painter=network)


def drawing_ms(
    generator: "Generator", bundle: CharacterBundle, *, on_processor: bool = True
) -> float:
    """Milliseconds that a picture takes: what other programs take meanwhile is not counted.

    The show itself is such a program, where this runs beside it at low priority. So what the
    processor draws is told by the processor's time, unless several threads draw; what an
    accelerator draws by the quickest of many pictures.
    """
    from engine.backends.probes import probe_poses, probes

    poses, images = probe_poses(bundle), probes(bundle)
    out = np.empty((bundle.resolution, bundle.resolution, 4), np.uint8)
    generator.draw(poses[0], images[0], out)
    times = []
    worked = time.process_time()
    for _ in range(_ROUNDS):
        for joints, image in zip(poses, images, strict=True):
            began = time.perf_counter()
            generator.draw(joints, image, out)
            times.append(1000 * (time.perf_counter() - began))
    mean = 1000 * (time.process_time() - worked) / len(times)
    return min(*times, mean) if on_processor else min(times)


def open_painted(bundle: CharacterBundle, fps: float | None) -> "tuple[Puppet, bool]":
    """The puppet with its painter in the runtime that a live show would choose.

    And whether that runs on the processor.

    Raises:
        RefinementFailed: no runtime runs it.
    """
    from engine.backends.choose import ON_PROCESSOR, start
    from engine.puppet.puppet import Puppet
    from engine.puppet.trial import painter_of

    try:
        backend, choice = start(painter_of(bundle), fps=fps)
    except BackendError as error:
        raise RefinementFailed(f"the painter of {bundle.name} does not run: {error}") from error
    return Puppet(bundle.drawings, backend), choice.candidate.backend in ON_PROCESSOR


def budget_ms(fps: float) -> float:
    """Milliseconds that a picture may take."""
    return SHARE * 1000 / fps
