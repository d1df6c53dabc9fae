"""The few-shot paper's generator (Wang 2024, section 3.1, figures 3 and 4).

Two encoders of five convolutions, a fusion residual module that aligns the character's texture
with the pose, and a decoder of three conv-and-two-residual stacks, each of which doubles the
resolution, with skips from the pose encoder.
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.spectral import remove_spectral_norm, spectral_norm

__all__ = [
    "PRESETS",
    "Generator",
    "GeneratorConfig",
    "compose",
    "full",
    "preset",
    "remove_spectral_norm",
]

FUSIONS = ("product", "join")


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Sizes of a generator.

    `strides` are those of the five encoder convolutions. The decoder doubles the resolution three
    times; where the encoder halves it four times, the last convolution draws `subpixel` x
    `subpixel` pixels at once (Shi 2016), which costs a quarter of a full-resolution decoder.
    `fusion` is "product" (equation 2) or, for the ablation without the fusion module, "join";
    `fusion_scale` multiplies the mean that stands for equation 2's sum.
    """

    size: int = 256
    channels: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512)
    strides: tuple[int, int, int, int, int] = (1, 2, 2, 2, 1)
    decoder: tuple[int, int, int] = (256, 128, 64)
    head: int = 64
    subpixel: int = 1
    image_channels: int = 4
    spectral: bool = True
    fusion: str = "product"
    fusion_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.fusion not in FUSIONS:
            raise ValueError(f"no fusion {self.fusion!r}; there are {', '.join(FUSIONS)}")
        shrink = 1
        for stride in self.strides:
            shrink *= stride
        if shrink != 8 * self.subpixel:
            raise ValueError(
                f"strides {self.strides} shrink the picture by {shrink}; the decoder enlarges it "
                f"by 8 x subpixel = {8 * self.subpixel}: make them equal"
            )
        if self.size % shrink:
            raise ValueError(f"size {self.size} is not a multiple of {shrink}")

    def to_dict(self) -> dict[str, object]:
        """A JSON-ready description, saved with every checkpoint and bundle."""
        return asdict(self)

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> "GeneratorConfig":
        """What `to_dict` described; JSON has lists where this has tuples."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in description.items()
        }
        return cls(**values)


# name           channels of the encoders       strides          decoder         head  subpixel
PRESETS = {
    "paper": ((64, 128, 256, 512, 512), (1, 2, 2, 2, 1), (256, 128, 64), 64, 1),
    "base":  ((32, 64, 128, 256, 256),  (1, 2, 2, 2, 1), (128, 64, 32),  32, 1),
    "live":  ((16, 48, 96, 128, 128),   (2, 2, 2, 2, 1), (96, 48, 32),   16, 2),
}  # fmt: skip


def preset(
    name: str,
    size: int = 256,
    *,
    image_channels: int = 4,
    spectral: bool = True,
    fusion: str = "product",
) -> GeneratorConfig:
    """The configuration of a named preset; raises KeyError that lists the names."""
    if name not in PRESETS:
        raise KeyError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    channels, strides, decoder, head, subpixel = PRESETS[name]
    return GeneratorConfig(
        size, channels, strides, decoder, head, subpixel, image_channels, spectral, fusion
    )


class Encoder(nn.Module):
    """Five convolutions, 7x7 then 3x3; returns the feature map after each."""

    def __init__(self, in_channels: int, config: GeneratorConfig) -> None:
        super().__init__()
        layers, last = [], in_channels
        for i, (width, stride) in enumerate(zip(config.channels, config.strides, strict=True)):
            kernel = 7 if i == 0 else 3
            layers.append(nn.Conv2d(last, width, kernel, stride, kernel // 2))
            last = width
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for layer in self.layers:
            x = F.relu(layer(x))
            features.append(x)
        return features


class FusionResidualBlock(nn.Module):
    """Aligns the texture T with the pose P and adds it to P (equations 1 and 2, figure 4)."""

    def __init__(self, channels: int, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.texture = nn.Conv2d(channels, channels, 3, padding=1)
        self.texture_norm = nn.BatchNorm2d(channels)
        self.pose = nn.Conv2d(channels, channels, 3, padding=1)
        self.pose_norm = nn.BatchNorm2d(channels)
        self.aligned = nn.Conv2d(channels, channels, 3, padding=1)

    def texture_features(self, texture: Tensor) -> Tensor:
        """Conv(T) of equation 1: (B, C, N, N). Constant for a character, so export folds it."""
        return F.relu(self.texture_norm(self.texture(texture)))

    def forward(self, texture_features: Tensor, pose: Tensor) -> Tensor:
        pose_features = F.relu(self.pose_norm(self.pose(pose)))
        # W = Conv(T) (x) Conv(P): w_ij = sum_n e_in u_nj in every channel; eq. 1-2. The mean
        # instead of the sum keeps the scale whatever the resolution, as progressive sizes need.
        weights = texture_features @ pose_features * (self.scale / pose_features.shape[-1])
        return pose + self.aligned(weights)


class JoiningBlock(FusionResidualBlock):
    """What is left without the alignment: both are joined pixel by pixel (table 4, w/o FRM)."""

    def __init__(self, channels: int, scale: float = 1.0) -> None:
        super().__init__(channels, scale)
        self.aligned = nn.Conv2d(2 * channels, channels, 3, padding=1)

    def forward(self, texture_features: Tensor, pose: Tensor) -> Tensor:
        pose_features = F.relu(self.pose_norm(self.pose(pose)))
        texture_features = texture_features.expand(len(pose), -1, -1, -1)
        return pose + self.aligned(torch.cat([texture_features, pose_features], dim=1))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


class DecoderStage(nn.Module):
    """A convolution, two residual blocks, then twice the resolution."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.blocks = nn.Sequential(ResidualBlock(channels), ResidualBlock(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(
            F.relu(self.blocks(F.relu(self.conv(x)))), scale_factor=2, mode="nearest"
        )


def _initialise(module: nn.Module) -> None:
    """He initialisation: there are few norms, so the weights themselves must keep the scale.

    Shortcuts begin nearly as identities.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, ResidualBlock):
        nn.init.normal_(module.second.weight, std=1e-3)
    elif isinstance(module, FusionResidualBlock):
        nn.init.normal_(module.aligned.weight, std=1e-2)
    elif isinstance(module, Generator):
        nn.init.normal_(module.out.weight, std=1e-2)


class Generator(nn.Module):
    """G(x, z): a pose image x and a picture z of the character give the character in that pose.

    Both inputs and the output are (B, C, S, S). The pose image has 3 channels in [0, 1] where 0 is
    the (white) background; pictures have `image_channels`: premultiplied RGBA in [0, 1], or RGB on
    white (shown as 1 - RGB inside, so that here too the background is 0).
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        c, d = config.channels, config.decoder
        self.pose_encoder = Encoder(3, config)
        self.texture_encoder = Encoder(config.image_channels, config)
        block = JoiningBlock if config.fusion == "join" else FusionResidualBlock
        self.fusion = nn.ModuleList([block(c[4], config.fusion_scale) for _ in range(2)])
        self.decoder = nn.ModuleList(
            [
                DecoderStage(c[4] + c[4], d[0]),
                DecoderStage(d[0] + c[2], d[1]),
                DecoderStage(d[1] + c[1], d[2]),
            ]
        )
        self.head = nn.Conv2d(d[2] + c[0], config.head, 3, padding=1)
        self.out = nn.Conv2d(config.head, config.image_channels * config.subpixel**2, 7, padding=3)
        self.apply(_initialise)
        if config.spectral:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    spectral_norm(module)

    def texture(self, picture: Tensor) -> list[Tensor]:
        """What the fusion blocks need of a character's picture: one (B, C, N, N) per block."""
        features = self.texture_encoder(picture)[-1]
        return [block.texture_features(features) for block in self.fusion]

    def draw(self, pose_image: Tensor, texture: list[Tensor]) -> Tensor:
        """The character with these texture features in the pose; (B, image_channels, S, S)."""
        return compose(self.logits(pose_image, texture))

    def logits(self, pose_image: Tensor, texture: list[Tensor]) -> Tensor:
        """`draw` before the sigmoid: straight colour and alpha, (B, image_channels, S, S)."""
        skips = self.pose_encoder(pose_image)
        x = skips[4]
        for block, features in zip(self.fusion, texture, strict=True):
            x = block(features, x)
        for stage, skip in zip(self.decoder, (skips[4], skips[2], skips[1]), strict=True):
            x = stage(torch.cat([x, skip], dim=1))
        x = F.relu(self.head(torch.cat([x, skips[0]], dim=1)))
        logits = self.out(x)
        if self.config.subpixel == 1:
            return logits  # a shuffle of single pixels would be a copy, in the exported network too
        return F.pixel_shuffle(logits, self.config.subpixel)

    def forward(self, pose_image: Tensor, picture: Tensor) -> Tensor:
        return self.draw(pose_image, self.texture(picture))


def full(tensor: Tensor) -> Tensor:
    """A tensor of mixed precision in single precision, for sums; others as they are."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def compose(logits: Tensor) -> Tensor:
    """Logits to a picture in [0, 1]; with alpha, premultiplied by construction.

    In bfloat16 an alpha of 0.998 would be 1, and without a gradient.
    """
    values = torch.sigmoid(full(logits))
    if values.shape[1] == 4:
        alpha = values[:, 3:]
        return torch.cat([values[:, :3] * alpha, alpha], dim=1)
    return values
