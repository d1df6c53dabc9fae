"""Cutting figures out: the network's training, and what the engine makes of its answer."""

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("efficientnet_lite_pytorch")

import engine  # noqa: E402
from engine.enrol.background import plain_background  # noqa: E402
from engine.enrol.fusion import fades, fused  # noqa: E402
from engine.enrol.matte import lifted, nearby, refine  # noqa: E402
from engine.enrol.segment import SIZE, Segmenter, cut_out, guide  # noqa: E402
from engine.errors import BackendError  # noqa: E402
from engine.pose.skeleton import PUPPET_20  # noqa: E402
from tests.bundles import standing_rest  # noqa: E402
from training.cutout.baselines import flood, grabcut  # noqa: E402
from training.cutout.command import publish  # noqa: E402
from training.cutout.data import Scenes, over_ground, sample  # noqa: E402
from training.cutout.evaluate import Trial, as_markdown, scores, table  # noqa: E402
from training.cutout.grounds import GROUNDS, any_ground, shadowed  # noqa: E402
from training.cutout.network import CutNetwork, FromBytes, NetworkConfig, cut_loss  # noqa: E402
from training.cutout.train import CutTraining, CutTrials  # noqa: E402
from training.dataset.samples import CharacterPictures  # noqa: E402
from training.estimator.data import TEST_SEEDS, Renders, render_characters  # noqa: E402
from training.loop import TrainConfig, run  # noqa: E402

TINY = NetworkConfig(widths=(8, 8, 8, 8), pretrained=False)
QUICK = TrainConfig(batch=6, rate=1e-2, backbone_rate=3e-3, warm_steps=3, sizes=((0.0, 64),))
SHIPPED = Path(engine.__file__).parent / "assets" / "cutout.onnx"


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def figure(size: int = 128) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A red body along the bones of a standing figure, and its joints (20, 4)."""
    joints = np.ones((20, 4), np.float32)
    joints[:, :3] = standing_rest(size)
    picture = np.zeros((size, size, 4), np.uint8)
    body = np.zeros((size, size), np.uint8)
    for a, b in PUPPET_20.bones:
        ends = [tuple(int(v) for v in joints[j, :2]) for j in (a, b)]
        cv2.line(body, *ends, 255, size // 12, cv2.LINE_AA)
    picture[..., 0] = body // 255 * 200
    picture[..., 3] = body
    picture[..., :3] = np.minimum(picture[..., :3], body[..., None])
    return picture, joints


def scenes(count: int = 3) -> Scenes:
    picture, joints = figure()
    many = CharacterPictures(
        "red", np.stack([picture] * count), np.stack([joints] * count), np.ones((count, 20), bool)
    )
    return Scenes(Renders.of([many]), [])


def test_the_guide_covers_the_body_and_nothing_that_is_unsure() -> None:
    joints = standing_rest(SIZE)[:, :2]
    sure = np.ones(20)
    whole = guide(joints, sure)
    assert whole.shape == (SIZE, SIZE)
    for x, y in joints:
        assert whole[int(y), int(x)] > 0
    assert 0.02 < (whole > 0).mean() < 0.4
    without = sure.copy()
    without[[9, 10, 12, 13, 18, 19]] = 0
    assert not guide(joints, without)[int(joints[10, 1]) :].any()
    assert not guide(joints, np.zeros(20)).any()
    gone = joints.copy()
    gone[4] = np.nan, 1e9
    assert guide(gone, sure).any()


@pytest.mark.parametrize("kind", GROUNDS)
def test_grounds_are_pictures_that_differ(kind: str) -> None:
    a, b = (GROUNDS[kind](64, np.random.default_rng(seed)) for seed in (0, 1))
    assert a.shape == b.shape == (64, 64, 3)
    assert a.dtype == np.uint8
    assert kind == "white" or (a != b).any()
    again = GROUNDS[kind](64, np.random.default_rng(0))
    np.testing.assert_array_equal(a, again)


def test_a_shadow_darkens_the_ground_and_leaves_the_figure() -> None:
    picture, _ = figure()
    white = np.full((128, 128, 3), 255, np.uint8)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        made = shadowed(white, picture[..., 3], rng)
        assert (made <= white).all()
        shown = over_ground(picture, made, rng, shadow=0.0)
        solid = picture[..., 3] == 255
        np.testing.assert_array_equal(shown[solid], picture[solid][:, :3])


def test_samples_have_the_alpha_of_the_figure_they_show() -> None:
    picture, joints = figure()
    kept = 0
    for seed in range(20):
        shown, lead, alpha = sample(picture, joints, 64, np.random.default_rng(seed))
        assert shown.shape == (64, 64, 3)
        assert lead.shape == alpha.shape == (64, 64)
        kept += bool((alpha > 200).any())
    assert kept > 15
    real = [np.full((40, 90, 3), 7, np.uint8)]
    grounds = [any_ground(32, np.random.default_rng(seed), real) for seed in range(40)]
    assert 3 < sum(bool((ground == 7).all()) for ground in grounds) < 25


def test_the_loss_is_least_at_the_truth() -> None:
    alpha = torch.zeros(1, 1, 32, 32)
    alpha[..., 8:24, 8:24] = 1
    right, wrong = (float(cut_loss(sign * 20 * (2 * alpha - 1), alpha)) for sign in (1, -1))
    assert right < 1e-3 < 1 < wrong


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[CutTraining, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("cutout")
    training = CutTraining(TINY, QUICK)
    data = scenes()
    trials = {"iou": CutTrials.of(data, 64, 0)}
    last = run(training, data, trials, folder, steps=16, every=8)
    return training, publish(training, folder, False, last)


def test_a_tiny_training_learns_and_goes_on(trained: tuple[CutTraining, Path]) -> None:
    _, path = trained
    lines = [json.loads(line) for line in (path.parent / "curve.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[1]["loss"]
    again = CutTraining.load(path.parent / "checkpoint.pt")
    assert again.step == 16
    assert again.network_config == TINY


def test_the_exported_file_is_the_network(trained: tuple[CutTraining, Path]) -> None:
    training, path = trained
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["sha256"] == sha256(path.read_bytes()).hexdigest()
    rng = np.random.default_rng(0)
    square = rng.integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    lead = rng.integers(0, 255, (SIZE, SIZE), np.uint8)
    with torch.no_grad():
        module = FromBytes(training.result())
        expected = module(torch.from_numpy(square[None]), torch.from_numpy(lead[None]))[0].numpy()
    made = Segmenter(path.read_bytes())._infer(square, lead)
    np.testing.assert_allclose(made, expected, atol=0.02)  # its weights are float16


def test_the_estimators_features_are_where_it_may_start(trained: tuple[CutTraining, Path]) -> None:
    network = CutNetwork(TINY)
    own = network.state_dict()
    stems = [name for name in own if name.endswith("stem.0.weight")]
    state = {name: torch.full_like(own[name], 0.5) for name in stems}
    assert state
    network.start_from({**state, "initial.weight": torch.zeros(3)})
    assert all((network.state_dict()[name] == 0.5).all() for name in state)


def test_a_mirrored_picture_is_cut_as_the_picture(trained: tuple[CutTraining, Path]) -> None:
    network = Segmenter(trained[1].read_bytes())
    picture, joints = figure()
    shown = over_ground(picture, GROUNDS["clutter"](128, np.random.default_rng(3)),
                        np.random.default_rng(0), shadow=0.0)  # fmt: skip
    mirror = joints.copy()
    mirror[:, 0] = 128 - joints[:, 0]
    here = network.alpha(shown, joints, refined=False)
    there = network.alpha(np.ascontiguousarray(shown[:, ::-1]), mirror, refined=False)[:, ::-1]
    assert np.abs(here.astype(int) - there).mean() < 3


def test_pictures_that_are_none_are_refused(trained: tuple[CutTraining, Path]) -> None:
    network = Segmenter(trained[1].read_bytes())
    nothing = np.zeros((20, 3), np.float32)
    for wrong in (np.zeros((8, 8), np.uint8), np.zeros((0, 8, 3), np.uint8), np.zeros((8, 8, 3))):
        with pytest.raises(ValueError, match="picture"):
            network.alpha(wrong, nothing)
    with pytest.raises(ValueError, match="joints"):
        network.alpha(np.zeros((8, 8, 3), np.uint8), np.zeros((18, 3)))
    for shape in ((1, 1, 3), (3, 700, 3)):
        assert network.alpha(np.zeros(shape, np.uint8), nothing).shape == shape[:2]
    with pytest.raises(BackendError, match="cannot be loaded"):
        Segmenter(b"not a network")


def test_a_coarse_edge_goes_where_the_picture_has_it() -> None:
    picture, _ = figure(256)
    shown = over_ground(picture, np.full((256, 256, 3), 230, np.uint8), np.random.default_rng(0),
                        shadow=0.0)  # fmt: skip
    true = picture[..., 3].astype(np.float32) / 255
    small = cv2.resize(true, (64, 64), interpolation=cv2.INTER_AREA)
    coarse = np.clip(cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC), 0, 1)
    made = refine(shown, coarse, 4.0)
    assert np.abs(made - true).mean() < 0.5 * np.abs(coarse - true).mean()


def test_a_lifted_figure_keeps_its_colours_and_none_of_the_grounds() -> None:
    picture, _ = figure(128)
    soft = cv2.GaussianBlur(picture, (0, 0), 1.5)
    green = np.broadcast_to(np.array([0, 255, 0], np.uint8), (128, 128, 3))
    shown = over_ground(soft, green, np.random.default_rng(0), shadow=0.0)
    made = lifted(shown, soft[..., 3])
    assert (made[..., :3] <= made[..., 3:]).all()
    assert (made[..., 3] == soft[..., 3]).all()
    plain = np.rint(shown * (soft[..., 3:] / 255.0))
    edge = (soft[..., 3] > 20) & (soft[..., 3] < 235)
    assert made[edge][:, 1].mean() < 0.3 * plain[edge][:, 1].mean()
    everything = lifted(shown, np.full((128, 128), 255, np.uint8))
    np.testing.assert_array_equal(everything[..., :3], shown)


def test_nearby_colours_are_those_of_known_pixels() -> None:
    colours = np.zeros((40, 40, 3), np.float32)
    colours[:, :10] = 100
    known = np.zeros((40, 40), np.bool_)
    known[:, :10] = True
    np.testing.assert_allclose(nearby(colours, known, 2), 100, atol=0.5)


def test_without_a_network_white_grounds_are_told_and_clutter_is_not() -> None:
    picture, joints = figure(256)
    found = {}
    for kind in ("white", "clutter"):
        ground = GROUNDS[kind](256, np.random.default_rng(1))
        shown = over_ground(picture, ground, np.random.default_rng(0), shadow=0.0)
        trial = Trial(kind, shown, joints[:, [0, 1, 3]], picture)
        found[kind] = {way.__name__: scores(way(shown, trial.joints), trial)
                       for way in (flood, grabcut)}  # fmt: skip
    assert found["white"]["flood"]["iou"] > 95
    assert found["white"]["grabcut"]["iou"] > 80
    assert found["clutter"]["flood"]["iou"] < 60
    perfect = Trial("white", shown, joints[:, [0, 1, 3]], picture)
    lines = table([perfect], {"truth": lambda shown, joints: picture[..., 3]})
    assert [line["iou"] for line in lines] == [100, 100]
    assert "| truth | 100.0 |" in as_markdown(lines)


def test_the_shipped_network_cuts_out_an_unseen_character() -> None:
    """Loosely: what it reaches is told in training/cutout/README.md."""
    assert SHIPPED.stat().st_size < 2_000_000
    told = json.loads(SHIPPED.with_suffix(".json").read_text())
    assert told["sha256"] == sha256(SHIPPED.read_bytes()).hexdigest()
    (seen,) = render_characters([TEST_SEEDS[3]], 3)
    for i, kind in enumerate(("white", "patterns", "photograph-like")):
        ground = GROUNDS[kind](256, np.random.default_rng(i))
        shown = over_ground(seen.pictures[i], ground, np.random.default_rng(0), shadow=0.0)
        true = seen.pictures[i][..., 3].astype(int)
        made = cut_out(shown, seen.joints[i]).astype(int)
        assert np.minimum(made, true).sum() / np.maximum(made, true).sum() > 0.8, kind


def test_what_ends_crisply_is_drawing_and_what_fades_is_shadow() -> None:
    ground = np.full((200, 200, 3), 240, np.float32)
    skirt = np.zeros((200, 200), np.float32)
    skirt[120:180, 60:140] = 1
    shadow = cv2.GaussianBlur(np.roll(skirt, (-100, 40), (0, 1)), (0, 0), 9)
    shown = ground * (1 - 0.5 * shadow[..., None])
    shown = np.where(skirt[..., None] > 0, (150.0, 200.0, 150.0), shown)
    shown[40:120, 80:120] = (180, 60, 60)
    body = np.zeros((200, 200), np.uint8)
    body[40:120, 80:120] = 255
    plain = plain_background(shown.astype(np.uint8))
    assert plain is not None
    cut = np.where(plain.differs > 1, 255, 0).astype(np.uint8)
    assert cut[40, 140] == 255  # the shadow is taken for drawing
    made = fused(cut, body, plain)
    assert made[150, 100] == 255
    assert made[40, 140] == 0
    np.testing.assert_array_equal(made[60:110, 85:115], 255)
    assert fades(cut, plain) > 0.2
    assert fades(np.where(cv2.blur(body, (3, 3)) > 0, body, 0).astype(np.uint8), plain) == 0
