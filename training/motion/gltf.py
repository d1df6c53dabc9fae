"""Reader of the animations of glTF 2.0 files (.gltf, .glb).

Khronos, glTF 2.0 specification, sections 3.6 (buffers), 3.11 (animations) and appendix C
(interpolation). Meshes are not looked at, so that compressed ones do not matter.
"""

from pathlib import Path
from typing import Any

import numpy as np

from engine.mocap.batch import matrices, normalised, quaternions, slerp, turned
from engine.mocap.rotations import Array
from training.characters.imports.container import GltfFile
from training.characters.imports.errors import CharacterFileError
from training.motion.errors import MotionError
from training.motion.names import named_joints
from training.motion.source import (
    MAX_JOINTS,
    MAX_SAMPLED_FRAMES,
    SourceMotion,
    check_finite,
    check_frames,
    check_tree,
    needed,
)

_PATHS = {"translation": 3, "rotation": 4, "scale": 3}
_DEFAULT_FPS, _MAX_FPS = 30.0, 120.0
_REPAIR = "export it again"


def parse_gltf(data: bytes, name: str, *, folder: Path | None = None) -> list[SourceMotion]:
    """The animations of a glTF file's bytes, at the rates of their keys; raises MotionError.

    `folder` is where buffers that are files of their own may lie; without it they are refused.
    """
    try:
        return _Reader(GltfFile.of(data, folder), name).motions()
    except CharacterFileError as error:
        raise MotionError(name, error.expected, error.found, error.action) from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        # The document is anybody's JSON: whatever is missing or of a wrong type ends here.
        raise MotionError(
            name, "a glTF document as the specification has it",
            f"{type(error).__name__}: {str(error)[:80]}", _REPAIR,
        ) from error  # fmt: skip


class _Reader:
    def __init__(self, file: GltfFile, name: str) -> None:
        self.file, self.name = file, name
        self._values: dict[int, Array] = {}
        self.nodes = file.rows("nodes", MAX_JOINTS)
        self.names = [str(node.get("name", f"node {i}")) for i, node in enumerate(self.nodes)]
        self.parents = [-1] * len(self.nodes)
        for i, node in enumerate(self.nodes):
            for child in node.get("children", []):
                if not 0 <= child < len(self.nodes):
                    raise self._wrong("children that are nodes", f"node {child}")
                if self.parents[child] >= 0:
                    raise self._wrong("a tree of nodes", "a node with two parents")
                self.parents[child] = i
        self.order = check_tree(name, self.parents)

    def _wrong(self, expected: str, found: str, do: str = _REPAIR) -> MotionError:
        return MotionError(self.name, expected, found, do)

    def _accessor(self, index: int) -> Array:
        """The values (N, W) of an accessor."""
        if index not in self._values:
            entry, _, count, _ = self.file.accessor_shape(index)
            if "sparse" in entry or "bufferView" not in entry or not count:
                raise self._wrong("plain animation data", "a sparse accessor", "export without")
            self._values[index] = self.file.accessor(index).astype(np.float64)
        return self._values[index]

    def motions(self) -> list[SourceMotion]:
        animations = self.file.rows("animations")
        if not animations:
            raise self._wrong("animations", "none", "give a file that moves")
        if not self.nodes:
            raise self._wrong("nodes", "none")
        keep = needed(self.parents, list(named_joints(self.names).values()))
        return [self._motion(animation, i, keep) for i, animation in enumerate(animations)]

    def _rest(self, node: dict[str, Any]) -> dict[str, Array]:
        """Translation, rotation (w, x, y, z) and scale of a node."""
        if "matrix" in node:
            matrix = np.array(node["matrix"], np.float64).reshape(4, 4).T
            check_finite(self.name, "the nodes", matrix)
            scale = np.linalg.norm(matrix[:3, :3], axis=0)
            if scale.min() < 1e-9:
                raise self._wrong("invertible matrices", "a node that is flat")
            return {
                "translation": matrix[:3, 3],
                "rotation": quaternions(matrix[:3, :3] / scale),
                "scale": scale,
            }
        rest = {}
        for key, default in (("translation", 0.0), ("rotation", 0.0), ("scale", 1.0)):
            value = np.array(node.get(key, [default] * _PATHS[key]), np.float64)
            if value.shape != (_PATHS[key],):
                raise self._wrong(f"{_PATHS[key]} numbers for a {key}", f"{value.size}")
            rest[key] = check_finite(self.name, "the nodes", value)
        rotation = np.roll(rest["rotation"], 1)
        rest["rotation"] = rotation if rotation.any() else np.array([1.0, 0.0, 0.0, 0.0])
        return rest

    def _motion(self, animation: dict[str, Any], number: int, keep: list[int]) -> SourceMotion:
        title = f"{self.name}/{animation.get('name', f'animation {number}')}"
        tracks: dict[tuple[int, str], tuple[Array, Array, str]] = {}
        for channel in animation["channels"]:
            target = channel["target"]
            node, path = target.get("node"), target["path"]
            if node not in keep or path not in _PATHS:
                continue
            sampler = animation["samplers"][_natural(channel["sampler"])]
            method = sampler.get("interpolation", "LINEAR")
            times = self._accessor(sampler["input"])[:, 0]
            values = self._accessor(sampler["output"])
            each = 3 if method == "CUBICSPLINE" else 1
            if method not in ("LINEAR", "STEP", "CUBICSPLINE"):
                raise self._wrong("a known interpolation", repr(method)[:40])
            if values.shape != (len(times) * each, _PATHS[path]):
                raise self._wrong(f"one {path} a key", f"an array {values.shape}")
            if (np.diff(times) <= 0.0).any() or times[0] < 0.0:
                raise self._wrong("times that rise from 0", "others")
            tracks[node, path] = (times, values.reshape(len(times), each, -1), method)
        end = max((float(times[-1]) for times, _, _ in tracks.values()), default=0.0)
        rate = _rate([times for times, _, _ in tracks.values()])
        frames = int(np.floor(end * rate + 1e-6)) + 1
        check_frames(title, frames, MAX_SAMPLED_FRAMES)
        seconds = np.arange(frames) / rate
        return self._posed(title, keep, tracks, seconds, rate)

    def _posed(
        self, title: str, keep: list[int], tracks: dict[tuple[int, str], tuple[Array, Array, str]],
        seconds: Array, rate: float,
    ) -> SourceMotion:  # fmt: skip
        frames, count = len(seconds), len(keep)
        at = {node: i for i, node in enumerate(keep)}
        turns, places = np.empty((frames, count, 3, 3)), np.empty((frames, count, 3))
        rest_turns, rest_places = np.empty((count, 3, 3)), np.empty((count, 3))
        # Scales stretch the bones below a joint, but turn nothing.
        linear, rest_linear = np.empty_like(turns), np.empty_like(rest_turns)
        eye = np.eye(3)
        for node in (n for n in self.order if n in at):
            i, parent = at[node], at.get(self.parents[node], -1)
            rest = self._rest(self.nodes[node])
            moving = {
                path: _sampled(*tracks[node, path], seconds, spherical=path == "rotation")
                if (node, path) in tracks
                else np.broadcast_to(rest[path], (frames, _PATHS[path]))
                for path in _PATHS
            }
            turn, rest_turn = matrices(moving["rotation"]), matrices(rest["rotation"])
            up, push, rest_up, rest_push = (
                (turns[:, parent], linear[:, parent], rest_turns[parent], rest_linear[parent])
                if parent >= 0
                else (eye, eye, eye, eye)
            )
            turns[:, i], rest_turns[i] = up @ turn, rest_up @ rest_turn
            linear[:, i] = push @ turn * moving["scale"][:, None, :]
            rest_linear[i] = rest_push @ rest_turn * rest["scale"]
            places[:, i] = turned(push, moving["translation"])
            rest_places[i] = rest_push @ rest["translation"]
            if parent >= 0:
                places[:, i] += places[:, parent]
                rest_places[i] += rest_places[parent]
        check_finite(title, "the animation", places)
        return SourceMotion(
            title, rate, tuple(self.names[n] for n in keep),
            tuple(at.get(self.parents[n], -1) for n in keep), turns, places, rest_turns,
            rest_places, np.full((count, 3), np.nan), rest_stands=True,
        )  # fmt: skip


def _natural(value: Any) -> int:
    """An index or a size; raises ValueError for what is none."""
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"expected a whole number, found {value!r}")
    return value


def _rate(times: list[Array]) -> float:
    """Keys a second where they are densest, within reason."""
    steps = [float(np.median(np.diff(t))) for t in times if len(t) > 2]
    if not steps:
        return _DEFAULT_FPS
    return float(np.clip(np.round(1.0 / max(min(steps), 1e-6), 3), 1.0, _MAX_FPS))


def _sampled(times: Array, values: Array, method: str, at: Array, *, spherical: bool) -> Array:
    """Values (N, W) of a track (K, 1 or 3, W) at times; rotations become (w, x, y, z)."""
    if spherical:
        values = np.roll(values, 1, axis=-1)
    first = np.clip(np.searchsorted(times, at, side="right") - 1, 0, max(len(times) - 2, 0))
    second = np.minimum(first + 1, len(times) - 1)
    step = np.maximum(times[second] - times[first], 1e-9)
    t = np.clip((at - times[first]) / step, 0.0, 1.0)
    middle = 1 if method == "CUBICSPLINE" else 0
    a, b = values[first, middle], values[second, middle]
    if method == "STEP":
        result = np.where((at >= times[second])[:, None], b, a)
    elif method == "CUBICSPLINE":
        t, step = t[:, None], step[:, None]
        result = (
            (2 * t**3 - 3 * t**2 + 1) * a
            + step * (t**3 - 2 * t**2 + t) * values[first, 2]
            + (-2 * t**3 + 3 * t**2) * b
            + step * (t**3 - t**2) * values[second, 0]
        )
    elif spherical:
        result = slerp(normalised(a), normalised(b), t)
    else:
        result = a + t[:, None] * (b - a)
    if spherical:
        length = np.linalg.norm(result, axis=-1)
        if (length < 1e-6).any():
            raise ValueError("a rotation of length zero")
        result = normalised(result)
    return np.asarray(result)
