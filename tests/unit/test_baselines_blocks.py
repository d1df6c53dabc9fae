"""Attention and crossing, against twins that go pixel by pixel."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests import naive_transfer as naive  # noqa: E402
from training.fewshot.baselines.layers import PairDiscriminator, decoder, encoder  # noqa: E402
from training.fewshot.baselines.patn import PoseAttentionalBlock  # noqa: E402
from training.fewshot.baselines.xinggan import CoAttention, CrossAttention  # noqa: E402
from training.fewshot.baselines.xinggan import CrossingBlock as Crossing  # noqa: E402


def random(*shape: int, seed: int = 0) -> "torch.Tensor":
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("pose_width", [4, 8])
def test_the_pose_masks_what_is_added_to_the_image(pose_width: int) -> None:
    torch.manual_seed(0)
    block = PoseAttentionalBlock(4, pose_width).double().eval()
    image, pose = random(1, 4, 6, 5), random(1, pose_width, 6, 5, seed=1)
    with torch.no_grad():
        wanted = naive.pose_attention(
            image[0].numpy(), block.image(image)[0].numpy(), block.pose(pose)[0].numpy()
        )
        found = block(image, pose)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours[0].numpy(), theirs, atol=1e-12)


def attended(block: CrossAttention, x: "torch.Tensor", other: "torch.Tensor") -> np.ndarray:
    flat = [t[0].flatten(1).numpy() for t in (x, block.query(x), block.key(other), block.value(x))]
    return naive.cross_attention(*flat, float(block.weight)).reshape(x.shape[1:])


def test_each_branch_attends_under_the_guidance_of_the_other() -> None:
    torch.manual_seed(0)
    block = Crossing(8, 16).double().eval()
    image, pose = random(1, 8, 4, 5), random(1, 16, 4, 5, seed=1)
    with torch.no_grad():
        block.to_image.weight.fill_(0.7)
        block.to_pose.weight.fill_(-0.4)
        made_image, made_pose = block(image, pose)
        image_code, pose_code = block.image(image), block.pose(pose)
        wanted_image = attended(block.to_image, image_code, pose_code)
        wanted_pose = attended(block.to_pose, pose_code, image_code)
    np.testing.assert_allclose(made_image[0].numpy(), wanted_image, atol=1e-12)
    np.testing.assert_allclose(
        made_pose[0].numpy(), np.concatenate([wanted_image, wanted_pose]), atol=1e-12
    )


def test_crossing_begins_without_attention() -> None:
    block = CrossAttention(8)
    x = torch.rand(1, 8, 3, 3)
    assert torch.equal(block(x, torch.rand(1, 8, 3, 3)), x)


def test_places_of_the_other_branch_have_no_order() -> None:
    torch.manual_seed(0)
    block = CrossAttention(8).double()
    torch.nn.init.ones_(block.weight)
    x, other = random(1, 8, 3, 3), random(1, 8, 3, 3, seed=1)
    order = torch.randperm(9)

    def shuffled(t: "torch.Tensor") -> "torch.Tensor":
        return t.flatten(2)[..., order].view_as(t)

    torch.testing.assert_close(block(shuffled(x), shuffled(other)), shuffled(block(x, other)))


def test_co_attention_chooses_pixel_by_pixel() -> None:
    torch.manual_seed(0)
    block = CoAttention(2, 5).double()
    codes, candidates = random(1, 24, 2, 2), random(1, 5, 3, 8, 8, seed=1)
    with torch.no_grad():
        wanted = naive.co_attention(block.layers(codes)[0].numpy(), candidates[0].numpy())
        found = block(codes, candidates)
    np.testing.assert_allclose(found[0].numpy(), wanted, atol=1e-12)
    same = candidates[:, :1].expand(-1, 5, -1, -1, -1)
    torch.testing.assert_close(block(codes, same), same[:, 0])


def test_a_decoder_undoes_the_halvings_of_its_encoder() -> None:
    picture = torch.rand(1, 3, 32, 48)
    code = encoder(3, 4)(picture)
    assert code.shape == (1, 16, 8, 12)
    drawn = decoder(4, 5)(code)
    assert drawn.shape == (1, 5, 32, 48)
    assert drawn.abs().max() <= 1


def test_a_pair_is_judged_at_a_quarter_of_the_resolution() -> None:
    judge = PairDiscriminator(3 + 20, width=4)
    assert judge(torch.rand(2, 3, 64, 64), torch.rand(2, 20, 64, 64)).shape == (2, 16, 16, 16)
