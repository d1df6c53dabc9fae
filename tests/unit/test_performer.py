"""The performer: the clip that ships, the studio that shot it, its music and its body."""

from pathlib import Path

import av
import numpy as np
import pytest

import engine
from engine.mocap.rig import INDEX, forward_kinematics
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, convert
from training.motion.arms import ARMS
from training.motion.poses import random_pose
from training.motion.posture import Posture, plant, pose_of, sole_heights
from training.performer.costume import _ellipsoid, paint
from training.performer.music import SAMPLE_RATE, loop
from training.performer.studio import Mesh, Studio, View, vertex_normals

CLIP = Path(engine.__file__).parent / "assets" / "performer.mp4"
JOINTS = CLIP.with_suffix(".joints.npz")
BONES = [(2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13), (2, 5), (8, 11)]


@pytest.fixture(scope="module")
def joints() -> dict[str, np.ndarray]:
    with np.load(JOINTS) as file:
        return dict(file)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    with av.open(str(CLIP)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


# --- the clip ------------------------------------------------------------------------------------


def test_the_clip_has_as_many_pictures_as_joints(pictures: list, joints: dict) -> None:
    assert joints["joints"].shape == (len(pictures), 20, 2)
    assert joints["joints3d"].shape == (len(pictures), 20, 3)
    assert pictures[0].shape == (480, 640, 3)
    with av.open(str(CLIP)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == float(joints["fps"]) == 30.0
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_the_clip_is_small_enough_to_ship() -> None:
    assert CLIP.stat().st_size < 1_500_000
    assert JOINTS.stat().st_size < 500_000


def test_the_clip_has_music_of_the_same_length(pictures: list, joints: dict) -> None:
    with av.open(str(CLIP)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    sound = np.concatenate(blocks, axis=1)
    seconds = sound.shape[1] / SAMPLE_RATE
    assert seconds == pytest.approx(len(pictures) / float(joints["fps"]), abs=0.1)
    assert 0.02 < float(np.sqrt((sound**2).mean())) < 0.2, "there is music, and it is quiet"


def test_all_joints_are_in_the_picture(joints: dict) -> None:
    assert np.isfinite(joints["joints"]).all()
    assert (joints["joints"] >= 0).all()
    assert (joints["joints"] <= (640, 480)).all()


def test_bones_of_the_truth_are_rigid(joints: dict) -> None:
    # Shoulders and hips move with the clavicles and the pelvis: the last two pairs vary a little.
    for number, (a, b) in enumerate(BONES):
        length = np.linalg.norm(joints["joints3d"][:, a] - joints["joints3d"][:, b], axis=1)
        assert np.ptp(length) < (1e-3 if number < 8 else 0.12)
    middle = 0.5 * (joints["joints3d"][:, 8] + joints["joints3d"][:, 11])
    np.testing.assert_allclose(middle, 0.0, atol=1e-6)


def test_somebody_stands_where_the_joints_say(pictures: list, joints: dict) -> None:
    # Shirt, trousers and skin are no grey: around joints the picture is more colourful or darker
    # than the empty backdrop in the corners.
    backdrop = np.median(pictures[0][:40, :40].reshape(-1, 3), axis=0)
    for number in range(0, len(pictures), 50):
        for joint in (0, 2, 5, 8, 9, 11, 12):
            x, y = joints["joints"][number, joint].astype(int)
            patch = pictures[number][y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3)
            assert np.abs(np.median(patch, axis=0) - backdrop).max() > 25, (number, joint)


def test_mediapipe_tracks_the_performer(pictures: list, joints: dict) -> None:
    from engine.errors import ModelCorrupt, ModelMissing
    from engine.pose.mediapipe import MediaPipeEstimator

    try:
        estimator = MediaPipeEstimator()
    except (ModelMissing, ModelCorrupt) as error:
        pytest.skip(f"no pose model: {error}")
    errors = []
    try:
        for number in range(0, 240, 2):
            pose = estimator.estimate(pictures[number], number * 33_000_000)
            assert pose is not None, f"nobody found in picture {number}"
            found = convert(pose.keypoints, MEDIAPIPE_33, PUPPET_20)
            errors.append(np.linalg.norm(found - joints["joints"][number], axis=1))
    finally:
        estimator.close()
    truth = joints["joints"]
    torso = np.median(np.linalg.norm(truth[:, 1] - truth[:, [8, 11]].mean(axis=1), axis=1))
    assert np.mean(errors) < 0.06 * torso


# --- music, studio -------------------------------------------------------------------------------


def test_music_has_the_wanted_length_and_keeps_below_full_scale() -> None:
    music = loop(3.0, first_beat=0.5)
    assert music.shape == (3 * SAMPLE_RATE, 2)
    assert np.abs(music).max() < 0.7
    np.testing.assert_array_equal(music, loop(3.0, first_beat=0.5))
    before, after = music[int(0.45 * SAMPLE_RATE) :][:1000], music[int(0.5 * SAMPLE_RATE) :][:4000]
    assert np.abs(after).max() > 3.0 * np.abs(before).max(), "the first beat falls on 0.5 s"


@pytest.fixture(scope="module")
def ball() -> Mesh:
    vertices, triangles = _ellipsoid(np.array([0.0, 0.98, 0.0]), np.full(3, 0.3))
    return Mesh(vertices, triangles, np.zeros((len(vertices), 1)))


def test_normals_of_a_ball_point_outwards(ball: Mesh) -> None:
    normals = vertex_normals(ball.vertices, ball.triangles)
    outwards = (ball.vertices - (0.0, 0.98, 0.0)) / 0.3
    poles = np.abs(outwards[:, 1]) > 0.999  # where a ball's triangles degenerate
    assert (np.einsum("ij,ij->i", normals, outwards)[~poles] > 0.99).all()


def test_the_studio_lights_a_ball_from_the_upper_left(ball: Mesh) -> None:
    def grey(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(attributes), 3), 0.4), np.zeros(len(attributes))

    view = View((160, 120), scale=100.0)
    picture = Studio(view, 2).shoot(ball, grey).astype(int)
    x, y = view.project(np.array([[0.0, 0.98, 0.0]]))[0, :2].astype(int)
    assert picture.shape == (120, 160, 3)
    upper_left, lower_right = picture[y - 15, x - 15], picture[y + 18, x + 18]
    assert (upper_left > lower_right + 20).all()


def test_projection_keeps_left_and_up() -> None:
    view = View((640, 480))
    points = view.project(np.array([[0.5, 0.98, 0.0], [-0.5, 0.98, 0.0], [0.0, 1.5, 0.0]]))
    assert points[0, 0] > 320 > points[1, 0], "the performer's left is at the picture's right"
    assert points[2, 1] < points[0, 1]


# --- the body ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def performer():
    pytest.importorskip("torch")
    pytest.importorskip("anny")
    from training.performer.clip import Performer

    return Performer()


def test_the_body_follows_the_rig(performer) -> None:
    body = performer.body
    bones = body.mesh.bones
    rng = np.random.default_rng(0)
    for _ in range(10):
        pose = random_pose(rng, body.rest)
        _, at = body.bones(pose)
        _, joints = forward_kinematics(pose, body.rest)
        for side, other in (("l", "L"), ("r", "R")):
            for joint, bone in (("shin", "lowerleg01"), ("foot", "foot")):
                place = at[bones[f"{bone}.{other}"]]
                np.testing.assert_allclose(place, joints[INDEX[f"{side}_{joint}"]], atol=4e-3)
            # The spine bends at more places than the rig's, so arms agree in direction.
            for a, b, c, d in (
                ("upper_arm", "forearm", "upperarm01", "lowerarm01"),
                ("forearm", "hand", "lowerarm01", "wrist"),
            ):
                rig = joints[INDEX[f"{side}_{b}"]] - joints[INDEX[f"{side}_{a}"]]
                real = at[bones[f"{d}.{other}"]] - at[bones[f"{c}.{other}"]]
                cosine = rig @ real / np.linalg.norm(rig) / np.linalg.norm(real)
                assert cosine > 0.97


def test_shoes_stand_on_the_floor(performer) -> None:
    rest = performer.body.rest
    pose = plant(pose_of(Posture(left_arm=ARMS["hang"], right_arm=ARMS["hang"]), rest), 0.0, rest)
    assert sole_heights(pose, rest).max() < 0.01
    mesh, joints = performer.posed(pose)
    assert -0.02 < mesh.vertices[:, 1].min() < 0.01
    assert 1.6 < mesh.vertices[:, 1].max() < 1.85, "an adult"
    # From top to toe and from the person's right (picture's left) to the left.
    assert joints[14, 1] > joints[0, 1] > joints[1, 1] > joints[8, 1] > joints[9, 1] > joints[10, 1]
    assert (joints[[2, 3, 4, 8, 9, 10, 14, 16, 18], 0] < 0).all()
    assert (joints[[5, 6, 7, 11, 12, 13, 15, 17, 19], 0] > 0).all()


def test_the_dress_covers_the_body(performer) -> None:
    dressed = performer.dressed
    np.testing.assert_allclose(dressed.weights.sum(axis=1), 1.0, atol=1e-6)
    colour, gloss = paint(dressed.attributes)
    assert colour.min() >= 0.0
    assert gloss.max() <= 1.0
    assert len(np.unique(colour.round(3), axis=0)) > 8, "skin, hair, cloth, eyes, lips ..."
