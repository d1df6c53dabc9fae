"""Whatever bytes a motion file holds, reading ends in a clip of finite numbers or a MotionError."""

import json
import struct
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.mocap.clip import Clip, clip_of
from engine.mocap.feet import foot_sliding, plant_feet
from engine.mocap.rig import RigPose
from engine.mocap.rotations import from_vector
from tests.motions import (
    CHARACTER_CREATOR,
    KAYKIT,
    MIXAMO,
    bvh_bytes,
    deepmimic_bytes,
    foreign,
    glb_bytes,
    pack_glb,
    scrambled_frames,
    small_dance,
    vmd_bytes,
    vmd_keys,
)
from training.motion.errors import MotionError
from training.motion.load import parse_sources
from training.motion.posture import REFERENCE_REST
from training.motion.retarget import to_clip

_DANCE = small_dance(0.2)
_FILES = {
    "bvh": bvh_bytes(foreign(_DANCE, MIXAMO)),
    "bvh without rest": bvh_bytes(foreign(_DANCE, CHARACTER_CREATOR, frames=scrambled_frames())),
    "glb": glb_bytes(foreign(_DANCE, KAYKIT)),
    "deepmimic": deepmimic_bytes(_DANCE),
    "vmd": vmd_bytes(vmd_keys(_DANCE, legs="feet"), ik={"左足ＩＫ": [(0, True), (3, False)]}),
}
_FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
_ODD = [b"nan", b"-1", b"0", b"1e308", b"1e-320", b"4294967295", b"{", b"}", b"]", b"\0", b"\xff",
        b"JOINT", b"End Site", b"null", b'""', b"99999999999999999999", b"-inf"]  # fmt: skip


def survives(data: bytes) -> None:
    """Reads without any other error, warning of overflow included."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            clips = [to_clip(source) for source in parse_sources(data, "fuzz")]
        except MotionError:
            return
        for clip in clips:
            sane(clip)
            sane(plant_feet(clip, REFERENCE_REST))


def sane(clip: Clip) -> None:
    assert np.isfinite(clip.rotations).all()
    assert np.isfinite(clip.root).all()
    squares = clip.rotations @ np.swapaxes(clip.rotations, -1, -2)
    np.testing.assert_allclose(squares, np.broadcast_to(np.eye(3), squares.shape), atol=1e-6)


Change = Callable[[bytes], bytes]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A way to damage bytes: cut, remove, double, overwrite or insert at some place."""
    place, length = draw(st.floats(0.0, 1.0)), draw(st.integers(1, 40))
    kind = draw(st.sampled_from(["cut", "remove", "double", "flip", "odd", "number"]))
    new = draw(
        st.one_of(st.sampled_from(_ODD), st.binary(min_size=1, max_size=9))
        if kind != "number"
        else st.one_of(
            st.sampled_from([0, 2**31 - 1, 2**32 - 1, 2**31]).map(lambda n: struct.pack("<I", n)),
            st.floats(width=32).map(lambda x: struct.pack("<f", x)),
        )
    )

    def change(data: bytes) -> bytes:
        at = int(place * len(data))
        match kind:
            case "cut":
                return data[:at]
            case "remove":
                return data[:at] + data[at + length :]
            case "double":
                return data[: at + length] + data[at:]
            case "flip" | "number":
                return data[:at] + new + data[at + len(new) :]
            case _:
                return data[:at] + new + data[at:]

    return change


@pytest.mark.parametrize("kind", _FILES)
@_FUZZ
@given(st.lists(changes(), min_size=1, max_size=3))
def test_damaged_files(kind: str, done: list[Change]) -> None:
    data = _FILES[kind]
    for change in done:
        data = change(data)
    survives(data)


@_FUZZ
@given(
    st.sampled_from([b"", b"HIERARCHY ROOT Hips { OFFSET 0 0 0 CHANNELS ", b'{"Frames":',
                     b"Vocaloid Motion Data 0002", b"glTF\2\0\0\0", b'{"asset":']),
    st.binary(max_size=300),
)  # fmt: skip
def test_noise(start: bytes, noise: bytes) -> None:
    survives(start + noise)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@_FUZZ
@given(st.data())
def test_odd_documents(data: st.DataObject) -> None:
    """Any value of a glTF document is exchanged for any other JSON."""
    whole = _FILES["glb"]
    length = struct.unpack_from("<I", whole, 12)[0]
    document = json.loads(whole[20 : 20 + length])
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(_JSON)
        break
    survives(pack_glb(document, whole[28 + length :]))


@_FUZZ
@given(_JSON, st.integers(0, 5), st.integers(0, 43))
def test_odd_frames(value: object, frame: int, number: int) -> None:
    document = json.loads(_FILES["deepmimic"])
    document["Frames"][frame][number] = value
    survives(json.dumps(document).encode())


# --- laws of clips -------------------------------------------------------------------------------


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    """Any poses at all, one after the other, with any contacts."""
    frames = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from([0.0, 0.1, 1.0, 3.0]))
    poses = [
        RigPose(
            np.array([from_vector(v) for v in size * rng.normal(size=(19, 3))]),
            size * rng.normal(size=3),
        )
        for _ in range(frames)
    ]
    return clip_of(poses, 30.0, "any", rng.random((frames, 2, 2)) < 0.5)


@_FUZZ
@given(clips())
def test_mirrors_undo_themselves(clip: Clip) -> None:
    twice = clip.mirrored().mirrored()
    np.testing.assert_array_equal(twice.rotations, clip.rotations)
    np.testing.assert_array_equal(twice.contacts, clip.contacts)
    sane(clip.mirrored())


@_FUZZ
@given(clips(), st.floats(1.0, 240.0))
def test_sampling_is_sane_at_every_rate(clip: Clip, fps: float) -> None:
    sampled = clip.resampled(fps)
    sane(sampled)
    assert -1e-6 < clip.seconds - sampled.seconds < 1.0 / fps + 1e-6
    np.testing.assert_allclose(sampled.at(0.0).rotations, clip.rotations[0], atol=1e-6)


@_FUZZ
@given(clips())
def test_planting_any_motion_is_sane(clip: Clip) -> None:
    planted = plant_feet(clip, REFERENCE_REST)
    sane(planted)
    np.testing.assert_array_equal(planted.root[:, [0, 2]], clip.root[:, [0, 2]])
    assert (planted.root[:, 1] <= clip.root[:, 1] + 1e-9).all()
    assert foot_sliding(planted, REFERENCE_REST).worst >= 0.0
