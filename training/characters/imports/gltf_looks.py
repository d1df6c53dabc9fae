"""Materials and textures of glTF files, as the toon renderer takes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.characters.imports import jsonvalues as js
from training.characters.imports.container import GltfFile
from training.characters.imports.errors import fail
from training.characters.imports.images import decode_image
from training.characters.imports.model import (
    CLAMP,
    CUT_OUT,
    MAX_MATERIALS,
    MAX_TEXTURES,
    MIRROR,
    OPAQUE,
    REPEAT,
    SEE_THROUGH,
    TEXEL_BUDGET,
    Material,
)  # fmt: skip

F64 = NDArray[np.float64]

_WRAPS = {10497: REPEAT, 33071: CLAMP, 33648: MIRROR}
_MODES = {"OPAQUE": OPAQUE, "MASK": CUT_OUT, "BLEND": SEE_THROUGH}


def linear_to_srgb(value: F64) -> F64:
    """Colour factors of glTF are linear light; pictures, and this renderer, are not."""
    value = np.clip(value, 0.0, 1.0)
    return np.where(value <= 0.0031308, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)


def plain_materials(file: GltfFile) -> list[Material]:
    """The plain glTF materials, and at the end the one of primitives without any."""
    return [plain_material(file, entry) for entry in file.rows("materials", MAX_MATERIALS)] + [
        Material("default", colour=(0.8, 0.8, 0.8), double=True)
    ]


def plain_material(file: GltfFile, entry: js.Table) -> Material:
    """A metallic-roughness material as a toon one: its colour and alpha count."""
    look = js.table(entry.get("pbrMetallicRoughness"), "pbrMetallicRoughness")
    factor = js.vector(look.get("baseColorFactor"), "baseColorFactor", (1, 1, 1, 1))
    extensions = js.table(entry.get("extensions"), "extensions")
    glow = js.vector(entry.get("emissiveFactor"), "emissiveFactor", (0, 0, 0))
    glow = np.zeros(3) if "emissiveTexture" in entry else linear_to_srgb(glow)
    mode = js.text(entry.get("alphaMode"), "alphaMode", "OPAQUE")
    if mode not in _MODES:
        raise fail(f"an alpha mode of {sorted(_MODES)}", repr(mode)[:40])
    return Material(
        js.text(entry.get("name"), "name", "unnamed"),
        colour=rgb(linear_to_srgb(factor[:3])),
        alpha=1.0 if mode == "OPAQUE" else float(np.clip(factor[3], 0, 1)),
        texture=texture_of(file, look.get("baseColorTexture")),
        unlit="KHR_materials_unlit" in extensions,
        emission=rgb(glow),
        mode=_MODES[mode],
        cutoff=js.number(entry.get("alphaCutoff"), "alphaCutoff", 0.5),
        double=bool(entry.get("doubleSided")),
    )


def texture_of(file: GltfFile, info: Any) -> int:
    """The texture that a textureInfo names, -1 for none."""
    entry = js.table(info, "textureInfo")
    if "index" not in entry:
        return -1
    return js.index(entry["index"], "textures", len(file.rows("textures", MAX_TEXTURES)))


def read_textures(
    file: GltfFile,
) -> tuple[tuple[NDArray[np.uint8] | None, ...], tuple[tuple[int, int], ...]]:
    """All textures, decoded once each, and how they wrap."""
    entries, samplers = file.rows("textures", MAX_TEXTURES), file.rows("samplers")
    side = int(min(2048, (TEXEL_BUDGET / max(len(entries), 1)) ** 0.5))
    decoded: dict[int, NDArray[np.uint8]] = {}
    pictures: list[NDArray[np.uint8] | None] = []
    wraps = []
    for entry in entries:
        extensions = js.table(entry.get("extensions"), "extensions")
        webp = js.table(extensions.get("EXT_texture_webp"), "EXT_texture_webp")
        source = webp.get("source", entry.get("source"))
        if source is None and "KHR_texture_basisu" in extensions:
            raise fail("textures as PNG, JPEG or WebP", "KTX2", "export without KTX2 compression")
        if source is None:
            pictures.append(None)
        else:
            number = js.index(source, "images", len(file.rows("images", 4096)))
            if number not in decoded:
                decoded[number] = decode_image(*file.image_bytes(number), side)
            pictures.append(decoded[number])
        sampler: js.Table = {}
        if "sampler" in entry:
            sampler = samplers[js.index(entry["sampler"], "samplers", len(samplers))]
        across, down = (
            _WRAPS.get(js.whole(sampler.get(key), key, 10497), REPEAT) for key in ("wrapS", "wrapT")
        )
        wraps.append((across, down))
    return tuple(pictures), tuple(wraps)


def rgb(values: F64) -> tuple[float, float, float]:
    """Three plain floats in [0, 1]."""
    red, green, blue = np.clip(values[:3], 0.0, 1.0)
    return float(red), float(green), float(blue)
