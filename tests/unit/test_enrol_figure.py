"""Finding, judging and cutting out the figure of a drawing, and the body that goes with it."""

from dataclasses import replace

import numpy as np
import pytest

from engine.app import DEFAULT_CHARACTER
from engine.character import CharacterBundle
from engine.enrol.cutout import cut_out
from engine.enrol.finding import find_figure
from engine.enrol.judging import (
    LEAST_EVIDENCE,
    judge_figure,
    judge_picture,
    judge_upright,
    photographic,
)
from engine.enrol.proportions import bone_lengths, is_cut, place, with_depth
from engine.enrol.support import support_set, symmetry, turned_limbs
from engine.enrol.usual import EAR_HALF, usual
from engine.errors import APhotograph, NoFigure, SeveralFigures
from engine.pose.anime import AnimePose
from engine.pose.skeleton import PUPPET_20
from tests.drawings import before, ito, opaque, picture, stripes

MIRROR = PUPPET_20.mirror()


@pytest.fixture(scope="module")
def estimator():
    return AnimePose()


@pytest.fixture(scope="module")
def drawing():
    return ito()


@pytest.fixture(scope="module")
def figure(drawing, estimator):
    return find_figure(picture(drawing), estimator)


def overlap(a, b) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_joints_of_a_drawing_are_found(figure, drawing):
    joints = figure.fitted.joints
    assert figure.evidence > 0.6
    assert figure.cut.how == "alpha"
    judge_upright(picture(drawing), figure, estimator)
    spine = np.linalg.norm(0.5 * (joints[8] + joints[11]) - joints[1])
    # Ito's reference is symmetric about x = 256.
    mirrored = joints[MIRROR, :2] * (-1, 1) + (512, 0)
    assert np.linalg.norm(mirrored - joints[:, :2], axis=1).max() < 0.2 * spine
    assert joints[2, 0] < joints[5, 0]  # its right is the picture's left
    assert drawing[int(joints[18, 1]) - 3, int(joints[18, 0]), 3] > 0


def test_feet_that_point_at_the_viewer_are_short(figure):
    """They are not drawn out to the rim of the shoe for a usual foot's length."""
    true = CharacterBundle.load(DEFAULT_CHARACTER).drawings[0].joints
    away = np.linalg.norm(figure.fitted.joints[[18, 19], :2] - true[[18, 19], :2], axis=1)
    assert away.max() < 0.05 * figure.fitted.spine


@pytest.mark.parametrize("background", ["gradient", "stripes"])
def test_a_drawing_before_a_background_is_cut_out(background, drawing, estimator, figure):
    light = np.linspace(90, 200, 512, dtype=np.uint8)[:, None, None]
    shown = stripes(512) if background == "stripes" else np.broadcast_to(light, (512, 512, 3))
    found = find_figure(picture(before(drawing, shown)), estimator)
    assert found.cut.how == ("network" if background == "stripes" else "plain background")
    assert overlap(found.cut.solid, drawing[..., 3] > 127) > (
        0.85 if background == "stripes" else 0.9
    )
    away = np.linalg.norm(found.fitted.joints[:, :2] - figure.fitted.joints[:, :2], axis=1)
    assert np.median(away) < 0.05 * figure.fitted.spine


def test_joints_that_are_given_stay_where_they_are(drawing, estimator):
    given = {"r_wrist": (150.0, 150.0), "r_elbow": (170.0, 190.0)}
    joints = find_figure(picture(drawing), estimator, given).fitted.joints
    np.testing.assert_allclose(joints[4], (150, 150, 1))
    np.testing.assert_allclose(joints[3], (170, 190, 1))


def test_specks_and_things_apart_are_dropped(drawing):
    dirty = drawing.copy()
    dirty[20:23, 20:23] = 255
    assert not cut_out(dirty).pixels[20:23, 20:23].any()


def test_two_figures_are_refused_and_the_larger_can_be_taken(drawing, estimator):
    two = np.concatenate([drawing[:, 120:400], drawing[:, 120:400]], axis=1)
    found = find_figure(picture(two, "two.png"), estimator)
    with pytest.raises(SeveralFigures, match="2 figures"):
        judge_figure(picture(two, "two.png"), found)
    columns = np.nonzero(found.cut.solid.any(axis=0))[0]
    assert np.ptp(columns) < 300


@pytest.mark.parametrize(
    ("turns", "words"), [(1, "quarter to the right"), (2, "half round"), (3, "quarter to the left")]
)
def test_a_picture_that_lies_on_its_side_is_refused(turns, words, drawing, estimator):
    lying = picture(np.ascontiguousarray(np.rot90(drawing, turns)), "scan.png")
    with pytest.raises(NoFigure, match=f"scan.png does not stand upright.*{words}"):
        judge_upright(lying, find_figure(lying, estimator), estimator)


def test_a_head_without_a_body_is_refused(figure, drawing):
    shown = picture(drawing, "bust.png")
    judge_figure(shown, figure)
    joints = figure.fitted.joints.copy()
    joints[[2, 3, 4, 6, 7], 2] = 0.1
    bust = replace(figure, fitted=replace(figure.fitted, joints=joints))
    with pytest.raises(NoFigure, match="a head is found, but neither"):
        judge_figure(shown, bust)
    judge_figure(shown, replace(bust, head=0.1))  # a child's drawing
    joints[[3, 4], 2] = 0.5  # from a side one shoulder and its arm are seen
    judge_figure(shown, bust)


def test_a_picture_without_a_figure_is_refused(estimator):
    y, x = np.mgrid[:200, :200]
    disc = np.full((200, 200, 3), 255, np.uint8)
    disc[(x - 100) ** 2 + (y - 100) ** 2 < 60**2] = (200, 60, 40)
    found = find_figure(picture(opaque(disc)), estimator)
    assert found.evidence < LEAST_EVIDENCE / 2
    with pytest.raises(NoFigure, match="--edit"):
        judge_figure(picture(opaque(disc)), found)


@pytest.mark.parametrize("alpha", [0, 255])
def test_an_empty_picture_is_refused(alpha, estimator):
    empty = np.full((120, 120, 4), alpha, np.uint8)
    with pytest.raises(NoFigure, match="empty"):
        find_figure(picture(empty), estimator)


def test_what_looks_like_a_photograph_is_refused(drawing):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:300, :300] / 300
    light = np.stack([x, 0.5 * (x + y), 1 - y * x], axis=2) * 200
    photo = np.clip(light + rng.normal(0, 8, (300, 300, 3)), 0, 255).astype(np.uint8)
    assert photographic(photo)
    with pytest.raises(APhotograph, match="--anyway"):
        judge_picture(picture(opaque(photo)))
    judge_picture(picture(before(drawing, stripes(512))))
    judge_picture(picture(drawing))


def test_the_body_is_like_itos(figure):
    truth = CharacterBundle.load(DEFAULT_CHARACTER).skeleton
    fitted = figure.fitted
    placed = place(figure.cut.pixels, fitted.joints, fitted.spine, fitted.ear_half, 256)
    made = placed.skeleton
    # In lengths of the spine: the cameras differ.
    spine = [
        np.linalg.norm(0.5 * (s.rest[8, :3] + s.rest[11, :3]) - s.rest[1, :3])
        for s in (truth, made)
    ]
    ratio = (made.bone_lengths / spine[1]) / (truth.bone_lengths / spine[0])
    assert np.all((ratio > 0.7) & (ratio < 1.4)), ratio.round(2)
    head = made.head[:, :2] / spine[1] - truth.head[:, :2] / spine[0]
    assert np.abs(head).max() < 0.15


def test_a_figure_is_placed_with_room_and_on_the_floor(figure):
    fitted = figure.fitted
    placed = place(figure.cut.pixels, fitted.joints, fitted.spine, fitted.ear_half, 256)
    rows = np.nonzero(placed.picture[..., 3].any(axis=1))[0]
    assert rows[0] > 20
    assert 230 < rows[-1] < 250
    assert placed.skeleton.floor_y == pytest.approx(rows[-1], abs=12)
    inside = placed.joints[:, :2]
    assert inside.min() > 0
    assert inside.max() < 256
    # The joints moved with the picture.
    back = (inside - placed.shift) / placed.scale
    np.testing.assert_allclose(back, fitted.joints[:, :2], atol=0.05)
    assert (placed.picture[..., :3] <= placed.picture[..., 3:]).all()


def test_a_drawing_cut_at_the_thigh_gets_legs_below_the_picture(drawing, estimator):
    above = drawing[:360]
    figure = find_figure(picture(above), estimator)
    fitted = figure.fitted
    assert is_cut(figure.cut.solid, fitted.joints, fitted.spine)
    placed = place(figure.cut.pixels, fitted.joints, fitted.spine, fitted.ear_half, 256)
    assert placed.skeleton.floor_y > 300
    assert placed.picture[-1, :, 3].any()
    assert (placed.joints[[10, 13], 1] > 256).all()


def test_usual_proportions_are_symmetric_and_monotonous():
    small, large = usual(0.2), usual(0.6)
    for body in (small, large, usual(EAR_HALF)):
        mirrored = body.rest[MIRROR] * (-1, 1, 1)
        np.testing.assert_allclose(mirrored, body.rest, atol=1e-9)
        assert (body.bones > 0).all()
    assert small.length["thigh"] > large.length["thigh"]
    assert usual(99.0).ear_half == usual(0.65).ear_half


def test_left_and_right_are_reconciled():
    body = usual()
    joints = np.column_stack([body.rest[:, :2] * 100, np.ones(20)])
    joints[3] = joints[2] + (0, 20, 0)  # one upper arm is foreshortened
    lengths = bone_lengths(joints, 100.0, body)
    bones = {b: i for i, b in enumerate(PUPPET_20.bones)}
    assert lengths[bones[2, 3]] == lengths[bones[5, 6]]
    assert lengths[bones[2, 3]] == pytest.approx(body.length["upper_arm"] * 100, rel=0.15)


def test_depth_has_toes_ahead_and_a_turned_head():
    body = usual()
    joints = np.column_stack([body.rest[:, :2] * 100, np.ones(20)])
    deep = with_depth(joints, 100.0, body)
    assert deep[18, 2] < -10
    assert deep[0, 2] < deep[16, 2]
    assert deep[16, 2] == deep[17, 2] == 0
    joints[[0, 14, 15], 0] += 15  # the face looks to the picture's right
    deep = with_depth(joints, 100.0, body)
    assert deep[17, 2] > 5 > -5 > deep[16, 2]  # its left ear goes away


class Copies:
    """A generator that shows one picture in every pose."""

    name, ready = "copies", True

    def __init__(self, shown):
        self.shown = shown

    def prepare(self): ...

    def forget(self): ...

    def close(self): ...

    def draw(self, joints, pose_image, out):
        out[:] = self.shown


def test_the_support_set_is_what_it_says(figure):
    fitted = figure.fitted
    placed = place(figure.cut.pixels, fitted.joints, fitted.spine, fitted.ear_half, 128)
    examples = list(support_set(placed.picture, placed.joints, Copies(placed.picture)))
    kinds = [example.how for example in examples]
    assert kinds[0] == "as drawn"
    assert kinds.count("shifted") == kinds.count("tilted") == 2
    assert kinds.count("limbs turned") == 4
    for example in examples:
        assert example.picture.shape == (128, 128, 4)
        assert example.joints.shape == (20, 4)
    # Wherever a picture went, its joints went, too: the neck lies on the figure.
    for example in examples[:-4]:
        x, y = example.joints[1, :2].astype(int)
        assert example.picture[y, x, 3] > 200, example.how
    assert symmetry(placed.picture, placed.joints) > 0.8


def test_turned_limbs_keep_their_lengths(figure):
    rng = np.random.default_rng(0)
    joints = np.column_stack([figure.fitted.joints[:, :2], np.zeros(20), np.ones(20)]).astype(
        np.float32
    )
    turned = turned_limbs(joints, rng)
    for a, b in PUPPET_20.bones:
        before_px = np.linalg.norm(joints[b, :2] - joints[a, :2])
        assert np.linalg.norm(turned[b, :2] - turned[a, :2]) == pytest.approx(before_px, rel=1e-3)
    assert np.abs(turned - joints).max() > 5
