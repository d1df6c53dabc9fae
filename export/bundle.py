"""Pack the default character: `python -m export.bundle runs/ito/checkpoint.pt -o ito.character`."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from engine import console
from engine.character import CharacterBundle, encode_reference, pack
from engine.half import to_fp16
from engine.manifest import SCHEMA_VERSION, Manifest, SkeletonManifest, TensorManifest
from export.onnx import compare, export_generator
from export.quantise import CALIBRATION_SEED, pose_images_of, quantise_bundle
from training.characters import ito
from training.characters.proportions import character_skeleton, reference_picture
from training.data import PosedPictures
from training.fit import evaluate, load_generator, pose_images, read_checkpoint


def bundle(
    checkpoint: Path,
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("ito.character"),
    int8: Annotated[bool, typer.Option(help="Add the generator in int8 as well.")] = True,
) -> None:
    """Export the generator of a checkpoint, check it against PyTorch, measure it and pack it."""
    generator, reference = load_generator(checkpoint)
    size = generator.config.size
    folder = checkpoint.parent
    held_out = PosedPictures.load(folder / "held_out")
    score = evaluate(generator, reference, held_out)
    model = export_generator(generator, reference, character="Ito")
    parity = compare(generator, reference, model, pose_images(held_out.joints[:16], size))
    if parity.max_error > 2:
        raise SystemExit(f"the ONNX file draws another picture than PyTorch: {parity}")
    character = ito.build()
    skeleton = character_skeleton(character, size)
    drawing = reference_picture(character, 2 * size, straight=True)
    files = {"generator.onnx": model, "reference.png": encode_reference(drawing)}
    state = read_checkpoint(checkpoint)
    data = json.loads((folder / "train" / "manifest.json").read_text())
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="Ito",
        author="The Ayatsuri authors",
        licence="MIT",
        resolution=size,
        skeleton=SkeletonManifest.of(skeleton),
        generator="generator.onnx",
        reference="reference.png",
        input=TensorManifest(name="pose", shape=(1, size, size, 3)),
        output=TensorManifest(name="picture", shape=(1, size, size, 4)),
        files={name: sha256(content).hexdigest() for name, content in files.items()},
        training={
            "command": "ayatsuri-train fit",
            "config": state["config"],
            "steps_done": state["step"],
            "data": data,
            "held_out": {key: round(value, 5) for key, value in score.items()},
            "onnx_max_error": parity.max_error,
            "onnx_ssim": parity.ssim,
        },
    )
    output.write_bytes(pack(files, manifest))
    packed = CharacterBundle.load(output)
    if int8:
        calibration = pose_images_of(character, 200, size, CALIBRATION_SEED)
        validation = pose_images(held_out.joints, size)
        output.write_bytes(quantise_bundle(packed, calibration, validation))
        packed = CharacterBundle.load(output)
    made = {"fp32": model, "fp16": to_fp16(model), **packed.need_generator().variants}
    images = pose_images(held_out.joints[:16], size)
    to_torch = {
        precision: asdict(compare(generator, reference, each, images))
        for precision, each in made.items()
    }
    print(json.dumps({**score, "to_torch": to_torch, "megabytes": output.stat().st_size / 1e6}))


if __name__ == "__main__":
    console.run(bundle)
