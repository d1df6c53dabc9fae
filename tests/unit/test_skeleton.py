"""The tables of topologies, and the maps between them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.pose.skeleton import (
    COCO_17,
    MEDIAPIPE_33,
    OPENPOSE_18,
    PUPPET_20,
    Skeleton,
    convert,
    joint_map,
)

ALL = (COCO_17, MEDIAPIPE_33, OPENPOSE_18, PUPPET_20)
PAIRS = list(itertools.product(ALL, repeat=2))


def naive(joints: np.ndarray, source: Skeleton, target: Skeleton) -> np.ndarray:
    """Joint by joint, by name."""
    place = dict(zip(source.joints, joints, strict=True))
    middle = 0.5 * (place["l_shoulder"] + place["r_shoulder"])
    nowhere = np.full(joints.shape[1], np.nan)
    return np.array(
        [place.get(name, middle if name == "neck" else nowhere) for name in target.joints],
        np.float32,
    )


@pytest.mark.parametrize("skeleton", ALL, ids=lambda each: each.name)
def test_a_table_is_whole(skeleton):
    assert len(skeleton.joints) == int(skeleton.name.rpartition("-")[2])
    assert len(set(skeleton.joints)) == len(skeleton.joints)
    ends = [end for bone in skeleton.bones for end in bone]
    assert min(ends) >= 0
    assert max(ends) < len(skeleton.joints)
    assert len({frozenset(bone) for bone in skeleton.bones}) == len(skeleton.bones)


@pytest.mark.parametrize("skeleton", ALL, ids=lambda each: each.name)
def test_the_mirror_image_of_a_skeleton_has_the_same_bones(skeleton):
    partner = skeleton.mirror()
    np.testing.assert_array_equal(partner[partner], np.arange(len(partner)))
    bones = {frozenset(bone) for bone in skeleton.bones}
    assert {frozenset((partner[a], partner[b])) for a, b in skeleton.bones} == bones


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda each: each.name)
@given(data=st.data())
def test_joints_keep_their_names_and_the_neck_is_between_the_shoulders(source, target, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    joints = rng.normal(0, 100, (len(source.joints), 3)).astype(np.float32)
    found = convert(joints, source, target)
    np.testing.assert_allclose(found, naive(joints, source, target), atol=1e-4)
    # Mirrored before is mirrored after.
    np.testing.assert_allclose(
        convert(joints[source.mirror()], source, target), found[target.mirror()], atol=1e-4
    )


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda each: each.name)
def test_there_and_back_is_where_it_was(source, target):
    joints = np.random.default_rng(5).normal(0, 100, (len(source.joints), 2)).astype(np.float32)
    back = convert(convert(joints, source, target), target, source)
    kept = np.isfinite(back).all(axis=1) & (np.array(source.joints) != "neck")
    np.testing.assert_allclose(back[kept], joints[kept], atol=1e-4)
    known = {name for name in source.joints if name in target.joints}
    assert {name for name, k in zip(source.joints, kept, strict=True) if k} == known - {"neck"}


def test_the_maps_of_the_documents():
    """OpenPose's 18 in COCO's order, as both are drawn in their own documents."""
    ours = [OPENPOSE_18.joints[i] for i in joint_map(OPENPOSE_18, COCO_17)[:, 0]]
    assert ours == list(COCO_17.joints)
    assert joint_map(COCO_17, OPENPOSE_18)[:, 0].tolist() == [
        0, 6, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3
    ]  # fmt: skip
    assert joint_map(COCO_17, OPENPOSE_18)[1].tolist() == [6, 5]


def test_a_name_that_there_is_not():
    assert COCO_17.index("l_hip") == 11
    with pytest.raises(ValueError, match="not in"):
        COCO_17.index("tail")
