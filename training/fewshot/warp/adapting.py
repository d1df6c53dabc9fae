"""Adapting the whole painter to a character, by rules that see nothing but the user's drawings.

`warp` has the drawing, and need not learn what the character looks like. Fitted to its drawings
alone, all of them of a body at rest, it learns to change nothing, and forgets what it does in other
poses. So it learns from three kinds of pictures:

- every drawing from all others: what its other sides look like; or, of one drawing alone, the
  drawing from a cycle, see `cycles`;
- anchors, its own pictures in other poses, as they were before (Li 2016, learning without
  forgetting);
- held-out cycles, from which nothing is learnt, judge it. What does not mend them clearly is not
  taken, and the painter stays as it was.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.dataset.samples import CharacterPictures
from training.fewshot.adapt import AdaptConfig, Adapted, adapt, check, draw_pictures
from training.fewshot.episodes import Samples, backgrounds
from training.fewshot.inputs import Inputs
from training.fewshot.objective import Objective
from training.fewshot.warp.cycles import placed, turned
from training.fewshot.warp.network import WarpGenerator, plain_puppet

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

LEARNT, HELD_OUT, ANCHORS = 6, 3, 8
"""Poses to go to and back: of one drawing to learn from, to be judged by; and of its own pictures.
"""
PLACES = 2  # of a drawing that is come back to
RATE: Final = 0.1  # of that of methods that must learn the character
BATCH: Final = 4
MARGIN: Final = 0.02
"""By which share the loss of held-out cycles must fall. Measured, see docs/few-shot.md."""


def adapt_painter(
    method: WarpGenerator, objective: Objective, drawings: CharacterPictures, config: AdaptConfig
) -> Adapted[WarpGenerator]:
    """A copy of the method, adapted to a character's drawings, or as it was.

    Args:
        method: what adapts.
        objective: its losses.
        drawings: of the character, one or more.
        config: of its rate and steps, as for other methods; `RATE` and `BATCH` are applied.

    Raises:
        AdaptationError: no drawing, an empty one, or a loss that is no number.
    """
    support, held_out = support_of(method, drawings, config.seed)
    device = next(method.parameters()).device
    config = replace(config, rate=RATE * config.rate, batch=BATCH, margin=MARGIN)
    return adapt(method, objective, support.to(device), held_out.to(device), config)


def support_of(
    method: WarpGenerator, drawings: CharacterPictures, seed: int
) -> tuple[Samples, Samples]:
    """What a character's painter learns from, in an order by chance, and what it is judged by.

    Of D drawings D (D - 1) pairs, or `LEARNT` x `PLACES` cycles of one, and `ANCHORS`; `HELD_OUT` x
    D cycles that are held out.
    """
    check(drawings)
    rng = np.random.default_rng(seed)
    count = len(drawings)
    learnt = LEARNT if count == 1 else 0
    there = [turned(drawings.joints[0], rng) for _ in range(learnt + HELD_OUT)]
    known = joined(drawings, draw(plain_puppet(method), drawings, there), there)
    away = range(count, count + len(there))
    if count == 1:
        pairs = []
        for source in away[:learnt]:
            for place in range(PLACES):
                target = 0
                if place:
                    picture, joints = placed(drawings.pictures[0], drawings.joints[0], rng)
                    target = len(known)
                    known = joined(known, picture[None], [joints])
                pairs.append((source, target))
    else:
        pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    poses = [turned(drawings.joints[i % count], rng) for i in range(ANCHORS)]
    anchors = range(len(known), len(known) + ANCHORS)
    known = joined(known, draw(method, drawings, poses), poses)
    support = [
        *((a, b, [i for i in range(count) if i not in (a, b)] * (a < count)) for a, b in pairs),
        *((0, target, list(range(1, count))) for target in anchors),
    ]
    held_out = [(a, b, list[int]()) for a in away[learnt:] for b in range(count)]
    order = rng.permutation(len(support))
    return (
        samples_of(known, [support[i] for i in order], count - 1, rng),
        samples_of(known, held_out, count - 1, rng),
    )


def draw(method: WarpGenerator, drawings: CharacterPictures, poses: list[F32]) -> U8:
    """(N, S, S, 4): what a method makes of all drawings in the poses."""
    blank = np.zeros((len(poses), *drawings.pictures.shape[1:]), np.uint8)
    known, first = joined(drawings, blank, poses), len(drawings)
    wanted = [(0, first + i, list(range(1, first))) for i in range(len(poses))]
    asked = samples_of(known, wanted, first - 1, np.random.default_rng(0))
    return draw_pictures(method, asked.inputs.to(next(method.parameters()).device))


def joined(known: CharacterPictures, pictures: U8, joints: list[F32]) -> CharacterPictures:
    """The character with further pictures."""
    visible = np.ones((len(joints), known.visible.shape[1]), np.bool_)
    return CharacterPictures(
        known.name,
        np.concatenate([known.pictures, pictures]),
        np.concatenate([known.joints, np.stack(joints)]).astype(np.float32),
        np.concatenate([known.visible, visible]),
    )


def samples_of(
    known: CharacterPictures,
    wanted: list[tuple[int, int, list[int]]],
    further: int,
    rng: np.random.Generator,
) -> Samples:
    """Source, target and further drawings; the source again where there are less than `further`."""
    source, target = np.array([(a, b) for a, b, _ in wanted], np.intp).T
    rows = [(more + [a] * further)[:further] for a, _, more in wanted]
    more = np.array(rows, np.intp).reshape(len(wanted), further)
    inputs, truth = Inputs.of(known, source, target, more)
    return Samples(inputs, truth, backgrounds(len(wanted), rng))
