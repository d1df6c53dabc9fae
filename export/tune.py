"""What `engine.tuning` finds: the few-shot paper's generator, adapted, baked and exported.

Wang 2024, sections 5.1 and 5.5: one drawing is shifted sideways into a support set, several are
drawn from each other; a shift, or a drawing, that is held out says when to stop. Then the texture
branch is folded into constants, and the character needs no more than the pose image.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from engine.character import CharacterBundle
from engine.errors import RefinementFailed
from engine.manifest import PrecisionManifest
from engine.tuning import INT8, Tuned
from export.onnx import compare, export_generator
from export.parity import Parity
from export.precision import GATE, Likeness, Quantiser, draw_by
from training.fewshot import weights as shipped
from training.fewshot.adapt import AdaptConfig, adapt, support_set
from training.fewshot.commands import load_method
from training.fewshot.enrolled import dancing, drawings_of
from training.fewshot.errors import CheckpointError
from training.fewshot.method import FewShot
from training.fit import pose_images

CONFIG: Final = AdaptConfig(steps=160)
"""Four times those of the tables: a user's drawing is farther from what the weights know."""
LARGEST_ERROR: Final = 2
"""Levels of 255 by which ONNX Runtime may differ from PyTorch in a pixel."""
SMALLEST: Final = 64
"""Pixels of a bundle's pictures."""
_CALIBRATED: Final = tuple(range(0, 600, 25))  # of the standard dance
_JUDGED: Final = tuple(range(12, 600, 50))


def tune(
    bundle: CharacterBundle,
    *,
    weights: Path | None,
    on_progress: Callable[[str, float], None],
    config: AdaptConfig = CONFIG,
) -> Tuned:
    """See `engine.tuning.Tuner`.

    Raises:
        CheckpointError: the weights are damaged, or of another method.
        AdaptationError: the drawings make no support set, or a loss is no number.
        RefinementFailed: the exported network draws something else.
    """
    on_progress("reading the weights", 0.0)
    path = weights or shipped.SHIPPED
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method, objective, last = load_method(path, device)
    if not isinstance(method, FewShot) or method.image_channels != 4:
        raise CheckpointError(
            f"{path} holds no generator of pictures with alpha: give weights of the method "
            "`fewshot`, trained without --white"
        )
    size = min(last, bundle.resolution)
    if size < SMALLEST:
        raise CheckpointError(
            f"{path} is for pictures of {last} px, and a character's have {SMALLEST} px at least: "
            "give weights that were trained with larger ones"
        )
    drawings = drawings_of(bundle, size)
    support, held_out = support_set(drawings, config.shots, config.seed)

    def progress(step: int, curve: list[float]) -> bool:
        told = f"adapting, held-out loss {curve[-1]:.3f} (first {curve[0]:.3f})"
        on_progress(told, 0.05 + 0.5 * step / max(config.steps, 1))
        return True

    adapted = adapt(
        method, objective, support.to(device), held_out.to(device), config, progress
    )  # fmt: skip
    on_progress("exporting", 0.6)
    generator = adapted.method.generator.cpu()
    generator.config = replace(generator.config, size=size)
    reference = support.inputs.source[:1]
    model = export_generator(generator, reference, character=bundle.name)
    calibration, judged = (
        pose_images(dancing(bundle, size, frames), size) for frames in (_CALIBRATED, _JUDGED)
    )
    parity = checked(compare(generator, reference, model, judged))
    on_progress("rounding to int8", 0.75)
    int8 = in_int8(model, calibration, judged)
    on_progress("filming it", 0.9)
    record = {
        "method": "the meta-learned generator, adapted to the drawings",
        "weights": path.name,
        "shots": len(support),
        "steps": adapted.steps,
        "best_step": adapted.best_step,
        "seconds": round(adapted.seconds, 1),
        "device": device.type,
        "held_out_loss": [round(loss, 4) for loss in adapted.held_out],
        "onnx_max_error": parity.max_error,
        "onnx_ssim": parity.ssim,
    }
    return Tuned(model, size, int8, record)


def checked(parity: Parity) -> Parity:
    """The same; RefinementFailed where the two networks differ."""
    if not parity.max_error <= LARGEST_ERROR:
        raise RefinementFailed(
            f"the exported generator differs from PyTorch's by {parity.max_error} levels of 255, "
            f"at most {LARGEST_ERROR} are expected: the character stays as it was; please report it"
        )
    return parity


def in_int8(
    model: bytes, calibration: NDArray[np.uint8], held_out: NDArray[np.uint8]
) -> tuple[bytes, PrecisionManifest] | None:
    """All layers in int8, calibrated on the character's own dance; None if too unlike fp32."""
    with Quantiser(model, calibration) as make:
        made = make(())
    likeness = Likeness.of(draw_by(made, held_out), draw_by(model, held_out))
    if likeness.ssim < GATE:
        return None
    return made, PrecisionManifest.model_validate({"file": INT8, **likeness.to_dict()})
