"""Drawings that were cut before: in training and adaptation the same ones come again and again."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Self

import torch
from torch import Tensor

LIMIT_BYTES = 4_000_000_000  # 3,700 drawings at 128 px, 930 at 256 px: four of each character


class LayerCache:
    """Layers in bytes, as the engine has them, known by the content of drawing and joints.

    The least recently used go when all together are longer than `limit` bytes. Copies of a method
    share one cache: their cutter is the same, since only a cutter that is not trained may have one.
    """

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self.limit = limit
        self._kept: OrderedDict[bytes, Tensor] = OrderedDict()
        self._bytes = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __len__(self) -> int:
        return len(self._kept)

    @torch.no_grad()
    def __call__(
        self, pictures: Tensor, joints: Tensor, cut: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """(B, 5, L, S, S) layers of pictures (B, 4, S, S) with joints (B, 20, 4), by `cut`."""
        found: dict[bytes, Tensor] = {}
        keys = [_key(picture, points) for picture, points in zip(pictures, joints, strict=True)]
        for row, key in enumerate(keys):
            if key not in found:
                known = self._kept.get(key)
                if known is None:
                    made = cut(pictures[row : row + 1], joints[row : row + 1])[0]
                    known = (made * 255).round().byte()
                found[key] = known
                self._keep(key, known)
        return torch.stack([found[key] for key in keys]).float() / 255

    def put(self, picture: Tensor, joints: Tensor, layers: Tensor) -> None:
        """Keep layers (5, L, S, S) in bytes, of a picture (4, S, S) that was cut elsewhere."""
        self._keep(_key(picture, joints), layers)

    def _keep(self, key: bytes, layers: Tensor) -> None:
        if key not in self._kept:
            self._bytes += layers.nbytes
        self._kept[key] = layers
        self._kept.move_to_end(key)
        while self._bytes > self.limit and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes


def _key(picture: Tensor, joints: Tensor) -> bytes:
    """Of the content, wherever it lies."""
    content = [t.detach().float().cpu().contiguous().numpy() for t in (picture, joints)]
    return blake2b(b"".join(part.tobytes() for part in content), digest_size=16).digest()
