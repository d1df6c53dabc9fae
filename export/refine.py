"""What `ayatsuri refine` finds by name: a painter adapted, exported, checked, and judged.

Judged is what a live show would draw: the exported network, run by the engine on cycles that
adaptation did not learn from (`training.fewshot.warp.cycles`), beside the painter that ships and
the plain puppet.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.character import CharacterBundle
from engine.enrol.clip import dance, drawn
from engine.errors import RefinementFailed
from engine.manifest import PrecisionManifest
from engine.motion.draw import draw_pose
from engine.painted import is_whole
from engine.puppet.puppet import Puppet
from engine.refining import Progress, Refined, Scores
from export.painter import PainterGraph, export_painter
from export.precision import GATE, Likeness, Quantiser
from training.fewshot.warp.cycles import Cycle
from training.fewshot.warp.network import Painter
from training.fewshot.warp.refine import CONFIG, LEEWAY, known_of, refine_painter, winner
from training.fewshot.warp.refine import threads as use_threads
from training.metrics.evaluate import Networks, evaluate

U8 = NDArray[np.uint8]

PARITY: Final = 1.0
"""Mean error of maps, in levels of 255, above which an export is refused."""
_CALIBRATED: Final = tuple(range(0, 600, 40))  # of the standard dance
_JUDGED: Final = (50, 170, 330, 450)
_MEASURES: Final = ("perceptual", "sharpness", "ssim", "alpha_iou")


def refine(
    bundle: CharacterBundle,
    *,
    shrink: int,
    minutes: float,
    threads: int,
    memory: Path,
    on_progress: Callable[[Progress], None],
) -> Refined:
    """See `engine.refining.Refiner`.

    Raises:
        RefinementFailed: the exported network draws something else.
        AdaptationError: a loss is no number.
    """
    use_threads(threads)

    def progress(step: int, curve: list[float], left_s: float) -> None:
        share = 0.2 + 0.7 * step / CONFIG.steps
        on_progress(Progress("learning", share, left_s, curve[-1], curve[0]))

    on_progress(Progress("drawing what it learns from", 0.12))
    made = refine_painter(
        *known_of(bundle), shrink=shrink, minutes=minutes, memory=memory, go_on=progress
    )
    on_progress(Progress("comparing", 0.9))
    size = bundle.resolution
    shown = features_of(bundle, _CALIBRATED, shrink)
    models = {
        "shipped": export_painter(made.shipped, size, shrink),
        "adapted": export_painter(made.painter, size, shrink),
    }
    error = parity(made.painter, models["adapted"], shown[:2])
    scores = judge(models, made.held_out)
    best = winner(scores, np.inf if is_whole(bundle) else LEEWAY)
    record = {
        "method": "the painter adapted to cycles of the drawings",
        "steps": made.adapted.steps,
        "best_step": made.adapted.best_step,
        "seconds": round(made.adapted.seconds, 1),
        "held_out_loss": [round(loss, 4) for loss in made.adapted.held_out],
        "cycles": made.support,
        "parity": round(error, 4),
    }
    if best not in models:
        return Refined(best, scores, record=record)
    return Refined(best, scores, models[best], in_int8(bundle, models[best], shown), record)


def judge(
    models: dict[str, bytes], held_out: Sequence[Cycle], networks: Networks | None = None
) -> Scores:
    """Measures of the puppet, and of it painted by each network, on cycles."""
    networks = networks or Networks()
    scores: Scores = {}
    for who, model in (("puppet", None), *models.items()):
        pictures = []
        for cycle in held_out:
            painter = None if model is None else OnnxRuntimeBackend(model)
            puppet = Puppet([cycle.cut], painter)
            pictures.append(drawn(puppet, cycle.joints, puppet.size))
            puppet.close()
        truths = [cycle.truth for cycle in held_out]
        found = evaluate(pictures, truths, fid=False, networks=networks)
        scores[who] = {key: round(found[key], 5) for key in _MEASURES}
    return scores


def features_of(bundle: CharacterBundle, frames: Sequence[int], shrink: int = 1) -> U8:
    """(N, H, H, FEATURES) what a painter is shown of the character in poses of the dance."""
    from engine.puppet.painter import painter_shapes

    puppet, size = Puppet(bundle.drawings), bundle.resolution
    track = dance(bundle.skeleton, size)
    shown = np.empty((len(frames), *painter_shapes(size, shrink)[0][1:]), np.uint8)
    image = np.empty((size, size, 3), np.uint8)
    for frame, features in zip(frames, shown, strict=True):
        draw_pose(track[frame % len(track)], image)
        puppet.forget()  # they are single pictures
        puppet.look(track[frame % len(track)], image, features)
    return shown


@torch.no_grad()
def parity(painter: Painter, model: bytes, shown: U8) -> float:
    """Mean error of the exported network's maps, in levels of 255.

    Raises:
        RefinementFailed: it is not what PyTorch calculates.
    """
    graph = PainterGraph(painter).eval()
    backend = OnnxRuntimeBackend(model)
    maps = np.empty(backend.output_spec.shape[1:], np.uint8)
    errors = []
    for features in shown:
        backend.run(np.ascontiguousarray(features), maps)
        truth = graph(torch.from_numpy(features[None].copy()))[0].numpy()
        errors.append(np.abs(truth.astype(np.int16) - maps).mean())
    backend.close()
    error = float(np.mean(errors))
    if not error <= PARITY:
        raise RefinementFailed(
            f"the exported painter differs from PyTorch's by {error:.2f} levels of 255 on average, "
            f"at most {PARITY} is expected: the character stays as it was; please report it"
        )
    return error


def in_int8(
    bundle: CharacterBundle, model: bytes, shown: U8
) -> tuple[bytes, PrecisionManifest] | None:
    """The network in int8, calibrated on this character; None if its pictures are too unlike."""
    with Quantiser(model, shown) as make:
        made = make(())
    track = dance(bundle.skeleton, bundle.resolution)
    sets = []
    for network in (made, model):
        puppet = Puppet(bundle.drawings, OnnxRuntimeBackend(network))
        frames = [drawn(puppet, track[f % len(track)], puppet.size) for f in _JUDGED]
        sets.append(np.stack(frames))
        puppet.close()
    likeness = Likeness.of(*sets)
    if likeness.ssim < GATE:
        return None
    entry = {"file": "painter.int8.onnx", **likeness.to_dict()}
    return made, PrecisionManifest.model_validate(entry)
