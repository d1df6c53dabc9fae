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
