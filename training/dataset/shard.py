"""A character's samples as one WebDataset shard: a tar of PNG and JSON pairs."""

import io
import json
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.io._kernels_composite import straighten
from training.dataset.errors import DatasetError
from training.dataset.samples import CharacterPictures

_LARGEST_ENTRY = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and what is known about it.

    `picture` is (S, S, 4) uint8 premultiplied RGBA; `truth` is the JSON that lies beside it:
    joints, visible, bone_lengths, kind, name, seconds.
    """

    picture: NDArray[np.uint8]
    truth: dict[str, Any]


def straight(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Premultiplied RGBA as PNG wants it; `premultiplied` gives back exactly the same."""
    out = np.empty_like(picture)
    straighten(np.ascontiguousarray(picture), out)
    return out


def premultiplied(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Straight RGBA, or opaque RGB, as premultiplied RGBA."""
    if picture.shape[2] == 3:
        return np.concatenate([picture, np.full_like(picture[..., :1], 255)], axis=2)
    alpha = picture[..., 3:].astype(np.uint16)
    colour = (picture[..., :3].astype(np.uint16) * alpha + 127) // 255
    return np.concatenate([colour.astype(np.uint8), picture[..., 3:]], axis=2)


def pack(samples: Iterable[Sample], opaque: bool) -> bytes:
    """The bytes of a tar: 0000.png, 0000.json, 0001.png ...; `opaque` pictures have no alpha.

    The same samples give the same bytes: there is no time and no user in the headers.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, sample in enumerate(samples):
            shown = sample.picture[..., :3] if opaque else straight(sample.picture)
            order = [2, 1, 0] if opaque else [2, 1, 0, 3]
            flags = [cv2.IMWRITE_PNG_COMPRESSION, 6]
            png = cv2.imencode(".png", np.ascontiguousarray(shown[..., order]), flags)[1]
            truth = json.dumps(sample.truth, separators=(",", ":"), allow_nan=False)
            for suffix, data in (("png", png.tobytes()), ("json", truth.encode())):
                header = tarfile.TarInfo(f"{number:04d}.{suffix}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return buffer.getvalue()


def unpack(data: bytes, name: str) -> list[Sample]:
    """The samples of a shard in order; raises DatasetError for a damaged one."""
    entries: dict[str, dict[str, bytes]] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for header in tar:
                file = tar.extractfile(header) if header.isreg() else None
                key, _, suffix = header.name.partition(".")
                if file is None or suffix not in ("png", "json") or header.size > _LARGEST_ENTRY:
                    raise _damaged(name, f"an entry {header.name!r} of {header.size} bytes")
                entries.setdefault(key, {})[suffix] = file.read()
        samples = []
        for key in sorted(entries):
            if entries[key].keys() != {"png", "json"}:
                raise _damaged(name, f"{key} without its picture or its truth")
            png = np.frombuffer(entries[key]["png"], np.uint8)
            picture = cv2.imdecode(png, cv2.IMREAD_UNCHANGED) if len(png) else None
            if picture is None or picture.ndim != 3 or picture.dtype != np.uint8:
                raise _damaged(name, f"no RGB or RGBA picture in {key}.png")
            order = [2, 1, 0] if picture.shape[2] == 3 else [2, 1, 0, 3]
            truth = json.loads(entries[key]["json"])
            samples.append(Sample(premultiplied(np.asarray(picture[..., order], np.uint8)), truth))
    except (tarfile.TarError, ValueError, OSError, RecursionError, cv2.error) as error:
        raise _damaged(name, str(error)) from error
    if not samples:
        raise _damaged(name, "no samples")
    return samples


def collect(samples: list[Sample], name: str) -> CharacterPictures:
    """The arrays that training takes; raises DatasetError where the truth is incomplete."""
    try:
        joints = np.array([s.truth["joints"] for s in samples], np.float32)
        visible = np.array([s.truth["visible"] for s in samples], bool)
        return CharacterPictures(name, np.stack([s.picture for s in samples]), joints, visible)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(name, f"samples whose truth is incomplete ({error})") from error


def _damaged(name: str, found: str) -> DatasetError:
    return DatasetError(
        f"{name}: expected a shard of PNG and JSON pairs, found {found}: delete the file and run "
        "the same `ayatsuri-train data make` again, which makes what is missing"
    )
