"""The methods of pose transfer by name: what one trainer needs to train any of them.

    method = METHODS["patn"]
    network, objective = method.build(size=256, image_channels=3)

which `training.fewshot.train` trains as it trains the few-shot paper's: all at one rate. Their
papers' own are 2e-4 (PG2: 2e-5) for generator and discriminators, in batches of 1 (Pix2Pix), 5
(PG2), 8 (PATN) and 32 (XingGAN).
"""

from collections.abc import Callable
from dataclasses import dataclass

from training.fewshot.baselines import patn, pg2, pix2pix, xinggan
from training.fewshot.baselines.objective import Objective, Transfer


@dataclass(frozen=True, slots=True)
class Method:
    """A way to transfer poses, with all that its paper says of training it.

    `network` and `objective` are called with `size`, `image_channels` (3: RGB on white, as in the
    papers' tables; 4: RGBA) and `width`, that of the first layer; what is left out is the paper's.
    """

    name: str
    paper: str
    network: Callable[..., Transfer]
    objective: Callable[..., Objective]

    def build(self, **sizes: int) -> tuple[Transfer, Objective]:
        """A fresh network and its losses, which tell it of the training's progress."""
        network, objective = self.network(**sizes), self.objective(**sizes)
        objective.follow(network)
        return network, objective


_ALL = (
    Method("pix2pix", "Isola 2017", pix2pix.Pix2Pix, pix2pix.Pix2PixObjective),
    Method("pg2", "Ma 2017", pg2.PG2, pg2.PG2Objective),
    Method("patn", "Zhu 2019", patn.PATN, patn.PairsObjective),
    Method("xinggan", "Tang 2020", xinggan.XingGAN, xinggan.XingObjective),
)

METHODS = {method.name: method for method in _ALL}


def method_named(name: str) -> Method:
    """A method by its name; raises KeyError that lists the names."""
    if name not in METHODS:
        raise KeyError(f"no method {name!r}; there are {', '.join(METHODS)}")
    return METHODS[name]
