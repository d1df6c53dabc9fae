"""Reading motion of any format that is known."""

from pathlib import Path

from engine.mocap.clip import Clip
from training.motion.bvh import parse_bvh
from training.motion.deepmimic import parse_deepmimic
from training.motion.errors import MotionError
from training.motion.gltf import parse_gltf
from training.motion.retarget import to_clip
from training.motion.source import MAX_BYTES, SourceMotion
from training.motion.vmd import parse_vmd


def load_motion(path: Path | str, name: str | None = None) -> Clip:
    """The one motion of a file, or the animation called `name` of a glTF file.

    The format is told by the contents: BVH, VMD, glTF (.gltf, .glb) or a DeepMimic clip. Raises
    MotionError for anything else and for what is damaged, OSError for what cannot be opened.
    """
    sources = read_sources(path)
    if name is not None:
        chosen = [s for s in sources if s.name in (name, f"{Path(path).stem}/{name}")]
    else:
        chosen = sources
    if len(chosen) != 1:
        names = ", ".join(source.name.rpartition("/")[2] for source in sources[:100])
        raise MotionError(
            Path(path).name, "the name of one motion" if name is None else f"a motion {name!r}",
            f"{len(sources)}: {names}", "choose one of them",
        )  # fmt: skip
    return to_clip(chosen[0])


def load_motions(path: Path | str) -> list[Clip]:
    """All motions of a file; raises as `load_motion` does."""
    return [to_clip(source) for source in read_sources(path)]


def read_sources(path: Path | str) -> list[SourceMotion]:
    """All motions of a file on their own skeletons; raises as `load_motion` does."""
    path = Path(path)
    if not path.is_file():
        raise MotionError(
            path.name, "a motion file", "a folder" if path.is_dir() else "nothing", "check the path"
        )
    if path.stat().st_size > MAX_BYTES:
        raise MotionError(
            path.name, f"at most {MAX_BYTES // 2**20} MiB", f"{path.stat().st_size // 2**20} MiB",
            "cut the motion into shorter ones",
        )  # fmt: skip
    return parse_sources(path.read_bytes(), path.stem, folder=path.parent)


def parse_sources(data: bytes, name: str, *, folder: Path | None = None) -> list[SourceMotion]:
    """All motions in a file's bytes; `folder` is where a .gltf may keep its buffers."""
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"Vocaloid Motion Data"):
        return [parse_vmd(data, name)]
    if start.startswith(b"HIERARCHY"):
        return [parse_bvh(data, name)]
    if data[:4] == b"glTF":
        return parse_gltf(data, name, folder=folder)
    if start.startswith(b"{"):
        # Both are JSON; only one of them has frames.
        if b'"Frames"' in data[: 2**16] and b'"asset"' not in data[: 2**16]:
            return [parse_deepmimic(data, name)]
        return parse_gltf(data, name, folder=folder)
    raise MotionError(
        name, "BVH, VMD, glTF or a DeepMimic clip", f"bytes that begin {data[:16]!r}",
        "convert the motion to BVH",
    )  # fmt: skip
