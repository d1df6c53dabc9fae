"""A character bundle: one folder or zip file with all that the engine needs of a character.

    manifest.json     what it is, its proportions, its tensors, the SHA-256 of every other file
    reference.png     the drawing it was made from, with alpha
    generator.onnx    pose image in, picture out (see `engine.backends.base`), in fp32
    generator.int8.onnx, ...    the same in other precisions, where there are any
    parts.front.png, parts.front.whole.png, ...    drawings cut into parts, for the puppet
    painter.onnx, ... what paints over the puppet

It has a generator, or the parts of a puppet, or both; the painter is optional. Where the puppet's
pictures are larger than the generator's, `drawn_by` is the bundle as one of them needs it.

Loading checks all of it before anything is run: a bundle may come from a stranger.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import TensorSpec
from engine.errors import BundleDamaged, BundleHashMismatch, BundleNotFound, NotInBundle
from engine.manifest import (
    MANIFEST,
    DrawingManifest,
    Manifest,
    NetworkManifest,
    SkeletonManifest,
    parse_manifest,
)
from engine.motion.proportions import CharacterSkeleton
from engine.puppet.drawing import CutDrawing
from engine.puppet.painter import Shapes, painter_shapes, shrinks

SUFFIX: Final = ".character"
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


def is_bundle(path: str | Path) -> bool:
    """Whether a path is named or laid out as a bundle; whether it is whole, loading it shows."""
    return Path(path).suffix.lower() == SUFFIX or (Path(path) / MANIFEST).is_file()


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network of a bundle.

    Attributes:
        model: in fp32, a checked ONNX file.
        input_spec, output_spec: its only tensors.
        variants: in other precisions, by their names; checked likewise.
    """

    model: bytes
    input_spec: TensorSpec
    output_spec: TensorSpec
    variants: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class CharacterBundle:
    """A validated character: it has a generator, or drawings that make a puppet, or both.

    Attributes:
        manifest: as stored.
        skeleton: proportions, for the normalisation, in pixels of `resolution`.
        reference: (H, W, 4) uint8, straight (not premultiplied) RGBA.
        generator: maps a pose image (1, S, S, 3) to a picture (1, S, S, 4), premultiplied RGBA.
        drawings: cut into parts, for the puppet.
        painter: what paints over the puppet, see `engine.puppet.painter`.
    """

    manifest: Manifest
    skeleton: CharacterSkeleton
    reference: NDArray[np.uint8]
    generator: Network | None
    drawings: tuple[CutDrawing, ...] = ()
    painter: Network | None = None

    @property
    def name(self) -> str:
        """The character's name."""
        return self.manifest.name

    @property
    def resolution(self) -> int:
        """Width and height of pose images and pictures in pixels; see `drawn_by`."""
        return self.manifest.resolution

    def drawn_by(self, draws: Literal["generator", "puppet"]) -> "CharacterBundle":
        """The bundle in the resolution of what draws it, without what draws in another one."""
        manifest, puppet = self.manifest, self.manifest.puppet
        if puppet is None or puppet.resolution in (None, manifest.resolution):
            return self
        if draws == "generator":
            kept = manifest.model_copy(update={"puppet": None, "prefers": None})
            return replace(self, manifest=kept, drawings=(), painter=None)
        skeleton = self.skeleton.scaled(puppet.resolution / manifest.resolution)
        kept = manifest.model_copy(
            update={
                "resolution": puppet.resolution,
                "skeleton": SkeletonManifest.of(skeleton),
                "puppet": puppet.model_copy(update={"resolution": None}),
                "prefers": None, "generator": None, "input": None, "output": None,
                "precisions": {},
            }
        )  # fmt: skip
        return replace(self, manifest=kept, skeleton=skeleton, generator=None)

    def need_generator(self) -> Network:
        """The generator.

        Raises:
            NotInBundle: there is none.
        """
        if self.generator is None:
            raise NotInBundle(f"{self.name} has no generator; it is a puppet")
        return self.generator

    def files(self) -> dict[str, bytes]:
        """Its files but for the manifest, by their names in the bundle."""
        manifest, puppet = self.manifest, self.manifest.puppet
        files = {manifest.reference: encode_reference(self.reference)}
        networks = (
            (manifest.network, self.generator), (puppet.painter if puppet else None, self.painter)
        )  # fmt: skip
        for entry, network in networks:
            if entry is not None and network is not None:
                models = {"fp32": network.model, **network.variants}
                files |= {name: models[precision] for precision, name in entry.files.items()}
        for drawn, drawing in zip(puppet.drawings if puppet else [], self.drawings, strict=True):
            files[drawn.parts], files[drawn.whole] = drawing.to_png()
        return files

    @classmethod
    def load(cls, path: str | Path) -> "CharacterBundle":
        """Read a folder or zip and check every part of it.

        Raises:
            BundleNotFound: there is nothing at that path.
            BundleTooNew: made for a later engine.
            BundleHashMismatch: a file is not the one that the manifest names.
            BundleDamaged: anything else that is missing, unreadable or contradictory.
        """
        files = read_files(Path(path))
        manifest = parse_manifest(files.get(MANIFEST), path)
        for name, digest in manifest.files.items():
            if name not in files:
                raise BundleDamaged(f"{path}: the manifest names {name!r}, but it is not there")
            found = sha256(files[name]).hexdigest()
            if found != digest:
                raise BundleHashMismatch(
                    f"{path}: {name} should have SHA-256 {digest[:12]}..., but it has "
                    f"{found[:12]}...: it was changed or damaged; get the bundle again"
                )
        for name in named_files(manifest):
            if name not in manifest.files:
                raise BundleDamaged(f"{path}: the manifest has no hash for {name!r}")
        size, puppet = manifest.resolution, manifest.puppet
        large = size if puppet is None or puppet.resolution is None else puppet.resolution
        try:
            skeleton = manifest.skeleton.read()
        except ValueError as error:
            raise BundleDamaged(f"{path}: the skeleton cannot be used: {error}") from error
        return cls(
            manifest,
            skeleton,
            _decode_reference(files[manifest.reference], path),
            _network("generator", manifest.network, files, [_generator_shapes(size)], path),
            tuple(_drawing(d, files, large, path) for d in puppet.drawings) if puppet else (),
            _network(
                "painter",
                puppet.painter if puppet else None,
                files,
                [painter_shapes(large, shrink) for shrink in shrinks(large)],
                path,
            ),
        )


def named_files(manifest: Manifest) -> list[str]:
    """All files that a manifest's entries name."""
    puppet = manifest.puppet
    networks = (manifest.network, puppet.painter if puppet else None)
    drawings = puppet.drawings if puppet else []
    return [
        manifest.reference,
        *(name for network in networks if network for name in network.files.values()),
        *(name for drawing in drawings for name in (drawing.parts, drawing.whole)),
    ]


def _generator_shapes(size: int) -> Shapes:
    return (1, size, size, 3), (1, size, size, 4)


def _drawing(
    entry: DrawingManifest, files: dict[str, bytes], size: int, path: str | Path
) -> CutDrawing:
    joints = np.array(entry.joints, np.float32)
    parts, whole = files[entry.parts], files[entry.whole]
    return CutDrawing.from_png(parts, whole, joints, size, f"{path}, {entry.name}", entry.name)


def _network(
    what: str,
    manifest: NetworkManifest | None,
    files: dict[str, bytes],
    shapes: Sequence[Shapes],
    path: str | Path,
) -> Network | None:
    if manifest is None:
        return None
    input_spec, output_spec = manifest.input.spec, manifest.output.spec
    if (input_spec.shape, output_spec.shape) not in shapes:
        able = ", or ".join(f"{takes} to {gives}" for takes, gives in shapes)
        raise BundleDamaged(
            f"{path}: a {what} of this resolution maps {able}, but the manifest says "
            f"{input_spec.shape} to {output_spec.shape}"
        )
    models = {precision: files[name] for precision, name in manifest.files.items()}
    for model in models.values():
        check_model(model, input_spec, output_spec, str(path))
    return Network(models.pop("fp32"), input_spec, output_spec, models)


def read_files(path: Path) -> dict[str, bytes]:
    """All files of a bundle, unchecked but for their sizes; raises BundleError."""
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
            f"{path}: expected a character bundle, a folder or a zip file, but it cannot be "
            f"unpacked ({error}): it is something else, or cut short; fetch it again"
        ) from error


def _check_size(path: Path, name: str, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise BundleDamaged(
            f"{path}: {name} is {size / 2**20:.0f} MB; "
            f"no part of a bundle may be over {MAX_FILE_BYTES // 2**20} MB"
        )


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
        raise BundleDamaged(f"{where}: a network is no valid ONNX file ({error})") from error
    if proto.functions:
        raise BundleDamaged(f"{where}: a network defines functions of its own; refused")
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
