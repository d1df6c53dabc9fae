"""Whether the character on the screen does what the person did, seen from pictures alone."""

from pathlib import Path

import numpy as np
import pytest

from bench import moves
from bench.codec import Kept
from bench.quality import pictures
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options
from engine.character import CharacterBundle
from engine.pose.skeleton import PUPPET_20

COUNT = 20
FPS = 8.0  # so slow a camera that one frame's error is seen in so few


@pytest.fixture(scope="module")
def danced() -> tuple[np.ndarray, np.ndarray]:
    """Ito as she is shown, (N, S, S, 3) on white, and the joints that she was given, (N, 20, 2)."""
    from engine.puppet.puppet import Puppet
    from training.characters import ito
    from training.characters.character import picture_joints
    from training.motion.dance import dance

    bundle = CharacterBundle.load(DEFAULT_CHARACTER).drawn_by("puppet")
    rig = ito.build()
    joints = np.stack([
        picture_joints(rig.keypoints(pose), rig.camera, bundle.resolution)
        for pose in dance(COUNT / FPS, FPS, 3, rig.rest)
    ][:COUNT])  # fmt: skip
    made = pictures(Puppet(bundle.drawings), joints, bundle.resolution)
    return made[..., :3] + (255 - made[..., 3:]), joints[..., :2].astype(np.float64)


def kept(images: np.ndarray, first: int = 0) -> list[Kept]:
    return [Kept((first + i) % COUNT, 0.0, image) for i, image in enumerate(images)]


@pytest.fixture(scope="module")
def seen(danced) -> np.ndarray:
    """Her joints in these pictures: looking for them takes a while, and is done once."""
    return moves.drawn(kept(danced[0]), mirrored=False)


def test_who_does_as_the_person_does_is_seen_to(danced, seen, monkeypatch):
    images, joints = danced
    monkeypatch.setattr(moves, "drawn", lambda pictures, mirrored: seen)
    found = moves.measures(kept(images), joints, mirrored=False, length=COUNT)
    off = found["arms off the performer's"]
    assert off.count > 2 * COUNT, "of four limbs"
    assert off["value"] < 10
    assert found["arms off other moments"]["value"] > 30
    assert found["arms behind"]["value"] == 0


def test_a_mirror_is_undone_and_one_that_is_not_there_is_not(danced):
    images, joints = danced
    mirror = kept(np.ascontiguousarray(images[:, :, ::-1]))
    found = moves.measures(mirror, joints, mirrored=True, length=COUNT)
    assert found["arms off the performer's"]["value"] < 10
    undone, plain = (
        np.nanmean(moves.off_deg(moves.drawn(mirror[:6], mirrored=m), joints[:6]))
        for m in (True, False)
    )
    assert plain > 2 * undone


def test_a_show_that_is_behind_its_numbers_is_seen_to_be(danced, seen, monkeypatch):
    images, joints = danced
    monkeypatch.setattr(moves, "drawn", lambda pictures, mirrored: seen)
    late = moves.measures(kept(images, first=3), joints, mirrored=False, length=COUNT)
    assert late["arms behind"]["value"] == 3
    assert late["arms off the performer's"]["value"] > 15


def test_nothing_shown_and_nobody_shown_say_nothing():
    nobody = np.full((3, 64, 64, 3), 255, np.uint8)
    joints = np.zeros((COUNT, 20, 2))
    assert moves.measures([], joints, mirrored=True, length=COUNT) == {}
    assert moves.measures(kept(nobody), joints, mirrored=True, length=COUNT) == {}


def test_angles_of_limbs():
    figure = np.random.default_rng(0).normal(0, 50, (1, 20, 2))
    upright = np.repeat(figure, 4, axis=0)
    for degrees in (0, 30, 90, 180):
        turn = np.radians(degrees)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        np.testing.assert_allclose(
            moves.off_deg(7 * upright @ matrix + 3, upright), degrees, atol=1e-4
        )
    short = upright.copy()
    short[0, 4] = short[0, 3] + 0.1 * (short[0, 4] - short[0, 3])  # points at the camera
    limb = moves.LIMBS.index((3, 4))
    found = moves.off_deg(upright, short)
    assert np.isnan(found[0, limb])
    assert np.isfinite(found[1:]).all()


def test_the_performer_is_where_the_truth_says_or_where_an_estimator_finds_nobody(monkeypatch):
    known = moves.people(PERFORMER, Options())
    assert known.shape[1:] == (20, 2)
    assert np.isfinite(known).all()
    monkeypatch.setattr(moves, "estimated", lambda clip, model, runtime: (None, None))
    unknown = moves.people(Path("somebody.mp4"), Options())
    assert unknown.shape == (2, len(PUPPET_20.joints), 2)
    assert np.isnan(unknown).all()
