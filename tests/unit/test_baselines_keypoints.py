"""Laws of the maps of joints that the older methods are shown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from engine.pose.skeleton import PUPPET_20  # noqa: E402
from tests import naive_transfer as naive  # noqa: E402
from training.fewshot.keypoints import body_mask, discs, heatmaps, seen, to_scale  # noqa: E402

SIZE = 32
MIRROR = PUPPET_20.mirror()


def poses(low: float = 0.0, high: float = SIZE) -> st.SearchStrategy[NDArray[np.float32]]:
    """Twenty joints anywhere in the picture, each seen or not."""

    def build(seed: int, hidden: int) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        joints = rng.uniform(low, high, (20, 4)).astype(np.float32)
        joints[:, 3] = 1
        joints[rng.choice(20, hidden, replace=False), 3] = 0
        return joints

    return st.builds(build, st.integers(0, 2**32 - 1), st.integers(0, 20))


def tensor(joints: NDArray[np.float32]) -> "torch.Tensor":
    return torch.from_numpy(joints.copy())[None]


laws = settings(max_examples=25, deadline=None)


@laws
@given(poses())
def test_heatmaps_are_gaussians(joints: NDArray[np.float32]) -> None:
    maps = heatmaps(tensor(joints), SIZE)[0].numpy()
    assert maps.shape == (20, SIZE, SIZE)
    assert maps.min() >= 0
    assert maps.max() <= 1
    k = int(joints[0, 0]) % 20
    sigma = 6 * SIZE / 256
    wanted = naive.heatmap(*map(float, joints[k, :2]), sigma, SIZE) * joints[k, 3]
    np.testing.assert_allclose(maps[k], wanted, atol=1e-5)


@laws
@given(poses())
def test_a_joint_lights_the_pixel_where_it_is(joints: NDArray[np.float32]) -> None:
    for make in (heatmaps, discs):
        maps = make(tensor(joints), SIZE, 8.0)[0]
        for k in range(20):
            x, y = np.minimum(joints[k, :2].astype(int), SIZE - 1)
            if joints[k, 3]:
                assert maps[k, y, x] == maps[k].max()
                assert maps[k, y, x] > 0
            else:
                assert maps[k].max() == 0


@laws
@given(poses(8, SIZE - 8), st.integers(-4, 4), st.integers(-4, 4))
def test_maps_move_with_the_joints(joints: NDArray[np.float32], dx: int, dy: int) -> None:
    moved = joints + np.array([dx, dy, 0, 0], np.float32)
    inner = slice(4, SIZE - 4)
    for make in (heatmaps, discs):
        there = make(tensor(moved), SIZE)
        back = there.roll((-dy, -dx), (2, 3))
        torch.testing.assert_close(
            back[..., inner, inner], make(tensor(joints), SIZE)[..., inner, inner],
            atol=1e-5, rtol=0,
        )  # fmt: skip


@laws
@given(poses())
def test_maps_mirror_with_the_joints(joints: NDArray[np.float32]) -> None:
    mirrored = joints[MIRROR] * np.array([-1, 1, 1, 1], np.float32)
    mirrored[:, 0] += SIZE
    for make in (heatmaps, discs):
        there = make(tensor(mirrored), SIZE)
        back = there[:, torch.from_numpy(MIRROR)].flip(3)
        different = (back - make(tensor(joints), SIZE)).abs() > 1e-4
        assert different.float().mean() < 1e-3  # a disc's rim may round either way


@laws
@given(poses())
def test_the_mask_is_the_body(joints: NDArray[np.float32]) -> None:
    mask = body_mask(tensor(joints), SIZE)
    assert mask.shape == (1, 1, SIZE, SIZE)
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    wide = body_mask(tensor(joints), SIZE, 16.0)
    for parent, child in PUPPET_20.bones:
        if joints[parent, 3] and joints[child, 3]:
            for share in (0.0, 0.5, 1.0):  # the whole bone is in the mask
                point = (1 - share) * joints[parent, :2] + share * joints[child, :2]
                x, y = np.minimum(point.astype(int), SIZE - 1)
                assert wide[0, 0, y, x] == 1


@laws
@given(poses())
def test_a_wider_mask_holds_a_narrower_one(joints: NDArray[np.float32]) -> None:
    narrow, wide = (body_mask(tensor(joints), SIZE, r) for r in (8.0, 16.0))
    assert (wide >= narrow).all()


@laws
@given(poses(), poses())
def test_what_is_not_seen_does_not_matter(
    joints: NDArray[np.float32], others: NDArray[np.float32]
) -> None:
    changed = joints.copy()
    hidden = joints[:, 3] == 0
    changed[hidden, :3] = others[hidden, :3]
    nowhere = joints.copy()
    nowhere[hidden] = np.nan
    for make in (heatmaps, discs, body_mask):
        plain = make(tensor(joints), SIZE)
        assert torch.equal(make(tensor(changed), SIZE), plain)
        assert torch.equal(make(tensor(nowhere), SIZE), plain)


def test_nobody_has_no_body() -> None:
    nobody = torch.zeros(2, 20, 4)
    assert not seen(nobody).any()
    assert body_mask(nobody, SIZE).sum() == 0


def test_the_trunk_is_filled() -> None:
    joints = np.zeros((20, 4), np.float32)
    corners = {"r_shoulder": (8, 8), "l_shoulder": (24, 8), "r_hip": (8, 28), "l_hip": (24, 28)}
    for name, place in corners.items():
        joints[PUPPET_20.index(name)] = (*place, 0, 1)
    mask = body_mask(tensor(joints), SIZE)[0, 0]
    assert mask[9:27, 9:23].all()
    assert mask[:6].sum() == 0
    assert mask[:, :6].sum() == 0


def test_lengths_are_those_of_256_pixels() -> None:
    assert to_scale(6, 256) == 6
    assert to_scale(6, 64) == 1.5
