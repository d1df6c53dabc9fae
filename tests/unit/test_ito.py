import numpy as np
import pytest

from engine.mocap.rig import JOINTS, RigPose
from engine.pose.skeleton import PUPPET_20
from tests import naive
from tests.meshes import check_mesh
from training.characters import _kernels, ito
from training.characters.character import (
    RiggedCharacter,
    head_template,
    render_sample,
    rest_pose,
)  # fmt: skip
from training.characters.shapes import curve, vertex_normals
from training.characters.sheet import POSES, euler, rig_pose


@pytest.fixture(scope="module")
def character() -> RiggedCharacter:
    return ito.build()


def random_pose(seed: int) -> RigPose:
    rng = np.random.default_rng(seed)
    turns = np.stack([euler(tuple(rng.normal(scale=18, size=3))) for _ in JOINTS])
    return RigPose(turns, rng.normal(scale=0.03, size=3))


def test_the_mesh_is_sound(character: RiggedCharacter) -> None:
    mesh = character.mesh
    check_mesh(mesh)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-3)


def test_weights_sum_to_one(character: RiggedCharacter) -> None:
    assert character.weights.min() >= 0.0
    np.testing.assert_allclose(character.weights.sum(axis=1), 1.0, atol=1e-5)
    assert character.weights.shape[1] == len(JOINTS) + len(character.hanging)


def test_the_rest_pose_moves_nothing_but_the_skirt(character: RiggedCharacter) -> None:
    posed = character.pose(rest_pose())
    distance = np.linalg.norm(posed.vertices - character.mesh.vertices, axis=1)
    assert np.median(distance) < 1e-5
    assert distance.max() < 0.02  # the skirt gives way to the thighs


def test_poses_stay_finite(character: RiggedCharacter) -> None:
    for seed in range(5):
        posed = character.pose(random_pose(seed))
        assert np.isfinite(posed.vertices).all()
        assert np.isfinite(posed.normals).all()


def test_skinning_agrees_with_its_twin() -> None:
    rng = np.random.default_rng(0)
    count, bones = 50, 6
    points = rng.normal(size=(count, 3)).astype(np.float32)
    weights = rng.dirichlet(np.ones(bones), count).astype(np.float32)
    table = rng.normal(size=(bones, 12)).astype(np.float32)
    ids = np.tile(np.arange(bones, dtype=np.int32), (count, 1))
    out, normals = np.empty_like(points), np.empty_like(points)
    _kernels.skin(points, points, ids, weights, table, out, normals)
    np.testing.assert_allclose(out, naive.skinned(points, weights, table), atol=1e-5)


def test_normals_agree_with_the_welded_ones() -> None:
    rng = np.random.default_rng(1)
    vertices = rng.normal(size=(20, 3)).astype(np.float32)
    triangles = rng.integers(0, 20, (40, 3)).astype(np.int32)
    out = np.empty_like(vertices)
    _kernels.mesh_normals(vertices, triangles, out)
    np.testing.assert_allclose(out, vertex_normals(vertices, triangles), atol=1e-5)


def test_pictures_are_repeatable_and_premultiplied(character: RiggedCharacter) -> None:
    pose = rig_pose(POSES["dance"])
    picture, joints = render_sample(character, pose, 128)
    again, joints_again = render_sample(ito.build(), pose, 128)
    np.testing.assert_array_equal(picture, again)
    np.testing.assert_array_equal(joints, joints_again)
    assert (picture[..., :3] <= picture[..., 3:]).all()
    assert 0.03 < (picture[..., 3] > 0).mean() < 0.5


@pytest.mark.parametrize("name", sorted(POSES))
def test_keypoints_lie_on_her(character: RiggedCharacter, name: str) -> None:
    size = 256
    picture, joints = render_sample(character, rig_pose(POSES[name], 30.0), size)
    assert joints.shape == (20, 4)
    assert joints.dtype == np.float32
    inside = np.argwhere(picture[..., 3] > 0)[:, ::-1] + 0.5
    for joint, (x, y) in zip(PUPPET_20.joints, joints[:, :2], strict=True):
        if 0 <= x < size and 0 <= y < size:
            gap = np.min(np.hypot(inside[:, 0] - x, inside[:, 1] - y))
            assert gap < 4.0, f"{joint} is {gap:.1f} px away from her"


def test_left_is_on_the_right_of_the_picture(character: RiggedCharacter) -> None:
    _, joints = render_sample(character, rest_pose(), 256)
    for name in ("shoulder", "wrist", "hip", "ankle", "eye", "ear", "toe"):
        left, right = (joints[PUPPET_20.index(side + name)] for side in ("l_", "r_"))
        assert left[0] > right[0]
        assert left[1] == pytest.approx(right[1], abs=1e-3)
    neck, nose = joints[PUPPET_20.index("neck")], joints[PUPPET_20.index("nose")]
    np.testing.assert_allclose(neck[:2], 0.5 * (joints[2, :2] + joints[5, :2]), atol=1e-3)
    assert neck[2] == 0.0
    assert nose[2] < 0.0  # nearer the camera
    assert nose[1] < neck[1]


def test_shift_and_scale_move_picture_and_joints(character: RiggedCharacter) -> None:
    pose = rig_pose(POSES["wave"])
    picture, joints = render_sample(character, pose, 128)
    shifted, moved = render_sample(character, pose, 128, shift_px=(5.0, -3.0))
    np.testing.assert_allclose(moved[:, :2] - joints[:, :2], [[5.0, -3.0]] * 20, atol=1e-3)
    assert np.abs(np.roll(picture, (-3, 5), (0, 1)).astype(int) - shifted).mean() < 0.5
    _, larger = render_sample(character, pose, 128, scale=1.1)
    ratio = np.ptp(larger[:, 0]) / np.ptp(joints[:, 0])
    assert ratio == pytest.approx(1.1, rel=1e-3)


def test_the_head_template_faces_the_camera(character: RiggedCharacter) -> None:
    nose, r_eye, l_eye, r_ear, l_ear = head_template(character, 256)
    assert nose[0] == pytest.approx(0.0, abs=1e-3)
    assert r_ear[0] < r_eye[0] < 0 < l_eye[0] < l_ear[0]
    assert nose[2] < l_eye[2] < l_ear[2]
    assert l_eye[1] < nose[1] < 0


def test_she_fits_her_picture(character: RiggedCharacter) -> None:
    for name in ("stand", "cheer"):
        picture, _ = render_sample(character, rig_pose(POSES[name]), 256)
        alpha = picture[..., 3]
        border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert not border.any()


def test_the_curve_is_monotone_and_passes_its_knots() -> None:
    knots = [(0.0, 0.0), (1.0, 0.0), (2.0, 3.0), (4.0, 3.5)]
    at = np.linspace(-1, 5, 200)
    values = curve(knots, at)
    assert (np.diff(values) >= -1e-12).all()
    np.testing.assert_allclose(curve(knots, [k[0] for k in knots]), [k[1] for k in knots])
