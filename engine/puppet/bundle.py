"""Write a character that is a puppet: drawings cut into parts, and nothing trained."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.character import encode_reference, pack, read_files
from engine.errors import NotInBundle, SinkError
from engine.files import write_whole
from engine.manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    DrawingManifest,
    Manifest,
    NetworkManifest,
    PrecisionManifest,
    Precisions,
    PuppetManifest,
    SkeletonManifest,
    TensorManifest,
    parse_manifest,
)
from engine.motion.proportions import CharacterSkeleton
from engine.puppet.drawing import CutDrawing
from engine.puppet.painter import shapes_of


def write_puppet_bundle(
    path: str | Path,
    name: str,
    drawings: Sequence[CutDrawing],
    skeleton: CharacterSkeleton,
    reference: NDArray[np.uint8],
    *,
    author: str = "",
    licence: str = "",
    painter: bytes | None = None,
    painter_int8: tuple[bytes, PrecisionManifest] | None = None,
    training: dict[str, Any] | None = None,
    extras: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a bundle that `CharacterBundle.load` reads; the same arguments give the same bytes.

    Args:
        path: of the file, usually NAME.character; a file there is replaced, whole or not at all.
        name: of the character, 1 to 80 characters.
        drawings: at least one, all of one size, which is the bundle's resolution (64 px or more, a
            multiple of 16); their names differ.
        skeleton: the character's proportions in pixels of that size.
        reference: (H, W, 4) straight RGBA, the drawing; any size.
        author, licence: of the drawing, as the bundle will say.
        painter: an ONNX file for this resolution, see `engine.puppet.painter`, in fp32.
        painter_int8: the same in int8, and how like fp32's its pictures are; its entry's file name
            is "painter.int8.onnx".
        training: how it was made, in free form, but fit for JSON.
        extras: further files by their names, for people to look at; the engine reads none.

    Returns:
        The path.

    Raises:
        ValueError: no drawing, drawings of several sizes, or a name that cannot be.
        SinkError: the file cannot be written.
    """
    sizes = {drawing.size for drawing in drawings}
    if len(sizes) != 1:
        raise ValueError(f"a puppet needs drawings of one size, not of {sorted(sizes)}")
    size = sizes.pop()
    files, puppet = packed(drawings, painter, painter_int8)
    files = {**(extras or {}), "reference.png": encode_reference(reference), **files}
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        author=author,
        licence=licence,
        resolution=size,
        skeleton=SkeletonManifest.of(skeleton),
        reference="reference.png",
        files=_hashes(files),
        puppet=puppet,
        training=training or {},
    )
    return _write(Path(path), pack(files, manifest))


def packed(
    drawings: Sequence[CutDrawing],
    painter: bytes | None = None,
    painter_int8: tuple[bytes, PrecisionManifest] | None = None,
) -> tuple[dict[str, bytes], PuppetManifest]:
    """A puppet's files and their entry, for pictures as large as the drawings.

    Args:
        drawings, painter, painter_int8: see `write_puppet_bundle`.
    """
    files = {}
    entries = []
    for drawing in drawings:
        stem = f"parts.{drawing.name}"
        files[f"{stem}.png"], files[f"{stem}.whole.png"] = drawing.to_png()
        entries.append(
            DrawingManifest(
                name=drawing.name, parts=f"{stem}.png", whole=f"{stem}.whole.png",
                joints=drawing.joints.tolist(),
            )
        )  # fmt: skip
    paints = None
    if painter is not None:
        paints, networks = _painter(painter, painter_int8)
        files |= networks
    return files, PuppetManifest(drawings=entries, painter=paints)


def write_painted(
    path: str | Path,
    painter: bytes,
    painter_int8: tuple[bytes, PrecisionManifest] | None,
    training: dict[str, Any],
    extras: Mapping[str, bytes],
) -> Path:
    """Give a puppet's bundle another painter, and leave all else in it as it is.

    Args:
        path: of the file, which is replaced, whole or not at all.
        painter, painter_int8: see `write_puppet_bundle`.
        training: entries that are added to the manifest's.
        extras: files that are added, or replaced.

    Raises:
        BundleError: there is no such file, or it is no bundle.
        NotInBundle: it is no puppet's.
        SinkError: it cannot be written.
    """
    files, manifest = _read(path)
    puppet = _puppet_of(manifest, "a painter could paint over")
    if puppet.painter is not None:
        for name in puppet.painter.files.values():
            files.pop(name, None)
    paints, networks = _painter(painter, painter_int8)
    files |= {**networks, **extras}
    manifest = manifest.model_copy(
        update={
            "files": _hashes(files),
            "puppet": puppet.model_copy(update={"painter": paints}),
            "training": {**manifest.training, **training},
        }
    )
    return _write(Path(path), pack(files, manifest))


def write_tuned(
    path: str | Path,
    generator: bytes,
    int8: tuple[bytes, PrecisionManifest] | None,
    skeleton: CharacterSkeleton,
    size: int,
    training: dict[str, Any],
    extras: Mapping[str, bytes],
) -> Path:
    """Give a puppet's bundle a generator, another one if it has one; the puppet stays preferred.

    Args:
        path: of the file, which is replaced, whole or not at all.
        generator: an ONNX file in fp32, `pose` (1, S, S, 3) to `picture` (1, S, S, 4), bytes.
        int8: the same in int8, and how like fp32's its pictures are.
        skeleton: the character's proportions in the generator's pictures.
        size: S, in pixels.
        training, extras: see `write_painted`.

    Raises:
        BundleError, SinkError: see `write_painted`.
    """
    files, manifest = _read(path)
    puppet = _puppet_of(manifest, "a generator could be adapted to")
    if manifest.network is not None:
        for name in manifest.network.files.values():
            files.pop(name, None)
    networks = {"generator.onnx": generator}
    precisions: Precisions = {}
    if int8 is not None:
        networks[int8[1].file] = int8[0]
        precisions["int8"] = int8[1]
    files |= {**networks, **extras}
    changed = manifest.model_copy(
        update={
            "schema_version": SCHEMA_VERSION,
            "files": _hashes(files),
            "resolution": size,
            "skeleton": SkeletonManifest.of(skeleton),
            "generator": "generator.onnx",
            "input": TensorManifest(name="pose", shape=(1, size, size, 3)),
            "output": TensorManifest(name="picture", shape=(1, size, size, 4)),
            "precisions": precisions,
            "puppet": puppet.model_copy(
                update={"resolution": puppet.resolution or manifest.resolution}
            ),
            "prefers": "puppet",
            "training": {**manifest.training, **training},
        }
    )
    return _write(Path(path), pack(files, changed))


def _read(path: str | Path) -> tuple[dict[str, bytes], Manifest]:
    """A bundle's files without its manifest, and that; raises BundleError."""
    files = read_files(Path(path))
    return files, parse_manifest(files.pop(MANIFEST, None), path)


def _puppet_of(manifest: Manifest, wanted: str) -> PuppetManifest:
    """The puppet's entry; NotInBundle says what the drawings were `wanted` for."""
    if manifest.puppet is None:
        raise NotInBundle(f"{manifest.name} has no cut drawings that {wanted}")
    return manifest.puppet


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256(data).hexdigest() for name, data in files.items()}


def _painter(
    painter: bytes, painter_int8: tuple[bytes, PrecisionManifest] | None
) -> tuple[NetworkManifest, dict[str, bytes]]:
    """A painter's entry in the manifest, and its files."""
    takes, gives = shapes_of(painter)
    entry = NetworkManifest(
        file="painter.onnx",
        input=TensorManifest(name="features", shape=takes),
        output=TensorManifest(name="maps", shape=gives),
    )
    files = {"painter.onnx": painter}
    if painter_int8 is not None:
        files[painter_int8[1].file] = painter_int8[0]
        entry = entry.model_copy(update={"precisions": {"int8": painter_int8[1]}})
    return entry, files


def _write(path: Path, data: bytes) -> Path:
    """Replace a file, whole or not at all; raises SinkError."""
    try:
        write_whole(path, data)
    except OSError as error:
        raise SinkError(f"the character {path} cannot be written: {error}") from error
    return path
