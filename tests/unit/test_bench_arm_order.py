"""The count of arms on the wrong side of the head: it is of pixels that both have."""

import json

import numpy as np

from bench.arm_order import line, pixels_of, raised_arms
from engine.puppet.frames import ARMS
from training.characters import ito


def test_only_raised_arms_count() -> None:
    for _, joints, frames in raised_arms(ito.build(), 4, 0):
        assert joints.shape == (20, 4)
        assert any(frames.table[upper, 1] > frames.table[fore, 1] for upper, fore in ARMS)


def test_what_lies_before_the_ears_is_part_of_the_head() -> None:
    whole, face = pixels_of(ito.build(), 4, 0)
    assert 0 < face[-1] < whole[-1]
    assert (face[:-1] <= face[-1]).all()
    assert (whole[:-1] <= whole[-1]).all()
    assert whole[-1] - whole[0] >= face[-1] - face[0]  # an arm before a face is before the head


def test_a_line_is_in_per_cent() -> None:
    told = json.loads(line("her", 3, np.array([[50, 20, 10, 200], [10, 5, 0, 40]])))
    assert told["pixels"] == 200
    assert told["whole head"] == {
        "head is nearer": 25.0, "wrong": 10.0, "wrong by depth alone": 5.0
    }  # fmt: skip
    assert told["before the ears"]["head is nearer"] == 25.0
