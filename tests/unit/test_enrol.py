"""`ayatsuri adapt` as a user has it: a drawing in, a character out."""

import json
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

import engine.cli
from engine.character import CharacterBundle
from engine.enrol.clip import dance
from engine.enrol.enrol import enrol
from engine.enrol.keypoints import parse_keypoints, read_keypoints
from engine.errors import BadKeypoints, EnrolError
from engine.manifest import MAX_DRAWINGS
from engine.pose.skeleton import COCO_17, OPENPOSE_18, PUPPET_20
from tests.drawings import before, ito, save


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")


def adapt(*arguments):
    return CliRunner().invoke(engine.cli.app, ["adapt", *map(str, arguments)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One drawing enrolled with everything that can be asked for."""
    folder = tmp_path_factory.mktemp("enrolled")
    drawing = save(ito(), folder / "her.png")
    result = adapt(
        drawing, "-o", folder / "her.character", "--size", 128, "--name", "Her", "--author", "Me",
        "--licence", "CC0", "--preview", folder / "preview.png",
        "--save-keypoints", folder / "her.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder, result.output


def test_a_drawing_becomes_a_bundle(made):
    folder, output = made
    bundle = CharacterBundle.load(folder / "her.character")
    assert (bundle.name, bundle.resolution) == ("Her", 128)
    assert (bundle.manifest.author, bundle.manifest.licence) == ("Me", "CC0")
    assert bundle.manifest.training["drawings"][0]["view"] == "front"
    assert "ayatsuri live -c" in output
    with zipfile.ZipFile(folder / "her.character") as archive:
        assert {"support.png", "thumbnail.png"} <= set(archive.namelist())
    assert (folder / "preview.png").stat().st_size > 1000


@pytest.mark.parametrize("option", ["--output", "--preview", "--clip", "--save-keypoints"])
def test_a_folder_that_is_not_there_is_told_before_the_work(option, made, monkeypatch):
    monkeypatch.setattr("engine.enrol.enrol.enrol", lambda *_, **__: pytest.fail("it was enrolled"))
    result = adapt(made[0] / "her.png", option, made[0] / "no" / "file.png")
    assert result.exit_code == 1
    assert "there is no folder" in result.output


def test_the_bundle_dances(made):
    from engine.puppet.puppet import Puppet

    bundle = CharacterBundle.load(made[0] / "her.character")
    puppet = Puppet(bundle.drawings)
    track = dance(bundle.skeleton, 128, seconds=1)
    assert track.shape == (30, 20, 4)
    assert np.isfinite(track).all()
    out = np.zeros((128, 128, 4), np.uint8)
    pose_image = np.zeros((128, 128, 3), np.uint8)
    puppet.draw(track[15], pose_image, out)
    # What it drew is where the joints are.
    for joint in (1, 8, 11):
        x, y = track[15, joint, :2].astype(int)
        assert out[y, x, 3] > 128


@pytest.mark.parametrize(("asked", "painted"), [(("--fps", 1), True), (("--plain",), False)])
def test_a_whole_figure_is_painted_over_where_that_is_in_time(made, tmp_path, asked, painted):
    result = adapt(
        made[0] / "her.png", "-o", tmp_path / "her.character", "--size", 128,
        "--keypoints", made[0] / "her.json", *asked,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    bundle = CharacterBundle.load(tmp_path / "her.character")
    assert bundle.manifest.training["drawings"][0]["cut"] is False
    assert (bundle.painter is not None) == painted
    assert ("painted over now" in result.output) == painted


def test_a_plain_puppet_is_not_refined(made):
    result = adapt(made[0] / "her.png", "--plain", "--refine")
    assert result.exit_code == 2
    assert "--plain" in result.output


def test_a_painter_goes_into_the_bundle(made, tmp_path):
    result = adapt(
        made[0] / "her.png", "-o", tmp_path / "her.character", "--size", 128, "--paint",
        "--keypoints", made[0] / "her.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    bundle = CharacterBundle.load(tmp_path / "her.character")
    assert bundle.painter is not None
    assert bundle.manifest.puppet.painter.precisions["int8"].ssim > 0.99
    wrong = adapt(made[0] / "her.png", "--size", 144, "--paint", "-o", tmp_path / "no.character")
    assert wrong.exit_code == 2
    assert "multiple of 32" in wrong.output


def test_saved_keypoints_are_taken_as_they_are(made, tmp_path):
    folder, _ = made
    content = json.loads((folder / "her.json").read_text())
    assert content["size"] == [512, 512]
    assert set(content["joints"]) == set(PUPPET_20.joints)
    content["joints"]["r_wrist"] = [100.0, 200.0]
    (tmp_path / "mine.json").write_text(json.dumps(content))
    result = adapt(
        folder / "her.png", "-o", tmp_path / "b.character", "--size", 128,
        "--keypoints", tmp_path / "mine.json", "--save-keypoints", tmp_path / "again.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    again = json.loads((tmp_path / "again.json").read_text())
    for name, place in content["joints"].items():
        np.testing.assert_allclose(again["joints"][name], place, atol=0.11)


def test_joints_that_were_dragged_are_used(tmp_path, monkeypatch):
    import engine.enrol.enrol as module

    def drag(picture, joints, find, show_page):
        show_page("http://127.0.0.1:1/secret/")
        again = find({"r_wrist": (120.0, 250.0)})
        np.testing.assert_allclose(again[4], (120, 250, 1))
        moved = joints.copy()
        moved[4] = (130, 240, 1)
        return moved

    opened = []
    monkeypatch.setattr(module, "edit", drag)
    monkeypatch.setattr("webbrowser.open", opened.append)
    drawing = save(ito(), tmp_path / "her.png")
    result = adapt(
        drawing, "-o", tmp_path / "b.character", "--size", 128, "--edit",
        "--save-keypoints", tmp_path / "k.json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert opened == ["http://127.0.0.1:1/secret/"]
    assert json.loads((tmp_path / "k.json").read_text())["joints"]["r_wrist"] == [130, 240]


def test_front_and_back_are_two_views(tmp_path, monkeypatch):
    import engine.enrol.enrol as module
    from engine.enrol.finding import find_figure

    number = iter(range(2))

    def turned(picture, estimator, given):
        figure = find_figure(picture, estimator, given)
        if next(number) == 0:  # the first is seen from behind
            figure.fitted.joints[:] = figure.fitted.joints[PUPPET_20.mirror()]
        return figure

    monkeypatch.setattr(module, "find_figure", turned)
    drawing = save(ito(), tmp_path / "her.png")
    result = adapt(drawing, drawing, "-o", tmp_path / "two.character", "--size", 128)
    assert result.exit_code == 0, result.output
    bundle = CharacterBundle.load(tmp_path / "two.character")
    assert [drawing.name for drawing in bundle.drawings] == ["front", "back"]


def test_a_side_that_is_taken_for_a_front_is_left_out(tmp_path, monkeypatch):
    import engine.enrol.enrol as module
    from engine.enrol.finding import find_figure

    def narrow(picture, estimator, given):
        figure = find_figure(picture, estimator, given)
        if picture.name == "side.png":
            middle = int(figure.fitted.joints[1, 0])
            figure.cut.pixels[:, : middle - 20, 3] = 0
            figure.cut.pixels[:, middle + 20 :, 3] = 0
        return figure

    monkeypatch.setattr(module, "find_figure", narrow)
    front, side = (save(ito(), tmp_path / f"{name}.png") for name in ("front", "side"))
    result = adapt(front, side, "-o", tmp_path / "one.character", "--size", 128)
    assert result.exit_code == 0, result.output
    assert "side.png is left out" in result.output
    bundle = CharacterBundle.load(tmp_path / "one.character")
    assert [drawing.name for drawing in bundle.drawings] == ["front"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: (p / "a.png").write_bytes(b"no picture"), "not a picture"),
        (lambda p: save(np.full((99, 99, 4), 255, np.uint8), p / "a.png"), "empty"),
        (lambda p: save(before(ito()[::32, ::32], np.zeros((16, 16, 3), np.uint8)), p / "a.png"),
         "too small"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_explained(make, words, tmp_path):
    make(tmp_path)
    result = adapt(tmp_path / "a.png", "-o", tmp_path / "b.character")
    assert result.exit_code == 1
    assert words in result.output
    assert not (tmp_path / "b.character").exists()


@pytest.mark.parametrize("count", [0, MAX_DRAWINGS + 1])
def test_so_many_drawings_make_no_character(count, tmp_path):
    with pytest.raises(EnrolError, match=f"1 to {MAX_DRAWINGS} drawings, and there are {count}"):
        enrol([tmp_path / "not-looked-at.png"] * count)


def test_a_size_must_be_a_multiple_of_16(tmp_path):
    assert adapt(tmp_path / "a.png", "--size", 200).exit_code == 2


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"tail": [1, 2]}', '{"nose": 3}', '{"nose": [1]}', '{"nose": [1, null]}',
     '{"nose": [1, NaN]}', '{"nose": [true, 2]}', '{"joints": 7}', '{"nose": [1e99, 2]}'],
)  # fmt: skip
def test_keypoints_that_are_none_are_refused(content, tmp_path):
    path = tmp_path / "k.json"
    path.write_text(content)
    with pytest.raises(BadKeypoints):
        read_keypoints(path)


@pytest.mark.parametrize("skeleton", [COCO_17, OPENPOSE_18], ids=lambda each: each.name)
def test_keypoints_of_other_programs_are_read(skeleton, tmp_path):
    path = tmp_path / "k.json"
    rows = [[10.0 * i, 20.0 * i, 2.0] for i in range(len(skeleton.joints))]
    rows[skeleton.index("l_wrist")][2] = 0  # not found
    row = [value for one in rows for value in one]
    coco = {"category_id": 1, "keypoints": row, "num_keypoints": 16}
    for content in (
        [coco, [coco], {"annotations": [coco], "images": []}]
        if skeleton is COCO_17
        else [{"version": 1.3, "people": [{"pose_keypoints_2d": row, "face_keypoints_2d": []}]}]
    ):
        path.write_text(json.dumps(content))
        found = read_keypoints(path)
        expected = {*skeleton.joints, "neck"} - {"l_wrist"}
        assert set(found) == expected
        for name in expected - {"neck"}:
            assert found[name] == (10.0 * skeleton.index(name), 20.0 * skeleton.index(name))
        if skeleton is COCO_17:
            assert found["neck"] == (55.0, 110.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"keypoints": [1.0] * 50}, "51 numbers of coco-17.*found 50 values"),
        ({"keypoints": 7}, "found 7"),
        ({"keypoints": ["a"] * 51}, "51 numbers"),
        ([{"keypoints": [1.0] * 51}] * 2, "of 2 figures"),
        ({"people": []}, "of 0 figures"),
        ({"people": [{"pose_keypoints_2d": [1.0] * 75}]}, "54 numbers of openpose-18"),
        ({"keypoints": [0.0] * 51}, "expected an object"),
    ],
)
def test_keypoints_of_other_programs_that_cannot_be_used(content, words, tmp_path):
    path = tmp_path / "k.json"
    path.write_text(json.dumps(content))
    with pytest.raises(BadKeypoints, match=words):
        read_keypoints(path)


def test_keypoints_may_be_a_few_names():
    assert parse_keypoints({"nose": [1, 2.5]}, "here") == {"nose": (1.0, 2.5)}
    with pytest.raises(BadKeypoints, match="l_wrist"):
        parse_keypoints({"left_hand": [1, 2]}, "here")
