"""What `bench.normalisation` measures, as laws: on true joints of made people, in a short dance."""

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")

from bench.normalisation import (
    HEAD,
    SIZE_PX,
    Performance,
    dance_of,
    errors,
    head_errors_deg,
    measured,
    predicted,
    true_performance,
)
from tests.people import rotation
from training.characters.character import RiggedCharacter
from training.characters.procedural.build import build
from training.characters.proportions import character_skeleton
from training.motion.dance import dance

FPS, SECONDS = 30.0, 3.0
TALL, MIDDLE, SMALL = 225, 236, 228  # 7.6, 5 and 3 heads tall, or so


@cache
def character(seed: int) -> RiggedCharacter:
    return build(seed, 0.5)


@cache
def danced(seed: int) -> NDArray[np.float32]:
    return dance_of(character(seed), SECONDS, FPS)


@cache
def performed_by(seed: int) -> Performance:
    """The dance of a character, filmed as a person: larger, at the side of a wide picture."""
    body = character(seed)
    poses = dance(SECONDS, FPS, 0, body.rest)
    solid = np.stack([body.keypoints(pose) for pose in poses]) * (1.0, -1.0, -1.0)
    size = 1.6 / (solid[0, :, 1].max() - solid[0, :, 1].min())
    flat = danced(seed)[..., :2].astype(np.float64) * 1.7 + (180, 20)
    return true_performance(flat, solid * size, FPS, (640, 480))


def test_each_step_of_the_normalisation_comes_nearer_to_the_character() -> None:
    others = (MIDDLE, SMALL)
    found = measured(
        [character(seed) for seed in others], performed_by(TALL), [danced(s) for s in others]
    )
    none, scaled, full = (
        found[way]["mean"] for way in ("no normalisation", "global scale only", "full")
    )
    assert full < 0.7 * scaled
    assert scaled < 0.8 * none
    assert full < 6.0
    # Section 3.4: the head is turned as a whole, which keeps its keypoints where they belong.
    assert found["full"]["head"] < found["full, head as a limb"]["head"]
    assert found["full"]["head_deg"] < 4.0


def test_a_character_who_is_the_person_dances_as_she_does() -> None:
    joints = predicted(character_skeleton(character(TALL), SIZE_PX), performed_by(TALL))["full"]
    assert errors(joints, danced(TALL)).mean() < 3.0


def test_the_error_of_the_head_is_the_angle_that_it_is_turned_by() -> None:
    skeleton = character_skeleton(character(MIDDLE), SIZE_PX)
    true = danced(MIDDLE)
    for axis in range(3):
        turned = true.copy()
        neck = true[:, 1:2, :3]
        turned[:, HEAD, :3] = neck + (true[:, HEAD, :3] - neck) @ rotation(axis, 0.4).T
        found = head_errors_deg(turned, true, skeleton.head)
        np.testing.assert_allclose(found, np.degrees(0.4), atol=1.0)
    np.testing.assert_allclose(head_errors_deg(true, true, skeleton.head), 0, atol=0.1)
