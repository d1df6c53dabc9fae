"""Reader of VMD motion files of MikuMikuDance, and of nothing in them but bones.

The layout is known from its many readers; all numbers are little-endian, names are Shift JIS. MMD's
axes are left-handed, y up, models facing -z: reading flips z. Where inverse kinematics drives the
legs, as it does in most dances, they are solved here on the standard skeleton.
"""

import struct
from dataclasses import dataclass

import numpy as np

from engine.mocap.batch import (
    matrices,
    normalised,
    reach,
    shortest_turns,
    slerp,
    turned,
)
from engine.mocap.rotations import Array
from training.motion.errors import MotionError
from training.motion.mmd import ALIASES, BONE, BONES, PARENTS, REST
from training.motion.source import (
    MAX_SAMPLED_FRAMES,
    SourceMotion,
    check_finite,
    check_frames,
    global_pose,
    widened,
)

FPS = 30.0
_MAGICS = {b"Vocaloid Motion Data 0002": 20, b"Vocaloid Motion Data file": 10}
_KEY = np.dtype([("name", "S15"), ("frame", "<u4"), ("place", "<f4", 3), ("turn", "<f4", 4),
                 ("curves", "u1", 64)])  # fmt: skip
_SIZES = (("morph keys", 23), ("camera keys", 61), ("light keys", 28), ("shadow keys", 9))
_REPAIR = "the file is damaged or cut short: copy or export it again"


@dataclass(frozen=True, slots=True)
class VmdTrack:
    """The keys of one bone, in MMD's own axes, sorted by frame.

    `frames` (K,), `places` (K, 3) relative to rest, `turns` (K, 4) as (w, x, y, z); `curves`
    (K, 4, 4): for x, y, z and rotation the Bezier handles (x1, y1, x2, y2) in [0, 1] on the way
    to this key.
    """

    frames: Array
    places: Array
    turns: Array
    curves: Array

    def at(self, frames: Array) -> tuple[Array, Array]:
        """Places (F, 3) and turns (F, 4) at frame times (F,)."""
        first = np.clip(np.searchsorted(self.frames, frames, side="right") - 1, 0, None)
        second = np.minimum(first + 1, len(self.frames) - 1)
        step = np.maximum(self.frames[second] - self.frames[first], 1.0)
        t = np.clip((frames - self.frames[first]) / step, 0.0, 1.0)
        eased = np.stack([_bezier(self.curves[second, c], t) for c in range(4)], axis=-1)
        a, b = self.places[first], self.places[second]
        places = a + eased[:, :3] * (b - a)
        return places, slerp(self.turns[first], self.turns[second], eased[:, 3])


def _bezier(handles: Array, t: Array) -> Array:
    """The y of a cubic Bezier curve from (0, 0) to (1, 1) where its x is `t`, by bisection."""
    x1, y1, x2, y2 = handles.T
    low, high = np.zeros_like(t), np.ones_like(t)
    for _ in range(24):
        s = 0.5 * (low + high)
        x = 3 * (1 - s) ** 2 * s * x1 + 3 * (1 - s) * s**2 * x2 + s**3
        low, high = np.where(x < t, s, low), np.where(x < t, high, s)
    s = 0.5 * (low + high)
    y = 3 * (1 - s) ** 2 * s * y1 + 3 * (1 - s) * s**2 * y2 + s**3
    return np.where(t <= 0.0, 0.0, np.where(t >= 1.0, 1.0, y))


@dataclass(frozen=True, slots=True)
class VmdMotion:
    """What a VMD file says of bones.

    `ik` holds, for bones of inverse kinematics, the frames (K,) at which they are switched and to
    what (K,).
    """

    model: str
    tracks: dict[str, VmdTrack]
    ik: dict[str, tuple[Array, Array]]

    @property
    def last_frame(self) -> int:
        """The number of the last key's frame."""
        return int(max((track.frames[-1] for track in self.tracks.values()), default=0))


def decode_vmd(data: bytes, name: str) -> VmdMotion:
    """The keys of a VMD file's bytes; raises MotionError."""
    width = _MAGICS.get(data[:25])
    if width is None or len(data) < 34 + width:
        raise MotionError(
            name, "a VMD file (Vocaloid Motion Data)", f"bytes that begin {data[:20]!r}",
            "give a VMD motion",
        )  # fmt: skip
    model = _text(data[30 : 30 + width])
    at = 30 + width

    def count(what: str, size: int) -> int:
        nonlocal at
        if at + 4 > len(data):
            raise MotionError(name, f"a number of {what}", "the end of the file", _REPAIR)
        (number,) = struct.unpack_from("<I", data, at)
        at += 4
        if number * size > len(data) - at:
            raise MotionError(
                name, f"{number} {what} of {size} bytes", f"{len(data) - at} bytes", _REPAIR
            )
        return int(number)

    number = count("bone keys", _KEY.itemsize)
    keys = np.frombuffer(data, _KEY, number, at)
    at += number * _KEY.itemsize
    tracks = _tracks(keys, name)
    ik: dict[str, list[tuple[int, bool]]] = {}
    # What follows was added in later versions and may be missing, section by section.
    for what, size in _SIZES:
        if at == len(data):
            break
        section = count(what, size) * size
        at += section
    if at < len(data):
        for _ in range(count("IK keys", 9)):
            if at + 9 > len(data):
                raise MotionError(name, "whole IK keys", "half of one", _REPAIR)
            frame, _, bones = struct.unpack_from("<IBI", data, at)
            at += 9
            if bones * 21 > len(data) - at:
                raise MotionError(name, f"{bones} IK bones", f"{len(data) - at} bytes", _REPAIR)
            for k in range(bones):
                entry = data[at + 21 * k : at + 21 * (k + 1)]
                bone = _text(entry[:20])
                ik.setdefault(ALIASES.get(bone, bone), []).append((frame, entry[20] != 0))
            at += 21 * bones
    switches = {}
    for bone, entries in ik.items():
        entries.sort()
        switches[bone] = (
            np.array([frame for frame, _ in entries], np.float64),
            np.array([float(on) for _, on in entries]),
        )
    return VmdMotion(model, tracks, switches)


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("cp932", errors="replace")


def _tracks(keys: np.ndarray, name: str) -> dict[str, VmdTrack]:
    tracks = {}
    for raw in np.unique(keys["name"]):
        bone = _text(bytes(raw))
        bone = ALIASES.get(bone, bone)
        if bone not in BONE or bone in tracks:
            continue
        own = keys[keys["name"] == raw]
        _, last = np.unique(own["frame"][::-1], return_index=True)  # of two keys the later counts
        own = own[::-1][last]
        turns = np.roll(widened(own["turn"]), 1, axis=1)
        check_finite(name, f"the keys of {bone}", turns)
        turns[np.linalg.norm(turns, axis=1) < 1e-6] = (1.0, 0.0, 0.0, 0.0)
        curves = own["curves"][:, :16].copy()
        # MMD keeps two switches of its own over two handles; the second row repeats them.
        repeated = own["curves"][:, 16:32].any(axis=1)
        curves[repeated, 2:4] = own["curves"][repeated, 17:19]
        curves = curves.reshape(-1, 4, 4)  # (K, handle number, channel)
        tracks[bone] = VmdTrack(
            own["frame"].astype(np.float64),
            check_finite(name, f"the keys of {bone}", widened(own["place"])),
            normalised(turns),
            np.clip(np.swapaxes(curves, 1, 2) / 127.0, 0.0, 1.0),
        )
    return tracks


def parse_vmd(data: bytes, name: str) -> SourceMotion:
    """The motion of a VMD file's bytes on the standard skeleton; raises MotionError."""
    motion = decode_vmd(data, name)
    if not motion.tracks:
        raise MotionError(
            name, "keys of standard bones such as センター and 左腕", "none (a camera motion?)",
            "give a dance, not its camera",
        )  # fmt: skip
    check_frames(name, motion.last_frame + 1, MAX_SAMPLED_FRAMES)
    frames = np.arange(motion.last_frame + 1, dtype=np.float64)
    local = np.broadcast_to(np.eye(3), (len(frames), len(BONES), 3, 3)).copy()
    shifts = np.zeros((len(frames), len(BONES), 3))
    for bone, track in motion.tracks.items():
        places, turns = track.at(frames)
        shifts[:, BONE[bone]] = places * (1.0, 1.0, -1.0)
        local[:, BONE[bone]] = matrices(turns * (1.0, -1.0, -1.0, 1.0))
    parents = np.array(PARENTS)
    offsets = shifts + np.where(parents[:, None] >= 0, REST - REST[parents], REST)
    turns, places = global_pose(PARENTS, range(len(BONES)), local, offsets)
    for side in "左右":
        on = _solves(motion, side, frames)
        if on.any():
            _solve_leg(turns, places, side, on)
    identity = np.broadcast_to(np.eye(3), (len(BONES), 3, 3)).copy()
    check_finite(name, "the motion", places)
    return SourceMotion(
        name, FPS, BONES, PARENTS, turns, places, identity, REST,
        np.full((len(BONES), 3), np.nan), rest_stands=True,
    )  # fmt: skip


def _solves(motion: VmdMotion, side: str, frames: Array) -> np.ndarray:
    """Frames (F,) in which inverse kinematics drives a leg.

    It is on unless switched off; but files made from captured motion turn the leg itself and hold
    no key of its foot, or a single one at rest.
    """
    bone = f"{side}足ＩＫ"
    driven = motion.tracks.get(bone)
    moves = driven is not None and (len(driven.frames) > 1 or bool(np.abs(driven.places).max() > 0))
    turned_legs = any(
        name in motion.tracks and len(motion.tracks[name].frames) > 1
        for name in (f"{side}足", f"{side}ひざ")
    )
    on = np.full(len(frames), moves or not turned_legs)
    if bone in motion.ik:
        keys, states = motion.ik[bone]
        at = np.searchsorted(keys, frames, side="right") - 1
        switched = np.where(at >= 0, states[np.maximum(at, 0)] > 0.5, True)
        on = switched & (moves or not turned_legs or bool((states > 0.5).all()))
    return on


def _solve_leg(turns: Array, places: Array, side: str, on: np.ndarray) -> None:
    """Bend a leg so that its ankle is where its IK bone is, in place, in the frames `on`."""
    leg, knee, ankle, toe = (BONE[side + part] for part in ("足", "ひざ", "足首", "つま先"))
    goal, toe_goal = BONE[f"{side}足ＩＫ"], BONE[f"{side}つま先ＩＫ"]
    bones = (REST[knee] - REST[leg], REST[ankle] - REST[knee])
    target = places[on, goal] - places[on, leg]
    # The leg's own keys say where the knee looks; knees of MMD bend about x alone.
    solved = reach(turns[on, leg], turns[on, knee], bones, target, (1.0, 0.0, 0.0))
    turns[on, leg], turns[on, knee] = solved
    places[on, knee] = places[on, leg] + turned(turns[on, leg], bones[0])
    places[on, ankle] = places[on, knee] + turned(turns[on, knee], bones[1])
    bone = REST[toe] - REST[ankle]
    foot = turns[on, goal]
    wanted = places[on, toe_goal] - places[on, goal]
    turns[on, ankle] = shortest_turns(turned(foot, bone), wanted) @ foot
    turns[on, toe] = turns[on, ankle]
    places[on, toe] = places[on, ankle] + turned(turns[on, ankle], bone)
