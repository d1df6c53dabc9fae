"""The painter adapted to a character: what it learns from, and when it stays as it was."""

import numpy as np
import pytest
import torch

from tests.fewshot import blobs, equal_states
from training.fewshot import validate
from training.fewshot.adapt import AdaptConfig
from training.fewshot.errors import AdaptationError
from training.fewshot.recipe import Recipe, build
from training.fewshot.validate import attempt
from training.fewshot.warp import adapting
from training.fewshot.warp.adapting import ANCHORS, HELD_OUT, adapt_painter, support_of
from training.fewshot.warp.network import WarpGenerator

RECIPE = Recipe("warp", "tiny", 32, perceptual=False, gan=False)
CONFIG = AdaptConfig(steps=4, every=2, rate=5e-3)


def a_method() -> tuple[WarpGenerator, torch.nn.Module]:
    torch.manual_seed(0)
    method, objective = build(RECIPE)
    assert isinstance(method, WarpGenerator)
    torch.nn.init.normal_(method.painter.network.leave.weight, std=0.02)
    return method.eval(), objective


@pytest.mark.parametrize("count", [1, 2, 4])
def test_it_learns_from_drawings_and_from_what_it_was(count: int) -> None:
    method, _ = a_method()
    drawings = blobs(1)[0][:count]
    support, held_out = support_of(method, drawings, seed=3)
    assert len(support) == (12 if count == 1 else count * (count - 1)) + ANCHORS
    assert len(held_out) == HELD_OUT * count
    assert support.inputs.more.shape[1] == held_out.inputs.more.shape[1] == count - 1
    known = torch.from_numpy(drawings.pictures).permute(0, 3, 1, 2) / 255

    def is_drawing(picture: torch.Tensor) -> bool:
        return bool((picture == known).flatten(1).all(1).any())

    assert all(is_drawing(truth) for truth in held_out.truth)
    assert not any(is_drawing(source) for source in held_out.inputs.source)
    anchors = 0
    for i in range(len(support)):
        one = support[i : i + 1]
        sources = torch.cat([one.inputs.source, one.inputs.more[0]])
        assert not (sources == one.truth).flatten(1).all(1).any()  # it is never shown the answer
        with torch.no_grad():
            anchors += bool((method(one.inputs) - one.truth).abs().max() < 0.02)
    assert anchors == ANCHORS


def test_what_does_not_mend_held_out_cycles_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    method, objective = a_method()
    drawings = blobs(1)[0][:4]
    monkeypatch.setattr(adapting, "MARGIN", -np.inf)  # whatever comes of it
    taken = adapt_painter(method, objective, drawings, CONFIG)  # type: ignore[arg-type]
    monkeypatch.setattr(adapting, "MARGIN", 0.9)
    left = adapt_painter(method, objective, drawings, CONFIG)  # type: ignore[arg-type]
    assert left.held_out == taken.held_out
    assert min(taken.held_out) < taken.held_out[0]
    assert taken.best_step > left.best_step == 0
    assert not equal_states(taken.method.painter, method.painter)
    assert equal_states(left.method, method)


@pytest.mark.parametrize("count", [1, 4])
def test_it_is_how_warp_adapts(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    method, objective = a_method()
    seen = []
    monkeypatch.setattr(
        validate, "adapt_painter", lambda *given: seen.append(given) or adapt_painter(*given)
    )
    found = attempt(
        method, objective, blobs(1)[0], CONFIG, queries=2, device=torch.device("cpu"),
        drawings=count,
    )  # fmt: skip
    assert [len(drawings) for _, _, drawings, _ in seen] == [count]
    if found.steps == 0:
        assert found.loss_after == found.loss_before
        assert (found.after == found.before).all()


def test_drawings_that_show_nobody_are_refused() -> None:
    method, objective = a_method()
    empty = blobs(1)[0][:2]
    empty.pictures[1] = 0
    for drawings, said in ((empty, "alpha is 0"), (empty[:0], "support set is empty")):
        with pytest.raises(AdaptationError, match=said):
            adapt_painter(method, objective, drawings, CONFIG)  # type: ignore[arg-type]
