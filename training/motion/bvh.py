"""Reader of BVH (Biovision hierarchy) motion files.

Format: Meredith and Maddock, "Motion Capture File Formats Explained" (2001), section 3.1. Rotation
channels multiply in the order in which they are listed; position channels replace the offset.
"""

from dataclasses import dataclass, field

import numpy as np

from engine.mocap.batch import about
from engine.mocap.rotations import Array
from training.motion.errors import MotionError
from training.motion.names import named_joints
from training.motion.source import (
    MAX_JOINTS,
    SourceMotion,
    check_finite,
    check_frames,
    check_rate,
    global_pose,
    needed,
)

_CHANNELS = {f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}
_PIECE = 2**20  # characters


@dataclass(slots=True)
class _Hierarchy:
    names: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    offsets: list[list[float]] = field(default_factory=list)
    channels: list[list[str]] = field(default_factory=list)
    ends: dict[int, list[float]] = field(default_factory=dict)  # joint: offset of its end site


def parse_bvh(data: bytes, name: str) -> SourceMotion:
    """The motion of a BVH file's bytes; raises MotionError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    head, found, tail = text.partition("MOTION")
    if not head.lstrip().startswith("HIERARCHY") or not found:
        raise MotionError(
            name, "a BVH file: HIERARCHY, then MOTION", f"text that begins {text[:20]!r}",
            "give a BVH file, or one of .vmd, .gltf, .glb or DeepMimic .txt",
        )  # fmt: skip
    tree = _hierarchy(head.split()[1:], name)
    values, fps = _motion(tail, sum(len(c) for c in tree.channels), name)
    return _posed(tree, values, fps, name)


def _hierarchy(tokens: list[str], name: str) -> _Hierarchy:
    tree = _Hierarchy()
    stack: list[int] = []  # joints with an open brace; -1 stands for an end site
    at = 0

    def wrong(expected: str) -> MotionError:
        found = repr(tokens[at][:40]) if at < len(tokens) else "the end of the hierarchy"
        where = f" in joint {tree.names[-1][:40]!r}" if tree.names else ""
        return MotionError(name, f"{expected}{where}", found, "export the motion again")

    def take(count: int) -> list[str]:
        nonlocal at
        if at + count > len(tokens):
            at = len(tokens)
            raise wrong(f"{count} more words")
        at += count
        return tokens[at - count : at]

    def vector() -> list[float]:
        nonlocal at
        try:
            return [float(word) for word in take(3)]
        except ValueError:
            at -= 3
            raise wrong("an offset of three numbers") from None

    while at < len(tokens):
        (word,) = take(1)
        if word in ("ROOT", "JOINT"):
            if (word == "ROOT") == bool(stack) or (stack and stack[-1] < 0):
                at -= 1
                raise wrong("joints inside of joints and roots outside")
            if len(tree.names) >= MAX_JOINTS:
                raise wrong(f"at most {MAX_JOINTS} joints")
            words = []
            while at < len(tokens) and tokens[at] != "{":
                words += take(1)
            if not words or at >= len(tokens):
                raise wrong("a joint's name and a brace")
            at += 1
            tree.parents.append(stack[-1] if stack else -1)
            tree.names.append(" ".join(words))
            tree.offsets.append([0.0, 0.0, 0.0])
            tree.channels.append([])
            stack.append(len(tree.names) - 1)
        elif word == "End":
            if not stack or stack[-1] < 0 or take(2) != ["Site", "{"]:
                raise wrong("an end site within a joint")
            stack.append(-1)
        elif word == "OFFSET" and stack:
            if stack[-1] < 0:
                tree.ends.setdefault(stack[-2], vector())
            else:
                tree.offsets[stack[-1]] = vector()
        elif word == "CHANNELS" and stack and stack[-1] >= 0:
            (count,) = take(1)
            if not count.isdecimal() or int(count) > 6 or tree.channels[stack[-1]]:
                at -= 1
                raise wrong("up to six channels, told once")
            channels = take(int(count))
            if not set(channels) <= _CHANNELS or len(set(channels)) < len(channels):
                raise wrong("channels such as Xposition and Zrotation")
            tree.channels[stack[-1]] = channels
        elif word == "}" and stack:
            stack.pop()
        else:
            at -= 1
            raise wrong("ROOT, JOINT, End Site, OFFSET, CHANNELS or a closing brace")
    if stack or not tree.names:
        raise wrong("every brace closed" if tree.names else "a ROOT joint")
    return tree


def _motion(text: str, channels: int, name: str) -> tuple[Array, float]:
    """The channel values (F, C) and the rate."""
    words = text.split(None, 5)
    try:
        if words[0] != "Frames:" or words[2:4] != ["Frame", "Time:"]:
            raise ValueError
        frames, frame_time = int(words[1]), float(words[4])
    except (IndexError, ValueError):
        raise MotionError(
            name, "'Frames: N' and 'Frame Time: T' after MOTION", repr(" ".join(words[:5])[:60]),
            "export the motion again",
        ) from None  # fmt: skip
    check_frames(name, frames)
    fps = check_rate(name, frame_time)
    start = len(text) - (len(words[5]) if len(words) > 5 else 0)
    values = _numbers(text, start, name)
    if len(values) != frames * channels or channels == 0:
        raise MotionError(
            name, f"{frames} frames of {channels} channels, {frames * channels} numbers",
            f"{len(values)}", "the file is cut short or was edited: export it again",
        )  # fmt: skip
    return check_finite(name, "the motion", values.reshape(frames, channels)), fps


def _numbers(text: str, start: int, name: str) -> Array:
    """All numbers from `start` on, piece by piece: words of a large file would fill the memory."""
    pieces = [np.empty(0)]
    while start < len(text):
        end = text.find("\n", start + _PIECE)
        end = len(text) if end < 0 else end
        try:
            pieces.append(np.array(text[start:end].split(), np.float64))
        except ValueError as error:
            raise MotionError(
                name, "numbers in the motion", str(error)[:80], "export it again"
            ) from None
        start = end
    return np.concatenate(pieces)


def _posed(tree: _Hierarchy, values: Array, fps: float, name: str) -> SourceMotion:
    check_finite(name, "the offsets", np.array([*tree.offsets, *tree.ends.values()]))
    starts = np.cumsum([0, *(len(c) for c in tree.channels)])
    keep = needed(tree.parents, list(named_joints(tree.names).values()))
    renumbered = {joint: i for i, joint in enumerate(keep)}
    parents = tuple(renumbered.get(tree.parents[joint], -1) for joint in keep)
    rotations = np.empty((len(values), len(keep), 3, 3))
    offsets = np.empty((len(values), len(keep), 3))
    for i, joint in enumerate(keep):
        turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
        offsets[:, i] = tree.offsets[joint]
        for k, channel in enumerate(tree.channels[joint], int(starts[joint])):
            axis = channel[0].lower()
            if channel.endswith("position"):
                offsets[:, i, "xyz".index(axis)] = values[:, k]
            else:
                turn = turn @ about(axis, np.radians(values[:, k]))  # type: ignore[arg-type]
        rotations[:, i] = turn
    order = range(len(keep))
    turns, places = global_pose(parents, order, rotations, offsets)
    rest = np.array([tree.offsets[joint] for joint in keep]).reshape(-1, 3)
    identity = np.broadcast_to(np.eye(3), (len(keep), 3, 3)).copy()
    tips = np.full((len(keep), 3), np.nan)
    for i, joint in enumerate(keep):
        # A child that was not needed (a finger), or else the end site, shows where a bone points.
        others = [k for k, p in enumerate(tree.parents) if p == joint and k not in renumbered]
        ends = [
            *(tree.offsets[k] for k in others),
            *([tree.ends[joint]] if joint in tree.ends else []),
        ]
        lengths = [float(np.linalg.norm(end)) for end in ends]
        if lengths and max(lengths) > 1e-6:
            tips[i] = ends[int(np.argmax(lengths))]
    return SourceMotion(
        name, fps, tuple(tree.names[joint] for joint in keep), parents, turns, places,
        identity, global_pose(parents, order, identity, rest)[1], tips, rest_stands=False,
    )  # fmt: skip
