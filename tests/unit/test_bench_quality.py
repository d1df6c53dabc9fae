"""Quality beside speed: likeness to the best pictures, what a codec leaves, and governed shows."""

import base64
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from bench import codec, pages
from bench.codec import Kept
from bench.fidelity import Truth
from bench.glass import Film
from bench.levels import Quality, shares
from bench.quality import BEST, SAME, Likeness, likeness_of, opened, pictures, told
from bench.report import told_of
from bench.statistics import Measure
from bench.ways import DrawName, ways
from engine.app import PERFORMER, Options, load_cast
from engine.character import CharacterBundle
from engine.errors import MissingDependency, NotInBundle
from engine.governing import Change, Level
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20
from engine.puppet.puppet import Puppet
from tests.bundles import write_bundle
from tests.unit.test_puppet_bundle import painter_model, write

SIZE = 64


def dance(skeleton, count=4):
    """Joints (T, 20, 4) that move a little from picture to picture."""
    steps = np.arange(count)[:, None] * np.array([0.5, 0.25, 0, 0])
    return (skeleton.rest[None] + steps[:, None]).astype(np.float32)


def test_pictures_are_like_themselves_and_noise_takes_from_that():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 256, (4, SIZE, SIZE, 4), np.uint8)
    truth[..., 3] = 255
    same = Likeness.of(truth, truth)
    assert (same.ssim, same.ssim_worst, same.flicker) == pytest.approx((1, 1, 0))
    made = truth.copy()
    made[1, ..., :3] //= 2
    less = Likeness.of(made, truth)
    assert less.ssim_worst < less.ssim < 1
    assert less.flicker > 5
    names = set(less.measures("the best level"))
    assert names == {"SSIM to the best level", "worst SSIM", "flicker to the best level"}


def film(frames=40, length=20):
    return Film.of(
        [n % length for n in range(frames)], [100.0 * n for n in range(frames)], length, 10.0
    )


def test_what_is_shown_is_compared_with_what_was_sent_for_it():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (40, 90, 90, 3), np.uint8)
    sent = [Kept(n % 20, 100.0 * n + 40, images[n]) for n in range(0, 40, 5)]
    spoilt = images.copy()
    spoilt[:, :10] = 0  # the strip of the code does not count
    shown = [Kept(n % 20, 100.0 * n + 90, spoilt[n]) for n in range(0, 40, 5)]
    assert codec.scores(film(), sent, shown, 0.0) == pytest.approx([1.0] * 8)
    assert len(codec.scores(film(), sent, shown, 2000.0)) == 4
    later = [Kept(n % 20, 100.0 * n + 40, 255 - images[n - 20]) for n in range(40, 60, 5)]
    assert codec.scores(film(), [*sent, *later], shown, 0.0) == pytest.approx([1.0] * 8)
    spoilt[25:, 40:] //= 2
    worst = codec.measures(codec.scores(film(), sent, shown, 0.0))["worst SSIM after the codec"]
    assert worst["value"] < 0.9
    smaller = [Kept(one.number, one.at_ms, one.image[::2, ::2]) for one in shown[:2]]
    assert all(0 < score < 1 for score in codec.scores(film(), sent, smaller, 0.0))
    assert codec.measures([]) == {}


def test_pictures_come_out_of_the_page_as_they_were():
    image = np.random.default_rng(2).integers(0, 256, (4, 6, 4), np.uint8)
    told_by_page = {
        "number": 7, "at": 1.5, "width": 6, "height": 4,
        "rgba": base64.b64encode(image.tobytes()).decode(),
    }  # fmt: skip
    kept = Kept.of(told_by_page)
    assert (kept.number, kept.at_ms) == (7, 1.5)
    assert np.array_equal(kept.image, image[..., :3])


def test_a_run_keeps_so_many_pictures_however_long_it_is():
    for seconds in (1, 12, 45, 3600):
        kept = seconds * 30 / codec.every(seconds)
        assert kept <= 1.5 * codec.MOST


def test_levels_share_a_stretch_of_time():
    levels = [Level("full", 0, "a"), Level("full", 1, "b"), Level("lite", 1, "c")]
    changes = [Change(10.0, "a", "b", 1.2, ""), Change(20.0, "b", "c", 1.2, ""),
               Change(30.0, "c", "b", 0.5, "")]  # fmt: skip
    had = shares(levels, levels[0], changes, 5.0, 35.0)
    assert {level.name: share for level, share in had.items()} == pytest.approx(
        {"a": 1 / 6, "b": 1 / 2, "c": 1 / 3}
    )
    assert shares(levels, levels[0], changes, 31.0, 40.0) == {levels[1]: 1.0}
    assert shares(levels, levels[2], [], 0.0, 1.0) == {levels[2]: 1.0}


@pytest.fixture
def both(tmp_path):
    """A character that is drawn by a network, and can be a puppet."""
    stick = CharacterBundle.load(write_bundle(tmp_path / "stick.character", SIZE))
    puppet = CharacterBundle.load(write(tmp_path / "doll.character"))
    manifest = stick.manifest.model_copy(update={"puppet": puppet.manifest.puppet})
    return replace(stick, manifest=manifest, drawings=puppet.drawings)


def test_every_way_to_draw_is_a_row_of_its_own(both, tmp_path):
    def named(characters, draw):
        return [(way.prefix, way.options.draw) for way in ways(characters, draw, Options())]

    assert named([both], DrawName.ALL) == [("generator: ", "generator"), ("puppet: ", "puppet")]
    assert named([both], DrawName.AUTO) == [("", "generator")]
    assert named([both], DrawName.PUPPET) == [("", "puppet")]
    doll = CharacterBundle.load(write(tmp_path / "other.character"))
    assert named([doll], DrawName.ALL) == [("", "puppet")]
    assert named([both, doll], DrawName.AUTO) == [
        (f"{both.name}, generator: ", "generator"), ("Doll, puppet: ", "puppet")
    ]  # fmt: skip
    with pytest.raises(NotInBundle, match="Doll"):
        ways([doll], DrawName.GENERATOR, Options())


@pytest.mark.parametrize("draw", ["generator", "puppet"])
def test_the_best_precision_is_as_good_as_itself(both, draw, monkeypatch):
    options = Options(draw=draw, backend="onnxruntime", precision="fp32")
    cast = load_cast([both], options)
    drawn_by = told(cast.actors[0], options)
    cast.close()
    assert drawn_by["draw"] == draw
    assert ("backend" in drawn_by) == (draw == "generator")
    monkeypatch.setattr("bench.quality.dance", lambda *_: dance(both.skeleton))
    found = likeness_of(both, options, drawn_by, None)
    assert found == SAME.measures() or found["SSIM to fp32"]["value"] == pytest.approx(1.0)


def test_a_level_that_draws_by_other_means_is_less_like_the_best(both, monkeypatch):
    joints = dance(both.skeleton)
    monkeypatch.setattr("bench.levels.dance", lambda *_: joints)
    monkeypatch.setattr(
        "bench.levels.pose_errors",
        lambda clip, options, ms: {
            "pose error, when shown": Measure.single(
                {"full": 5.0, "lite": 9.0}[options.pose_model], "% torso"
            )
        },
    )
    options = Options(backend="onnxruntime", precision="fp32")
    cast = load_cast([both], options)
    drawn = cast.actors[0].ways
    quality = Quality(None, both, options, drawn)
    names = [way.name for way in drawn]
    assert names == ["fp32", "puppet"]
    assert quality.likeness(0).ssim == pytest.approx(1.0)
    puppet = quality.likeness(1)
    assert puppet.ssim < 0.999
    had = {Level("full", 0, "a"): 0.25, Level("lite", 1, "b"): 0.75}
    measures = quality.measures(had, 40.0)
    assert measures["SSIM to the best level"]["value"] == pytest.approx(0.25 + 0.75 * puppet.ssim)
    assert measures["worst SSIM"]["value"] == puppet.ssim_worst
    assert measures["pose error, when shown"]["value"] == pytest.approx(8.0)
    cast.close()


def test_a_painted_puppet_is_drawn_by_its_painter(tmp_path):
    path = write(tmp_path / "painted.character", painter=painter_model(SIZE, 200))
    bundle = CharacterBundle.load(path)
    joints = dance(bundle.skeleton)
    painted = pictures(opened(bundle, "puppet", BEST, 1), joints, SIZE)
    plain = pictures(Puppet(bundle.drawings), joints, SIZE)
    assert Likeness.of(painted, painted).ssim == pytest.approx(1.0)
    assert not np.array_equal(painted, plain)


def test_the_landmarks_of_a_page_are_judged_as_ours_are():
    truth = Truth.of(PERFORMER)
    frames = [3, 40, 200, 599]
    told_by_page = []
    for frame in frames:
        places = np.zeros((33, 2))
        for joint, index in zip(MEDIAPIPE_33.joints, range(33), strict=True):
            if joint in PUPPET_20.joints:
                places[index] = truth.places[frame, PUPPET_20.joints.index(joint)]
        told_by_page.append([frame, *places.ravel()])
    found = pages.pose_errors([*told_by_page, [16000, *np.zeros(66)]], PERFORMER, 100.0)
    assert set(found) == {"pose error, as found", "pose error, when shown"}
    assert found["pose error, as found"].count == len(frames)
    assert all(np.isfinite(one["value"]) for one in found.values())
    assert pages.pose_errors([], PERFORMER, 100.0) == {}


def test_a_page_whose_packages_are_not_here_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path))
    for rival in pages.PAGES.values():
        with pytest.raises(MissingDependency, match=r"npm install .*kalidokit@1"):
            rival.modules()
        assert (files("bench") / rival.page).is_file()
        text = (files("bench") / rival.page).read_text()
        assert 'id="start"' in text
        assert all(f"/modules/{name.rpartition('@')[0]}/" in text for name in rival.packages)


def test_every_row_says_what_draws_in_it():
    def drawn(name, what):
        return name, {"drawn_by": {"draw": "puppet", "resolution": 512, "name": what}}

    alike = [drawn("30 fps", "puppet"), drawn("60 fps", "puppet")]
    assert told_of(alike) == {"drawn by": "puppet, 512 px: puppet"}
    assert told_of([*alike, ("a rival", {"what": "a head"}), ("none", {})]) == {
        "30 fps": "puppet, 512 px: puppet", "60 fps": "puppet, 512 px: puppet", "a rival": "a head"
    }  # fmt: skip
    assert told_of([]) == {}
