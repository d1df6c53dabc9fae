"""glTF 2.0 as a file: the JSON, its buffers, accessors and pictures (Khronos glTF 2.0, 3 and 4).

Our own reader: of those on PyPI, the one with types took 13 s for a KayKit character (it builds an
object for each of 8,800 accessors), and the fast one gives geometry without the skeleton's names.
"""

import base64
import binascii
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.characters.imports import jsonvalues as js
from training.characters.imports.errors import CharacterFileError, fail
from training.characters.imports.files import find_beside, read_bytes

_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_MAX_ITEMS = 200_000  # accessors and buffer views: animations have thousands
_MAX_COUNT = 4_000_000
_MAX_JSON = 128 << 20


@dataclass
class GltfFile:
    """A glTF document whose parts are checked as they are read."""

    document: js.Table
    folder: Path | None  # where other files of it may be; None: nowhere
    chunk: bytes | None = None
    _buffers: dict[int, bytes] = field(default_factory=dict)
    _rows: dict[str, list[js.Table]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> "GltfFile":
        """Read the JSON and the binary chunk of a .gltf, .glb or .vrm file."""
        return cls.of(read_bytes(path), path.parent)

    @classmethod
    def of(cls, data: bytes, folder: Path | None = None) -> "GltfFile":
        """The same of a file's bytes; without a folder, it has to hold all that it names."""
        if data[:4] != b"glTF":
            return cls(cls._versioned(js.parse_json(data[:_MAX_JSON])), folder)
        if len(data) < 20:
            raise fail("a GLB header of 20 bytes", f"{len(data)} bytes")
        version, length = struct.unpack_from("<II", data, 4)
        if version != 2:
            raise fail("glTF version 2", f"version {version}", "export the model as glTF 2.0")
        if length > len(data):
            raise fail(f"{length} bytes, as the header says", f"{len(data)}")
        chunks: dict[bytes, bytes] = {}
        at = 12
        while at + 8 <= length:
            size, kind = struct.unpack_from("<I4s", data, at)
            if at + 8 + size > length:
                raise fail(f"a chunk of {size} bytes", f"{length - at - 8} before the end")
            chunks.setdefault(kind, data[at + 8 : at + 8 + size])
            at += 8 + size
        if b"JSON" not in chunks or len(chunks[b"JSON"]) > _MAX_JSON:
            raise fail("a JSON chunk of sane size", "none")
        document = cls._versioned(js.parse_json(chunks[b"JSON"].rstrip(b"\0 ")))
        return cls(document, folder, chunks.get(b"BIN\0"))

    @staticmethod
    def _versioned(document: js.Table) -> js.Table:
        asset = js.table(document.get("asset"), "asset")
        if not js.text(asset.get("version"), "asset version").startswith("2"):
            raise fail("a glTF document of version 2", f"asset {asset!r}"[:120])
        return document

    def rows(self, key: str, limit: int = _MAX_ITEMS) -> list[js.Table]:
        """One of the document's top-level lists."""
        if key not in self._rows:
            self._rows[key] = js.rows(self.document.get(key), key, limit)
        return self._rows[key]

    def _named_bytes(self, uri: str) -> bytes:
        if uri.startswith("data:"):
            head, comma, body = uri.partition(",")
            if not comma or not head.endswith(";base64"):
                raise fail("a base64 data URI", head[:80])
            try:
                return base64.b64decode(body, validate=True)
            except (binascii.Error, ValueError) as error:
                raise fail("base64 in a data URI", str(error)) from error
        if self.folder is None:
            raise fail("all parts within the file", f"{uri[:60]!r}", "export one .glb")
        found = find_beside(self.folder, uri, percent=True)
        if found is None:
            raise fail(
                f"the file {uri[:200]!r} beside the model", "no such file",
                "keep the model's files together, or export one .glb",
            )  # fmt: skip
        return read_bytes(found)

    def buffer(self, number: Any) -> bytes:
        """The bytes of a buffer."""
        buffers = self.rows("buffers")
        number = js.index(number, "buffers", len(buffers))
        if number not in self._buffers:
            entry = buffers[number]
            uri = entry.get("uri")
            if uri is None:
                if number != 0 or self.chunk is None:
                    raise fail("a buffer with a uri or a binary chunk", "neither")
                data = self.chunk
            else:
                data = self._named_bytes(js.text(uri, "uri"))
            length = js.whole(entry.get("byteLength"), "byteLength")
            if length > len(data):
                raise fail(f"a buffer of {length} bytes", f"{len(data)}")
            self._buffers[number] = data
        return self._buffers[number]

    def view(self, number: Any) -> tuple[memoryview, int]:
        """The bytes of a buffer view, not copied, and its stride (0: packed)."""
        views = self.rows("bufferViews")
        entry = views[js.index(number, "bufferViews", len(views))]
        compressed = js.table(entry.get("extensions"), "extensions")
        for name in ("EXT_meshopt_compression", "KHR_meshopt_compression"):
            if name in compressed:
                raise fail(
                    "uncompressed or Draco-compressed buffers", name, "export without meshopt"
                )
        data = self.buffer(entry.get("buffer"))
        start = js.whole(entry.get("byteOffset"), "byteOffset", 0)
        length = js.whole(entry.get("byteLength"), "byteLength")
        if start + length > len(data):
            raise fail(f"bytes {start} to {start + length} of a buffer", f"{len(data)} bytes")
        stride = js.whole(entry.get("byteStride"), "byteStride", 0, 252)
        return memoryview(data)[start : start + length], stride

    def accessor_shape(self, number: Any) -> tuple[js.Table, str, int, int]:
        """The entry of an accessor, its dtype, its count and its components."""
        accessors = self.rows("accessors")
        entry = accessors[js.index(number, "accessors", len(accessors))]
        kind, shape = entry.get("componentType"), entry.get("type")
        if not isinstance(kind, int) or kind not in _TYPES:
            raise fail(f"a component type of {sorted(_TYPES)}", repr(kind)[:40])
        if not isinstance(shape, str) or shape not in _SIZES:
            raise fail(f"an accessor type of {sorted(_SIZES)}", repr(shape)[:40])
        count = js.whole(entry.get("count"), "count", None, _MAX_COUNT)
        return entry, _TYPES[kind], count, _SIZES[shape]

    def accessor(self, number: Any) -> NDArray:
        """(count, components) numbers; normalised integers become float64 in [-1, 1]."""
        entry, dtype, count, size = self.accessor_shape(number)
        if "bufferView" in entry:
            offset = js.whole(entry.get("byteOffset"), "byteOffset", 0)
            result = self._strided(entry["bufferView"], offset, dtype, count, size)
        else:
            result = np.zeros((count, size), dtype)
        if "sparse" in entry:
            result = self._sparse(js.table(entry["sparse"], "sparse"), result, dtype)
        return normalised(result, bool(entry.get("normalized")))

    def _strided(self, view: Any, offset: int, dtype: str, count: int, size: int) -> NDArray:
        data, stride = self.view(view)
        wide = np.dtype(dtype).itemsize * size
        stride = stride or wide
        if stride < wide:
            raise fail(f"a stride of at least {wide}", str(stride))
        need = offset + (stride * (count - 1) + wide if count else 0)
        if need > len(data):
            raise fail(f"{need} bytes for {count} elements", f"{len(data)}")
        # Columns four times over: numpy makes strided views without reading past the end.
        strides = (stride, np.dtype(dtype).itemsize)
        return np.ndarray((count, size), dtype, data, offset, strides).copy()

    def _sparse(self, sparse: js.Table, base: NDArray, dtype: str) -> NDArray:
        count = js.whole(sparse.get("count"), "count", None, len(base))
        where, what = (
            js.table(sparse.get("indices"), "indices"),
            js.table(sparse.get("values"), "values"),
        )
        kind = where.get("componentType")
        if kind not in (5121, 5123, 5125):
            raise fail("unsigned sparse indices", repr(kind)[:40])
        at = self._strided(
            where.get("bufferView"), js.whole(where.get("byteOffset"), "byteOffset", 0),
            _TYPES[kind], count, 1,
        )[:, 0].astype(np.int64)  # fmt: skip
        if count and at.max() >= len(base):
            raise fail(f"sparse indices below {len(base)}", str(at.max()))
        base[at] = self._strided(
            what.get("bufferView"), js.whole(what.get("byteOffset"), "byteOffset", 0), dtype, count,
            base.shape[1],
        )  # fmt: skip
        return base

    def image_bytes(self, number: int) -> tuple[bytes, str]:
        """The encoded picture of an image entry, and its name."""
        images = self.rows("images")
        entry = images[js.index(number, "images", len(images))]
        name = js.text(entry.get("name"), "name") or js.text(entry.get("uri"), "name")[:80]
        if "bufferView" in entry:
            return bytes(self.view(entry["bufferView"])[0]), name or f"image {number}"
        return self._named_bytes(js.text(entry.get("uri"), "uri")), name or f"image {number}"


def normalised(numbers: NDArray, wanted: bool) -> NDArray:
    """Integers as fractions of their range (glTF 2.0, 3.11), if so `wanted`; floats checked."""
    if numbers.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # signalling NaNs
            sane = np.abs(numbers) < 1e6
        if not sane.all():
            raise fail("finite numbers below 1e6 in accessors", "NaN, infinity or absurd ones")
        return numbers
    if not wanted:
        return numbers
    top = np.iinfo(numbers.dtype).max
    return np.asarray(np.maximum(numbers / top, -1.0))


def decode_draco(data: bytes) -> tuple[NDArray[np.int64], dict[int, NDArray]]:
    """Triangles (T, 3) and attributes by id of a KHR_draco_mesh_compression buffer view."""
    try:
        import DracoPy
    except ImportError as error:
        raise fail(
            "the package DracoPy to decode a Draco-compressed mesh", "that it is not installed",
            "pip install DracoPy, or export without compression",
        ) from error  # fmt: skip
    try:
        mesh = DracoPy.decode(data)
        faces = np.asarray(mesh.faces, np.int64).reshape(-1, 3)
        return faces, {int(a["unique_id"]): np.asarray(a["data"]) for a in mesh.attributes}
    except CharacterFileError:
        raise
    except Exception as error:
        raise fail("a whole Draco-compressed mesh", f"a broken one ({error})"[:200]) from error
