"""Adapting the painter that ships to one character: on cycles of its own drawings."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrize import (
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)

from engine.character import CharacterBundle
from engine.enrol.bones import cut_by_bones
from engine.enrol.hands import with_hands
from engine.puppet.cut import cut
from engine.puppet.drawing import CutDrawing
from engine.puppet.puppet import Puppet
from training.fewshot import weights
from training.fewshot.adapt import AdaptConfig, Adapted, Begun, adapt
from training.fewshot.errors import AdaptationError
from training.fewshot.objective import Objective, PaperObjective, Weights
from training.fewshot.recipe import WARP_DOTS, WARP_EDGES, WARP_PERCEPTUAL
from training.fewshot.warp.cycles import (
    Cutting,
    Cycle,
    Known,
    crossings,
    cycles,
    samples_of,
    smaller,
    turned,
)
from training.fewshot.warp.left_off import keep, key_of, left_off
from training.fewshot.warp.network import Painter, WarpGenerator
from training.fewshot.warp.others import others
from training.losses import Perceptual

PAINTER: Final = Path(__file__).with_name("painter.safetensors")
CONFIG: Final = AdaptConfig(steps=120, rate=1e-2, rate_end=0.1, every=20, patience=2)
"""Measured, see docs/enrolment.md."""
WEIGHTS: Final = Weights(
    perceptual=WARP_PERCEPTUAL, gan=0, alpha=0, edges=WARP_EDGES, dots=WARP_DOTS
)  # fmt: skip
"""Those that the painter is trained with."""
POSES, HELD_OUT, PLACES = 6, 3, 4
OTHERS, OTHERS_HELD_OUT = 24, 4
TIE: Final = 0.01
"""Perceptual distances that differ by less than this share are alike."""
LEEWAY: Final = 0.1
"""Of a figure that is cut, see `winner`; of a whole one there is no end to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Adaptation:
    """A painter before and after, how that went, and cycles that it did not learn from."""

    shipped: Painter
    adapted: Adapted[WarpGenerator]
    held_out: list[Cycle]
    support: int  # cycles that it learned from

    @property
    def painter(self) -> Painter:
        """The adapted one."""
        return self.adapted.method.painter


def known_of(bundle: CharacterBundle) -> tuple[list[Known], Cutting]:
    """A bundle's drawings, and what cuts pictures as they were cut.

    A drawing's parts in its own pose add up to it.
    """
    known = []
    for drawing in bundle.drawings:
        picture = np.empty((drawing.size, drawing.size, 4), np.uint8)
        Puppet([drawing]).carry(drawing.joints, picture)
        known.append(Known(picture, drawing))
    told = bundle.manifest.training.get("drawings", [])
    bones = bool(told) and all(entry.get("parts_by") == "bones" for entry in told)
    return known, by_bones if bones else by_cutter


def by_cutter(picture: NDArray[np.uint8], joints: NDArray[np.float32]) -> CutDrawing:
    """As enrolment cuts a drawing."""
    return with_hands(cut(picture, joints))


def by_bones(picture: NDArray[np.uint8], joints: NDArray[np.float32]) -> CutDrawing:
    """As enrolment cuts one that is like nothing the cutter has seen."""
    return with_hands(cut_by_bones(picture, joints))


def shipped_method() -> WarpGenerator:
    """The warp generator that ships."""
    method, _ = weights.read(PAINTER)
    assert isinstance(method, WarpGenerator)
    return method


class _Gain(nn.Module):
    """A convolution's weights, each of its maps stronger or weaker."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1, 1, 1))

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.gain


def tunable(method: WarpGenerator) -> WarpGenerator:
    """A copy of which only the strength and the bias of each of the painter's maps are learnt.

    One drawing is one pose: all weights would learn by heart what is drawn there, and paint sleeves
    where the arms have been. Some hundred numbers can only do more or less of what the painter does
    anyway, such as outlines.
    """
    copied = copy.deepcopy(method).requires_grad_(False)
    for module in list(copied.painter.modules()):
        if isinstance(module, nn.Conv2d):
            register_parametrization(module, "weight", _Gain(module.out_channels))
            if module.bias is not None:
                module.bias.requires_grad_(True)
    return copied


def folded(method: WarpGenerator) -> WarpGenerator:
    """The same method as plain convolutions again."""
    for module in list(method.painter.modules()):
        if isinstance(module, nn.Conv2d) and is_parametrized(module):
            remove_parametrizations(module, "weight")
    return method.requires_grad_(False)


def refine_painter(
    known: Sequence[Known],
    cutting: Cutting,
    *,
    shrink: int = 1,
    minutes: float = 5.0,
    seed: int = 0,
    beside: int = OTHERS,
    config: AdaptConfig = CONFIG,
    method: WarpGenerator | None = None,
    objective: Objective | None = None,
    memory: Path | None = None,
    go_on: Callable[[int, list[float], float], None] = lambda step, curve, left_s: None,
) -> Adaptation:
    """Adapt the painter to a character's drawings.

    Args:
        known: its drawings, of one size.
        cutting: cuts pictures as they were cut; see `known_of`.
        shrink: how many times smaller a picture the painter looks at: it learns at that size.
        minutes: of work at most, with all that is drawn first; what is best until then is taken.
            Processor time counts, for each thread: beside a show it gets little of it.
        seed: of poses, places and other characters.
        beside: other characters that it learns from, too; see `others`.
        config: how it descends.
        method, objective: else the shipped one, and the losses that it was trained with.
        memory: a file that it goes on from, if it was ended before, and keeps where it is in.
        go_on: told of steps done, held-out losses, and the seconds that are left.

    Raises:
        AdaptationError: no drawing, or a loss is no number.
    """
    if not known:
        raise AdaptationError("there is no drawing to learn from")
    began = time.process_time()
    method = shipped_method() if method is None else method
    if objective is None:
        objective = PaperObjective(weights=WEIGHTS, perceptual=Perceptual())
    rng = np.random.default_rng(seed)
    joints = known[0].drawing.joints
    poses = [turned(joints, rng) for _ in range(POSES + HELD_OUT)]
    support = cycles(known, poses[:POSES], cutting, rng, places=PLACES) + crossings(known)
    held_out = cycles(known, poses[POSES:], cutting, rng, places=1)
    size = known[0].drawing.size // shrink
    strange = others(beside + min(beside, OTHERS_HELD_OUT), size, cutting, rng)
    support = mixed([smaller(cycle, shrink) for cycle in support], strange[:beside], rng)
    beyond = [smaller(cycle, shrink) for cycle in held_out] + strange[beside:]
    learnt, judged = (samples_of(part, method.known, rng) for part in (support, beyond))
    key = key_of(known, f"{config} {shrink} {seed} {beside} {weights_of(method)}")
    begun = None if memory is None else left_off(memory, key)
    first = 0 if begun is None else begun.step

    def progress(step: int, curve: list[float]) -> bool:
        spent = (time.process_time() - began) / torch.get_num_threads()
        rest = max(0.0, 60 * minutes - spent)
        pace = (time.monotonic() - learning) / max(step - first, 1)
        left = min(rest, pace * (config.steps - step)) if step > first else rest
        go_on(step, curve, left)
        return spent < 60 * minutes

    def remember(begun: Begun) -> None:
        if memory is not None:
            keep(memory, key, begun)

    learning = time.monotonic()
    adapted = adapt(
        tunable(method), objective, learnt, judged, config, progress, begun=begun, keep=remember
    )
    folded(adapted.method)
    return Adaptation(method.painter, adapted, held_out, len(support))


def weights_of(method: WarpGenerator) -> str:
    """The hash of the painter's weights."""
    digest = sha256()
    for value in method.painter.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def mixed(own: Sequence[Cycle], strange: Sequence[Cycle], rng: np.random.Generator) -> list[Cycle]:
    """All of them in random order, those of either kind as evenly spread as can be."""
    places = [
        (place, [part[i] for i in rng.permutation(len(part))])
        for part in (own, strange)
        for place in [np.linspace(0, 1, len(part), endpoint=False)]
    ]
    pairs = [pair for place, part in places for pair in zip(place, part, strict=True)]
    return [cycle for _, cycle in sorted(pairs, key=lambda pair: pair[0])]


def winner(scores: dict[str, dict[str, float]], leeway: float = 0.0) -> str:
    """Who draws best: by perceptual distance, of such as are alike by sharpness, then by SSIM.

    Of equals the puppet stays, which costs least. A painter whose silhouettes are worse than the
    puppet's (alpha IoU) does not win: it paints beside the figure, or away from it.

    A cycle ends in the drawing's own pose, where a puppet that changes nothing has it easy; in
    poses that were never drawn both painters beat it on true renders, and by eye
    (docs/enrolment.md). So those that are worse by no more than `leeway`, a share, are compared
    with each other alone.
    """
    puppet = scores["puppet"]
    least = 0.0 if np.isinf(leeway) else puppet["alpha_iou"] * (1 - TIE)
    scores = {who: score for who, score in scores.items() if score["alpha_iou"] >= least}
    most = puppet["perceptual"] * (1 + leeway)
    near = {w: s for w, s in scores.items() if w != "puppet" and s["perceptual"] <= most}
    if leeway and near:
        scores = near
    best = min(score["perceptual"] for score in scores.values())
    alike = {who: s for who, s in scores.items() if s["perceptual"] <= best * (1 + TIE)}

    def rank(who: str) -> tuple[float, bool, float]:
        softness = abs(np.log(max(alike[who]["sharpness"], 1e-6)))
        return round(softness, 1), who != "puppet", -alike[who]["ssim"]

    return min(alike, key=rank)


def threads(count: int) -> None:
    """How many of the processor adaptation may use."""
    torch.set_num_threads(count)
