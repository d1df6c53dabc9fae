"""Clocks, and maps from other clocks to the engine's."""

import random
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import DeviceClock, MonotonicClock, PtsClock
from tests.fakes import FakeClock

MS = 1_000_000


def test_the_monotonic_clock_sleeps_until_then():
    clock, stop = MonotonicClock(), threading.Event()
    due_ns = clock.now_ns() + 20 * MS
    assert clock.sleep_until_ns(due_ns, stop)
    assert clock.now_ns() >= due_ns
    assert clock.sleep_until_ns(clock.now_ns() - MS, stop)  # a moment that has passed


def test_a_stop_ends_a_sleep():
    clock, stop = MonotonicClock(), threading.Event()
    timer = threading.Timer(0.02, stop.set)
    timer.start()
    start = time.monotonic()
    assert not clock.sleep_until_ns(clock.now_ns() + 60_000 * MS, stop)
    assert time.monotonic() - start < 30
    assert not clock.sleep_until_ns(clock.now_ns() - MS, stop)
    timer.join()


def test_frames_of_a_file_are_due_by_their_time_stamps():
    clock = FakeClock(now_ns=5_000 * MS)
    pts = PtsClock(clock)
    assert pts.due_ns(0.0) == 5_000 * MS
    clock.time_ns += 70 * MS  # the engine is late: the schedule is not
    assert pts.due_ns(0.04) == 5_040 * MS
    assert pts.due_ns(0.09) == 5_090 * MS  # variable frame rate


def test_the_first_time_stamp_need_not_be_zero():
    pts = PtsClock(FakeClock(now_ns=7))
    assert pts.due_ns(12.5) == 7
    assert pts.due_ns(13.0) == 7 + 500 * MS


@settings(deadline=None)
@given(overshoot_ms=st.integers(0, 30), fps=st.sampled_from([24, 30, 60]))
def test_oversleeping_does_not_add_up(overshoot_ms, fps):
    clock, stop = FakeClock(overshoot_ns=overshoot_ms * MS), threading.Event()
    pts = PtsClock(clock)
    for i in range(300):
        clock.sleep_until_ns(pts.due_ns(i / fps), stop)
    late_ns = clock.now_ns() - 299 * 1_000_000_000 // fps
    assert 0 <= late_ns <= (overshoot_ms + 1) * MS


def test_a_cameras_clock_is_found_by_its_quickest_transfer():
    noise = random.Random(0)
    camera = DeviceClock(window=50)
    ahead_ns = 123_456_789_000  # the camera's clock against the engine's
    for i in range(200):
        taken_ns = i * 33 * MS
        transfer_ns = 4 * MS + round(noise.expovariate(1) * 10 * MS)
        captured_ns = camera.captured_ns(taken_ns + ahead_ns, taken_ns + transfer_ns)
        assert captured_ns <= taken_ns + transfer_ns
        if i > 50:  # one transfer in fifty is nearly the quickest
            assert 0 <= captured_ns - taken_ns < 6 * MS


def test_the_drift_of_a_cameras_clock_is_followed():
    camera = DeviceClock(window=100)
    for i in range(5_000):
        taken_ns = i * 33 * MS
        drifted_ns = round(taken_ns * (1 - 100e-6))  # 100 ppm slow: 16 ms over the run
        captured_ns = camera.captured_ns(drifted_ns, taken_ns + 2 * MS)
    assert abs(captured_ns - (taken_ns + 2 * MS)) < MS


@settings(deadline=None)
@given(
    start_ns=st.integers(-(10**15), 10**15),
    ahead_ns=st.integers(-(10**15), 10**15),
    window=st.integers(1, 8),
    frames=st.lists(
        st.tuples(st.integers(0, 200 * MS), st.integers(0, 500 * MS)), min_size=1, max_size=40
    ),
)
def test_irregular_frames_of_a_camera_never_go_back(start_ns, ahead_ns, window, frames):
    """Each is some time after the last one, and takes some time to arrive, in its turn."""
    camera = DeviceClock(window)
    taken_ns = arrived_ns = last_ns = start_ns
    for step_ns, transfer_ns in frames:
        taken_ns += step_ns
        arrived_ns = max(arrived_ns, taken_ns + transfer_ns)
        captured_ns = camera.captured_ns(taken_ns + ahead_ns, arrived_ns)
        assert last_ns <= captured_ns
        assert taken_ns <= captured_ns <= arrived_ns
        last_ns = captured_ns


def test_a_quicker_transfer_does_not_turn_time_back():
    camera = DeviceClock()
    assert camera.captured_ns(0, 50 * MS) == 50 * MS
    assert camera.captured_ns(33 * MS, 51 * MS) == 51 * MS
    assert camera.captured_ns(34 * MS, 51 * MS) == 51 * MS
    assert camera.captured_ns(66 * MS, 90 * MS) == 83 * MS


def test_a_camera_that_comes_back_counts_from_zero():
    camera = DeviceClock()
    for i in range(100):
        camera.captured_ns((5_000 + 33 * i) * MS, (33 * i + 4) * MS)
    for i in range(100):
        arrived_ns = (60_000 + 33 * i + 4) * MS
        assert camera.captured_ns(33 * i * MS, arrived_ns) == arrived_ns


@settings(deadline=None)
@given(
    first=st.floats(-1e5, 1e5),
    steps=st.lists(st.floats(0, 10), min_size=1, max_size=40),
    now_ns=st.integers(0, 10**15),
)
def test_irregular_frames_of_a_file_keep_their_order_and_distances(first, steps, now_ns):
    pts, seconds, last_ns = PtsClock(FakeClock(now_ns)), first, now_ns
    assert pts.due_ns(first) == now_ns
    for step in steps:
        seconds += step
        due_ns = pts.due_ns(seconds)
        assert due_ns >= last_ns
        assert abs((due_ns - now_ns) * 1e-9 - (seconds - first)) < 1e-6
        last_ns = due_ns
