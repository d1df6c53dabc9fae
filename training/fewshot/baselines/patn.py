"""PATN (Zhu et al. 2019), the network of the first paper's Stage Three (Tan 2019, section 3.4).

Blocks that carry an image code from the source pose to the target pose step by step: a mask from
the pose code tells each block where to change it.
"""

import torch
from torch import Tensor, nn

from training.fewshot.baselines.layers import (
    PairDiscriminator,
    decoder,
    encoder,
    initialise,
    two_convolutions,
)
from training.fewshot.baselines.objective import (
    Objective,
    Parts,
    Transfer,
    fake_loss,
    real_loss,
    signed,
    unsigned,
)
from training.fewshot.inputs import Inputs
from training.fewshot.keypoints import heatmaps
from training.fewshot.method import like
from training.fewshot.objective import frozen
from training.losses import Perceptual

BLOCKS = 9  # section 4: nine PATBs for both data sets
# alpha, lambda_1 and lambda_2 (section 3.3) as the authors' code trains DeepFashion, from which Tan
# 2019 starts (section 4.2); Tan's equation 17 sums without weights.
GAN_WEIGHT, L1_WEIGHT, PERCEPTUAL_WEIGHT = 5.0, 1.0, 1.0


def pose_maps(inputs: Inputs, size: int, joints: int) -> Tensor:
    """(B, 2 joints, S, S): heatmaps of the source pose and of the target pose."""
    return torch.cat(
        [heatmaps(pose[:, :joints], size) for pose in (inputs.source_joints, inputs.joints)], dim=1
    )


class PoseAttentionalBlock(nn.Module):
    """The pose code masks what is added to the image code, and hears of it (section 3.1.2)."""

    def __init__(self, width: int, pose_width: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.image = two_convolutions(width, width, dropout=dropout)
        self.pose = two_convolutions(pose_width, width, dropout=dropout, last_norm=False)

    def forward(self, image: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        pose = self.pose(pose)
        mask = torch.sigmoid(pose)  # M_t
        image = image + mask * self.image(image)  # F^P_t
        return image, torch.cat([pose, image], dim=1)  # F^S_t


class PATN(Transfer):
    """Encoders of two halvings, nine blocks and a decoder (section 3.1, figure 2)."""

    def __init__(
        self, size: int = 256, image_channels: int = 3, width: int = 64, *,
        joints: int = 20, blocks: int = BLOCKS,
    ) -> None:  # fmt: skip
        super().__init__(size, image_channels)
        self.joints = joints
        self.image = encoder(image_channels, width)
        self.pose = encoder(2 * joints, width)
        deep = 4 * width
        self.blocks = nn.ModuleList(
            PoseAttentionalBlock(deep, 2 * deep if i else deep) for i in range(blocks)
        )
        self.decoder = decoder(width, image_channels)
        initialise(self)

    def forward(self, inputs: Inputs) -> Tensor:
        image = self.image(signed(like(inputs.source, self.image_channels)))
        pose = self.pose(pose_maps(inputs, self.size, self.joints))
        for block in self.blocks:
            image, pose = block(image, pose)
        return unsigned(self.decoder(image))


class PairsObjective(Objective):
    """Appearance and shape discriminators, L1 and perceptual L1 (Tan 2019, equations 13 to 17).

    Zhu 2019, section 3.3, has the same; Tang 2020 takes them over with other weights. The
    perceptual distance is that of early features, as theirs of the second convolution of VGG-19;
    ours are the first of EfficientNet-Lite0, whose weights may be shipped and used.
    """

    def __init__(
        self, size: int = 256, image_channels: int = 3, width: int = 64, *,
        joints: int = 20, gan_weight: float = GAN_WEIGHT, l1_weight: float = L1_WEIGHT,
        perceptual_weight: float = PERCEPTUAL_WEIGHT,
    ) -> None:  # fmt: skip
        super().__init__(image_channels)
        self.joints = joints
        self.weights = gan_weight, l1_weight, perceptual_weight
        self.appearance = PairDiscriminator(2 * image_channels, width)
        self.shape = PairDiscriminator(image_channels + joints, width)
        self.perceptual = Perceptual(blocks=0)

    def partners(self, inputs: Inputs) -> tuple[tuple[PairDiscriminator, Tensor], ...]:
        """Each discriminator and what it is to see beside a picture."""
        pose = heatmaps(inputs.joints[:, : self.joints], inputs.source.shape[-1])
        return (self.appearance, self.seen(inputs.source)), (self.shape, pose)

    def generator_loss(self, inputs: Inputs, truth: Tensor, made: Tensor) -> tuple[Tensor, Parts]:
        gan_weight, l1_weight, perceptual_weight = self.weights
        with frozen(self):
            gans = [real_loss(judge(self.seen(made), p)) for judge, p in self.partners(inputs)]
        gan = torch.stack(gans).mean()
        l1 = (self.seen(made) - self.seen(truth)).abs().mean()
        perceptual = self.perceptual(like(made, 3), like(truth, 3))
        loss = gan_weight * gan + l1_weight * l1 + perceptual_weight * perceptual
        parts = {"gan": gan, "l1": l1, "perceptual": perceptual}
        return loss, {name: part.detach() for name, part in parts.items()}

    def discriminator_loss(
        self, inputs: Inputs, truth: Tensor, made: Tensor
    ) -> tuple[Tensor, Parts]:
        real, fake = self.seen(truth), self.seen(made.detach())
        losses = [
            (real_loss(judge(real, p)) + fake_loss(judge(fake, p))) / 2
            for judge, p in self.partners(inputs)
        ]
        loss = torch.stack(losses).sum()
        return loss, {"critic": loss.detach()}
