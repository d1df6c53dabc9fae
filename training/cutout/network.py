"""The network that tells a figure from its ground: a U-Net on the estimator's features."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.estimator.network import Context, Residual, twice
from training.loop import BackboneConfig
from training.networks.efficientnet import Backbone

_TAPS = {0: 16, 2: 24, 4: 40, 10: 112}  # block of EfficientNet-Lite0: channels; strides 2 to 16


@dataclass(frozen=True, slots=True)
class NetworkConfig(BackboneConfig):
    """`widths` of the decoder's levels, at strides 2, 4, 8 and 16."""

    widths: tuple[int, ...] = (24, 32, 48, 80)


class CutNetwork(Backbone):
    """RGB (B, 3, H, W) and guide (B, 1, H, W) in [0, 1] to logits of alpha (B, 1, H, W).

    Sides are multiples of 64.
    """

    def __init__(self, config: NetworkConfig = NetworkConfig()) -> None:
        super().__init__(max(_TAPS) + 1, pretrained=config.pretrained)
        self.config = config
        widths = config.widths
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels + 1, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels, width in zip(_TAPS.values(), widths, strict=True)
        )
        self.context = Context(widths[-1])
        self.down = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1, bias=False) for fine, coarse in pairwise(widths)
        )
        self.merge = nn.ModuleList(Residual(width) for width in widths[:-1])
        self.leave = nn.Conv2d(widths[0] + 12, 4, 3, padding=1)

    def start_from(self, estimator: dict[str, Tensor]) -> None:
        """Take the backbone from an estimator's state, which knows drawn figures."""
        mine = self.state_dict()
        shared = {
            name: value
            for name, value in estimator.items()
            if name in mine and name.startswith(("stem.", "blocks."))
        }
        self.load_state_dict({**mine, **shared})

    def forward(self, rgb: Tensor, lead: Tensor) -> Tensor:
        normal = self.normal(rgb)
        taps = self.taps(normal, _TAPS)
        sides = []
        for level, (lay, tap) in enumerate(zip(self.lateral, taps, strict=True)):
            pooled = F.avg_pool2d(lead, 2 ** (level + 1))
            sides.append(F.relu6(lay(torch.cat([tap, pooled], 1))))
        x = self.context(sides[-1])
        for level in range(len(self.down) - 1, -1, -1):
            x = self.merge[level](sides[level] + twice(self.down[level](x)))
        pixels = F.pixel_unshuffle(normal, 2)  # edges are sharper than the features
        logits: Tensor = F.pixel_shuffle(self.leave(torch.cat([x, pixels], 1)), 2)
        return logits


def cut_loss(logits: Tensor, alpha: Tensor) -> Tensor:
    """Cross-entropy, more of it at the edge, and one minus the soft IoU; both (B, 1, H, W)."""
    grown = F.max_pool2d(alpha, 9, 1, 4)
    shrunk = -F.max_pool2d(-alpha, 9, 1, 4)
    weight = 1 + 3 * (grown - shrunk)
    entropy = F.binary_cross_entropy_with_logits(logits, alpha, weight) / weight.mean()
    made = logits.sigmoid()
    both = torch.minimum(made, alpha).sum(dim=(1, 2, 3))
    either = torch.maximum(made, alpha).sum(dim=(1, 2, 3))
    return entropy + (1 - (both + 1) / (either + 1)).mean()


class FromBytes(nn.Module):
    """Pictures (1, S, S, 3) of RGB bytes and guides (1, S, S) of bytes to alpha (1, S, S)."""

    def __init__(self, network: CutNetwork) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, picture: Tensor, guide: Tensor) -> Tensor:
        rgb = picture.permute(0, 3, 1, 2).float() / 255
        # A cast before all else: TensorRT has no other operator on bytes.
        logits = self.network(rgb, guide.float()[:, None] / 255)
        return torch.sigmoid(logits[:, 0])
