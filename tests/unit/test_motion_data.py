"""Real motions, where they are at hand: AYATSURI_TEST_DATA names a folder that holds them.

motion/cmu_bvh.tar.xz, motion/animated_drawings/*.bvh, motion/kagra/*.bvh, motion/deepmimic/*.txt
and characters/kaykit.tar.xz; what is missing is skipped.
"""

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.mocap.batch import kinematics, normalised
from engine.mocap.clip import Clip
from engine.mocap.feet import foot_sliding, plant_feet
from engine.mocap.rig import INDEX
from training.characters.ito_design import ANATOMY
from training.motion.humanoid import find_joints, offsets_of
from training.motion.load import read_sources
from training.motion.posture import REFERENCE_REST
from training.motion.retarget import to_clip
from training.motion.source import SourceMotion

DATA = os.environ.get("AYATSURI_TEST_DATA", "")
LIMBS = (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot"))

pytestmark = pytest.mark.skipif(not DATA, reason="AYATSURI_TEST_DATA names no folder of motions")


def members(archive: Path, folder: Path, names: tuple[str, ...]) -> list[Path]:
    """Those files of an archive, unpacked."""
    with tarfile.open(archive) as tar:
        wanted = [m for m in tar.getmembers() if Path(m.name).name in names]
        tar.extractall(folder, wanted, filter="data")
    return [folder / member.name for member in wanted]


@pytest.fixture(scope="module", params=["cmu", "animated_drawings", "kagra", "deepmimic", "kaykit"])
def motions(request, tmp_path_factory) -> Iterator[list[SourceMotion]]:
    """A handful of motions of a maker."""
    motion, kind = Path(DATA) / "motion", request.param
    folder = tmp_path_factory.mktemp(kind)
    cmu, kaykit = motion / "cmu_bvh.tar.xz", Path(DATA) / "characters" / "kaykit.tar.xz"
    if kind == "cmu" and cmu.is_file():
        names = ("001_01.bvh", "002_01.bvh", "005_02.bvh", "005_17.bvh", "006_12.bvh")
        files = members(cmu, folder, names)
    elif kind == "kaykit" and kaykit.is_file():
        files = members(kaykit, folder, ("kaykit_Knight.glb",))
    else:
        files = [*(motion / kind).glob("*.bvh"), *(motion / kind).glob("*.txt")]
    if not files:
        pytest.skip(f"there are no motions of {kind} in AYATSURI_TEST_DATA")
    return [source for file in sorted(files) for source in read_sources(file)]


def test_limbs_point_where_the_source_points_them(motions: list[SourceMotion]) -> None:
    for source in motions:
        joints = find_joints(source)
        axes, _ = offsets_of(source, joints)
        clip, theirs = to_clip(source), source.positions @ axes.T
        ours = kinematics(clip.rotations, clip.root, REFERENCE_REST)[1]
        for side in "lr":
            for first, second in ((f"{side}_{a}", f"{side}_{b}") for a, b in LIMBS):
                if second in joints:
                    bone = theirs[:, joints[second]] - theirs[:, joints[first]]
                    own = ours[:, INDEX[second]] - ours[:, INDEX[first]]
                    np.testing.assert_allclose(
                        normalised(own), normalised(bone), atol=1e-5, err_msg=source.name
                    )


def test_feet_do_not_slide(motions: list[SourceMotion]) -> None:
    rest = ANATOMY.rest_joints()
    for source in motions:
        planted = plant_feet(to_clip(source).resampled(30.0), rest)
        sliding = foot_sliding(planted, rest)
        assert sliding.worst < 0.02, source.name
        assert sliding.sunk < 0.005, source.name


def test_people_stand_upright_on_the_floor(motions: list[SourceMotion]) -> None:
    for source in motions:
        if any(
            word in source.name
            for word in ("crawl", "roll", "getup", "Death", "Lie", "Sit", "flip")
        ):
            continue
        clip = to_clip(source)
        places = kinematics(clip.rotations, clip.root, REFERENCE_REST)[1]
        assert np.median(places[:, INDEX["head"], 1] - places[:, 0, 1]) > 0.2, source.name
        lowest = places[:, [INDEX["l_foot"], INDEX["r_foot"]], 1].min()
        assert -0.2 < lowest < 0.35, source.name


def hinge(clip: Clip, joint: str, axis: int) -> np.ndarray:
    """Sines (F,) of a joint's turn about an axis of its own."""
    turn = clip.rotations[:, INDEX[joint]]
    j, k = (axis + 1) % 3, (axis + 2) % 3
    return np.asarray(0.5 * (turn[:, k, j] - turn[:, j, k]))


def test_elbows_and_knees_bend_as_they_do(motions: list[SourceMotion]) -> None:
    for source in motions:
        clip = to_clip(source)
        for joint, axis, sign in (
            ("l_forearm", 1, -1), ("r_forearm", 1, 1), ("l_shin", 0, 1), ("r_shin", 0, 1),
        ):  # fmt: skip
            bent = sign * hinge(clip, joint, axis)
            # Capture systems bend straight knees a little backwards.
            assert bent.mean() > -0.15, (source.name, joint)
