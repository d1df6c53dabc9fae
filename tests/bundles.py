"""A character bundle small enough to be made in a test, without torch."""

import json
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.character import encode_reference, pack
from engine.manifest import SCHEMA_VERSION, Manifest, SkeletonManifest, TensorManifest
from engine.pose.skeleton import PUPPET_20
from engine.puppet.painter import PAINT, painter_shapes


def stick_model(size: int = 64) -> onnx.ModelProto:
    """A generator that shows the pose image itself: white is transparent, lines are opaque.

    picture = (255 - pose, the same's largest channel): premultiplied RGBA by construction.
    """
    nodes = [
        helper.make_node("Sub", ["white", "pose"], ["ink"]),
        helper.make_node("Cast", ["ink"], ["ink_f"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["ink_f", "axis"], ["alpha_f"], keepdims=1),
        helper.make_node("Cast", ["alpha_f"], ["alpha"], to=TensorProto.UINT8),
        helper.make_node("Concat", ["ink", "alpha"], ["picture"], axis=3),
    ]
    graph = helper.make_graph(
        nodes,
        "stick",
        [helper.make_tensor_value_info("pose", TensorProto.UINT8, [1, size, size, 3])],
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, size, size, 4])],
        [
            helper.make_tensor("white", TensorProto.UINT8, [], [255]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [3]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def painter_model(size: int, shade: int = 128) -> bytes:
    """A painter that answers the same to everything: all parts visible, and a change of colour."""
    takes, gives = painter_shapes(size)
    maps = np.full(gives, 128, np.uint8)
    maps[..., PAINT : PAINT + 20] = 0
    maps[..., PAINT + 20 : PAINT + 32] = shade
    nodes = [
        helper.make_node("ReduceMax", ["features"], ["most"], keepdims=1),
        helper.make_node("Min", ["most", "zero"], ["none"]),
        helper.make_node("Max", ["none", "answer"], ["maps"]),
    ]
    graph = helper.make_graph(
        nodes,
        "painter",
        [helper.make_tensor_value_info("features", TensorProto.UINT8, list(takes))],
        [helper.make_tensor_value_info("maps", TensorProto.UINT8, list(gives))],
        [
            helper.make_tensor("zero", TensorProto.UINT8, [], [0]),
            numpy_helper.from_array(maps, "answer"),
        ],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def standing_rest(size: int = 64) -> np.ndarray:
    """(20, 3) joints of a plain standing figure in a picture of this size."""
    x_y = {
        "nose": (0, 0.20), "neck": (0, 0.30), "r_eye": (-0.03, 0.17), "l_eye": (0.03, 0.17),
        "r_ear": (-0.07, 0.19), "l_ear": (0.07, 0.19),
        "r_shoulder": (-0.09, 0.30), "r_elbow": (-0.13, 0.42), "r_wrist": (-0.15, 0.53),
        "r_hip": (-0.05, 0.55), "r_knee": (-0.06, 0.73), "r_ankle": (-0.06, 0.90),
        "r_toe": (-0.08, 0.94),
    }  # fmt: skip
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe"):
        x, y = x_y[f"r_{joint}"]
        x_y[f"l_{joint}"] = (-x, y)
    rest = [(0.5 + x_y[j][0], x_y[j][1], 0.0) for j in PUPPET_20.joints]
    return np.array(rest) * size


def bundle_files(size: int = 64, model: bytes | None = None) -> tuple[dict[str, bytes], Manifest]:
    """The parts of a valid bundle, for a test to change one of."""
    rest = standing_rest(size)
    reference = np.zeros((size, size, 4), np.uint8)
    reference[size // 4 : -size // 4, size // 3 : -size // 3] = (200, 80, 120, 255)
    files = {
        "generator.onnx": stick_model(size).SerializeToString() if model is None else model,
        "reference.png": encode_reference(reference),
    }
    neck = rest[1]
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="Stick",
        author="tests",
        licence="MIT",
        resolution=size,
        skeleton=SkeletonManifest(
            rest=[tuple(row) for row in rest.tolist()],
            bone_lengths=[float(np.linalg.norm(rest[b] - rest[a])) for a, b in PUPPET_20.bones],
            head=[tuple((rest[j] - neck).tolist()) for j in (0, 14, 15, 16, 17)],
            floor_y=float(rest[:, 1].max()),
        ),
        generator="generator.onnx",
        reference="reference.png",
        input=TensorManifest(name="pose", shape=(1, size, size, 3)),
        output=TensorManifest(name="picture", shape=(1, size, size, 4)),
        files={name: sha256(data).hexdigest() for name, data in files.items()},
    )
    return files, manifest


def write_bundle(path: Path, size: int = 64, model: bytes | None = None) -> Path:
    """A valid bundle as a zip file."""
    path.write_bytes(pack(*bundle_files(size, model)))
    return path


def rewrite_manifest(path: Path, **changes: Any) -> Path:
    """Change entries of a zipped bundle's manifest, whatever they are."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["manifest.json"] = json.dumps(json.loads(parts["manifest.json"]) | changes).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path
