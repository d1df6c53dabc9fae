"""The methods that Wang 2024 compares with: shapes, sizes, losses."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from tests.cast import a_batch  # noqa: E402
from training.fewshot.baselines import patn, pg2, pix2pix, xinggan  # noqa: E402
from training.fewshot.baselines.objective import (  # noqa: E402
    fake_loss,
    real_loss,
    signed,
    unsigned,
)
from training.fewshot.cost import blank_inputs, parameters  # noqa: E402
from training.fewshot.method import like  # noqa: E402
from training.fewshot.methods import METHODS, method_named  # noqa: E402

TINY: dict[str, Any] = {"size": 64, "width": 8}
STAGES = {"pg2": (0.0, 1.0)}


def stages(name: str) -> tuple[float, ...]:
    return STAGES.get(name, (0.5,))


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", METHODS)
def test_pictures_have_the_size_asked_for(name: str, channels: int) -> None:
    torch.manual_seed(0)
    network = METHODS[name].network(**TINY, image_channels=channels).eval()
    inputs, _ = a_batch()
    with torch.no_grad():
        made = network(inputs)
        assert torch.equal(made, network(inputs))
    assert made.shape == (2, channels, 64, 64)
    assert made.min() >= 0
    assert made.max() <= 1
    if channels == 4:
        assert (made[:, :3] <= made[:, 3:] + 1e-6).all()


@pytest.mark.parametrize("size", [16, 48, 80, 256, 512])
@pytest.mark.parametrize("name", METHODS)
def test_any_multiple_of_16_will_do(name: str, size: int) -> None:
    with torch.device("meta"):
        network = METHODS[name].network(size=size, width=8).eval()
        assert network(blank_inputs(size)).shape == (1, 3, size, size)


@pytest.mark.parametrize("name", METHODS)
def test_other_sizes_and_channels_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="100 is not a multiple of 16"):
        METHODS[name].network(size=100)
    with pytest.raises(ValueError, match="not 2"):
        METHODS[name].network(image_channels=2)


def test_unknown_methods_are_listed() -> None:
    with pytest.raises(KeyError, match="pix2pix, pg2, patn, xinggan"):
        method_named("magic")


def count(module: type, **sizes: int) -> float:
    """Millions of parameters, without their storage."""
    with torch.device("meta"):
        return parameters(module(**sizes)) / 1e6


def test_patn_is_as_large_as_published() -> None:
    assert count(patn.PATN, joints=18) == pytest.approx(41.36, abs=0.005)  # Zhu 2019, section 4.2


def test_pg2_and_its_adam_are_as_large_as_published() -> None:
    """437.09 M in Zhu 2019, section 4.2, is what a checkpoint holds: every number, and its moments.

    The released discriminator sees one picture, and the paper 18 joints.
    """
    twenty_joints = count(pg2.PG2) + count(pg2.PairDCGAN, channels=3, size=256)
    assert 3 * (twenty_joints - 2 * 9 * 128 / 1e6) == pytest.approx(437.09, abs=0.005)


def test_pix2pix_is_as_large_as_its_authors_count() -> None:
    # 54.414 M and 2.769 M in their PyTorch code, from 3 channels to 3; the pose is 3 more.
    assert count(pix2pix.Pix2Pix) == pytest.approx(54.414 + 3 * 64 * 16 / 1e6, abs=0.001)
    assert count(pix2pix.PatchGAN, channels=6) == pytest.approx(2.769, abs=0.001)


def test_xinggan_is_patn_with_attention_and_fusion() -> None:
    """What it adds: in each block two cross attentions, at the end two decoders and a fusion."""
    deep, blocks = 256, 9
    cross = 2 * (2 * (deep * 32 + 32) + deep * deep + deep + 1)
    decoder_body = deep * 128 * 9 + 128 + 128 * 64 * 9 + 64
    last = lambda channels: 64 * channels * 49 + channels  # noqa: E731
    narrow = 2 * deep * deep + deep
    fuse = 3 * deep * deep * 9 + deep + deep * 128 * 9 + 128 + 128 * 21 + 21
    added = blocks * cross + decoder_body + 2 * last(30) - last(3) + narrow + fuse
    assert count(xinggan.XingGAN) - count(patn.PATN) == pytest.approx(added / 1e6)


def test_the_patchgan_judges_patches_of_70_pixels() -> None:
    judge = pix2pix.PatchGAN(4, width=4).double()
    # Without the norms, whose statistics see the whole picture.
    x = torch.zeros(1, 4, 128, 128, dtype=torch.float64, requires_grad=True)
    plain = torch.nn.Sequential(
        *(m for m in judge.layers if not isinstance(m, torch.nn.InstanceNorm2d))
    )
    logits = plain(x)
    assert logits.shape == (1, 1, 14, 14)
    (slope,) = torch.autograd.grad(logits[0, 0, 7, 7], x)
    rows = slope.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 70


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("name", METHODS)
def test_gradients_reach_every_parameter(name: str, channels: int) -> None:
    torch.manual_seed(0)
    network, objective = METHODS[name].build(**TINY, image_channels=channels)
    for attention in [m for m in network.modules() if isinstance(m, xinggan.CrossAttention)]:
        torch.nn.init.ones_(attention.weight)  # it begins at 0, which hides what is behind it
    inputs, truth = a_batch()
    for share in stages(name):
        objective.advance(share)
        made = network(inputs)
        objective.generator_loss(inputs, truth, made)[0].backward()
        assert all(p.grad is None for p in objective.parameters())
        reached = {n for n, p in network.named_parameters() if p.grad is not None}
        found = objective.discriminator_loss(inputs, truth, made)
        if found is None:
            assert name == "pg2"
            continue
        found[0].backward()
        assert {n for n, p in network.named_parameters() if p.grad is not None} == reached
        for n, p in objective.named_parameters():
            assert not p.requires_grad or p.grad is not None, n
        objective.zero_grad()
    for n, p in network.named_parameters():
        assert p.grad is not None, n
        assert torch.isfinite(p.grad).all(), n
        if n.endswith("weight"):  # a bias before an instance norm changes nothing
            assert p.grad.abs().max() > 0, n


@pytest.mark.parametrize("name", METHODS)
def test_the_losses_know_the_truth(name: str) -> None:
    """What is made as it should be costs less than grey, and its L1 is nothing."""
    objective = METHODS[name].objective(**TINY, image_channels=3).eval()
    inputs, truth = a_batch()
    right, parts = objective.generator_loss(inputs, truth, like(truth, 3))
    grey, worse = objective.generator_loss(inputs, truth, torch.full_like(truth[:, :3], 0.5))
    assert float(parts["l1"]) == 0
    assert float(worse["l1"]) > 0.5
    assert right < grey


@pytest.mark.parametrize("name", METHODS)
def test_both_protocols_give_the_same_losses(name: str) -> None:
    torch.manual_seed(0)
    objective = METHODS[name].build(**TINY, image_channels=4)[1].eval()
    inputs, truth = a_batch()
    samples = type("Samples", (), {"inputs": inputs, "truth": truth})()
    made = torch.rand_like(truth)
    for share in stages(name):
        objective.advance(share)
        assert (
            objective.generator(made, samples)[0]
            == objective.generator_loss(inputs, truth, made)[0]
        )
        found = objective.discriminator_loss(inputs, truth, made)
        critic = objective.critic(made, samples)
        assert critic == (None if found is None else found[0])


def test_the_losses_of_pg2_tell_its_network_the_stage() -> None:
    with pytest.raises(RuntimeError, match=r"Method\.build"):
        pg2.PG2Objective(**TINY).advance(0.0)
    network, objective = METHODS["pg2"].build(**TINY)
    inputs, truth = a_batch()
    for share, learning in ((0.0, "coarse"), (0.99, "refine")):
        network.zero_grad()
        objective.advance(share)
        made = network(inputs)
        objective.generator_loss(inputs, truth, made)[0].backward()
        learnt = {n.split(".")[0] for n, p in network.named_parameters() if p.grad is not None}
        assert learnt == {learning}
    objective.advance(0.0)
    with torch.no_grad():
        coarse = network(inputs)
        assert not torch.equal(coarse, made)
        network.refine.zero_grad()
        objective.advance(1.0)
        for parameter in network.refine.parameters():
            parameter.zero_()
        assert torch.equal(network(inputs), coarse)  # nothing was missing


def test_pix2pix_is_noisy_in_training_and_at_test_if_asked() -> None:
    torch.manual_seed(0)
    inputs = a_batch()[0]
    with torch.no_grad():
        noisy = pix2pix.Pix2Pix(**TINY, noise_at_test=True).eval()
        assert not torch.equal(noisy(inputs), noisy(inputs))
        plain = pix2pix.Pix2Pix(**TINY)
        assert not torch.equal(plain(inputs), plain(inputs))


def test_the_pictures_of_a_batch_do_not_touch_each_other() -> None:
    inputs = a_batch()[0]
    for name, method in METHODS.items():
        network = method.network(**TINY).eval()
        with torch.no_grad():
            both = network(inputs)
            first = type(inputs)(*(getattr(inputs, f)[:1] for f in inputs.__slots__))
            torch.testing.assert_close(network(first), both[:1], msg=name)


def test_pictures_go_to_losses_and_back() -> None:
    picture = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(unsigned(signed(picture)), picture)
    assert like(torch.zeros(1, 4, 2, 2), 3).eq(1).all()
    with pytest.raises(ValueError, match="cannot be shown in 4"):
        like(picture, 4)


def test_gan_losses_are_cross_entropies() -> None:
    logits = torch.randn(5)
    probability = torch.sigmoid(logits)
    torch.testing.assert_close(real_loss(logits), -probability.log().mean())
    torch.testing.assert_close(fake_loss(logits), -(1 - probability).log().mean())
