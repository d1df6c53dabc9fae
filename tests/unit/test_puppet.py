"""The puppet in the engine: cut drawings, frames, carrying; beside torch and the naive twins."""

import numpy as np
import pytest
import torch

from engine.errors import BundleDamaged
from engine.puppet import _kernels_frames as kernels
from engine.puppet.bends import HINGES, SHOULDERS, TIGHT
from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.frames import (
    ARMS,
    EYES,
    FOOT_DROP,
    SLIDES,
    Frames,
    depth_order,
    map_grid,
    nearest,
    spine_length,
)
from engine.puppet.parts import CHEST, COUNT, HEAD, PARTS
from engine.puppet.puppet import Puppet
from tests import naive_puppet
from tests.cut_drawings import body, cut_drawing
from training.fewshot.warp import maps
from training.fewshot.warp.carry import carry
from training.fewshot.warp.compose import compose
from training.fewshot.warp.compose import depth_order as torch_order
from training.fewshot.warp.layers import Layers, Views
from training.fewshot.warp.masks import spine_length as torch_spine

SIZE = 64


def tensors(*drawings: CutDrawing) -> list[Layers]:
    made = []
    for drawing in drawings:
        pixels = torch.from_numpy(drawing.pixels).permute(3, 0, 1, 2)[None].float() / 255
        frames = maps.frames_of(torch.from_numpy(drawing.joints)[None])
        made.append(Layers.of(pixels, frames))
    return made


def draw(puppet: Puppet, joints: np.ndarray) -> np.ndarray:
    out = np.full((puppet.size, puppet.size, 4), 7, np.uint8)
    puppet.carry(joints, out)
    return out


def test_files_give_the_drawing_back():
    drawing = cut_drawing()
    parts, whole = drawing.to_png()
    again = CutDrawing.from_png(parts, whole, drawing.joints, SIZE, "test")
    np.testing.assert_array_equal(again.pixels, drawing.pixels)
    with pytest.raises(BundleDamaged, match="expected a PNG of shape"):
        CutDrawing.from_png(parts, parts, drawing.joints, SIZE, "test")
    with pytest.raises(BundleDamaged, match="no picture"):
        CutDrawing.from_png(b"", whole, drawing.joints, SIZE, "test")


def test_layers_of_the_cutter_become_a_drawing():
    drawing = cut_drawing()
    layers = np.moveaxis(drawing.pixels, 3, 0).astype(np.float32) / 255
    made = CutDrawing.of_layers(layers, drawing.joints)
    np.testing.assert_array_equal(made.pixels[..., DRAWN:], drawing.pixels[..., DRAWN:])
    used = drawing.pixels[..., WHOLE] > 0
    np.testing.assert_array_equal(made.pixels[used], drawing.pixels[used])
    assert len(made.to_png()[0]) < len(drawing.to_png()[0])


@pytest.mark.parametrize("fault", ["shape", "type", "rim", "nan", "less"])
def test_what_is_no_cut_drawing_is_refused(fault):
    drawing = cut_drawing()
    pixels, joints = drawing.pixels.copy(), drawing.joints.copy()
    match fault:
        case "shape":
            pixels = pixels[:, :-1]
        case "type":
            pixels = pixels.astype(np.float32)
        case "rim":
            pixels[2, 0, 5, WHOLE] = 1
        case "nan":
            joints[3, 1] = np.nan
        case "less":
            pixels[0, 9, 9, 3:] = 9, 8
    with pytest.raises(ValueError, match=r"parts|part|joint"):
        CutDrawing(pixels, joints)


@pytest.mark.parametrize("seed", range(6))
def test_frames_are_those_of_torch(seed):
    joints = body(SIZE, seed, noise=0.15)
    ours, theirs = Frames.of(joints), maps.frames_of(torch.from_numpy(joints)[None])
    table = torch.cat(
        [
            theirs.origin, theirs.axes.flatten(2), theirs.length[..., None],
            theirs.depth[..., None], theirs.view,
        ],
        2,
    )[0]  # fmt: skip
    np.testing.assert_allclose(ours.table, table, atol=2e-3, rtol=1e-3)
    np.testing.assert_allclose(ours.turn, theirs.turn[0], atol=1e-4)
    np.testing.assert_allclose(ours.radius, theirs.radius, rtol=1e-4)
    spine = torch_spine(torch.from_numpy(joints)[None])
    assert spine_length(joints) == pytest.approx(float(spine))
    assert depth_order(ours, float(spine)).tolist() == torch_order(theirs, spine)[0].tolist()


@pytest.mark.parametrize(
    ("elbow", "depth", "before"),
    [(-30, 0, False), (-30, -60, True), (30, -40, True), (30, 60, False)],
)
@pytest.mark.parametrize("arm", ARMS)
def test_the_head_hides_arms_that_are_raised(arm, elbow, depth, before):
    """`elbow` px below the shoulder, the arm `depth` px behind the head."""
    joints = body(SIZE, 0)
    upper, fore = (PARTS[i] for i in arm)
    joints[[upper.start, upper.end, fore.end], 2] = Frames.of(joints).depth[HEAD] + depth
    joints[upper.end, 1] = joints[upper.start, 1] + elbow
    frames = maps.frames_of(torch.from_numpy(joints)[None])
    ours = depth_order(Frames.of(joints), spine_length(joints)).tolist()
    assert ours == torch_order(frames, torch_spine(torch.from_numpy(joints)[None]))[0].tolist()
    for part in arm:
        assert (ours.index(part) < ours.index(HEAD)) == before


@pytest.mark.parametrize("elbow", [-30, 30])
@pytest.mark.parametrize("arm", ARMS)
def test_an_arm_that_wavers_stays_on_its_side_of_the_head(arm, elbow):
    """It changes once on the way back, and later than on the way there; each time for good."""
    joints = body(SIZE, 0)
    upper, fore = (PARTS[i] for i in arm)
    joints[upper.end, 1] = joints[upper.start, 1] + elbow
    spine, ears = spine_length(joints), Frames.of(joints).depth[HEAD]
    order, before = None, []
    there = np.linspace(-2, 2, 81)
    for depth in [*there, *there[::-1]]:
        joints[[upper.start, upper.end, fore.end], 2] = ears + depth * spine
        order = depth_order(Frames.of(joints), spine, order)
        place = np.argsort(order)
        before.append([bool(place[part] < place[HEAD]) for part in arm])
        assert (depth_order(Frames.of(joints), spine, order) == order).all()
    for one in np.array(before).T:
        first, back = np.flatnonzero(np.diff(one[:81])), np.flatnonzero(np.diff(one[80:]))
        assert len(first) == len(back) == 1
        assert there[::-1][back[0]] < there[first[0]] - 0.3


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("arm", ARMS)
def test_a_forearm_stays_before_its_upper_arm(arm, seed):
    joints = body(SIZE, seed, noise=0.2)
    upper, fore = (PARTS[i] for i in arm)
    joints[fore.end, 2] = joints[upper.start, 2] - 1
    order = depth_order(Frames.of(joints), spine_length(joints)).tolist()
    assert order.index(arm[1]) < order.index(arm[0])


@pytest.mark.parametrize(("arm", "side"), SHOULDERS)
def test_chest_and_raised_arm_are_one_about_the_shoulder(arm, side):
    """They take the same map there, and none of it is torn."""
    here = body(SIZE)
    there = here.copy()
    shoulder, elbow = PARTS[arm].start, PARTS[arm].end
    for angle in np.linspace(-1.0, 1.2, 11):  # rad below straight out
        reach = np.linalg.norm(here[elbow, :2] - here[shoulder, :2])
        there[elbow, :2] = there[shoulder, :2] + reach * np.array(
            [side * np.cos(angle), np.sin(angle)]
        )
        points = np.empty((COUNT, 8 * SIZE, 8 * SIZE, 2), np.float32)
        slide = np.empty((8 * SIZE, 8 * SIZE, 2), np.float32)
        map_grid(Frames.of(there), Frames.of(here), 1 / 16, 1 / 8, points, slide)
        x, y = (8 * there[shoulder, :2]).round().astype(int)
        chest, own = (points[i, y - 5 : y + 6, x - 5 : x + 6] for i in (CHEST, arm))
        np.testing.assert_allclose(chest, own, atol=0.02)
        np.testing.assert_allclose(chest[5, 5], here[shoulder, :2], atol=0.2)
        for near in (points[CHEST], points[arm]):
            steps = np.abs(np.diff(near[y - 20 : y + 21, x - 20 : x + 21], axis=0))
            assert steps.max() < 2.0  # px of the drawing, for an eighth of a pixel


@pytest.mark.parametrize("angle", [-3.0, -2.2, 2.2, 2.9])
@pytest.mark.parametrize(("upper", "lower"), HINGES)
def test_of_a_limb_that_is_folded_up_the_two_lie_on_each_other(upper, lower, angle):
    """Between the two each is as it is alone, with no fan; everywhere it is as torch has it."""
    here, there = body(SIZE, 3, noise=0.03), body(SIZE, 3, noise=0.03)
    root, hinge, end = PARTS[upper].start, PARTS[lower].start, PARTS[lower].end
    along = there[hinge, :2] - there[root, :2]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    there[end, :2] = there[hinge, :2] + turn @ along
    target, source = Frames.of(there), Frames.of(here)
    points, alone = np.empty((2, COUNT, 4 * SIZE, 4 * SIZE, 2), np.float32)
    slide = np.empty((4 * SIZE, 4 * SIZE, 2), np.float32)
    map_grid(target, source, 1 / 8, 1 / 4, points, slide)
    kernels.map_grid(
        target.table, source.table, target.turn, source.turn, float(target.radius[0]),
        np.array(SLIDES), 1 / 8, 1 / 4, alone, slide,
    )  # fmt: skip
    middle = 0.5 * (angle + np.sign(angle) * np.pi)
    turn = np.array([[np.cos(middle), -np.sin(middle)], [np.sin(middle), np.cos(middle)]])
    at = there[hinge, :2] + turn @ along * 2 / np.linalg.norm(along)  # px from the joint
    column, row = (4 * at).astype(int)
    for part in (upper, lower):
        is_alone = np.abs(points[part] - alone[part])[row, column].max() < 1e-3
        assert is_alone == (abs(angle) > TIGHT[1])
    fitted, given = (maps.frames_of(torch.from_numpy(j).double()[None]) for j in (there, here))
    pixels = maps.pixel_centres(4 * SIZE, 1 / 4, given.origin)
    truth, _ = maps.source_points(fitted, given, pixels)
    map_grid(target, target, 1 / 8, 1 / 4, alone, slide)
    for part in (upper, lower):
        np.testing.assert_allclose(points[part].reshape(-1, 2), truth[0, part], atol=0.02)
        np.testing.assert_allclose(alone[part].reshape(-1, 2), pixels, atol=0.02)  # as drawn


@pytest.mark.parametrize("seed", range(8))
def test_maps_are_those_of_torch(seed):
    here, there = body(SIZE, seed, noise=0.06), body(SIZE, seed + 100, noise=0.06)
    points = np.empty((COUNT, SIZE, SIZE, 2), np.float32)
    slide = np.empty((SIZE, SIZE, 2), np.float32)
    map_grid(Frames.of(there), Frames.of(here), 0.5, 1.0, points, slide)
    source, target = (maps.frames_of(torch.from_numpy(j).double()[None]) for j in (here, there))
    pixels = maps.pixel_centres(SIZE, 1.0, source.origin)
    truth, slid = maps.source_points(target, source, pixels)
    np.testing.assert_allclose(points.reshape(COUNT, -1, 2), truth[0], atol=0.02, rtol=1e-3)
    np.testing.assert_allclose(slide.reshape(-1, 2), slid[0], atol=0.02)


def turned_head(yaw: float) -> np.ndarray:
    """A body whose head, level at first, is turned by `yaw` degrees."""
    joints = body(SIZE)
    head = [0, 14, 15, 16, 17]
    ears = joints[[16, 17], :3].mean(0)
    near = SIZE / 12
    joints[0, :3] = ears + np.array([0, 0, -near])
    for eye, side in ((14, -1), (15, 1)):
        joints[eye, :3] = ears + near * np.array([side / 2, -np.tan(EYES), -1])
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    joints[head, :3] = ears + (joints[head, :3] - ears) @ np.array(
        [[c, 0, -s], [0, 1, 0], [s, 0, c]]
    )
    return joints


def slid(there: np.ndarray) -> np.ndarray:
    """(4 SIZE,) x px in the drawing, of a row through a head that was drawn from the front."""
    points = np.empty((COUNT, 4 * SIZE, 4 * SIZE, 2), np.float32)
    slide = np.empty((4 * SIZE, 4 * SIZE, 2), np.float32)
    map_grid(Frames.of(there), Frames.of(turned_head(0)), 1 / 8, 1 / 4, points, slide)
    row = round(4 * float(there[[16, 17], 1].mean()))
    return np.asarray(points[HEAD, row, :, 0] + slide[row, :, 0])


@pytest.mark.parametrize("yaw", [-150, -80, -45, -20, 20, 45, 80, 150])
def test_a_head_that_turns_stays_upright_and_its_face_in_order(yaw):
    """Nothing of the face is seen twice, and none of it smeared over a quarter of the head."""
    there = turned_head(yaw)
    np.testing.assert_allclose(Frames.of(there).table[HEAD, [2, 5]], 0, atol=1e-3)
    steps = np.diff(slid(there)) * 4  # px of the drawing for a pixel
    assert steps.min() > 0.1
    assert np.convolve(steps, np.ones(SIZE // 4) / (SIZE // 4), "valid").min() > 0.2


def test_a_face_slides_as_far_as_it_is_drawn():
    """As the head turns, at first, then less, and back when the head looks away."""
    middle = 2 * SIZE
    far = [abs(slid(turned_head(yaw))[middle] - slid(turned_head(0))[middle]) for yaw in range(181)]
    steps = np.diff(far)
    assert (steps[:90] > -1e-3).all()
    assert (steps[90:] < 1e-3).all()
    np.testing.assert_allclose(far[60], far[90], rtol=0.1)
    np.testing.assert_allclose(far[180], 0, atol=1e-3)


@pytest.mark.parametrize("yaw", [-70, -30, 0, 30, 70])
def test_a_foot_that_turns_stays_level(yaw):
    joints = body(SIZE)
    length = SIZE / 8
    flat = np.sqrt(1 - FOOT_DROP**2) * length
    for knee, ankle, toe in ((9, 10, 18), (12, 13, 19)):
        joints[knee, :2] = joints[ankle, :2] - (0, SIZE / 8)
        aside, near = flat * np.sin(np.radians(yaw)), flat * np.cos(np.radians(yaw))
        joints[toe, :3] = joints[ankle, :3] + (aside, FOOT_DROP * length, -near)
    feet = Frames.of(joints).table[[7, 12]]
    np.testing.assert_allclose(feet[:, 5], 0, atol=1e-4)
    assert (np.abs(feet[:, 3]) > 0.5 * length).all()


@pytest.mark.parametrize("turned", [(2, 3, 4, 5, 6, 7), (8, 9, 10, 11, 12, 13)])
def test_chest_and_hips_that_face_opposite_ways_draw_no_line_across(turned):
    joints = body(SIZE)
    width = SIZE / 2
    joints[list(turned), 0] = 2 * width - joints[list(turned), 0]
    picture = draw(Puppet([cut_drawing()]), joints)
    usual = draw(Puppet([cut_drawing()]), body(SIZE))
    for side in (slice(0, 8), slice(-8, None)):
        assert (picture[:, side, 3] > 0).sum() <= (usual[:, side, 3] > 0).sum()
    here, there = body(SIZE, 1, noise=0.01), joints
    points = np.empty((COUNT, SIZE, SIZE, 2), np.float32)
    slide = np.empty((SIZE, SIZE, 2), np.float32)
    map_grid(Frames.of(there), Frames.of(here), 0.5, 1.0, points, slide)
    source, target = (maps.frames_of(torch.from_numpy(j).double()[None]) for j in (here, there))
    truth, _ = maps.source_points(target, source, maps.pixel_centres(SIZE, 1.0, source.origin))
    np.testing.assert_allclose(points.reshape(COUNT, -1, 2), truth[0], atol=0.02, rtol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_pictures_are_those_of_torch(seed):
    drawing, joints = cut_drawing(128), body(128, seed, noise=0.03)
    (layers,) = tensors(drawing)
    there = torch.from_numpy(joints)[None]
    frames = maps.frames_of(there)
    scene = carry(layers, frames, torch_order(frames, torch_spine(there)), kept=COUNT)
    truth = compose(scene.layers)[0][0].permute(1, 2, 0).numpy() * 255
    error = np.abs(draw(Puppet([drawing]), joints) - truth)
    # Where a limb is rigid again, or the face begins to slide, a cell's corners differ a little.
    assert error.mean() < 0.5
    assert (error.max(2) > 12).mean() < 0.015


def test_the_drawing_s_own_pose_gives_the_drawing_back():
    drawing = cut_drawing()
    pixels = drawing.pixels.astype(float)
    drawn = pixels[..., DRAWN].sum(0)
    colour = (pixels[..., :3] * pixels[..., DRAWN, None]).sum(0) / 255
    picture = draw(Puppet([drawing]), drawing.joints)
    solid = drawn > 254
    assert np.abs(picture[..., :3] - colour)[solid].max() <= 1
    assert (picture[..., 3] >= drawn - 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_does_as_its_naive_twin(seed):
    drawing = cut_drawing(SIZE, seed)
    puppet = Puppet([drawing])
    joints = body(SIZE, seed, noise=0.08)
    picture = draw(puppet, joints)
    placed = puppet._placed
    truth, _ = naive_puppet.compose(
        drawing.pixels, placed.slots, placed.order, placed.points, placed.slide
    )
    assert np.abs(picture - truth).max() <= 1.01


def test_a_part_does_not_go_to_and_fro_between_drawings():
    frames = [Frames.of(body(SIZE, 3, noise=0.1))] * 2
    first, second = np.zeros(COUNT, np.int64), np.ones(COUNT, np.int64)
    seen = np.stack([np.full(COUNT, 0.5), np.full(COUNT, 0.51)])  # hardly better
    assert (nearest(frames[0], frames, seen)[1:] == 1).all()
    assert (nearest(frames[0], frames, seen, first) == 0).all()
    assert (nearest(frames[0], frames, seen, second) == 1).all()
    seen[1] += 0.2
    assert (nearest(frames[0], frames, seen, first)[1:] == 1).all()


def test_several_drawings_are_chosen_as_torch_does():
    front, other = cut_drawing(), cut_drawing(seed=1)
    turned = body(SIZE, 3, noise=0.1)
    back = CutDrawing(other.pixels, turned)
    views = Views.of(tensors(front, back))
    seen = views.seen[0].double().numpy()
    for seed in range(8):
        joints = body(SIZE, seed, noise=0.15)
        target = maps.frames_of(torch.from_numpy(joints)[None])
        chosen = nearest(Frames.of(joints), [Frames.of(d.joints) for d in (front, back)], seen)
        np.testing.assert_array_equal(
            chosen * COUNT + np.arange(COUNT), views.nearest(target).slots[0]
        )
    picture = draw(Puppet([front, back]), turned)
    assert picture[..., 3].any()


def test_joints_that_are_nowhere_draw_nothing_and_harm_nothing():
    puppet = Puppet([cut_drawing()])
    joints = body(SIZE)
    joints[7, :2] = np.nan
    assert draw(puppet, joints)[..., 3].any()
    assert not draw(puppet, np.full((20, 4), np.nan, np.float32)).any()
    for value in (1e30, -1e30, np.inf, 0.0):
        draw(puppet, np.full((20, 4), value, np.float32))
    assert not draw(puppet, body(SIZE) + np.float32(3 * SIZE)).any()


def test_drawings_that_cannot_be_a_puppet_are_refused():
    with pytest.raises(ValueError, match="one size"):
        Puppet([])
    with pytest.raises(ValueError, match="one size"):
        Puppet([cut_drawing(64), cut_drawing(32)])
    with pytest.raises(ValueError, match="multiple of 16"):
        Puppet([cut_drawing(40)])
    with pytest.raises(ValueError, match="C-contiguous"):
        Puppet([cut_drawing()]).carry(body(SIZE), np.zeros((8, 8, 4), np.uint8))
