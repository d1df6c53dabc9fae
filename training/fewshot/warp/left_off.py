"""An adaptation that was ended before its end, in a file: the next one goes on from there."""

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from safetensors.torch import save

from training.fewshot.adapt import Begun
from training.fewshot.errors import CheckpointError
from training.fewshot.tensors import read_tensors
from training.fewshot.warp.cycles import Known
from training.files import write_whole


def key_of(known: Sequence[Known], about: str) -> str:
    """Of what is learnt from, by what, and how: another key, and it begins anew."""
    digest = sha256(about.encode())
    for one in known:
        for part in (one.picture, one.drawing.pixels, one.drawing.joints):
            digest.update(part.tobytes())
    return digest.hexdigest()


def keep(path: Path, key: str, begun: Begun) -> None:
    """Write it, whole or not at all."""
    told = {"step": begun.step, "best_step": begun.best_step, "curve": begun.curve}
    write_whole(path, save(begun.tensors, {"key": key, "begun": json.dumps(told)}))


def left_off(path: Path, key: str) -> Begun | None:
    """What `keep` wrote; None where there is no such file, or it is of something else."""
    if not path.is_file():
        return None
    try:
        tensors, header = read_tensors(path)
    except CheckpointError:
        return None  # it was written by something else: nothing is lost but some minutes
    if header.get("key") != key:
        return None
    told = json.loads(header["begun"])
    return Begun(told["step"], told["best_step"], told["curve"], tensors)
