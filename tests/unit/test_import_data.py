"""Real characters, where a folder of them is at hand (AYATSURI_TEST_DATA)."""

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from engine.mocap.rig import INDEX, RigPose
from engine.pose.skeleton import PUPPET_20
from training.characters.character import RiggedCharacter, render_sample, rest_pose
from training.characters.imports.load import SUFFIXES, load_character
from training.characters.observe import observe
from training.characters.parts import PARTS
from training.motion.poses import random_pose

DATA = os.environ.get("AYATSURI_TEST_DATA")
pytestmark = pytest.mark.skipif(
    not DATA or not (Path(DATA) / "characters").is_dir(),
    reason="AYATSURI_TEST_DATA does not name a folder with characters/",
)


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RiggedCharacter]:
    folder = Path(DATA or "") / "characters"
    files = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    unpacked = tmp_path_factory.mktemp("packs")
    for pack in sorted(folder.glob("*.tar.xz")):
        with tarfile.open(pack) as archive:
            archive.extractall(unpacked, filter="data")
    files += [path for path in unpacked.rglob("*") if path.suffix.lower() in SUFFIXES]
    assert files, f"expected character files under {folder}"
    return {path.name: load_character(path) for path in sorted(files)}


def test_they_stand_and_face_the_camera(characters: dict[str, RiggedCharacter]) -> None:
    for name, character in characters.items():
        rest = character.rest
        assert rest[INDEX["l_hand"], 0] > 0.2 > -0.2 > rest[INDEX["r_hand"], 0], name
        assert rest[INDEX["head"], 1] > rest[INDEX["hips"], 1] > rest[INDEX["l_foot"], 1], name
        landmarks = character.landmarks
        ankle, toe = (landmarks[PUPPET_20.index(k)] for k in ("l_ankle", "l_toe"))
        assert toe[2] > ankle[2] + 0.02, name
        eye, ear = (landmarks[PUPPET_20.index(k)] for k in ("l_eye", "l_ear"))
        assert eye[2] > ear[2], name


def test_eyes_are_seen_from_the_front_and_never_through_the_head(
    characters: dict[str, RiggedCharacter],
) -> None:
    eyes = [PUPPET_20.index("r_eye"), PUPPET_20.index("l_eye")]
    legs = [PUPPET_20.index(f"{side}_{joint}") for side in "lr" for joint in ("ankle", "toe")]
    for name, character in characters.items():
        front = rest_pose()
        rotations = front.rotations.copy()
        rotations[0] = np.diag([-1.0, 1.0, -1.0])
        seen = observe(character, front, 256)
        assert seen.visible[eyes].all(), name
        assert seen.visible[legs].all(), name
        assert not observe(character, RigPose(rotations, front.root), 256).visible[eyes].any(), name
        assert len(np.unique(seen.parts)) == len(PARTS), name


def test_no_pose_tears_them(characters: dict[str, RiggedCharacter]) -> None:
    """Linear skinning shortens and stretches edges at joints; an explosion is another thing."""
    for name, character in characters.items():
        mesh = character.mesh
        edges = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]]])
        before = np.linalg.norm(np.diff(mesh.vertices[edges], axis=1)[:, 0], axis=1)
        for seed in range(12):
            pose = random_pose(np.random.default_rng(seed), character.rest)
            posed = character.pose(pose)
            after = np.linalg.norm(np.diff(posed.vertices[edges], axis=1)[:, 0], axis=1)
            assert (after - before).max() < 0.2 * character.height, (name, seed)
            assert np.percentile(after - before, 99) < 0.04 * character.height, (name, seed)


def test_keypoints_lie_on_them(characters: dict[str, RiggedCharacter]) -> None:
    for name, character in characters.items():
        poses = [rest_pose()]
        poses += [random_pose(np.random.default_rng(seed), character.rest) for seed in range(3)]
        for pose in poses:
            picture, joints = render_sample(character, pose, 256)
            inside = np.argwhere(picture[..., 3] > 0)[:, ::-1] + 0.5
            for joint, (x, y) in zip(PUPPET_20.joints, joints[:, :2], strict=True):
                if 0 <= x < 256 and 0 <= y < 256:
                    gap = np.min(np.hypot(inside[:, 0] - x, inside[:, 1] - y))
                    assert gap < 6.0, f"{joint} is {gap:.1f} px away from {name}"
