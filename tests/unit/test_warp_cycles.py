"""Cycles: a support set whose truth is the drawing, and a painter that learns from it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.character import CharacterBundle
from engine.enrol.bones import cut_by_bones
from engine.errors import RefinementFailed
from engine.likeness import ssim
from engine.puppet.bundle import write_puppet_bundle
from engine.puppet.puppet import Puppet
from export.painter import export_painter
from export.refine import judge, parity
from tests.cut_drawings import cut_drawing
from tests.puppets import skeleton
from training.fewshot.adapt import AdaptConfig
from training.fewshot.errors import AdaptationError
from training.fewshot.objective import PaperObjective, Weights, dot_distance
from training.fewshot.warp.cache import LayerCache
from training.fewshot.warp.cutter import Cutter
from training.fewshot.warp.cycles import (
    Known,
    crossings,
    cycles,
    placed,
    samples_of,
    smaller,
    turned,
)
from training.fewshot.warp.network import FEATURES, Painter, WarpGenerator
from training.fewshot.warp.others import others
from training.fewshot.warp.refine import LEEWAY, known_of, mixed, refine_painter, winner

SIZE = 64


def known() -> Known:
    """A body of capsules; its parts are cut by bones, so that they add up to it."""
    drawing = cut_drawing(SIZE)
    picture = np.empty((SIZE, SIZE, 4), np.uint8)
    Puppet([drawing]).carry(drawing.joints, picture)
    return Known(picture, cut_by_bones(picture, drawing.joints))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> CharacterBundle:
    path = tmp_path_factory.mktemp("doll") / "doll.character"
    write_puppet_bundle(
        path, "Doll", [known().drawing], skeleton(SIZE), known().picture,
        training={"drawings": [{"parts_by": "bones"}]},
    )  # fmt: skip
    return CharacterBundle.load(path)


def assert_alike(made: np.ndarray, truth: np.ndarray) -> None:
    """But for a pixel or two of an edge that two parts shared, and one of them has now."""
    error = np.abs(made.astype(int) - truth).max(axis=2)
    assert (error > 3).mean() < 1e-3
    assert error.max() <= 16


def test_parts_in_their_own_pose_add_up_to_the_drawing():
    one = known()
    out = np.empty_like(one.picture)
    Puppet([one.drawing]).carry(one.drawing.joints, out)
    assert_alike(out, one.picture)


def test_a_cycle_comes_back_to_the_drawing():
    one, rng = known(), np.random.default_rng(0)
    (still,) = cycles([one], [one.drawing.joints], cut_by_bones, rng, places=1)
    pose = turned(one.drawing.joints, rng)
    (cycle,) = cycles([one], [pose], cut_by_bones, rng, places=1)
    back = {}
    for name, each in (("still", still), ("moved", cycle)):
        back[name] = np.empty_like(one.picture)
        Puppet([each.cut]).carry(each.joints, back[name])
        np.testing.assert_array_equal(each.truth, one.picture)
    likeness = {name: ssim(picture, one.picture) for name, picture in back.items()}
    assert likeness["still"] > 0.99
    assert ssim(cycle.source, one.picture) < likeness["moved"] < 0.99  # with the faults of a cut


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_place_changes_no_pixel(seed: int):
    one = known()
    shown, joints = placed(one.picture, one.drawing.joints, np.random.default_rng(seed))
    assert sorted(shown.sum(axis=2).ravel()) == sorted(one.picture.sum(axis=2).ravel())
    assert joints.dtype == np.float32
    np.testing.assert_allclose(
        np.linalg.norm(joints[2, :2] - joints[5, :2]),
        np.linalg.norm(one.drawing.joints[2, :2] - one.drawing.joints[5, :2]), rtol=1e-5,
    )  # fmt: skip
    for index in (1, 9, 12):  # neck and knees, wherever they are now
        x, y = joints[index, :2].astype(int)
        assert shown[y, x, 3] > 128


def test_every_drawing_meets_every_other():
    one, other = known(), known()
    assert crossings([one]) == []
    made = crossings([one, other])
    assert [(c.source is one.picture, c.truth is one.picture) for c in made] == [
        (True, False), (False, True),
    ]  # fmt: skip
    with pytest.raises(AdaptationError, match="a drawing and a pose"):
        cycles([], [one.drawing.joints], cut_by_bones, np.random.default_rng(0))


def test_samples_are_drawn_with_the_parts_as_they_were_cut():
    one, rng = known(), np.random.default_rng(0)
    made = cycles([one], [turned(one.drawing.joints, rng)], cut_by_bones, rng, places=2)
    method = WarpGenerator("tiny", Cutter((4, 8)).requires_grad_(False)).eval()
    samples = samples_of(made, method.known, rng)
    assert len(samples) == 2
    with torch.no_grad():
        drawn = (
            (method(samples.inputs) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        )
    assert len(method.known) == 1  # nothing was cut again
    for picture, cycle in zip(drawn, made, strict=True):
        out = np.empty_like(picture)
        Puppet([cycle.cut]).carry(cycle.joints, out)
        assert ssim(np.ascontiguousarray(picture), out) > 0.97


def adapted(bundle: CharacterBundle, steps: int = 20, **more):
    torch.manual_seed(0)
    method = WarpGenerator("tiny", Cutter((4, 8)).requires_grad_(False)).eval()
    torch.nn.init.normal_(method.painter.network.leave.weight, std=0.1)  # it paints, badly
    return refine_painter(
        *known_of(bundle),
        config=AdaptConfig(steps=steps, rate=2e-2, every=10),
        method=method,
        objective=PaperObjective(weights=Weights(perceptual=0, alpha=0, gan=0, edges=60)),
        **{"beside": 0, **more},
    )


def test_a_few_steps_mend_cycles_that_were_not_seen(bundle: CharacterBundle):
    told = []
    made = adapted(bundle, go_on=lambda step, curve, left_s: told.append((step, left_s)))
    curve = made.adapted.held_out
    assert min(curve) < 0.95 * curve[0]
    assert [step for step, _ in told] == [0, 10, 20]
    assert told[-1][1] == 0
    before, after = (dict(p.named_parameters()) for p in (made.shipped, made.painter))
    assert {*before} == {*after}
    for name, weight in after.items():
        assert not weight.requires_grad
        if name.endswith("weight"):  # of every map one number was learnt
            shares = (weight / before[name]).flatten(1)
            torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))
    assert not torch.equal(before["network.leave.bias"], after["network.leave.bias"])
    networks = {"adapted": export_painter(made.painter, SIZE)}
    assert {*judge(networks, made.held_out)} == {"puppet", "adapted"}


def test_it_learns_from_others_beside(bundle: CharacterBundle):
    made = adapted(bundle, beside=2, steps=10)
    assert made.support == 24 + 2
    assert len(made.held_out) == 3  # its own: what a live show draws is judged
    one, other = others(2, SIZE, cut_by_bones, np.random.default_rng(0))
    assert one.truth.shape == (SIZE, SIZE, 4)
    assert np.abs(one.truth.astype(int) - other.truth).mean() > 1
    assert not np.array_equal(one.joints, one.cut.joints)
    again = others(2, SIZE, cut_by_bones, np.random.default_rng(0))
    np.testing.assert_array_equal(again[1].truth, other.truth)


@given(own=st.integers(0, 12), strange=st.integers(0, 12), seed=st.integers(0, 99))
def test_both_kinds_are_spread_evenly(own: int, strange: int, seed: int):
    kinds = ["own"] * own, ["strange"] * strange
    order = mixed(*kinds, np.random.default_rng(seed))  # type: ignore[arg-type]
    assert (order.count("own"), order.count("strange")) == (own, strange)
    for end in range(len(order)):
        share = order[:end].count("own") - end * own / len(order)
        assert abs(share) <= 1.01


@pytest.mark.parametrize("times", [1, 2, 4])
def test_a_smaller_cycle_is_the_same_seen_from_afar(times: int):
    drawing = cut_drawing(256)
    picture = np.empty((256, 256, 4), np.uint8)
    Puppet([drawing]).carry(drawing.joints, picture)
    pose = turned(drawing.joints, np.random.default_rng(0))
    (cycle,) = cycles(
        [Known(picture, drawing)], [pose], cut_by_bones, np.random.default_rng(0), places=1
    )
    small = smaller(cycle, times)
    assert small.truth.shape == small.source.shape == (256 // times, 256 // times, 4)
    np.testing.assert_allclose(small.joints[:, :3] * times, cycle.joints[:, :3], atol=1e-3)
    drawn = []
    for one in (cycle, small):
        out = np.empty_like(one.truth)
        Puppet([one.cut]).carry(one.joints, out)
        drawn.append(out)
    size = 256 // times
    mean = drawn[0].reshape(size, times, size, times, 4).mean((1, 3))
    assert np.abs(mean - drawn[1]).mean() < 3


def test_it_learns_at_the_size_that_the_painter_looks_at(bundle: CharacterBundle):
    made = adapted(bundle, shrink=2, steps=10)
    assert len(made.adapted.held_out) == 2
    assert made.held_out[0].truth.shape == (SIZE, SIZE, 4)


def test_it_goes_on_where_it_was_left_off(bundle: CharacterBundle, tmp_path):
    memory = tmp_path / "doll.learning"
    straight = adapted(bundle, steps=20)
    ended = adapted(bundle, steps=20, minutes=1e-9, memory=memory)
    assert ended.adapted.steps == 10
    told = []
    made = adapted(bundle, steps=20, memory=memory, go_on=lambda step, *_: told.append(step))
    assert told == [10, 20]
    assert made.adapted.held_out == pytest.approx(straight.adapted.held_out, rel=1e-4)
    for name, value in straight.painter.state_dict().items():
        torch.testing.assert_close(made.painter.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    anew = adapted(bundle, steps=20, minutes=1e-9, memory=memory, seed=1)  # other cycles
    assert anew.adapted.steps == 10
    memory.write_bytes(b"something else")
    assert adapted(bundle, steps=20, minutes=1e-9, memory=memory).adapted.steps == 10


def test_its_time_is_kept(bundle: CharacterBundle):
    assert adapted(bundle, steps=1000, minutes=1e-9).adapted.steps == 10


def test_a_bundles_drawings_are_known(bundle: CharacterBundle):
    (one,), cutting = known_of(bundle)
    assert_alike(one.picture, known().picture)
    assert (cutting(one.picture, one.drawing.joints).pixels == known().drawing.pixels).mean() > 0.9


@torch.no_grad()
def test_a_broken_export_is_refused():
    torch.manual_seed(0)
    painters = []
    for _ in range(2):
        painters.append(Painter((8, 16, 16)).eval())
        torch.nn.init.normal_(painters[-1].network.leave.weight, std=0.2)
    shown = np.random.default_rng(0).integers(0, 256, (1, 32, 32, FEATURES), np.uint8)
    models = [export_painter(painter, SIZE) for painter in painters]
    assert parity(painters[0], models[0], shown) < 0.1
    with pytest.raises(RefinementFailed, match="differs from PyTorch"):
        parity(painters[0], models[1], shown)


def test_a_puppet_that_has_it_easy_gives_way():
    score = {"sharpness": 1.0, "ssim": 0.9, "alpha_iou": 0.9}
    scores = {
        who: {**score, "perceptual": distance}
        for who, distance in (("puppet", 0.01), ("shipped", 0.02), ("adapted", 0.019))
    }
    assert winner(scores) == "puppet"
    assert winner(scores, LEEWAY) == "puppet"
    assert winner(scores, np.inf) == "adapted"
    scores["adapted"]["perceptual"] = 0.0105
    assert winner(scores) == "puppet"
    assert winner(scores, LEEWAY) == "adapted"
    scores["adapted"]["alpha_iou"] = 0.8  # it paints beside the figure
    assert winner(scores, LEEWAY) == "puppet"


def test_dots_are_told_from_edges():
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    plain = torch.full((1, 3, 32, 32), 0.5)
    chequered = plain + 0.2 * (((x + y) % 2) * 2 - 1)
    edge = plain + 0.4 * (x > 16)
    slope = plain + 0.4 * (2 * x > y + 16)
    torch.testing.assert_close(dot_distance(chequered, plain), torch.tensor(0.4))
    assert dot_distance(edge, plain) == 0
    assert dot_distance(plain, chequered) == 0
    assert dot_distance(chequered, chequered) == 0
    assert dot_distance(slope.roll(1, 3), slope) < 0.02 < dot_distance(chequered, slope)


def _score(
    perceptual: float, sharpness: float = 0.8, ssim: float = 0.9, alpha_iou: float = 0.9
) -> dict[str, float]:
    return {
        "perceptual": perceptual, "sharpness": sharpness, "ssim": ssim, "alpha_iou": alpha_iou
    }  # fmt: skip


def test_the_winner_is_the_nearest_to_the_eye():
    puppet = _score(0.020)
    assert winner({"puppet": puppet, "adapted": _score(0.018)}) == "adapted"
    assert winner({"puppet": puppet, "adapted": _score(0.022, 1.0, 1.0)}) == "puppet"
    # Of such as are alike the sharper one, and a painter costs time.
    assert winner({"puppet": puppet, "adapted": _score(0.0201, 1.0)}) == "adapted"
    assert winner({"puppet": puppet, "adapted": _score(0.0199, 0.8, 1.0)}) == "puppet"
    alike = {"shipped": _score(0.0180, 1.8), "adapted": _score(0.0181, 1.0)}
    assert winner({"puppet": puppet, **alike}) == "adapted"
    equally_sharp = {"shipped": _score(0.0180, 0.8, 0.95), "adapted": _score(0.0181, 0.8, 0.9)}
    assert winner({"puppet": puppet, **equally_sharp}) == "shipped"
    # Whose silhouettes are worse than the puppet's does not win.
    beside = _score(0.010, alpha_iou=0.85)
    assert winner({"puppet": puppet, "adapted": beside}) == "puppet"
    assert winner({"puppet": puppet, "adapted": beside, "shipped": _score(0.019)}) == "shipped"


def test_layers_that_were_cut_elsewhere_are_kept():
    cache = LayerCache()
    picture, joints = torch.rand(4, 8, 8), torch.rand(20, 4)
    layers = torch.randint(0, 256, (5, 2, 8, 8), dtype=torch.uint8)
    cache.put(picture, joints, layers)
    found = cache(picture[None], joints[None], lambda p, j: pytest.fail("it is known"))
    torch.testing.assert_close(found[0], layers.float() / 255)
