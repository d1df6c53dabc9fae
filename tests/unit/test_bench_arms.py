"""What is said of arms: how much they shake, and how far a wrist goes within a frame."""

import numpy as np
import pytest

from bench.arms import ELBOWS, WRISTS, acceleration, fastest


def test_what_goes_on_evenly_does_not_accelerate():
    places = np.zeros((10, 20, 2))
    places[:, WRISTS] = np.arange(10)[:, None, None] * np.array([3.0, 4.0])
    assert acceleration(places) == pytest.approx(0)
    assert fastest(places) == pytest.approx(5)


def test_a_jump_is_felt_by_elbows_and_wrists_alone():
    places = np.zeros((3, 20, 2))
    places[1] = [30.0, 40.0]
    assert acceleration(places) == pytest.approx(100)
    places[:, ELBOWS + WRISTS] = 0
    assert acceleration(places) == 0
