"""What each method costs at 256 x 256: parameters and multiply-adds, beside published figures.

    python -m training.fewshot.cost

Multiply-adds are those of convolutions and matrix products, counted by torch on tensors without
storage: nothing is computed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from training.fewshot.inputs import Inputs
from training.fewshot.methods import METHODS
from training.networks.discriminator import PatchDiscriminator
from training.networks.generator import PRESETS, Generator, preset

# Zhu 2019, section 4.2, on model size. The figure for PG2 is three times the count of both
# generators and the discriminator of the released code: with Adam's two moments, it seems.
PUBLISHED_PARAMETERS = {
    "pg2": "437.09 M (3 x 145.70 M)",
    "patn": "41.36 M",
}
# Wang 2024, table 3: minutes of one epoch; its own with 4 shots.
PUBLISHED_MINUTES = {"pg2": "8", "patn": "7", "xinggan": "12", "few-shot, paper": "85"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one method: generator's and discriminators' parameters, one picture's multiply-adds."""

    name: str
    parameters: int
    discriminator_parameters: int
    multiply_adds: int

    def row(self) -> tuple[str, ...]:
        """Cells of the table, published figures among them."""
        return (
            self.name,
            f"{self.parameters / 1e6:.2f} M",
            PUBLISHED_PARAMETERS.get(self.name, ""),
            f"{self.discriminator_parameters / 1e6:.2f} M",
            f"{self.multiply_adds / 1e9:.1f} G",
            PUBLISHED_MINUTES.get(self.name, ""),
        )


def parameters(module: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def multiply_adds(run: Callable[[], object]) -> int:
    """Multiply-adds of the convolutions and matrix products in a call."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return int(counter.get_total_flops()) // 2


def blank_inputs(size: int, batch: int = 1) -> Inputs:
    """Inputs without content, for counting, on the default device."""
    drawn = torch.empty(batch, 3, size, size)
    joints = torch.empty(batch, 20, 4)
    return Inputs(
        drawn, joints, torch.empty(batch, 4, size, size), drawn, joints,
        torch.empty(batch, 0, 4, size, size), torch.empty(batch, 0, 20, 4),
    )  # fmt: skip


def costs(size: int = 256) -> Iterator[Cost]:
    """Of every method of `METHODS` and of the few-shot generator's presets, in RGB."""
    for method in METHODS.values():
        objective = method.objective(size=size, image_channels=3)
        with torch.device("meta"):
            network = method.network(size=size, image_channels=3).eval()
            work = multiply_adds(partial(network, blank_inputs(size)))
        yield Cost(method.name, parameters(network), parameters(objective), work)
    for name in PRESETS:
        with torch.device("meta"):
            config = preset(name, size, image_channels=3, spectral=False)
            generator = Generator(config).eval()
            judge = PatchDiscriminator(image_channels=3, width=config.channels[0])
            drawn = torch.empty(1, 3, size, size)
            work = multiply_adds(partial(generator, drawn, drawn))
        yield Cost(f"few-shot, {name}", parameters(generator), parameters(judge), work)


def table(size: int = 256) -> str:
    """A Markdown table of `costs`."""
    titles = (
        "method", "parameters", "published", "discriminators", "multiply-adds",
        "minutes an epoch (Wang 2024, table 3)",
    )  # fmt: skip
    rows = [titles, ("---", *["---:"] * (len(titles) - 1)), *(c.row() for c in costs(size))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(table())
