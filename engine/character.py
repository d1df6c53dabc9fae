"""A character bundle: one folder or zip file with all that the engine needs of a character.

    manifest.json     what it is, its proportions, its tensors, the SHA-256 of every other file
    generator.onnx    pose image in, picture out (see `engine.backends.base`), in fp32
    generator.int8.onnx, ...    the same in other precisions, where there are any
    reference.png     the drawing it was made from, with alpha

Loading checks all of it before anything is run: a bundle may come from a stranger.
"""

import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.backends.base import TensorSpec
from engine.errors import BundleDamaged, BundleHashMismatch, BundleNotFound, BundleTooNew
from engine.motion.proportions import CharacterSkeleton

SCHEMA_VERSION = 2
"""1: fp32 alone. 2: `precisions`. Older bundles load as they are."""
MANIFEST = "manifest.json"
MAX_FILE_BYTES = 256 * 2**20
"""No file of a bundle is larger: a zip that claims more is refused before it is unpacked."""

# What zipfile raises on damaged input, depending on where the damage is.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SkeletonManifest(_Strict):
    """Proportions in pixels of the picture; see `engine.motion.proportions.CharacterSkeleton`."""

    topology: Literal["puppet-20"] = "puppet-20"
    rest: list[tuple[float, float, float]] = Field(min_length=20, max_length=20)
    bone_lengths: list[float] = Field(min_length=19, max_length=19)
    head: list[tuple[float, float, float]] = Field(min_length=5, max_length=5)
    floor_y: float


class TensorManifest(_Strict):
    """One input or output of the generator."""

    name: str
    dtype: Literal["uint8"] = "uint8"
    shape: tuple[int, ...]


class PrecisionManifest(_Strict):
    """The generator in another precision: its file, and how like fp32's pictures its own are.

    SSIM is over white, on poses that it was not calibrated on; errors are in levels of 255.
    """

    file: str
    ssim: float = Field(ge=-1, le=1)
    ssim_min: float = Field(ge=-1, le=1)
    mean_error: float = Field(ge=0)
    max_error: int = Field(ge=0, le=255)


class Manifest(_Strict):
    """What manifest.json holds. `training` says how the generator was made, in free form."""

    schema_version: int
    name: str = Field(min_length=1, max_length=80)
    author: str
    licence: str
    resolution: int = Field(ge=64, le=2048)
    skeleton: SkeletonManifest
    generator: str
    reference: str
    input: TensorManifest
    output: TensorManifest
    files: dict[str, str]
    precisions: dict[Literal["fp16", "int8"], PrecisionManifest] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class CharacterBundle:
    """A validated character.

    Attributes:
        manifest: as stored.
        skeleton: proportions, for the normalisation.
        model: the generator in fp32, a checked ONNX file.
        reference: (H, W, 4) uint8, straight (not premultiplied) RGBA.
        variants: the generator in other precisions, by their names; checked likewise.
    """

    manifest: Manifest
    skeleton: CharacterSkeleton
    model: bytes
    reference: NDArray[np.uint8]
    variants: dict[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The character's name."""
        return self.manifest.name

    @property
    def resolution(self) -> int:
        """Width and height of pose images and pictures in pixels."""
        return self.manifest.resolution

    @property
    def input_spec(self) -> TensorSpec:
        """The generator's input: a pose image (1, S, S, 3)."""
        spec = self.manifest.input
        return TensorSpec(spec.name, np.dtype(spec.dtype), spec.shape)

    @property
    def output_spec(self) -> TensorSpec:
        """The generator's output: a picture (1, S, S, 4), premultiplied RGBA."""
        spec = self.manifest.output
        return TensorSpec(spec.name, np.dtype(spec.dtype), spec.shape)

    @classmethod
    def load(cls, path: str | Path) -> "CharacterBundle":
        """Read a folder or zip and check every part of it.

        Raises:
            BundleNotFound: there is nothing at that path.
            BundleTooNew: made for a later engine.
            BundleHashMismatch: a file is not the one that the manifest names.
            BundleDamaged: anything else that is missing, unreadable or contradictory.
        """
        files = _read_files(Path(path))
        manifest = _parse_manifest(files.get(MANIFEST), path)
        for name, digest in manifest.files.items():
            if name not in files:
                raise BundleDamaged(f"{path}: the manifest names {name!r}, but it is not there")
            found = sha256(files[name]).hexdigest()
            if found != digest:
                raise BundleHashMismatch(
                    f"{path}: {name} should have SHA-256 {digest[:12]}..., but it has "
                    f"{found[:12]}...: it was changed or damaged; get the bundle again"
                )
        variants = {name: entry.file for name, entry in manifest.precisions.items()}
        for name in (manifest.generator, manifest.reference, *variants.values()):
            if name not in manifest.files:
                raise BundleDamaged(f"{path}: the manifest has no hash for {name!r}")
        bundle = cls(
            manifest,
            _skeleton(manifest.skeleton, path),
            files[manifest.generator],
            _decode_reference(files[manifest.reference], path),
            {name: files[file] for name, file in variants.items()},
        )
        size = manifest.resolution
        expected = ((1, size, size, 3), (1, size, size, 4))
        if (bundle.input_spec.shape, bundle.output_spec.shape) != expected:
            raise BundleDamaged(
                f"{path}: a generator of resolution {size} maps {expected[0]} to {expected[1]}, "
                f"but the manifest says {bundle.input_spec.shape} to {bundle.output_spec.shape}"
            )
        for model in (bundle.model, *bundle.variants.values()):
            check_model(model, bundle.input_spec, bundle.output_spec, str(path))
        return bundle


def _read_files(path: Path) -> dict[str, bytes]:
    if not path.exists():
        raise BundleNotFound(f"there is no character bundle at {path}")
    if path.is_dir():
        members = [p for p in path.iterdir() if p.is_file()]
        for member in members:
            _check_size(path, member.name, member.stat().st_size)
        return {member.name: member.read_bytes() for member in members}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                _check_size(path, info.filename, info.file_size)
            return {info.filename: archive.read(info) for info in archive.infolist()}
    except _ZIP_ERRORS as error:
        raise BundleDamaged(
            f"{path}: expected a folder or a zip file, but it cannot be unpacked ({error})"
        ) from error


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise BundleDamaged(
            f"{path}: {name} is {size / 2**20:.0f} MB; "
            f"no part of a bundle may be over {MAX_FILE_BYTES // 2**20} MB"
        )


def _parse_manifest(text: bytes | None, path: str | Path) -> Manifest:
    if text is None:
        raise BundleDamaged(f"{path}: there is no {MANIFEST} in it; is it a character bundle?")
    try:
        content = json.loads(text)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleDamaged(f"{path}: {MANIFEST} cannot be read ({error!r})") from error
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BundleTooNew(
            f"{path} has schema version {version}, this engine reads up to {SCHEMA_VERSION}: "
            "update with `pip install --upgrade ayatsuri`"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3]
        )
        raise BundleDamaged(f"{path}: {MANIFEST} is not valid: {problems}") from error


def _skeleton(manifest: SkeletonManifest, path: str | Path) -> CharacterSkeleton:
    rest = np.ones((20, 4), np.float32)
    rest[:, :3] = manifest.rest
    try:
        return CharacterSkeleton(
            rest,
            np.array(manifest.bone_lengths, np.float32),
            np.array(manifest.head, np.float32),
            manifest.floor_y,
        )
    except ValueError as error:
        raise BundleDamaged(f"{path}: the skeleton cannot be used: {error}") from error


def _decode_reference(data: bytes, path: str | Path) -> NDArray[np.uint8]:
    import cv2

    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
        raise BundleDamaged(f"{path}: the reference must be a PNG with alpha, 8 bits a channel")
    return np.ascontiguousarray(picture[..., [2, 1, 0, 3]])


def check_model(model: bytes, input_spec: TensorSpec, output_spec: TensorSpec, where: str) -> None:
    """Refuse an ONNX file that is more than a plain network of the stated tensors.

    Raises:
        BundleDamaged: not ONNX; weights outside the file; operators or functions beyond the
            standard set; other inputs or outputs than stated.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(model)
        onnx.checker.check_model(proto)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise BundleDamaged(f"{where}: the generator is no valid ONNX file ({error})") from error
    if proto.functions:
        raise BundleDamaged(f"{where}: the generator defines functions of its own; refused")
    for graph in _graphs(proto.graph):
        for tensor in graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
                raise BundleDamaged(f"{where}: weight {tensor.name} lies outside the file; refused")
        for node in graph.node:
            if node.domain not in ("", "ai.onnx"):
                raise BundleDamaged(
                    f"{where}: operator {node.domain}.{node.op_type} is not a standard one; refused"
                )
            for attribute in node.attribute:
                for tensor in (attribute.t, *attribute.tensors):
                    if tensor.external_data:
                        raise BundleDamaged(f"{where}: a constant lies outside the file; refused")
    for stated, values in ((input_spec, proto.graph.input), (output_spec, proto.graph.output)):
        found = [_tensor_spec(value) for value in values]
        if found != [stated]:
            raise BundleDamaged(f"{where}: the manifest states {stated}, but the model has {found}")


def _graphs(graph: Any) -> list[Any]:
    found = [graph]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += _graphs(attribute.g)
            for inner in attribute.graphs:
                found += _graphs(inner)
    return found


def _tensor_spec(value: Any) -> TensorSpec:
    import onnx

    tensor = value.type.tensor_type
    shape = tuple(d.dim_value for d in tensor.shape.dim)
    return TensorSpec(value.name, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape)


def encode_reference(picture: NDArray[np.uint8]) -> bytes:
    """Straight RGBA (H, W, 4) as the bytes of reference.png."""
    import cv2

    ok, data = cv2.imencode(".png", picture[..., [2, 1, 0, 3]])
    if not ok:
        raise BundleDamaged(f"a reference picture of shape {picture.shape} cannot be encoded")
    return data.tobytes()


def pack(files: dict[str, bytes], manifest: Manifest) -> bytes:
    """A bundle as the bytes of a zip file; the same parts give the same bytes."""
    buffer = io.BytesIO()
    text = json.dumps(manifest.model_dump(mode="json"), indent=1).encode()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted({**files, MANIFEST: text}.items()):
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)
    return buffer.getvalue()
