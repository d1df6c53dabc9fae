"""The pose networks without MediaPipe: kernels, geometry, detection, smoothing, cache."""

import io
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from engine import models
from engine.errors import ModelCorrupt, ModelError, ModelMissing
from engine.pose import detect, networks
from engine.pose._kernels_crop import crop
from engine.pose._kernels_refine import refine
from engine.pose.region import Region
from engine.pose.settle import Settler, Settling
from tests import naive_pose as naive
from tests.tflites import Builder

REGIONS = [
    Region(20.0, 14.0, 16.0, 0.0),  # inside
    Region(20.3, 14.7, 11.1, 0.7),
    Region(2.0, 27.5, 30.0, -2.4),  # over a corner
    Region(-90.0, 300.0, 12.0, 0.3),  # nowhere near
    Region(1e9, -1e9, 5.0, 1.0),
    Region.whole(41, 29),
]


@pytest.mark.parametrize("replicate", [False, True])
@pytest.mark.parametrize("region", REGIONS)
def test_crop_is_what_its_twin_says(region: Region, replicate: bool) -> None:
    image = np.random.default_rng(0).integers(0, 256, (29, 41, 3), dtype=np.uint8)
    image.setflags(write=False)
    out = np.empty((12, 12, 3), np.uint8)
    matrix = region.from_crop(12)
    crop(image, matrix, replicate, out)
    near = np.clip(matrix, -1e4, 1e4)  # the twin's whole numbers have no end, its patience has
    np.testing.assert_array_equal(out, naive.crop(image, near, replicate, 12))


def test_crop_of_nothing_sensible_stays_inside_the_picture() -> None:
    image = np.full((3, 2, 3), 200, np.uint8)
    out = np.empty((4, 4, 3), np.uint8)
    for value in (np.nan, np.inf, -np.inf, 1e300):
        crop(image, np.full((2, 3), value), True, out)
        assert (out == 200).all()
        crop(image, np.full((2, 3), value), False, out)
        assert (out == 0).all()


def test_refinement_is_what_its_twin_says() -> None:
    rng = np.random.default_rng(1)
    heatmap = rng.normal(-1, 3, (40, 16, 16)).astype(np.float32)
    heatmap[:5] = -20  # sure of nothing: these stay
    points = rng.uniform(-0.2, 1.4, (40, 2)).astype(np.float32)
    points[5:9] = [[np.nan, 0.5], [0.5, np.inf], [-1e9, 0.5], [0.999, 1.1]]
    expected = naive.refine(points, heatmap, 3, 0.5)
    moved = points.copy()
    refine(moved, heatmap, 3, 0.5)
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    np.testing.assert_array_equal(moved[:5], points[:5])
    assert (moved[9:] != points[9:]).any()


def test_a_region_leans_and_grows_with_the_person() -> None:
    upright = Region.around(np.array([100.0, 80.0]), np.array([100.0, 40.0]))
    assert (upright.x, upright.y, upright.side) == (100.0, 80.0, 100.0)  # 2 * 40 px, and a quarter
    assert upright.rotation == pytest.approx(0)
    lying = Region.around(np.array([100.0, 80.0]), np.array([140.0, 80.0]))
    assert lying.rotation == pytest.approx(np.pi / 2)
    # The upper middle of the crop is where the head is.
    np.testing.assert_allclose(lying.to_picture(np.array([[0.5, 0.1]])), [[140.0, 80.0]])
    np.testing.assert_allclose(
        lying.turned(np.array([[0.0, -1.0, 3.0]])), [[1.0, 0.0, 3.0]], atol=1e-9
    )


def test_ways_into_a_region_and_out_of_it_are_one() -> None:
    region = Region(30.0, 20.0, 25.0, 0.6)
    pixels = np.array([[0.0, 0.0], [64.0, 0.0], [10.0, 50.0]])
    matrix = region.from_crop(64)
    np.testing.assert_allclose(
        pixels @ matrix[:, :2].T + matrix[:, 2], region.to_picture(pixels / 64)
    )


def test_regions_that_cannot_be_are_told() -> None:
    nobody = np.array([5.0, 5.0])
    assert not Region.around(nobody, nobody).valid
    assert not Region.around(nobody, np.array([np.nan, 1.0])).valid
    assert Region.around(nobody, np.array([5.0, 1.0])).valid


def test_overlaps_of_regions() -> None:
    a = Region(10.0, 10.0, 4.0, 0.0)
    assert a.overlap(a) == 1
    assert a.overlap(Region(12.0, 10.0, 4.0, 1.0)) == pytest.approx(8 / 24)
    assert a.overlap(Region(99.0, 10.0, 4.0, 0.0)) == 0


def _boxes(count: int = 2254) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((count, 12), np.float32), np.full(count, -50, np.float32)


def test_anchors_are_the_middles_of_cells() -> None:
    anchors = detect.anchors()
    assert anchors.shape == (2254, 2)
    np.testing.assert_allclose(anchors[[0, 1, 2]] * 224, [[4, 4], [4, 4], [12, 4]])
    np.testing.assert_allclose(anchors[28 * 28 * 2] * 224, [8, 8])
    np.testing.assert_allclose(anchors[-1] * 224, [208, 208])


def test_boxes_of_one_person_are_blended_by_score() -> None:
    boxes, scores = _boxes()
    far = 28 * 28 * 2 - 1
    for index, score, up in ((0, 0.0, 10), (1, 2.0, 20), (far, 1.0, 30)):
        scores[index] = score
        boxes[index, 2:4] = 40
        boxes[index, 7] = -up  # the second point
    found = detect.people(boxes, scores)
    assert found.shape == (2, 4, 2)  # the most certain first; two of the three are one person
    weights = 1 / (1 + np.exp(-np.array([0.0, 2.0])))
    blended = 4 - (weights * [10, 20]).sum() / weights.sum()
    np.testing.assert_allclose(found[0, 1] * 224, [4, blended], rtol=1e-5)
    np.testing.assert_allclose(found[1, 1] * 224, [220, 190], rtol=1e-5)


def test_unlikely_boxes_and_boxes_inside_out_are_nobody() -> None:
    boxes, scores = _boxes()
    assert detect.people(boxes, scores).shape == (0, 4, 2)
    scores[5] = 1000
    boxes[5, 2] = -3
    assert detect.people(boxes, scores).shape == (0, 4, 2)
    boxes[5, 2] = 0  # no area at all
    assert detect.people(boxes, scores).shape == (1, 4, 2)


def test_what_stands_still_settles_and_what_moves_is_followed() -> None:
    noise = np.random.default_rng(2).normal(0, 0.5, 300)
    settle = Settling(min_cutoff_hz=0.05, beta=80.0)
    still = [float(settle(np.array([100 + n]), 400, 1 / 30)[0]) for n in noise]
    assert np.std(still[100:]) < 0.4 * np.std(noise)
    settle.reset()
    walk = np.arange(100.0) * 20
    late = walk - [float(settle(np.array([x]), 400, 1 / 30)[0]) for x in walk]
    assert 0 <= late[50:].max() < 10  # of 20 px a picture


def test_a_first_picture_is_left_as_it_is_and_so_is_a_tiny_person() -> None:
    settle = Settling(min_cutoff_hz=0.05, beta=80.0)
    assert settle(np.array([3.0]), 0.0, 1.0) == 3
    assert settle(np.array([5.0]), 1.0, 1.0) == 5


def test_settling_begins_anew_with_another_person() -> None:
    settler = Settler()
    rng = np.random.default_rng(3)
    first, second = (
        (rng.normal(size=(33, 2)), rng.uniform(size=33), rng.normal(size=(33, 3))) for _ in range(2)
    )
    settler(*first, 300.0, 0)
    smoothed = settler(*second, 300.0, 33_000_000)
    assert all((a != b).any() for a, b in zip(smoothed, second, strict=True))
    settler.reset()
    for a, b in zip(settler(*second, 300.0, 66_000_000), second, strict=True):
        np.testing.assert_array_equal(a, b)


def _task() -> bytes:
    """A `.task` file with networks that are not MediaPipe's, but have as many outputs."""
    build = Builder()
    image = build.value(1, 6, 8, 3)
    outs = [build.add(14, [image], build.value(1, 6, 8, 3)) for _ in range(5)]
    network = build.finish([image], outs)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pose_detector.tflite", network)
        archive.writestr("pose_landmarks_detector.tflite", network)
    return buffer.getvalue()


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> models.Model:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path))
    task = _task()
    digest = sha256(task).hexdigest()
    made = models.Model("pose-test", "Test", "MIT", len(task), digest, "1" * 64, "2" * 64)
    monkeypatch.setitem(models.MODELS, made.name, made)
    models.store(made.path, task)
    return made


def test_networks_are_converted_once(model: models.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    first = networks.load(model.name)
    kept = networks.path_of(model.name)
    assert [path.name for path in sorted(kept.parent.iterdir())] == [kept.name, model.path.name]
    monkeypatch.setattr(networks, "convert", None)
    assert networks.load(model.name) == first


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "stale"])
def test_kept_networks_that_cannot_be_trusted_are_made_anew(
    model: models.Model, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = networks.load(model.name)
    kept = networks.path_of(model.name)
    content = bytearray(kept.read_bytes())
    match damage:
        case "cut":
            del content[len(content) // 2 :]
        case "flipped":
            content[len(content) // 2] ^= 1
        case "foreign":
            content = bytearray(_task())
        case "stale":
            monkeypatch.setattr(networks, "_VERSION", networks._VERSION + 1)
    kept.write_bytes(content)
    assert networks.load(model.name) == first
    monkeypatch.setattr(networks, "convert", None)
    assert networks.load(model.name) == first


def test_networks_that_cannot_be_kept_are_told_and_leave_nothing(
    model: models.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ModelError, match=r"No space left.*AYATSURI_CACHE"):
        networks.load(model.name)
    assert [path.name for path in model.path.parent.iterdir()] == [model.path.name]


def test_a_task_file_without_networks_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hand.tflite", b"")
    for content in (b"", b"no zip at all", buffer.getvalue(), _task()[:-30]):
        with pytest.raises(ModelCorrupt, match=r"a \.task file is a zip of"):
            networks.convert(content)


def test_a_missing_model_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path))
    with pytest.raises(ModelMissing, match="ayatsuri models pose-full"):
        networks.load("pose-full")
