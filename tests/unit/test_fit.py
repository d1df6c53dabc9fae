from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from export.onnx import compare, export_generator  # noqa: E402
from tests.bundles import standing_rest  # noqa: E402
from training.data import PosedPictures, free_shift, sample_batch, shift_picture  # noqa: E402
from training.fit import (  # noqa: E402
    Fit,
    FitConfig,
    draw_all,
    evaluate,
    learning_rate,
    load_generator,
    pose_images,
    run,
    train_step,
)
from training.metrics import alpha_iou, ssim  # noqa: E402
from training.networks.generator import Generator  # noqa: E402

SIZE = 64


def blobs(count: int, seed: int = 0) -> PosedPictures:
    """A character of coloured discs at its joints: drawn in no time, and to be learnt."""
    rng = np.random.default_rng(seed)
    joints = np.zeros((count, 20, 4), np.float32)
    joints[..., :3] = standing_rest(SIZE)
    joints[..., :2] += rng.normal(0, 2, (count, 20, 2))
    joints[..., 3] = 1
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    pictures = np.zeros((count, SIZE, SIZE, 4), np.uint8)
    for picture, pose in zip(pictures, joints, strict=True):
        for i, (u, v) in enumerate(pose[:, :2]):
            picture[(x - u) ** 2 + (y - v) ** 2 < 16] = (10 * i, 255 - 12 * i, 90, 255)
    return PosedPictures(pictures, joints)


CONFIG = FitConfig(
    size=SIZE, steps=300, batch=4, rate=2e-3, perceptual_from=1, gan_from=1, ema=0.9, bf16=False
)


def test_it_learns(tmp_path: Path) -> None:
    data, held_out = blobs(64), blobs(4, seed=1)
    fit = Fit.new(CONFIG, data.pictures[0])
    before = evaluate(fit.average, fit.reference, held_out)
    after = run(fit, data, held_out, tmp_path)
    assert after["l1"] < 0.5 * before["l1"]
    assert after["alpha_iou"] > before["alpha_iou"] + 0.2
    assert (tmp_path / "samples.png").exists()
    assert len((tmp_path / "curve.jsonl").read_text().splitlines()) == 1


def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path) -> None:
    data, held_out = blobs(16), blobs(2, seed=1)
    config = FitConfig(
        size=SIZE, steps=6, batch=2, perceptual_from=1, gan_from=0.5, face_weight=1, bf16=False
    )
    whole = Fit.new(config, data.pictures[0])
    run(whole, data, held_out, tmp_path / "whole")
    first = Fit.new(config, data.pictures[0])
    for step in range(4):
        batch = sample_batch(data, np.random.default_rng([config.seed, step]), config.batch)
        train_step(first, None, batch, np.random.default_rng([config.seed, step, 1]))
    first.save(tmp_path / "first.pt")
    second = Fit.load(tmp_path / "first.pt")
    assert second.step == 4
    run(second, data, held_out, tmp_path / "second")
    for a, b in zip(
        whole.average.state_dict().values(), second.average.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_loss_that_is_no_number_stops_the_fit() -> None:
    data = blobs(4)
    fit = Fit.new(CONFIG, data.pictures[0])
    with torch.no_grad():
        fit.generator.out.bias.fill_(float("nan"))
    batch = sample_batch(data, np.random.default_rng(0), 2)
    with pytest.raises(FloatingPointError, match="lower the rate"):
        train_step(fit, None, batch, np.random.default_rng(0))


def test_a_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    with pytest.raises(ValueError, match="no checkpoint of"):
        Fit.load(tmp_path / "foreign.pt")
    (tmp_path / "corrupt.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(ValueError, match="no checkpoint of"):
        load_generator(tmp_path / "corrupt.pt")


def test_the_rate_falls_to_its_end() -> None:
    rates = [learning_rate(CONFIG, step) for step in (0, 150, 300)]
    assert rates[0] < CONFIG.rate
    assert rates[1] > rates[2] == pytest.approx(CONFIG.rate_end)


def test_export_draws_what_torch_draws(tmp_path: Path) -> None:
    data = blobs(4)
    fit = Fit.new(CONFIG, data.pictures[0])
    fit.save(tmp_path / "fit.pt")
    generator, reference = load_generator(tmp_path / "fit.pt")
    assert isinstance(generator, Generator)
    model = export_generator(generator, reference)
    parity = compare(generator, reference, model, pose_images(data.joints, SIZE))
    assert parity.max_error <= 1
    assert draw_all(generator, reference, data.joints).shape == (4, SIZE, SIZE, 4)


def test_shifts_cut_nothing_off_and_move_picture_and_joints_alike() -> None:
    data = blobs(8)
    rng = np.random.default_rng(0)
    _, pictures, joints = sample_batch(data, rng, 32, jitter_px=0)
    opaque = sorted({int((p[..., 3] > 8).sum()) for p in data.pictures})
    for picture, pose in zip(pictures, joints, strict=True):
        assert int((picture[..., 3] > 8).sum()) in opaque
        x, y = pose[4, :2].astype(int)  # the right wrist's disc is where its joint says
        assert picture[y, x, 3] == 255


def test_an_empty_picture_is_not_moved() -> None:
    assert free_shift(np.zeros((8, 8, 4), np.uint8), (4, 4)) == (range(1), range(1))
    picture = np.arange(64, dtype=np.uint8).reshape(4, 4, 4)
    np.testing.assert_array_equal(shift_picture(picture, 0, 0), picture)
    np.testing.assert_array_equal(shift_picture(picture, 1, -1)[:3, 1:], picture[1:, :3])


def test_measures_know_equal_and_different() -> None:
    a, b = blobs(2).pictures
    assert ssim(a, a) == pytest.approx(1)
    assert alpha_iou(a, a) == 1
    assert ssim(a, b) < 0.99
    assert 0 < alpha_iou(a, b) < 1
    assert alpha_iou(np.zeros_like(a), np.zeros_like(a)) == 1
    assert alpha_iou(a, np.zeros_like(a)) == 0
