import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training.networks.discriminator import PatchDiscriminator  # noqa: E402
from training.networks.generator import (  # noqa: E402
    PRESETS,
    FusionResidualBlock,
    Generator,
    GeneratorConfig,
    preset,
    remove_spectral_norm,
)
from training.networks.spectral import held, spectral_norm  # noqa: E402

TINY = GeneratorConfig(64, (4, 8, 8, 8, 8), (2, 2, 2, 2, 1), (8, 8, 8), 8, 2, 4, True)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_keeps_the_size_of_the_picture(name: str) -> None:
    config = preset(name, 64)
    with torch.device("meta"):
        generator = Generator(config)
        picture = generator(torch.empty(2, 3, 64, 64), torch.empty(2, 4, 64, 64))
    assert picture.shape == (2, 4, 64, 64)


def test_unknown_presets_are_listed() -> None:
    with pytest.raises(KeyError, match=r"live, base, paper|paper, base, live"):
        preset("huge")


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        preset("live", 250)
    with pytest.raises(ValueError, match="make them equal"):
        GeneratorConfig(strides=(2, 2, 2, 2, 2))


def test_the_fusion_product_is_equation_2() -> None:
    torch.manual_seed(0)
    block = FusionResidualBlock(3).double().eval()
    texture, pose = torch.rand(1, 3, 4, 4).double(), torch.rand(1, 3, 4, 4).double()
    features = torch.relu(block.pose_norm(block.pose(pose)))
    wanted = torch.zeros(1, 3, 4, 4).double()
    for m in range(3):
        for i in range(4):
            for j in range(4):
                for n in range(4):
                    wanted[0, m, i, j] += texture[0, m, i, n] * features[0, m, n, j]
    expected = pose + block.aligned(wanted / 4)
    torch.testing.assert_close(block(texture, pose), expected)


def test_pictures_are_premultiplied() -> None:
    torch.manual_seed(0)
    picture = Generator(TINY)(torch.rand(2, 3, 64, 64), torch.rand(2, 4, 64, 64))
    assert (picture[:, :3] <= picture[:, 3:]).all()
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_folding_spectral_norm_changes_nothing() -> None:
    torch.manual_seed(0)
    generator = Generator(TINY).eval()
    pose, picture = torch.rand(1, 3, 64, 64), torch.rand(1, 4, 64, 64)
    with torch.no_grad():
        before = generator(pose, picture)
        remove_spectral_norm(generator)
        torch.testing.assert_close(generator(pose, picture), before)
    assert not any("parametrizations" in name for name, _ in generator.named_parameters())


def test_the_discriminator_judges_patches() -> None:
    logits = PatchDiscriminator(width=8)(torch.rand(2, 3, 64, 64), torch.rand(2, 4, 64, 64))
    assert logits.shape == (2, 1, 7, 7)
    assert np.isfinite(logits.detach().numpy()).all()


def count(module: torch.nn.Module, kind: type[torch.nn.Module]) -> int:
    return sum(isinstance(m, kind) for m in module.modules())


PARAMETERS = {"paper": 28_284_740, "base": 7_082_916, "live": 2_309_440}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [256, 512])
def test_a_preset_has_the_layers_of_section_3_1(name: str, size: int) -> None:
    with torch.device("meta"):
        generator = Generator(preset(name, size, spectral=False))
        for encoder in (generator.pose_encoder, generator.texture_encoder):
            kernels = [layer.kernel_size for layer in encoder.layers]
            assert kernels == [(7, 7), (3, 3), (3, 3), (3, 3), (3, 3)]
        assert len(generator.fusion) == 2
        assert count(generator, torch.nn.BatchNorm2d) == 2 * 2  # Conv(T) and Conv(P) of each block
        assert len(generator.decoder) == 3
        assert all(len(stage.blocks) == 2 for stage in generator.decoder)
        assert generator.head.kernel_size == (3, 3)
        assert generator.out.kernel_size == (7, 7)
        # Ten of the encoders, three of each fusion block, five of each decoder stage, two last.
        assert count(generator, torch.nn.Conv2d) == 10 + 2 * 3 + 3 * 5 + 2
        assert sum(p.numel() for p in generator.parameters()) == PARAMETERS[name]
        picture = generator(torch.empty(1, 3, size, size), torch.empty(1, 4, size, size))
    assert picture.shape == (1, 4, size, size)


def test_the_papers_decoder_halves_its_channels() -> None:
    for name in ("paper", "base"):
        config = preset(name)
        assert [2 * c for c in config.decoder[1:]] == list(config.decoder[:-1])


def test_every_convolution_is_normalised() -> None:
    torch.manual_seed(0)
    for network in (Generator(TINY), PatchDiscriminator(width=8)):
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv2d):
                matrix = layer.eval().weight.detach().flatten(1)
                assert float(torch.linalg.matrix_norm(matrix, 2)) == pytest.approx(1, abs=0.1)


def test_held_norms_do_not_move_and_are_a_function_of_the_weight() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 5, 3).double()
    spectral_norm(layer)
    norm = layer.parametrizations.weight[0]
    start = norm.u.clone()
    with held(layer):
        assert not torch.equal(norm.u, start)  # one iteration, on entering
        first, u = layer.weight.clone(), norm.u.clone()
        torch.testing.assert_close(layer.weight, first, rtol=0, atol=0)
        assert torch.equal(norm.u, u)
        weight = layer.parametrizations.weight.original.detach().clone().requires_grad_()
        assert torch.autograd.gradcheck(norm, weight)
        assert torch.autograd.gradgradcheck(norm, weight)
    _ = layer.weight
    assert not torch.equal(norm.u, u)  # and goes on after


def test_autocast_leaves_the_norm_in_full_precision() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(8, 16, 3)
    spectral_norm(layer)
    layer.eval()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = layer.weight
        assert layer(torch.rand(1, 8, 8, 8)).dtype == torch.bfloat16
    assert torch.equal(rounded, layer.weight)


def test_the_mode_without_alpha_draws_on_white() -> None:
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(**{**TINY.to_dict(), "image_channels": 3}))
    picture = generator(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    assert picture.shape == (2, 3, 64, 64)


def test_without_the_fusion_module_the_parts_are_joined() -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(**{**TINY.to_dict(), "fusion": "join"})
    generator = Generator(config).eval()
    pose, picture = torch.rand(2, 3, 64, 64), torch.rand(1, 4, 64, 64)
    baked = generator.draw(pose, generator.texture(picture))
    torch.testing.assert_close(generator(pose, picture.expand(2, -1, -1, -1)), baked)
    with pytest.raises(ValueError, match="no fusion 'sum'; there are product, join"):
        GeneratorConfig(fusion="sum")


def test_a_configuration_survives_json() -> None:
    config = preset("live", 64, fusion="join")
    assert GeneratorConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
