from functools import cache

import numpy as np
import pytest

from engine.mocap.rig import JOINTS
from engine.pose.skeleton import PUPPET_20
from tests.meshes import check_mesh
from tests.variety import descriptor, distances
from training.characters.character import RiggedCharacter, render_sample, rest_pose
from training.characters.procedural.build import build
from training.characters.procedural.choices import draw_design
from training.characters.procedural.colours import PALETTES, adjust, blend, lightness, toon
from training.characters.procedural.face import BROWS, EYES, MOUTHS
from training.characters.procedural.hair_fringe import FRINGES
from training.characters.procedural.hair_tied import TIES
from training.characters.sheet import POSES, rig_pose
from training.motion.arms import ARMS
from training.motion.poses import random_pose
from training.motion.posture import Posture, plant, pose_of

MANY = 300
# A character with dyed hair is about 0.01 from itself, with clothes of another palette 0.065.
NEAREST = 0.09
_coarse = cache(lambda seed: build(seed, detail=0.125))


@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_every_mesh_is_sound(seed: int) -> None:
    character = _coarse(seed)
    mesh = character.mesh
    check_mesh(mesh)
    assert len(mesh.triangles) < 80_000
    links = sum(chain.links for chain in character.chains)
    assert character.weights.shape == (len(mesh.vertices), len(JOINTS) + links)
    assert character.weights.min() >= 0.0
    np.testing.assert_allclose(character.weights.sum(axis=1), 1.0, atol=1e-5)


def extreme_poses(character: RiggedCharacter, seed: int) -> dict[str, object]:
    arms = Posture(left_arm=ARMS["straight up"], right_arm=ARMS["straight up"])
    rng = np.random.default_rng(seed)
    return {
        "t pose": rest_pose(),
        "from the side": rig_pose({}, 90),
        "arms up": plant(pose_of(arms, character.rest), 0.0, character.rest),
        "cheer": rig_pose(POSES["cheer"], 45),
        "kick": rig_pose(POSES["kick"], 90),
        "bow": rig_pose(POSES["bow"], 60),
        "drawn": random_pose(rng, character.rest),
    }


@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_extreme_poses_stay_finite_and_inside_the_picture(seed: int) -> None:
    character = _coarse(seed)
    for name, pose in extreme_poses(character, seed).items():
        posed = character.pose(pose)
        assert np.isfinite(posed.vertices).all(), name
        assert np.isfinite(posed.normals).all(), name
        picture, joints = render_sample(character, pose, 64, 1)
        alpha = picture[..., 3]
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert not border.any(), name
        assert 0.02 < (alpha > 0).mean() < 0.6, name
        assert np.isfinite(joints).all()


@pytest.mark.parametrize("seed", [3, 29, 101])
def test_keypoints_lie_on_the_figure(seed: int) -> None:
    character = _coarse(seed)
    for name in ("stand", "dance", "squat"):
        picture, joints = render_sample(character, rig_pose(POSES[name], 20.0), 128)
        filled = np.argwhere(picture[..., 3] > 0)[:, ::-1] + 0.5
        for joint, (x, y) in zip(PUPPET_20.joints, joints[:, :2], strict=True):
            gap = np.min(np.hypot(filled[:, 0] - x, filled[:, 1] - y))
            assert gap < 3.0, f"{joint} of {seed} is {gap:.1f} px away in {name}"


def test_a_seed_is_one_character() -> None:
    pose = rig_pose(POSES["dance"], 20)
    one, joints = render_sample(build(11, 0.25), pose, 96)
    two, again = render_sample(build(11, 0.25), pose, 96)
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(joints, again)
    assert draw_design(11) == draw_design(11)
    assert draw_design(11) != draw_design(12)


def test_hair_and_skirt_swing_the_same_way_every_time() -> None:
    seeds = (s for s in range(100) if draw_design(s).outfit.skirt != "none")
    character = next(c for c in map(_coarse, seeds) if len(c.chains) > 12)
    poses = [rig_pose(POSES["stand"], 6.0 * k) for k in range(12)]
    first = [mesh.vertices for mesh in character.animate(poses, 30.0)]
    second = [mesh.vertices for mesh in character.animate(poses, 30.0)]
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[0], character.pose(poses[0]).vertices)
    assert np.abs(first[-1] - character.pose(poses[-1]).vertices).max() > 0.01
    assert np.isfinite(first[-1]).all()


def test_no_two_of_many_are_near_duplicates() -> None:
    found = distances([descriptor(_coarse(seed)) for seed in range(MANY)])
    one, two = np.unravel_index(int(found.argmin()), found.shape)
    assert found.min() > NEAREST, f"seeds {one} and {two} are {found.min():.3f} apart"
    assert np.median(found.min(axis=1)) > 1.5 * NEAREST


def test_distances_tell_twins_from_strangers() -> None:
    one, other = descriptor(_coarse(1)), descriptor(_coarse(2))
    found = distances([one, one.copy(), other])
    assert found[0, 1] == 0.0
    assert found[0, 2] == found[2, 0] > NEAREST
    assert np.isinf(np.diag(found)).all()


def test_many_designs_use_every_choice() -> None:
    designs = [draw_design(seed) for seed in range(2000)]
    heads = [d.body.heads for d in designs]
    assert min(heads) < 2.6
    assert max(heads) > 7.4
    assert {d.body.build for d in designs} == {"female", "male", "child"}
    assert {d.face.eye for d in designs} == set(EYES)
    assert {d.face.brow for d in designs} == set(BROWS)
    assert {d.face.mouth for d in designs} == set(MOUTHS)
    assert {d.hair.fringe for d in designs} == set(FRINGES)
    assert {d.hair.tie for d in designs} == set(TIES)
    assert len({d.outfit.palette for d in designs}) == len(PALETTES)
    for group, field, least in (
        ("hair", "cut", 5), ("hair", "tone", 5),
        ("outfit", "kind", 13), ("outfit", "skirt", 5), ("outfit", "trousers", 5),
        ("outfit", "pattern", 12), ("outfit", "socks", 7), ("outfit", "shoes", 6),
        ("outfit", "gloves", 5), ("outfit", "cape", 3), ("extras", "hat", 8),
        ("extras", "ears", 8), ("extras", "horns", 6), ("extras", "tail", 8),
        ("extras", "wings", 4), ("extras", "glasses", 6), ("extras", "ornament", 10),
    ):  # fmt: skip
        seen = {getattr(getattr(d, group), field) for d in designs}
        assert len(seen) >= least, f"{group}.{field}: {sorted(seen)}"


def test_shades_are_darker_and_inks_darkest() -> None:
    for palette in PALETTES:
        for colour in (palette.main, palette.second, palette.accent, palette.pale, palette.dark):
            material = toon(colour)
            assert sum(material.ink) <= sum(material.shade) + 0.02
            assert sum(material.shade) < sum(material.lit)
            assert (np.array(material.shade) <= np.array(material.lit) + 1e-9).all()


def test_colours_survive_the_way_there_and_back() -> None:
    for colour in ("#000000", "#ffffff", "#ee3f55", "#37447f"):
        assert adjust(colour) == colour
        assert blend(colour, "#123456", 0.0) == colour
    assert lightness("#ffffff") == pytest.approx(1.0, abs=1e-3)
    assert lightness(adjust("#808080", 0.1)) > lightness("#808080")
