"""`python -m export.quantise CHARACTER -o CHARACTER`: add int8 to the default character's bundle.

Another character's poses would set other ranges: the rig decides where the lines of the pose
images run, so this is for Ito's; `quantise_bundle` takes anybody's pose images.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from engine import console
from engine.character import CharacterBundle, pack
from engine.manifest import SCHEMA_VERSION, PrecisionManifest
from engine.motion.draw import draw_pose
from export.cells import in_cells
from export.precision import AIM, quantise

CALIBRATION_SEED = 1_000_005
"""Neither trained on nor evaluated on (see `training.cli.HELD_OUT_SEED`)."""

VALIDATION_SEED = 1_000_007


def pose_images_of(character: Any, count: int, size: int, seed: int) -> NDArray[np.uint8]:
    """Pose images (N, S, S, 3) of a rigged character's training distribution."""
    from training.characters.character import render_sample
    from training.motion.poses import random_pose

    images = np.empty((count, size, size, 3), np.uint8)
    for i, image in enumerate(images):
        rng = np.random.default_rng([seed, i])
        _, joints = render_sample(character, random_pose(rng, character.rest), size)
        draw_pose(joints, image)
    return images


def quantise_bundle(
    bundle: CharacterBundle,
    calibration: NDArray[np.uint8],
    held_out: NDArray[np.uint8],
    *,
    aim: float = AIM,
    on_progress: Callable[[str], None] = lambda text: None,
) -> bytes:
    """The bundle with its generator in int8 beside the one in fp32, as the bytes of a zip file.

    Both end in cells then (see `export.cells`), where the one in fp32 did not yet.

    Args:
        bundle: a character's; what other precisions it holds stay.
        calibration, held_out, aim, on_progress: see `export.precision.quantise`.
    """
    model = in_cells(bundle.need_generator().model)
    made = quantise(model, calibration, held_out, aim=aim, on_progress=on_progress)
    old = bundle.manifest
    entry = PrecisionManifest(file="generator.int8.onnx", **made.likeness.to_dict())  # type: ignore[arg-type]
    precisions = {**old.precisions, "int8": entry}
    assert old.generator is not None
    files = {**bundle.files(), old.generator: model, entry.file: made.model}
    how = {
        "int8": {
            "calibrated_on": len(calibration),
            "validated_on": len(held_out),
            "in_float": list(made.kept),
            "sensitivity": {name: round(gain, 6) for name, gain in made.sensitivity.items()},
        }
    }
    manifest = old.model_copy(
        update={
            "schema_version": SCHEMA_VERSION,
            "precisions": precisions,
            "files": {name: sha256(data).hexdigest() for name, data in files.items()},
            "training": {**old.training, **how},
        }
    )
    return pack(files, manifest)


def main(
    character: Path,
    output: Annotated[Path, typer.Option("-o", "--output")],
    calibrate: Annotated[int, typer.Option(help="Poses that set the ranges.")] = 200,
    validate: Annotated[int, typer.Option(help="Other poses, to measure SSIM on.")] = 50,
    aim: Annotated[float, typer.Option(help="Keep layers in float until this SSIM.")] = AIM,
) -> None:
    """Quantise the default character's generator and pack it with the rest."""
    from training.characters import ito

    bundle = CharacterBundle.load(character)
    rig = ito.build()
    packed = quantise_bundle(
        bundle,
        pose_images_of(rig, calibrate, bundle.resolution, CALIBRATION_SEED),
        pose_images_of(rig, validate, bundle.resolution, VALIDATION_SEED),
        aim=aim,
        on_progress=print,
    )
    output.write_bytes(packed)
    found = CharacterBundle.load(output).manifest.precisions["int8"]
    print(json.dumps({**found.model_dump(), "megabytes": len(packed) / 1e6}))


if __name__ == "__main__":
    console.run(main)
