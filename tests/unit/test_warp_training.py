"""`warp` in the common trainer: the cutter stands still, and drawings are cut once."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fewshot import blobs, equal_states
from training.fewshot.adapt import AdaptConfig, adapt, support_set
from training.fewshot.config import TrainConfig
from training.fewshot.episodes import EpisodeConfig, meta_batch, samples
from training.fewshot.errors import SettingsError
from training.fewshot.objective import edge_distance
from training.fewshot.recipe import Recipe, build
from training.fewshot.train import CHECKPOINT, Training, run
from training.fewshot.warp import judge
from training.fewshot.warp.cache import LayerCache
from training.fewshot.warp.network import WarpGenerator
from training.fewshot.weights import read, write
from training.fewshot.workers import Workers
from training.metrics.folders import read_picture

CPU = torch.device("cpu")
RECIPE = Recipe("warp", "tiny", 32, perceptual=False, gan=False)
EPISODE = EpisodeConfig(1, 2, "random", "few")


def drawings(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.rand(count, 4, 8, 8), torch.rand(count, 20, 4)


def test_a_drawing_is_cut_once():
    calls = []

    def cut(picture: torch.Tensor, joints: torch.Tensor) -> torch.Tensor:
        calls.append(picture)
        return picture[:, :, None]

    cache, (pictures, joints) = LayerCache(), drawings(2)
    pick = [0, 1, 0]
    layers = cache(pictures[pick], joints[pick], cut)
    torch.testing.assert_close(layers[:, :, 0], pictures[pick], atol=0.51 / 255, rtol=0)
    assert len(calls) == 2
    assert (copy.deepcopy(cache)(pictures, joints, cut)[:, :, 0] - pictures).abs().max() < 0.002
    assert len(calls) == 2
    cache(pictures, joints + 1, cut)
    assert len(calls) == 4


def test_the_least_used_drawing_makes_room():
    cache, (pictures, joints) = LayerCache(limit=2 * 4 * 64), drawings(3)
    for row in (0, 1, 0, 2):
        cache(pictures[row : row + 1], joints[row : row + 1], lambda p, _: p[:, :, None])
    assert len(cache) == 2
    cut_again = cache(
        pictures[1:2], joints[1:2], lambda p, _: torch.zeros_like(p)[:, :, None]
    )  # fmt: skip
    assert cut_again.max() == 0


def test_the_trainer_trains_the_painter_alone(tmp_path: Path):
    torch.manual_seed(0)
    method, objective = build(RECIPE)
    assert isinstance(method, WarpGenerator)
    cutter, painter = copy.deepcopy(method.cutter), copy.deepcopy(method.painter)
    config = TrainConfig("plain", 40, 2, EPISODE, rate=3e-3, rate_end=1e-3, sizes=(32,), warm_up=5)
    training = Training.new(config, method, objective)
    training.about |= {"recipe": RECIPE.to_dict()}
    line = run(
        training, blobs(2), blobs(1, first=9), tmp_path, Workers(CPU),
        adaptation=AdaptConfig(steps=0), every=20,
    )  # fmt: skip
    assert equal_states(cutter, method.cutter)
    assert not equal_states(painter, method.painter)
    assert _loss_of(method.painter, training) < 0.97 * _loss_of(painter, training)
    assert np.isfinite(line["before_ssim"])
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    write(tmp_path / "painter.safetensors", state)
    found, about = read(tmp_path / "painter.safetensors")
    assert about["steps_done"] == 40
    assert equal_states(found.cutter, cutter)  # type: ignore[union-attr]


@torch.no_grad()
def _loss_of(painter: torch.nn.Module, training: Training) -> float:
    """Of a painter, on what the run has seen; an untrained one's is the plain puppet's."""
    method = copy.deepcopy(training.method)
    assert isinstance(method, WarpGenerator)
    method.painter.load_state_dict(painter.state_dict())
    losses = []
    for step in range(20, 40):
        for episode in meta_batch(
            blobs(2), EPISODE, seed=0, step=step, tasks=range(2), batch=2, size=32
        ):
            made = method(episode.query.inputs)
            losses.append(float(training.objective.generator(made, episode.query)[0]))
    return float(np.mean(losses))


def test_it_is_judged_beside_the_plain_puppet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    method, _ = build(RECIPE)
    about = {"recipe": RECIPE.to_dict()}
    state = {"average": method.state_dict(), "config": {}, "step": 0, "about": about}
    write(tmp_path / "painter.safetensors", state)
    monkeypatch.setattr(judge.Dataset, "open", lambda *_: blobs(2))
    painter, sheet = tmp_path / "painter.safetensors", tmp_path / "sheet.png"
    judge.main(Path(), painter, queries=2, shown=1, output=sheet)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["drawings"], line["by"]) for line in lines] == [
        ("front", "plain"), ("front", "painter"), ("views", "plain"), ("views", "painter"),
    ]  # fmt: skip
    assert lines[0]["pictures"] == 4
    # Untrained, the painter is the plain puppet.
    for plain, painter in (lines[:2], lines[2:]):
        assert painter["ssim"] == pytest.approx(plain["ssim"], abs=1e-3)
    assert read_picture(sheet).shape == (4 * 32, 2 * 32, 4)


def test_it_adapts_to_a_drawing():
    method, objective = build(RECIPE)
    support, held_out = support_set(blobs(1)[0][:1], 2)
    found = adapt(method, objective, support, held_out, AdaptConfig(shots=2, steps=4, every=2))
    assert len(found.held_out) == 3
    assert found.method.known is method.known


@torch.no_grad()
def test_several_drawings_are_fused_part_by_part():
    method, _ = build(RECIPE)
    assert isinstance(method, WarpGenerator)
    character = blobs(1)[0]
    several = samples(character, np.array([4, 5]), np.random.default_rng(0), np.arange(1, 4))
    alone = samples(character, np.array([4, 5]), np.random.default_rng(0))
    made = method(several.inputs)
    fused = judge.draw(method, character[:4], character.joints[4:6])
    shown = (made * 255).round().byte().permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(shown, np.stack(fused), atol=1)
    assert (made - method(alone.inputs)).abs().max() > 0.1
    # One drawing given again and again is one drawing.
    again = samples(character, np.array([4, 5]), np.random.default_rng(0), np.zeros(3, np.intp))
    torch.testing.assert_close(method(again.inputs), method(alone.inputs), atol=0.01, rtol=0)


def test_the_trainer_takes_several_drawings(tmp_path: Path):
    config = TrainConfig("plain", 2, 2, EpisodeConfig(1, 2, "random", "view", 4), sizes=(32,))
    training = Training.new(config, *build(RECIPE))
    run(training, blobs(2), (), tmp_path, Workers(CPU), every=2)
    assert training.step == 2


def test_it_adapts_to_several_drawings():
    method, objective = build(RECIPE)
    support, held_out = support_set(blobs(1)[0][:4], 4)
    found = adapt(method, objective, support, held_out, AdaptConfig(steps=4, every=2))
    assert len(found.held_out) == 3
    assert min(found.held_out) <= found.held_out[0]


def test_mixed_precision_does_not_move_pixels():
    method, _ = build(RECIPE)
    (episode, *_) = meta_batch(blobs(1), EPISODE, seed=0, step=0, tasks=[0], batch=1, size=32)
    with torch.no_grad():
        exact = method(episode.query.inputs)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = method(episode.query.inputs)
    assert (exact - mixed).abs().max() < 0.02


def test_pictures_without_alpha_are_refused():
    with pytest.raises(SettingsError, match="RGBA"):
        build(Recipe("warp", "tiny", image_channels=3))


def test_edges_are_counted_and_not_placed():
    truth = torch.zeros(1, 3, 64, 64)
    truth[..., 9:] = 1
    moved, soft = truth.roll(1, -1), torch.nn.functional.avg_pool2d(truth, 3, 1, 1)
    assert edge_distance(truth, truth) == 0
    # The roll brings an edge to the left rim, too.
    assert edge_distance(moved[..., 2:34], truth[..., 2:34]) < 0.3 * edge_distance(soft, truth)
