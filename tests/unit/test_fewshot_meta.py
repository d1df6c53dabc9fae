from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.fewshot import TINY, blob, double  # noqa: E402
from training.fewshot.episodes import EpisodeConfig, draw_episode  # noqa: E402
from training.fewshot.meta import (  # noqa: E402
    InnerConfig,
    State,
    batch_norms,
    batch_statistics,
    buffers_of,
    drawing,
    episode_loss,
    inner_loop,
    parameters_of,
    plain_loss,
    statistics_held,
    step_weights,
)
from training.fewshot.method import FewShot  # noqa: E402
from training.fewshot.objective import PaperObjective, Weights  # noqa: E402
from training.networks.spectral import held  # noqa: E402


class Bilevel:
    """The whole outer loss of a tiny network, in float64."""

    def __init__(self, seed: int = 0, shots: int = 2) -> None:
        torch.manual_seed(seed)
        self.method = FewShot(TINY).double()
        # Larger signals than a fresh network's: every part of the loss then matters.
        with torch.no_grad():
            for parameter in self.method.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
        weights = Weights(perceptual=0)
        self.objective = PaperObjective(width=2, weights=weights).double()
        config = EpisodeConfig(shots=shots, queries=2)
        self.episode = double(draw_episode(blob(seed, 16), config, np.random.default_rng(seed)))
        self.parameters = parameters_of(self.method)
        with held(self.method):
            measured = batch_statistics(self.method, self.episode.query)
        for name, norm in batch_norms(self.method).items():
            norm.running_mean.copy_(measured[name].mean)
            norm.running_var.copy_(measured[name].variance())

    @contextmanager
    def held(self) -> Iterator[None]:
        with held(self.method), held(self.objective), statistics_held(self.method):
            yield

    def loss(self, parameters: State, config: InnerConfig, weights: list[float]) -> torch.Tensor:
        draw = drawing(self.method)
        return episode_loss(
            draw, self.objective, parameters, buffers_of(self.method), self.episode, config,
            weights,
        ).loss  # fmt: skip


def along(parameters: State, direction: State, by: float) -> State:
    return {
        name: (p + by * direction[name]).detach().requires_grad_() for name, p in parameters.items()
    }


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_the_second_order_gradient_is_that_of_the_bilevel_loss(progress: float) -> None:
    bilevel = Bilevel()
    config = InnerConfig(steps=4, rate=0.01, second_order=True)
    weights = step_weights(4, progress)
    rng = torch.Generator().manual_seed(1)
    with bilevel.held():
        loss = bilevel.loss(bilevel.parameters, config, weights)
        gradients = torch.autograd.grad(loss, list(bilevel.parameters.values()))
        for _ in range(3):
            direction = {
                name: torch.randn(p.shape, generator=rng, dtype=p.dtype)
                for name, p in bilevel.parameters.items()
            }
            slope = sum(
                float((g * d).sum()) for g, d in zip(gradients, direction.values(), strict=True)
            )
            step = 1e-7
            there, back = (
                float(
                    bilevel.loss(along(bilevel.parameters, direction, by), config, weights).detach()
                )
                for by in (step, -step)
            )
            assert slope == pytest.approx((there - back) / (2 * step), rel=1e-6)


def test_the_first_order_gradient_takes_the_inner_steps_for_constants() -> None:
    bilevel = Bilevel(seed=3)
    config = InnerConfig(steps=2, rate=0.01)
    with bilevel.held():
        loss = bilevel.loss(bilevel.parameters, config, [0.0, 1.0])
        gradients = torch.autograd.grad(loss, list(bilevel.parameters.values()))
        second = bilevel.loss(
            bilevel.parameters, InnerConfig(2, 0.01, second_order=True), [0.0, 1.0]
        )
        exact = torch.autograd.grad(second, list(bilevel.parameters.values()))
        assert loss.item() == pytest.approx(second.item(), rel=1e-12)
        # By definition: the gradient of the query loss where the inner loop ends.
        draw, buffers = drawing(bilevel.method), buffers_of(bilevel.method)

        def support(state: State, step: int) -> torch.Tensor:
            samples = bilevel.episode.support[step : step + 1]
            return bilevel.objective.generator(draw(state, buffers, samples), samples)[0]

        *_, (adapted, _) = inner_loop(support, bilevel.parameters, config)
        leaves = {name: p.detach().requires_grad_() for name, p in adapted.items()}
        made = draw(leaves, buffers, bilevel.episode.query)
        end = bilevel.objective.generator(made, bilevel.episode.query)[0]
        wanted = torch.autograd.grad(end, list(leaves.values()))
    for a, b in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(a, b)
    assert any(not torch.allclose(a, b) for a, b in zip(gradients, exact, strict=True))


def test_an_inner_loop_on_a_parabola_is_known() -> None:
    start = torch.tensor(3.0, requires_grad=True)
    config = InnerConfig(steps=2, rate=0.1, second_order=True)
    trail = list(inner_loop(lambda state, step: state["x"] ** 2, {"x": start}, config))
    assert [float(value) for _, value in trail] == pytest.approx([9, 2.4**2])
    end = trail[-1][0]["x"]
    assert end.item() == pytest.approx(3 * 0.8**2)
    assert float(torch.autograd.grad(end, start)[0]) == pytest.approx(0.8**2)
    first = InnerConfig(steps=2, rate=0.1)
    *_, (state, _) = inner_loop(lambda state, step: state["x"] ** 2, {"x": start}, first)
    assert float(torch.autograd.grad(state["x"], start)[0]) == 1


def test_parameters_that_a_step_does_not_touch_stay() -> None:
    used, unused = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    config = InnerConfig(steps=1, rate=0.5)
    state = {"used": used, "unused": unused}
    ((after, _),) = inner_loop(lambda s, _: s["used"].sum(), state, config)
    assert after["unused"] is unused
    assert after["used"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("bf16", [False, True])
def test_nothing_of_the_module_changes(bf16: bool) -> None:
    torch.manual_seed(0)
    method = FewShot(TINY)
    objective = PaperObjective(width=2, weights=Weights(perceptual=0))
    episode = draw_episode(blob(0, 16), EpisodeConfig(), np.random.default_rng(0))
    with held(method), held(objective), statistics_held(method):
        before = {name: t.clone() for name, t in method.state_dict().items()}
        judge = {name: t.clone() for name, t in objective.state_dict().items()}
        outcome = episode_loss(
            drawing(method), objective, parameters_of(method), buffers_of(method), episode,
            InnerConfig(), step_weights(4, 1), bf16=bf16,
        )  # fmt: skip
        outcome.loss.backward()
    assert all(torch.equal(before[name], t) for name, t in method.state_dict().items())
    assert all(torch.equal(judge[name], t) for name, t in objective.state_dict().items())
    assert all(p.grad is not None for p in method.parameters())
    assert all(p.grad is None for p in objective.parameters())
    assert outcome.made.shape == (4, 4, 16, 16)


def test_a_support_loss_falls_over_the_inner_steps() -> None:
    torch.manual_seed(0)
    method = FewShot(TINY)
    objective = PaperObjective(weights=Weights(perceptual=0, gan=0))
    episode = draw_episode(blob(0, 16), EpisodeConfig(shots=1), np.random.default_rng(0))
    draw, config = drawing(method), InnerConfig(steps=30, rate=0.01)
    with held(method):

        def loss(state: State, step: int) -> torch.Tensor:
            made = draw(state, buffers_of(method), episode.support)
            return objective.generator(made, episode.support)[0]

        values = [float(value) for _, value in inner_loop(loss, parameters_of(method), config)]
    assert values[-1] < 0.8 * values[0]


def test_gradients_that_are_too_long_are_shortened() -> None:
    start = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    for clip, wanted in ((1.0, [0.6, 0.8]), (5.0, [3, 4]), (9.0, [3, 4]), (0.0, [3, 4])):
        config = InnerConfig(steps=1, rate=1.0, clip=clip)
        ((state, _),) = inner_loop(lambda s, _: 0.5 * s["x"].square().sum(), {"x": start}, config)
        assert (start - state["x"]).tolist() == pytest.approx(wanted)

    def end(x: torch.Tensor) -> torch.Tensor:
        config = InnerConfig(steps=3, rate=0.5, clip=1.0, second_order=True)
        *_, (state, _) = inner_loop(lambda s, _: s["x"].pow(4).sum(), {"x": x}, config)
        return state["x"]

    assert torch.autograd.gradcheck(end, start)


def test_frozen_parameters_are_not_adapted() -> None:
    method = FewShot(TINY)
    method.generator.pose_encoder.requires_grad_(False)
    names = parameters_of(method)
    assert names
    assert not any("pose_encoder" in name for name in names)


@pytest.mark.parametrize("steps", [1, 2, 4, 10])
def test_step_weights_sum_to_one_and_anneal(steps: int) -> None:
    assert step_weights(steps, 0) == pytest.approx([1 / steps] * steps)
    last = [step_weights(steps, p)[-1] for p in np.linspace(0, 1, 11)]
    assert all(a <= b + 1e-12 for a, b in pairwise(last))
    for progress in (0, 0.3, 0.99, 1, 2):
        weights = step_weights(steps, progress)
        assert sum(weights) == pytest.approx(1)
        assert all(w >= 0 for w in weights)
    assert step_weights(steps, 1)[:-1] == [0] * (steps - 1)


def test_step_weights_are_those_of_maml_plus_plus() -> None:
    """Against get_per_step_loss_importance_vector of Antoniou's code, written out."""
    steps, epochs = 4, 10
    for epoch in range(epochs):
        decay, least = 1 / steps / epochs, 0.03 / steps
        early = [max(1 / steps - epoch * decay, least)] * (steps - 1)
        last = min(1 / steps + epoch * (steps - 1) * decay, 1 - (steps - 1) * least)
        assert step_weights(steps, epoch / epochs) == pytest.approx([*early, last])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        InnerConfig(steps=0)
    method = FewShot(TINY)
    objective = PaperObjective(weights=Weights(perceptual=0, gan=0))
    episode = draw_episode(blob(0, 16), EpisodeConfig(), np.random.default_rng(0))
    with pytest.raises(ValueError, match="expected 4 step weights"):
        episode_loss(drawing(method), objective, {}, {}, episode, InnerConfig(), [1.0])
    with pytest.raises(ValueError, match="pass one, or weight 0"):
        PaperObjective()


def test_without_meta_learning_all_pictures_make_one_batch() -> None:
    torch.manual_seed(0)
    method = FewShot(TINY)
    objective = PaperObjective(weights=Weights(perceptual=0, gan=0))
    rng = np.random.default_rng(0)
    episodes = [draw_episode(blob(i, 16), EpisodeConfig(), rng) for i in range(2)]
    outcome, samples = plain_loss(
        drawing(method), objective, parameters_of(method), buffers_of(method), episodes
    )
    assert outcome.made.shape == samples.truth.shape == (2 * (4 + 4), 4, 16, 16)
    outcome.loss.backward()
    assert all(p.grad is not None for p in method.parameters())


def test_a_method_of_any_kind_can_be_adapted() -> None:
    class Constant(nn.Module):
        image_channels = 4

        def __init__(self) -> None:
            super().__init__()
            self.colour = nn.Parameter(torch.full((1, 4, 1, 1), 0.5))

        def forward(self, inputs: object) -> torch.Tensor:
            return self.colour.expand(inputs.pose.shape[0], -1, *inputs.pose.shape[2:])

    method = Constant()
    episode = draw_episode(blob(0, 16), EpisodeConfig(), np.random.default_rng(0))
    objective = PaperObjective(weights=Weights(perceptual=0, gan=0))
    outcome = episode_loss(
        drawing(method), objective, parameters_of(method), {}, episode, InnerConfig(),
        step_weights(4, 0),
    )  # fmt: skip
    outcome.loss.backward()
    assert method.colour.grad is not None


def test_the_mode_on_white_is_trained_on_white() -> None:
    torch.manual_seed(0)
    config = type(TINY).from_dict({**TINY.to_dict(), "image_channels": 3})
    method = FewShot(config)
    objective = PaperObjective(3, width=2, weights=Weights(perceptual=0))
    episode = draw_episode(blob(0, 16), EpisodeConfig(), np.random.default_rng(0))
    outcome = episode_loss(
        drawing(method), objective, parameters_of(method), buffers_of(method), episode,
        InnerConfig(), step_weights(4, 1),
    )  # fmt: skip
    assert outcome.made.shape == (4, 3, 16, 16)
    assert "alpha" not in outcome.parts
    assert torch.isfinite(objective.critic(outcome.made, episode.query))


def test_statistics_are_those_of_the_batch_and_move_nothing() -> None:
    torch.manual_seed(0)
    method = FewShot(TINY)
    episode = draw_episode(blob(0, 16), EpisodeConfig(), np.random.default_rng(0))
    with held(method):
        norms = {name: t.clone() for name, t in method.state_dict().items()}
        measured = batch_statistics(method, episode.query)
        generator = method.generator
        features = generator.texture_encoder(episode.query.inputs.source)[-1]
        seen = generator.fusion[0].texture(features)
    name = "generator.fusion.0.texture_norm"
    torch.testing.assert_close(measured[name].mean, seen.mean((0, 2, 3)))
    variance = seen.var((0, 2, 3), correction=0)
    torch.testing.assert_close(measured[name].variance(), variance, rtol=1e-4, atol=1e-7)
    assert len(measured) == 4
    assert all(torch.equal(norms[key], t) for key, t in method.state_dict().items())
