"""Cutting a character out, carrying its parts, redrawing them, and the export of all that."""

from dataclasses import replace
from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
import torch

from engine.puppet.parts import COUNT, HEAD, PARTS
from tests.properties.test_warp_laws import body
from training.characters.character import render_sample
from training.characters.procedural.build import build
from training.dataset.samples import CharacterPictures
from training.fewshot.errors import SettingsError
from training.fewshot.inputs import Inputs
from training.fewshot.warp.carry import KEPT, carry
from training.fewshot.warp.compose import compose, depth_order
from training.fewshot.warp.cutter import Cutter
from training.fewshot.warp.cutting import labelled_pictures, train_cutter
from training.fewshot.warp.labels import BACKGROUND, part_labels
from training.fewshot.warp.layers import Layers, Views
from training.fewshot.warp.maps import frames_of
from training.fewshot.warp.masks import cut, fill, part_masks, radii, settle, spine_length
from training.fewshot.warp.network import FEATURES, MAPS, WarpGenerator, bend, blend
from training.fewshot.warp.sampling import SAMPLINGS, Sampling, sampled
from training.metrics import alpha_iou
from training.motion.poses import random_pose
from training.to_onnx import to_onnx

SIZE = 64
FRONT, BACK, RAISED = 0, 1, 2


@cache
def character() -> tuple[CharacterPictures, np.ndarray]:
    """Eight pictures of a procedural character, and the parts in them."""
    made = build(3, 0.5)
    rng = np.random.default_rng(0)
    poses = [random_pose(rng, made.rest) for _ in range(8)]
    samples = [render_sample(made, pose, SIZE) for pose in poses]
    labels = np.stack([part_labels(made, pose, SIZE) for pose in poses])
    pictures = np.stack([picture for picture, _ in samples])
    joints = np.stack([joint for _, joint in samples])
    visible = np.ones(joints.shape[:2], np.bool_)
    return CharacterPictures("procedural-3", pictures, joints, visible), labels


def pairs(source: list[int], target: list[int]) -> tuple[Inputs, torch.Tensor]:
    pictures, _ = character()
    return Inputs.of(pictures, np.array(source), np.array(target))


def shake(generator: WarpGenerator) -> WarpGenerator:
    """As if trained: the last convolution does something."""
    torch.nn.init.normal_(generator.painter.network.leave.weight, std=0.05)
    return generator


def test_every_joint_of_the_rig_is_carried_by_one_part():
    rig = [joint for part in PARTS for joint in part.rig]
    assert len(rig) == len(set(rig)) == 19


def test_labels_are_where_the_drawing_is():
    pictures, labels = character()
    for picture, label in zip(pictures.pictures, labels, strict=True):
        solid, empty = picture[..., 3] > 250, picture[..., 3] == 0
        assert (label[solid] != BACKGROUND).mean() > 0.99
        assert (label[empty] == BACKGROUND).mean() > 0.99
        assert set(np.unique(label)) <= {*range(COUNT), BACKGROUND}
        assert (label == HEAD).sum() > 20


def test_masks_from_the_skeleton_sum_to_one_and_know_most_parts():
    inputs, _ = pairs([*range(8)], [0] * 8)
    masks = part_masks(inputs.source, inputs.source_joints)
    torch.testing.assert_close(masks.sum(1), torch.ones(8, SIZE, SIZE))
    labels = character()[1]
    right = masks.argmax(1).numpy() == labels
    assert right[labels != BACKGROUND].mean() > 0.5


def test_radii_follow_the_silhouette():
    joints = body(0, 0.0)
    wide, narrow = torch.ones(1, 1, 48, 48), torch.zeros(1, 1, 48, 48)
    narrow[..., :, 20:28] = 1
    assert (radii(wide, joints) >= radii(narrow, joints)).all()


def test_an_untrained_cutter_keeps_to_the_skeleton():
    inputs, _ = pairs([0, 1], [2, 3])
    made = Cutter((4, 8))(inputs.source, inputs.source_joints)
    masks = part_masks(inputs.source, inputs.source_joints)
    assert (made.argmax(1) == masks.argmax(1)).float().mean() > 0.999
    assert (made.amax(1) >= masks.amax(1) - 0.02).all()


def test_a_cutter_looks_at_large_drawings_small():
    picture = torch.rand(1, 4, 160, 160)
    joints = body(0, 0.0) * torch.tensor([160 / 48] * 3 + [1.0])
    masks = Cutter((4, 8))(picture, joints)
    assert masks.shape == (1, COUNT, 160, 160)
    torch.testing.assert_close(masks.sum(1), torch.ones(1, 160, 160))


def test_a_cutter_learns():
    data = labelled_pictures(range(3, 5), 48, 2)
    torch.manual_seed(0)
    losses = train_cutter(Cutter((8, 16)), data, 40, batch=4, rate=5e-3)
    assert np.mean(losses[-8:]) < 0.9 * np.mean(losses[:8])


def test_specks_settle():
    masks = torch.zeros(1, COUNT, SIZE, SIZE)
    masks[:, HEAD] = 1
    masks[:, HEAD, 30, 30], masks[:, 3, 30, 30] = 0, 1
    masks[:, HEAD, :, :9], masks[:, 4, :, :9] = 0, 1
    settled = settle(masks)
    torch.testing.assert_close(settled.sum(1), torch.ones(1, SIZE, SIZE))
    assert settled[0, 3].max() < 0.2
    assert settled[0, 4, :, :7].min() > 0.99


def test_a_limb_that_is_hidden_altogether_is_not_guessed():
    inputs, _ = pairs([0], [0])
    masks = torch.zeros(1, COUNT, SIZE, SIZE)
    masks[:, HEAD] = 1
    layers = cut(inputs.source, inputs.source_joints, masks)
    assert layers[:, 4, 3:].amax() == 0


def test_layers_add_up_to_the_drawing():
    inputs, _ = pairs([*range(8)], [0] * 8)
    masks = part_masks(inputs.source, inputs.source_joints)
    layers = cut(inputs.source, inputs.source_joints, masks)
    torch.testing.assert_close(
        layers[:, 3].sum(1)[..., 1:-1, 1:-1], inputs.source[:, 3, 1:-1, 1:-1], atol=1e-5, rtol=1e-5
    )
    assert (layers[:, 4] >= layers[:, 3] - 1e-6).all()
    outside = inputs.source[:, 3] == 0
    assert (layers[:, 4].amax(1)[outside] == 0).all()
    assert (layers >= 0).all()
    assert (layers <= 1 + 1e-5).all()


def test_fill_keeps_what_is_known_and_spreads_it():
    colour = torch.full((1, 3, 16, 16), 0.25)
    weight = torch.zeros(1, 1, 16, 16)
    weight[..., 4:7, 5:9] = 1
    torch.testing.assert_close(fill(colour, weight), colour, atol=1e-5, rtol=0)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_pose_of_the_drawing_gives_the_drawing(sampling: Sampling):
    inputs, truth = pairs([*range(8)], [*range(8)])
    with torch.no_grad():
        made = WarpGenerator("tiny", Cutter((8, 16)), sampling)(inputs)
    assert float((made - truth).abs().mean()) < 0.003
    for a, b in zip(made, truth, strict=True):
        a, b = ((t.permute(1, 2, 0) * 255).round().byte().numpy() for t in (a, b))
        assert alpha_iou(a, b) > 0.99


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_moved_drawing_is_moved(sampling: Sampling):
    inputs, truth = pairs([0], [0])
    joints = inputs.joints + torch.tensor([5.0, -3.0, 0, 0])
    with torch.no_grad():
        made = WarpGenerator("tiny", Cutter((8, 16)), sampling)(replace(inputs, joints=joints))
    expected = torch.roll(truth, (-3, 5), (2, 3))
    inner = slice(8, SIZE - 8)
    assert float((made - expected)[..., inner, inner].abs().mean()) < 0.003


def test_half_a_pixel_blurs_less_if_sampled_by_cubics():
    inputs, truth = pairs([0], [0])
    joints = inputs.joints + torch.tensor([3.5, 0.5, 0, 0])
    wanted = energy(truth)
    shares = []
    for sampling in SAMPLINGS:
        with torch.no_grad():
            made = WarpGenerator("tiny", Cutter((8, 16)), sampling)(replace(inputs, joints=joints))
        assert (made >= 0).all()
        assert (made[:, :3] <= made[:, 3:] + 1e-5).all()
        shares.append(energy(made) / wanted)
    assert shares[0] + 0.1 < shares[1] < 1


def energy(picture: torch.Tensor) -> float:
    """Of the gradient."""
    return sum(float(picture.diff(dim=axis).square().sum()) for axis in (2, 3))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_what_is_sampled_is_the_same_as_a_graph(sampling: Sampling):
    """`GridSample` of ONNX, whose linear and cubic are PyTorch's."""
    rng = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 5, 16, 16, generator=rng)
    grid = 2.2 * torch.rand(2, 8, 8, 2, generator=rng) - 1.1

    class Sampled(torch.nn.Module):
        def forward(self, pictures: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
            return sampled(pictures, grid, sampling)

    graph = to_onnx(Sampled(), {"pictures": pictures, "grid": grid}, "made")
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"pictures": pictures.numpy(), "grid": grid.numpy()})
    np.testing.assert_allclose(found, sampled(pictures, grid, sampling), atol=1e-5)


def test_the_few_parts_of_a_tile_are_as_good_as_all():
    inputs, _ = pairs([0, 1, 2, 3], [4, 5, 6, 7])
    generator = WarpGenerator("tiny", Cutter((8, 16)))
    with torch.no_grad():
        layers = generator.prepare(inputs.source, inputs.source_joints)
        target = frames_of(inputs.joints)
        order = depth_order(target, spine_length(inputs.joints))
        few, whole = (compose(carry(layers, target, order, k).layers)[0] for k in (KEPT, COUNT))
    assert float((few - whole).abs().mean()) < 1e-3


def test_pictures_are_premultiplied_whatever_the_weights():
    inputs, _ = pairs([0, 1, 2], [3, 4, 5])
    torch.manual_seed(0)
    with torch.no_grad():
        made = shake(WarpGenerator("tiny", Cutter((8, 16))))(inputs)
    assert (made >= 0).all()
    assert (made <= 1).all()
    assert (made[:, :3] <= made[:, 3:] + 1e-5).all()


def test_no_flow_and_no_paint_change_nothing():
    picture = torch.rand(2, 4, 16, 16)
    picture[:, :3] *= picture[:, 3:]
    torch.testing.assert_close(bend(picture, torch.zeros(2, 2, 8, 8)), picture, atol=1e-5, rtol=0)
    nowhere = torch.zeros(2, 1, 16, 16)
    torch.testing.assert_close(blend(picture, torch.zeros(2, 9, 16, 16), nowhere, nowhere), picture)


def test_gradients_reach_every_weight():
    inputs, truth = pairs([0, 1], [2, 3])
    torch.manual_seed(0)
    generator = shake(WarpGenerator("tiny", Cutter((8, 16))))
    torch.nn.init.normal_(generator.cutter.network.leave.weight, std=0.05)
    (generator(inputs) - truth).abs().mean().backward()
    for name, weight in generator.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("training", [True, False])
def test_a_gate_that_is_shut_can_be_opened(training: bool):
    painter = WarpGenerator("tiny", Cutter((8, 16))).painter.train(training)
    gate = slice(MAPS - 20, MAPS - 16)
    with torch.no_grad():
        painter.network.leave.bias[gate] = -1.0
    features = torch.rand(1, FEATURES, 8, 8)
    maps = painter.maps(features)
    assert maps[:, gate].abs().max() < 1e-6
    maps[:, gate].sum().backward()
    assert (painter.network.leave.bias.grad[gate] > 0).all()
    with torch.no_grad():
        torch.testing.assert_close(painter.maps(features), maps)


def test_it_learns_from_the_puppet_on():
    inputs, truth = pairs([0, 1, 2, 3], [4, 5, 6, 7])
    torch.manual_seed(0)
    generator = WarpGenerator("tiny", Cutter((8, 16)))
    with torch.no_grad():
        layers = generator.prepare(inputs.source, inputs.source_joints)
    optimiser = torch.optim.Adam(generator.painter.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss = (generator.draw(layers, inputs.pose, inputs.joints) - truth).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_of_several_drawings_the_one_that_faces_the_same_way_is_taken():
    front = body(0, 0.0)
    back = torch.tensor([48.0, 0, 0, 0]) + front * torch.tensor([-1.0, 1, -1, 1])
    drawings = [
        Layers.of(torch.ones(1, 5, COUNT, 8, 8), frames_of(joints)) for joints in (front, back)
    ]
    views = Views.of(drawings)
    for i, joints in enumerate((front, back)):
        chosen = views.nearest(frames_of(joints))
        assert (chosen.slots == torch.arange(COUNT) + i * COUNT).all()
        torch.testing.assert_close(chosen.frames.origin, drawings[i].frames.origin)


def test_a_part_is_taken_from_the_drawing_that_shows_it():
    frames = frames_of(body(0, 0.0))
    hidden, shown = torch.ones(1, 5, COUNT, 8, 8), torch.ones(1, 5, COUNT, 8, 8)
    hidden[:, 3:, 4] = 0
    slots = Views.of([Layers.of(hidden, frames), Layers.of(shown, frames)]).nearest(frames).slots[0]
    assert slots[4] == 4 + COUNT
    assert slots[3] == 3 + COUNT, "upper arm and forearm bend into each other"
    assert slots[8] == 8


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(SettingsError, match="live"):
        WarpGenerator("huge")
    with pytest.raises(SettingsError, match="bicubic"):
        WarpGenerator(sampling="nearest")  # type: ignore[arg-type]


def test_the_spine_has_its_true_length():
    joints = body(0, 0.0)
    assert float(spine_length(joints)) == pytest.approx(11.0)
