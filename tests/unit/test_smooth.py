"""One Euro and Savitzky-Golay: kernels against their twins, and how they meet bad input."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from engine.motion._kernels_smooth import weigh_window
from engine.motion.smooth import OneEuro, SavitzkyGolayDelay, savgol, savgol_weights
from tests import naive_motion

FRAME_NS = 33_333_333


def track(frames: int, seed: int = 0) -> NDArray[np.float32]:
    """(T, 20, 4) joints that wander."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 3, (frames, 20, 4)).cumsum(axis=0) + 128
    steps[..., 3] = rng.uniform(0, 1, (frames, 20))
    return steps.astype(np.float32)


@pytest.mark.parametrize("degenerate", [False, True])
def test_one_euro_agrees_with_its_twin(degenerate: bool) -> None:
    rng = np.random.default_rng(5)
    min_cutoff, beta = rng.uniform(0.2, 4, 20), rng.uniform(0, 0.2, 20)
    filtered = OneEuro(min_cutoff, beta, speed_cutoff_hz=2.0)
    twins = [naive_motion.OneEuro(min_cutoff[j], beta[j], 2.0, 0.5) for j in range(20)]
    now, last = 0, 0
    for joints in track(200):
        if degenerate:
            bad = rng.random((20, 4)) < 0.1
            joints[bad] = rng.choice([np.nan, np.inf, -np.inf], bad.sum())
            now += int(rng.choice([0, 1, FRAME_NS, 700_000_000], p=[0.2, 0.1, 0.6, 0.1]))
        else:
            now += int(rng.uniform(0.3, 2) * FRAME_NS)
        out = filtered(joints, now)
        wanted = [twin(joints[j, :3].astype(float), (now - last) * 1e-9)
                  for j, twin in enumerate(twins)]  # fmt: skip
        last = now
        np.testing.assert_allclose(out[:, :3], np.array(wanted), rtol=1e-5, atol=1e-3)
        np.testing.assert_array_equal(out[:, 3], joints[:, 3])


def test_time_that_stands_still_moves_nothing() -> None:
    smooth = OneEuro()
    first = smooth(track(1)[0], 0)
    np.testing.assert_array_equal(smooth(track(1, seed=9)[0], 0)[:, :3], first[:, :3])


def test_time_that_runs_backwards_and_long_gaps_start_anew() -> None:
    here, there = track(1)[0], track(1, seed=3)[0]
    for then in (-1, 600_000_000):
        smooth = OneEuro()
        smooth(here, 0)
        np.testing.assert_array_equal(smooth(there, then), there)


def test_the_clock_may_start_anywhere() -> None:
    frames = track(30)
    for start in (0, 1, 10**18):
        smooth, other = OneEuro(), OneEuro()
        for i, joints in enumerate(frames):
            a, b = smooth(joints, i * FRAME_NS), other(joints, start + i * FRAME_NS)
            np.testing.assert_array_equal(a, b)


def test_jitter_is_reduced_and_a_wave_of_the_hand_is_followed() -> None:
    rng = np.random.default_rng(2)
    still = np.full((150, 20, 4), 100, np.float32)
    still[..., :3] += rng.normal(0, 0.7, (150, 20, 3))
    smooth = OneEuro()
    out = np.stack([smooth(j, i * FRAME_NS) for i, j in enumerate(still)])[30:]
    steps = np.abs(np.diff(out[..., :2], axis=0)).mean()
    assert steps < 0.4 * np.abs(np.diff(still[30:, :, :2], axis=0)).mean()

    seconds = np.arange(120) / 30
    wave = np.full((120, 20, 4), 100, np.float32)
    wave[..., 0] = 100 + 40 * np.sin(2 * np.pi * 1.0 * seconds)[:, None]
    smooth.reset()
    out = np.stack([smooth(j, i * FRAME_NS) for i, j in enumerate(wave)])[30:]
    wrist = out[:, 4, 0] - 100
    lags = [np.dot(wrist[5:-5], np.roll(wave[30:, 4, 0] - 100, k)[5:-5]) for k in range(5)]
    assert int(np.argmax(lags)) <= 1  # frames
    assert wrist.max() > 36


@pytest.mark.parametrize("size", [128, 512])
def test_defaults_scale_with_the_picture(size: int) -> None:
    frames = track(40)
    scaled = frames.copy()
    scaled[..., :3] *= size / 256
    a, b = OneEuro(), OneEuro(size=size)
    for i in range(40):
        wanted = a(frames[i], i * FRAME_NS)[:, :3] * (size / 256)
        np.testing.assert_allclose(b(scaled[i], i * FRAME_NS)[:, :3], wanted, rtol=1e-4)


def test_impossible_filters_are_refused() -> None:
    with pytest.raises(ValueError, match="cutoff"):
        OneEuro(0.0)
    with pytest.raises(ValueError, match="cutoff"):
        OneEuro(speed_cutoff_hz=-1)
    with pytest.raises(ValueError, match="beta"):
        OneEuro(beta=np.linspace(-1, 1, 20))
    with pytest.raises(ValueError, match="odd"):
        SavitzkyGolayDelay(8)
    with pytest.raises(ValueError, match="order 9"):
        SavitzkyGolayDelay(9, 9)


@pytest.mark.parametrize(("window", "order"), [(9, 3), (7, 2), (5, 4), (3, 0), (1, 0)])
@pytest.mark.parametrize("frames", [9, 10, 31])
def test_savgol_is_that_of_scipy(window: int, order: int, frames: int) -> None:
    joints = track(frames)
    wanted = savgol_filter(joints.astype(np.float64), window, order, axis=0, mode="interp")
    out = savgol(joints, window, order)
    np.testing.assert_allclose(out[..., :3], wanted[..., :3], atol=1e-4)
    np.testing.assert_array_equal(out[..., 3], joints[..., 3])


@pytest.mark.parametrize("frames", range(12))
def test_savgol_gives_back_as_many_frames_as_it_got_at_any_length(frames: int) -> None:
    delay = SavitzkyGolayDelay(7, 2)
    joints = track(12)[:frames]
    for _ in range(2):  # a second time, to see that flush leaves it as new
        out = []
        for i, frame in enumerate(joints):
            out += delay.push(frame)
            assert len(out) + delay.pending == i + 1
            assert delay.pending <= 6
        out += delay.flush()
        assert len(out) == frames
        assert delay.pending == 0
    if frames:
        np.testing.assert_array_equal(np.stack(out), savgol(joints, 7, 2))
    assert savgol(joints, 7, 2).shape == (frames, 20, 4)


def test_weigh_window_agrees_with_its_twin() -> None:
    rng = np.random.default_rng(11)
    out = np.empty((20, 4), np.float32)
    for window, order, used in ((9, 3, 9), (9, 3, 4), (5, 2, 5), (1, 0, 1)):
        weights = savgol_weights(used, min(order, used - 1))
        ring = track(window)
        ring[rng.integers(window), rng.integers(20), 1] = np.nan
        for start in range(window if used == window else 1):
            for row in range(used):
                weigh_window(ring, start, weights, row, out)
                wanted = naive_motion.weigh_window(ring, start, weights, row)
                np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-3)
