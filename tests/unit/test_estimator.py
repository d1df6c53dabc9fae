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
from engine.errors import BackendError  # noqa: E402
from engine.pose.anime import SIZE, AnimePose  # noqa: E402
from engine.pose.skeleton import PUPPET_20  # noqa: E402
from tests.bundles import standing_rest  # noqa: E402
from tests.disks import fill_the_disk  # noqa: E402
from training.dataset.samples import CharacterPictures  # noqa: E402
from training.errors import BadInput, NoRoom  # noqa: E402
from training.estimator.augment import _cut_off, _small_headed, augmented  # noqa: E402
from training.estimator.command import publish  # noqa: E402
from training.estimator.data import (  # noqa: E402
    HIDDEN_WEIGHT,
    TEST_SEEDS,
    TRAIN_SEEDS,
    Renders,
    render_characters,
    sample_batch,
)
from training.estimator.export import FromBytes, export  # noqa: E402
from training.estimator.measure import GROUPS, found, head_size, pckh  # noqa: E402
from training.estimator.network import NetworkConfig, PoseNetwork  # noqa: E402
from training.estimator.targets import STRIDE, encode, heatmap_loss  # noqa: E402
from training.estimator.train import TrainConfig, Training, Trials, run  # noqa: E402

PX = 96
MIRROR = PUPPET_20.mirror()
COLOURS = np.array([(20 + 11 * k, 255 - 9 * k, (70 * k) % 256) for k in range(20)], np.uint8)
TINY = NetworkConfig(width=8, pretrained=False)
QUICK = TrainConfig(batch=8, rate=1e-2, backbone_rate=3e-3, warm_steps=5, sizes=((0.0, 64),))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def doll(joints: NDArray[np.floating], size: int = PX) -> NDArray[np.uint8]:
    """Every keypoint as a disc of its own colour: (size, size, 4)."""
    picture = np.zeros((size, size, 4), np.uint8)
    y, x = np.mgrid[:size, :size] + 0.5
    for k, (u, v) in enumerate(joints[:, :2]):
        picture[(x - u) ** 2 + (y - v) ** 2 < (size / 30) ** 2] = (*COLOURS[k], 255)
    return picture


def dolls(count: int, seed: int = 0) -> Renders:
    rng = np.random.default_rng(seed)
    joints = np.ones((count, 20, 4), np.float32)
    joints[..., :3] = standing_rest(PX)
    joints[..., :2] += rng.normal(0, 1.5, (count, 20, 2))
    pictures = np.stack([doll(pose) for pose in joints])
    return Renders.of([CharacterPictures("doll", pictures, joints, np.ones((count, 20), bool))])


def centre_of(picture: NDArray[np.uint8], colour: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    here = np.abs(picture[..., :3].astype(int) - colour).max(axis=-1) < 3
    if here.sum() < 3:
        return None
    return np.argwhere(here)[:, ::-1].mean(axis=0) + 0.5


def spread_out(seed: int) -> NDArray[np.float32]:
    """Keypoints in a ring around the middle, far from each other."""
    angle = np.arange(20) * np.pi / 10 + seed
    ring = np.stack([128 + 70 * np.cos(angle), 128 + 70 * np.sin(angle)], axis=1)
    return ring.astype(np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_keypoints_move_with_the_picture(seed: int) -> None:
    points = spread_out(seed)
    tagged = np.column_stack([points, np.arange(20)])
    picture, moved = augmented(doll(points, 256), tagged, 256, np.random.default_rng(seed), 1.0)
    assert picture.shape == (256, 256, 3)
    mirrored = moved[2, 2] != 2
    compared = 0
    for k, (x, y, original) in enumerate(moved):
        assert original == (MIRROR[k] if mirrored else k)
        at = centre_of(picture, COLOURS[int(original)])
        if at is not None and min(x, y, 256 - x, 256 - y) > 24:
            np.testing.assert_allclose((x, y), at, atol=1.5)
            compared += 1
    assert compared >= 2


def test_a_smaller_head_takes_its_keypoints_along() -> None:
    joints = standing_rest(256)[:, :2].astype(np.float32)
    moved = joints.copy()
    made = _small_headed(doll(joints, 256), moved, 0.6)
    nose, neck, ankle = 0, 1, 10
    assert np.allclose(moved[neck], joints[neck])
    assert np.allclose(moved[ankle], joints[ankle])
    tall = joints[neck, 1] - joints[nose, 1]
    assert moved[neck, 1] - moved[nose, 1] == pytest.approx(0.6 * tall, rel=1e-3)
    for k in (nose, 14, 15, 16, 17, ankle):
        at = centre_of(made, COLOURS[k])
        if at is not None:
            np.testing.assert_allclose(moved[k], at, atol=2.0)


def test_what_is_cut_off_is_not_to_be_found() -> None:
    joints = standing_rest(256)[:, :2].astype(np.float32)
    kept = joints.copy()
    picture, lost = _cut_off(doll(joints, 256), kept, np.random.default_rng(0))
    assert lost[[10, 13, 18, 19]].all()  # ankles and toes
    assert not lost[:2].any()
    assert np.allclose(kept[~lost], joints[~lost])
    end = kept[lost, 1].max()
    assert (picture[round(end) :] == 0).all()
    assert (picture[: round(end)] == doll(joints, 256)[: round(end)]).all()
    empty = 0
    for seed in range(40):
        _, points = augmented(doll(joints, 256), joints, 256, np.random.default_rng(seed), 0.0)
        empty += bool((points[[10, 13]] == -256).all())
    assert 4 < empty < 18  # a quarter of them


def test_augmentation_is_repeatable_and_varied() -> None:
    data = dolls(3)
    first, second = (sample_batch(data, 12, 64, np.random.default_rng(5)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    pictures, heatmaps, weights = first
    assert pictures.shape == (12, 64, 64, 3)
    assert heatmaps.shape == (12, 20, 8, 8)
    assert weights.shape == (12, 20)
    assert len({picture.tobytes() for picture in pictures}) == 12


def test_hidden_keypoints_weigh_less_on_their_own_side() -> None:
    data = dolls(1)
    data.visible[0, 4] = False  # the right wrist
    seen = set()
    for seed in range(8):
        _, heatmaps, weights = sample_batch(data, 1, 256, np.random.default_rng(seed))
        inside = heatmaps[0].max(axis=(1, 2)) > 0
        low = np.flatnonzero(weights[0] < 1)
        assert (weights[0][low] == np.float32(HIDDEN_WEIGHT)).all()
        assert inside[low].all()
        seen |= set(low.tolist())
    assert seen == {4, 7}  # mirrored, it is the left one


def test_the_loss_is_equation_12_of_each_stage() -> None:
    rng = np.random.default_rng(0)
    truth, first, second = rng.random((3, 2, 20, 4, 5))
    expected = 0.0
    for image in range(2):
        for stage in (first, second):
            total = sum(
                (truth[image, n, y, x] - stage[image, n, y, x]) ** 2
                for n in range(20) for y in range(4) for x in range(5)
            )  # fmt: skip
            expected += total / 20 / 2
    made = heatmap_loss(
        [torch.from_numpy(first), torch.from_numpy(second)],
        torch.from_numpy(truth), torch.ones(2, 20, dtype=torch.float64),
    )  # fmt: skip
    assert float(made) == pytest.approx(expected)


def test_pckh_laws() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, (5, 20, 2))
    head = np.full(5, 10.0)
    assert pckh(truth, truth, head) == 1
    off = truth + np.array([4.9, 0])
    assert pckh(off, truth, head) == 1
    assert pckh(off, truth, head, share=0.2) == 0
    assert pckh(off * 3, truth * 3, head * 3) == 1  # of any size of picture
    nobody = np.full_like(truth, np.nan)
    assert pckh(nobody, truth, head) == 0
    assert np.isnan(pckh(truth, truth, head, np.zeros((5, 20), bool)))
    errors = [pckh(truth + rng.normal(0, s, truth.shape), truth, head) for s in (1, 3, 6, 12)]
    assert errors == sorted(errors, reverse=True)
    assert found(truth[0], truth[0], 10.0).shape == (20,)
    assert sorted(k for group in GROUPS.values() for k in group) == list(range(20))
    bowed = np.zeros((20, 3))
    bowed[[16, 17]] = (0, -6, -8)
    assert head_size(bowed) == pytest.approx(10)


def test_no_test_character_is_trained_on() -> None:
    assert not set(TRAIN_SEEDS) & set(TEST_SEEDS)


def test_renders_survive_a_file(tmp_path: Path) -> None:
    (character,) = render_characters([3], 2, size=64)
    data = Renders.of([character])
    data.save(tmp_path / "some.npz")
    again = Renders.load(tmp_path / "some.npz")
    assert len(again) == 2
    np.testing.assert_array_equal(again.joints, character.joints)
    np.testing.assert_array_equal(again.visible, character.visible)
    np.testing.assert_array_equal(again.picture(1), character.pictures[1])
    with pytest.raises(ValueError, match="at least one character"):
        Renders.of([])


def test_a_tiny_training_learns(tmp_path: Path) -> None:
    data = dolls(8)
    trials = {"pckh": Trials.of(dolls(3, seed=1), 64, 0, clean=True)}
    training = Training(TINY, QUICK)
    before = trials["pckh"].measure(training.network.eval())
    last = run(training, data, trials, tmp_path, steps=60, every=20)
    lines = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert lines[0]["renders"] == 8
    assert [line["step"] for line in lines[1:]] == [20, 40, 60]
    assert last["loss"] < 0.8 * lines[1]["loss"]
    assert last["pckh"] >= before


def test_a_resumed_training_is_the_unbroken_one(tmp_path: Path) -> None:
    data = dolls(4)
    whole = Training(TINY, QUICK)
    losses = [whole.learn(data, step / 6) for step in range(6)]
    begun = Training(TINY, QUICK)
    again = [begun.learn(data, step / 6) for step in range(3)]
    begun.save(tmp_path / "checkpoint.pt")
    resumed = Training.load(tmp_path / "checkpoint.pt")
    assert resumed.step == 3
    again += [resumed.learn(data, step / 6) for step in range(3, 6)]
    assert again == losses
    for key, value in whole.averaged.items():
        assert torch.equal(value, resumed.averaged[key]), key


def test_checkpoints_that_are_none_are_refused_and_a_full_disk_keeps_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    training = Training(TINY, QUICK)
    training.save(path)
    kept = path.read_bytes()
    (tmp_path / "cut.pt").write_bytes(kept[:-1000])
    (tmp_path / "text.pt").write_bytes(b"hello")
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    torch.save([1], tmp_path / "list.pt")
    for name in ("cut", "text", "foreign", "list"):
        with pytest.raises(BadInput, match=rf"{name}\.pt is damaged, or no checkpoint"):
            Training.load(tmp_path / f"{name}.pt")
    fill_the_disk(monkeypatch)
    with pytest.raises(NoRoom, match="the last one is whole"):
        training.save(path)
    assert path.read_bytes() == kept
    assert not list(tmp_path.glob("*.partial"))


def test_a_loss_that_is_no_number_ends_the_training() -> None:
    training = Training(TINY, QUICK)
    with torch.no_grad():
        training.network.mean.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 0"):
        training.learn(dolls(2), 0.0)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[PoseNetwork, bytes]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = PoseNetwork(TINY).eval()
    path = tmp_path_factory.mktemp("estimator") / "tiny.onnx"
    export(network, path, "a test")
    return network, path.read_bytes()


def test_the_exported_file_is_the_network(exported: tuple[PoseNetwork, bytes]) -> None:
    network, content = exported
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (2, SIZE, SIZE, 3), np.uint8)
    with torch.no_grad():
        expected = FromBytes(network)(torch.from_numpy(pictures)).numpy()
    made = AnimePose(content).heatmaps(pictures)
    assert made.shape == (2, 20, SIZE // STRIDE, SIZE // STRIDE)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(made, expected, atol=0.02 * scale)  # its weights are float16


def test_the_mirror_image_has_the_mirrored_pose(exported: tuple[PoseNetwork, bytes]) -> None:
    estimator = AnimePose(exported[1])
    picture = doll(standing_rest(256)[:, :2], 256)
    here = estimator.estimate(picture)
    there = estimator.estimate(np.ascontiguousarray(picture[:, ::-1]))[MIRROR]
    there[:, 0] = 256 - there[:, 0]
    np.testing.assert_allclose(here[:, 2], there[:, 2], atol=1e-4)
    strong = here[:, 2] > 1e-3  # of nothing the place is noise
    np.testing.assert_allclose(here[strong, :2], there[strong, :2], atol=0.1)


def test_a_published_network_tells_where_it_comes_from(tmp_path: Path) -> None:
    training = Training(TINY, QUICK)
    path = publish(training, tmp_path, None, {"step": 0})
    told = json.loads((tmp_path / "anime_pose.json").read_text())
    assert told["sha256"] == sha256(path.read_bytes()).hexdigest()
    assert told["network"] == {"width": 8, "pretrained": False}
    assert told["derived_from"] is None
    assert AnimePose(path.read_bytes()).heatmaps(np.zeros((1, SIZE, SIZE, 3), np.uint8)).any()


SHIPPED = Path(engine.__file__).parent / "assets" / "anime_pose.onnx"


def test_the_shipped_network_finds_an_unseen_character() -> None:
    """Loosely: what it reaches is told in training/estimator/README.md."""
    assert SHIPPED.stat().st_size < 8_000_000
    told = json.loads(SHIPPED.with_suffix(".json").read_text())
    assert told["sha256"] == sha256(SHIPPED.read_bytes()).hexdigest()
    seen = list(render_characters([TEST_SEEDS[0], TEST_SEEDS[1]], 3))
    estimator = AnimePose()
    hits = [
        pckh(estimator.estimate(p, careful=False), j, head_size(j), v)
        for one in seen
        for p, j, v in zip(one.pictures, one.joints, one.visible, strict=True)
    ]
    assert np.mean(hits) > 0.75


class Seer(AnimePose):
    """Finds the discs of `doll`, instead of a network."""

    def __init__(self) -> None:
        self.seen = 0

    def heatmaps(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        made = []
        for square in squares:
            self.seen += 1
            at = [centre_of(square, colour) for colour in COLOURS]
            # It sees colours: of a mirror image it tells right and left from the first look.
            names = np.arange(20) if self.seen % 2 else MIRROR
            points = np.array([(-99, -99) if at[k] is None else at[k] for k in names])
            made.append(encode(points, (SIZE, SIZE)))
        return np.stack(made)


@pytest.mark.parametrize(("width", "height"), [(640, 360), (300, 900), (256, 256), (1500, 1400)])
def test_keypoints_are_in_pixels_of_the_picture(width: int, height: int) -> None:
    """Whatever its shape, and closer where the figure is small."""
    side = 240
    points = standing_rest(side)[:, :2].astype(np.float32)
    figure = doll(points, side)
    picture = np.zeros((height, width, 4), np.uint8)
    left, top = (width - side) // 3, (height - side) // 2
    picture[top : top + side, left : left + side] = figure
    found = Seer().estimate(picture)
    sure = found[:, 2] > 0.3
    assert sure.sum() >= 10
    expected = points + np.array([left, top])
    near = np.abs(found[sure, :2] - expected[sure]).max(axis=1)
    assert np.median(near) < 1.5


def test_pictures_that_are_none_are_refused(exported: tuple[PoseNetwork, bytes]) -> None:
    estimator = AnimePose(exported[1])
    for shape in ((20, 20), (20, 20, 2), (0, 20, 3)):
        with pytest.raises(ValueError, match="picture"):
            estimator.estimate(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="float64"):
        estimator.estimate(np.zeros((20, 20, 3)))
    assert estimator.estimate(np.zeros((1, 1, 4), np.uint8)).shape == (20, 3)
    with pytest.raises(BackendError, match="cannot be loaded"):
        AnimePose(b"not a network")
