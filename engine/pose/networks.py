"""The two pose networks as ONNX files: converted once from MediaPipe's `.task`, then kept.

They are kept beside it in one stored zip, whose manifest says from which file, and by which
version of the conversion, they came. One that is missing, damaged or of another origin is made
anew: what it is made of has a pinned hash, so nothing is lost by it.
"""

import json
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from engine import models
from engine.errors import ModelCorrupt, ModelMissing

_VERSION = 1
"""Of the conversion: raised when it gives other networks, so that kept ones are made anew."""

_MANIFEST = "manifest.json"
_DETECTOR = "detector.onnx"
_LANDMARKS = "landmarks.onnx"


@dataclass(frozen=True, slots=True)
class PoseNetworks:
    """Two ONNX files; both take `image` (1, S, S, 3) uint8 RGB.

    Attributes:
        detector: `boxes` (1, 2254, 12) and `scores` (1, 2254, 1); see `engine.pose.detect`.
        landmarks: `landmarks` (1, 195): 39 of x, y, z in px of the crop, visibility and presence
            before the sigmoid; `presence` (1, 1) in [0, 1]; `heatmap` (1, 39, 64, 64) before the
            sigmoid; `world` (1, 117): 39 of x, y, z in metres.
    """

    detector: bytes
    landmarks: bytes


def path_of(name: str) -> Path:
    """Where the converted networks of a model are kept."""
    return models.get(name).path.with_suffix(".onnx.zip")


def load(name: str) -> PoseNetworks:
    """The networks of a model ("pose-full"), converted now where they were not.

    Raises:
        ModelMissing, ModelCorrupt: see `engine.models.verified`.
        ModelError: the converted networks cannot be written into the cache.
    """
    task = models.verified(name).read_bytes()
    origin = {"version": _VERSION, "source_sha256": sha256(task).hexdigest()}
    kept = _kept(path_of(name), origin)
    if kept is None:
        kept = convert(task)
        models.store(path_of(name), _pack(kept, origin))
    return kept


def read(path: Path) -> PoseNetworks:
    """The networks of a file that `load` kept, wherever it was carried: from where is not asked.

    Raises:
        ModelMissing: there is no such file.
        ModelCorrupt: it is no such file.
    """
    if not path.is_file():
        raise ModelMissing(
            f"there are no pose networks at {path}: `engine.pose.networks.load` makes them, "
            "and `path_of` says where"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return PoseNetworks(archive.read(_DETECTOR), archive.read(_LANDMARKS))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ModelCorrupt(
            f"{path} should hold {_DETECTOR} and {_LANDMARKS}, but cannot be read: {error}"
        ) from error


def convert(task: bytes) -> PoseNetworks:
    """The networks of a `.task` file as ONNX.

    Raises:
        ModelCorrupt: it is no such file, or has other networks than MediaPipe's.
    """
    from engine.pose import tflite, tflite_onnx

    try:
        with zipfile.ZipFile(BytesIO(task)) as archive:
            detector = archive.read("pose_detector.tflite")
            landmarks = archive.read("pose_landmarks_detector.tflite")
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ModelCorrupt(
            f"a .task file is a zip of pose_detector.tflite and pose_landmarks_detector.tflite, "
            f"but this one of {len(task)} bytes is not: {error}"
        ) from error
    about = {"source_sha256": sha256(task).hexdigest(), "licence": "Apache-2.0"}
    return PoseNetworks(
        tflite_onnx.convert(
            tflite.read(detector), mean=127.5, std=127.5, metadata=about,
            outputs={"boxes": 0, "scores": 1},
        ),
        # The third output, a mask of the person, is left out: nothing here needs it.
        tflite_onnx.convert(
            tflite.read(landmarks), mean=0.0, std=255.0, metadata=about,
            outputs={"landmarks": 0, "presence": 1, "heatmap": 3, "world": 4},
        ),
    )  # fmt: skip


def _pack(networks: PoseNetworks, origin: dict[str, object]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in (
            (_MANIFEST, json.dumps(origin).encode()),
            (_DETECTOR, networks.detector),
            (_LANDMARKS, networks.landmarks),
        ):
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def _kept(path: Path, origin: dict[str, object]) -> PoseNetworks | None:
    """What is kept there, or None if it cannot be used; the zip has checksums of its own."""
    try:
        with zipfile.ZipFile(path) as archive:
            if json.loads(archive.read(_MANIFEST)) != origin:
                return None
            return PoseNetworks(archive.read(_DETECTOR), archive.read(_LANDMARKS))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None
