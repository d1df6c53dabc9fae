from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from export.onnx import compare, export_generator  # noqa: E402
from tests.fewshot import SMALL, blob, equal_states  # noqa: E402
from training.dataset.samples import CharacterPictures  # noqa: E402
from training.fewshot.adapt import (  # noqa: E402
    AdaptConfig,
    Adapted,
    adapt,
    asked,
    draw_pictures,
    support_set,
)
from training.fewshot.errors import AdaptationError, SettingsError  # noqa: E402
from training.fewshot.method import FewShot  # noqa: E402
from training.fewshot.objective import PaperObjective, Weights  # noqa: E402
from training.fit import pose_images  # noqa: E402
from training.networks.generator import GeneratorConfig  # noqa: E402

OBJECTIVE = PaperObjective(weights=Weights(perceptual=0, gan=0))


def network(**changes: object) -> FewShot:
    torch.manual_seed(0)
    return FewShot(GeneratorConfig.from_dict({**SMALL.to_dict(), **changes}))


def adapted(method: FewShot, character: CharacterPictures, **changes: object) -> Adapted[FewShot]:
    config = AdaptConfig(**{"shots": 4, "steps": 30, "rate": 0.01, "optimiser": "sgd", **changes})  # type: ignore[arg-type]
    support, held_out = support_set(character, config.shots)
    return adapt(method, OBJECTIVE, support, held_out, config)


@pytest.mark.parametrize("spectral", [False, True])
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_adaptation_lowers_the_loss_of_a_shift_that_it_never_saw(
    spectral: bool, optimiser: str
) -> None:
    method = network(spectral=spectral)
    before = {name: t.clone() for name, t in method.state_dict().items()}
    rate = 0.01 if optimiser == "sgd" else 0.001
    result = adapted(method, blob(0)[:1], optimiser=optimiser, rate=rate)
    assert min(result.held_out) < 0.9 * result.held_out[0]
    assert result.held_out[result.best_step // 5] == min(result.held_out)
    assert result.steps <= 30
    assert all(torch.equal(before[name], t) for name, t in method.state_dict().items())
    assert not result.method.training


def test_it_stops_when_the_held_out_shift_gets_no_better() -> None:
    result = adapted(network(), blob(0)[:1], rate=0.0, steps=500)
    assert result.steps == 3 * 5  # patience x every
    assert result.best_step == 0


def test_it_ends_when_it_is_told_to_but_gets_a_little_further() -> None:
    """So that what is ended each time when its time is up comes to its end."""
    config = AdaptConfig(steps=30)
    parts = support_set(blob(0)[:1], config.shots)
    few = adapt(network(), OBJECTIVE, *parts, config, lambda step, curve: False)
    assert few.steps == config.every
    result = adapt(network(), OBJECTIVE, *parts, config, lambda step, curve: step < 10)
    assert result.steps == 10


def test_less_than_the_margin_is_not_taken() -> None:
    method = network()
    taken, left = (
        adapted(method, blob(0)[:1], optimiser="adam", rate=0.001, margin=margin, batch=2)
        for margin in (0.05, 0.95)
    )
    assert left.held_out == taken.held_out
    assert taken.best_step > left.best_step == 0
    assert equal_states(left.method, method)
    with pytest.raises(SettingsError, match="at least one sample"):
        AdaptConfig(batch=0)


@pytest.mark.parametrize("spectral", [False, True])
def test_the_result_can_be_baked(spectral: bool) -> None:
    character = blob(0)
    result = adapted(network(spectral=spectral), character[:1], steps=5)
    support, _ = support_set(character[:1], 1)
    inputs = asked(support.inputs, character.joints)
    drawn = draw_pictures(result.method, inputs)
    assert drawn.shape == (12, 32, 32, 4)
    # One pose at a time gives what all at once give: batch norms are constants now.
    np.testing.assert_allclose(draw_pictures(result.method, inputs, 1), drawn, atol=1)
    reference = support.inputs.source[:1]
    model = export_generator(result.method.generator, reference)
    parity = compare(result.method.generator, reference, model, pose_images(character.joints, 32))
    assert parity.max_error <= 1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_of_several_pictures_each_is_drawn_from_the_others(count: int) -> None:
    character = blob(0)[:count]
    support, held_out = support_set(character, 4)
    assert len(support) == (count - 1) ** 2  # all pairs but those of the last
    assert len(held_out) == 1
    pairs = set()
    for part in (support, held_out):
        inputs = part.inputs
        for row in range(len(part)):
            target, source = (
                index(joints[row], character) for joints in (inputs.joints, inputs.source_joints)
            )
            further = [index(joints, character) for joints in inputs.more_joints[row]]
            assert sorted([target, source, *further]) == list(range(count))
            assert (target == count - 1) == (part is held_out)
            for i, picture in ((source, inputs.source[row]), (target, part.truth[row])):
                shown = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
                assert (shown == character.pictures[i]).all()
            pairs.add((target, source))
    assert len(pairs) == len(support) + 1


def index(joints: torch.Tensor, character: CharacterPictures) -> int:
    return int(np.argmax((character.joints == joints.numpy()).all(axis=(1, 2))))


def test_a_method_adapts_to_several_pictures() -> None:
    result = adapted(network(), blob(0)[:4], optimiser="adam", rate=0.001)
    assert min(result.held_out) < result.held_out[0]


@pytest.mark.parametrize("shots", [1, 4, 10])
def test_one_drawing_is_shifted(shots: int) -> None:
    character = narrow()
    support, held_out = support_set(character, shots)
    shifts = (support.inputs.joints - support.inputs.source_joints)[:, 0, 0].tolist()
    assert len(set(shifts)) == shots
    assert shifts[0] == 0
    unseen = (held_out.inputs.joints - held_out.inputs.source_joints)[0, 0, 0].item()
    assert unseen not in shifts


def narrow() -> CharacterPictures:
    pictures = np.zeros((1, 64, 64, 4), np.uint8)
    pictures[:, 8:56, 24:40] = 255
    joints = np.full((1, 20, 4), 32, np.float32)
    return CharacterPictures("narrow", pictures, joints, np.ones((1, 20), np.bool_))


def test_drawings_that_make_no_support_set_are_refused() -> None:
    character = narrow()
    with pytest.raises(AdaptationError, match="the support set is empty"):
        support_set(character[:0], 4)
    with pytest.raises(AdaptationError, match=r"are 64 x 64, and the network draws 256 x 256"):
        support_set(character, 4, size=256)
    with pytest.raises(AdaptationError, match=r"room for 33 sideways shifts.* 41 are needed"):
        support_set(character, 40)
    character.pictures[...] = 0
    with pytest.raises(AdaptationError, match="alpha is 0 everywhere"):
        support_set(character, 1)
    support, held_out = support_set(blob(0)[:1], 1)
    config = AdaptConfig()
    with pytest.raises(AdaptationError, match="the support set is empty"):
        adapt(network(), OBJECTIVE, support[:0], held_out, config)
    with pytest.raises(ValueError, match="no optimiser 'lbfgs'; there are sgd, adam"):
        AdaptConfig(optimiser="lbfgs")
    with pytest.raises(ValueError, match="at least one shot"):
        AdaptConfig(shots=0)


def test_a_rate_that_is_too_high_is_named() -> None:
    with pytest.raises(AdaptationError, match=r"take a rate below 1e\+30"):
        adapted(network(), blob(0)[:1], rate=1e30)


def test_a_network_without_alpha_is_adapted_on_white(tmp_path: Path) -> None:
    result = adapted(network(image_channels=3), blob(0)[:1], steps=5)
    support, _ = support_set(blob(0)[:1], 1)
    drawn = draw_pictures(result.method, support.inputs)
    assert drawn.shape == (1, 32, 32, 4)
    assert (drawn[..., 3] == 255).all()
