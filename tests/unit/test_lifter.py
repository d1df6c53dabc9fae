"""The lifter's data, network and file; no training beyond a few steps."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from engine.mocap.anatomy import REFERENCE_REST
from engine.mocap.joints import HIPS, body_size, centred, mid_hip
from engine.mocap.lift import BaselineLifter
from engine.mocap.rotations import about_x
from tests.mocap import still
from training.errors import BadInput
from training.lifter.data import HELD_OUT, bodies, captures, procedural, random_rest, views

torch = pytest.importorskip("torch")

from training.lifter.network import Lifter, LifterConfig, parameters  # noqa: E402
from training.lifter.train import TrainConfig, error, export, load, train  # noqa: E402

CAPTURES = os.environ.get("AYATSURI_TEST_DATA")


@pytest.fixture(scope="module")
def posed():
    return bodies(procedural(30, 5), 2, 5)


def test_bodies_are_of_size_one_about_their_hips(posed):
    np.testing.assert_allclose(body_size(posed.joints.astype(np.float64)), 1.0, atol=1e-5)
    np.testing.assert_allclose(mid_hip(posed.joints), 0.0, atol=1e-6)


def test_builds_differ_and_are_left_as_right():
    rng = np.random.default_rng(0)
    rests = [random_rest(rng)[0] for _ in range(20)]
    assert np.std([rest[4, 1] for rest in rests]) > 0.02
    for rest in rests:
        np.testing.assert_allclose(rest[7] * (-1, 1, 1), rest[11], atol=1e-12)
    assert np.std(rests, axis=0).max() < 0.3
    assert np.abs(np.mean(rests, axis=0) - REFERENCE_REST).max() < 0.1


def test_a_view_is_the_projection_of_what_it_tells(posed):
    """From afar, without noise, keypoints are the joints' own x and y."""
    keypoints, seen = views(posed.joints, np.random.default_rng(0), noise=0.0)
    np.testing.assert_allclose(mid_hip(seen), 0.0, atol=1e-5)
    np.testing.assert_allclose(body_size(seen.astype(np.float64)), 1.0, atol=1e-4)
    flat = centred(seen[..., :2].astype(np.float64))
    assert np.median(np.linalg.norm(keypoints - flat, axis=-1)) < 0.15
    # Somebody who stands: the head is up, which is -y in a picture.
    assert (seen[:, 1, 1] < 0).mean() > 0.9


def test_views_are_repeatable(posed):
    first = views(posed.joints, np.random.default_rng(3))
    second = views(posed.joints, np.random.default_rng(3))
    np.testing.assert_array_equal(first[0], second[0])


def test_a_mirrored_body_keeps_its_sides(posed):
    """Right and left change names with the mirror: toes point the way that knees bend."""
    clip = still(1)
    clip.rotations[0, 14] = clip.rotations[0, 17] = about_x(1.2)
    data = bodies([clip], 1, 0)
    _, seen = views(np.repeat(data.joints, 50, axis=0), np.random.default_rng(0), noise=0.0)
    for hip in HIPS:
        knee, ankle = seen[:, hip + 1], seen[:, hip + 2]
        across = seen[:, HIPS[1]] - seen[:, HIPS[0]]
        bend = np.cross(knee - seen[:, hip], ankle - knee)
        assert (np.sum(across * bend, axis=-1) > 0).all()


def test_the_shipped_file_is_what_was_trained(posed, tmp_path):
    network = Lifter(LifterConfig(width=32))
    config = TrainConfig(steps=30, batch=64)
    last = train(network, posed, posed, config, tmp_path, every=10)
    lines = (tmp_path / "curve.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert json.loads(lines[-1]) == last
    assert last["step"] == 30
    export(load(tmp_path / "lifter.pt"), tmp_path / "lifter.onnx", "a test")
    keypoints = views(posed.joints, np.random.default_rng(0))[0]
    with torch.no_grad():
        expected = network.eval()(torch.from_numpy(keypoints)).numpy()
    made = BaselineLifter((tmp_path / "lifter.onnx").read_bytes())._run(keypoints)
    np.testing.assert_allclose(made, expected, atol=5e-3)  # its weights are float16


def test_a_few_steps_learn_something(posed, tmp_path):
    network = Lifter(LifterConfig(width=64))
    before = error(network, posed, views_each=1)
    train(network, posed, posed, TrainConfig(steps=80, batch=64), tmp_path, every=80)
    assert error(network, posed, views_each=1) < 0.7 * before
    assert parameters(network) == sum(p.numel() for p in network.parameters())


def test_no_captures_are_told(tmp_path):
    with pytest.raises(BadInput, match="bvh"):
        captures(tmp_path)


@pytest.mark.skipif(
    CAPTURES is None or not list(Path(CAPTURES).rglob("fair1_*.bvh")),
    reason="set AYATSURI_TEST_DATA to a folder with BVH captures",
)
def test_captures_are_split_by_name():
    assert CAPTURES is not None
    folder = next(Path(CAPTURES).rglob("fair1_*.bvh")).parent
    train_clips, held_out = captures(folder)
    assert train_clips
    assert not {clip.name for clip in train_clips} & {clip.name for clip in held_out}
    assert all(clip.name.startswith(HELD_OUT) for clip in held_out)
