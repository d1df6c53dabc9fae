"""The single-person pose network of Tan (section 3.3): Osokin's, on a MobileNet.

"Global context for convolutional pose machines" (Osokin 2019): features of a MobileNet at stride
8, an initial stage of heatmaps, and a refinement stage with a U-shaped module that sees the whole
picture. All 3 x 3 convolutions of the stages are depthwise separable here. The MobileNet is
EfficientNet-Lite0 up to its 192 channels (inverted residuals as in MobileNetV2, no attention).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.pose.skeleton import PUPPET_20
from training.loop import BackboneConfig
from training.networks.efficientnet import Backbone

KEYPOINTS = len(PUPPET_20.joints)
_TAPS = {4: 40, 10: 112, 12: 192}  # block of EfficientNet-Lite0: channels, at strides 8, 16, 32


@dataclass(frozen=True, slots=True)
class NetworkConfig(BackboneConfig):
    """`width` channels in the stages."""

    width: int = 112


class Separable(nn.Sequential):
    """A 3 x 3 convolution of each channel, then a 1 x 1 across them, each with batch norm."""

    def __init__(self, channels: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(
                channels, channels, 3, stride, dilation, dilation, groups=channels, bias=False
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU6(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )


class Residual(nn.Module):
    """Two separable convolutions and a way around them."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Separable(channels), nn.ReLU6(), Separable(channels, dilation=dilation)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x + self.layers(x))


class Context(nn.Module):
    """Osokin's U-shaped module: down to a quarter of the resolution and up, with skips."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down_2 = nn.Sequential(Separable(channels, 2), nn.ReLU6(), Residual(channels))
        self.down_4 = nn.Sequential(
            Separable(channels, 2), nn.ReLU6(), Residual(channels, 2), Residual(channels)
        )
        self.up = Residual(channels)

    def forward(self, x: Tensor) -> Tensor:
        half = self.down_2(x)
        half = self.up(half + twice(self.down_4(half)))
        return x + twice(half)


def twice(x: Tensor) -> Tensor:
    """(B, C, H, W) at twice the resolution."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _head(channels: int) -> nn.Sequential:
    last = nn.Conv2d(2 * channels, KEYPOINTS, 1)
    nn.init.normal_(last.weight, std=0.01)  # heatmaps are nearly empty
    return nn.Sequential(
        nn.Conv2d(channels, 2 * channels, 1, bias=False),
        nn.BatchNorm2d(2 * channels),
        nn.ReLU6(),
        last,
    )


class PoseNetwork(Backbone):
    """RGB (B, 3, H, W) in [0, 1], sides multiples of 32, to heatmaps (B, 20, H/8, W/8)."""

    def __init__(self, config: NetworkConfig = NetworkConfig()) -> None:
        super().__init__(max(_TAPS) + 1, pretrained=config.pretrained)
        self.config = config
        width = config.width
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels in _TAPS.values()
        )
        self.merge = Residual(width)
        self.initial = nn.Sequential(Residual(width), _head(width))
        self.enter = nn.Sequential(
            nn.Conv2d(width + KEYPOINTS, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6()
        )
        self.refine = nn.Sequential(Context(width), Residual(width), _head(width))

    def stages(self, rgb: Tensor) -> list[Tensor]:
        """Heatmaps of the initial and of the refinement stage."""
        taps = self.taps(self.normal(rgb), _TAPS)
        fine, middle, coarse = (lay(tap) for lay, tap in zip(self.lateral, taps, strict=True))
        features = self.merge(fine + twice(middle + twice(coarse)))
        first = self.initial(features)
        refined = self.refine(self.enter(torch.cat([features, first], dim=1)))
        return [first, refined]

    def forward(self, rgb: Tensor) -> Tensor:
        return self.stages(rgb)[-1]
