"""Data sets: made, split, resumed, read back by us and by somebody else, looked at, counted."""

import json
import tarfile
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("DracoPy")

from engine.mocap.clip import clip_of
from engine.pose.skeleton import PUPPET_20
from tests.disks import fill_the_disk
from training.characters.procedural.build import build
from training.dataset import make as making
from training.dataset.errors import DatasetError
from training.dataset.make import make, read_manifest
from training.dataset.page import page
from training.dataset.plan import PHRASES, Plan, SourceFile, with_files
from training.dataset.reader import Dataset, resized, verify
from training.dataset.render import make_shard, render_job
from training.dataset.samples import VIEWS
from training.dataset.shard import collect, unpack
from training.dataset.sheet import contact_sheet, with_skeleton
from training.dataset.stage_one import FPS, as_motion_files, motion_of, stage_one
from training.dataset.statistics import joint_density, measure, nearest
from training.errors import NoRoom
from training.motion.dance import dance
from training.motion.phrases import LIBRARY

resource_tracker.ensure_running()  # outlives pools, and so the test that has the first one
PLAN = Plan(train=2, test=1, samples=9, still=0.4, size=64, supersample=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "set"
    make(PLAN, path, workers=1)
    return path


def test_two_processes_make_the_same_bytes(folder: Path, tmp_path):
    make(PLAN, tmp_path / "set", workers=2)
    assert read_manifest(tmp_path / "set") == read_manifest(folder)
    assert verify(tmp_path / "set") == []


def test_what_is_read_is_what_was_rendered(folder: Path):
    job = next(iter(PLAN.jobs()))
    rendered = render_job(job)
    read = Dataset.open(folder, "train")[0]
    assert read.name == job.name == "procedural-00000"
    assert len(read) == PLAN.samples
    np.testing.assert_array_equal(read.pictures, np.stack([s.picture for s in rendered]))
    np.testing.assert_allclose(read.joints, [s.truth["joints"] for s in rendered], atol=1e-3)
    assert [s.truth["name"] for s in rendered[:4]] == list(VIEWS)
    assert [s.truth["kind"] for s in rendered] == ["view"] * 4 + ["motion"] * 3 + ["still"] * 2


def test_basic_views_show_the_sides_that_they_name(folder: Path):
    statistics = measure(Dataset.open(folder, "train"))
    facing = statistics.facing().reshape(2, -1)[:, :4]
    away = (facing - [0.0, 180.0, -90.0, 90.0] + 180.0) % 360.0 - 180.0
    assert np.abs(away).max() < 5.0
    nose = statistics.visible.reshape(2, -1, 20)[:, :4, 0]
    assert nose[:, 0].all()
    assert not nose[:, 1].any()
    # On the left view the left arm is before the right one.
    left = statistics.joints.reshape(2, -1, 20, 4)[:, 2]
    assert (left[:, 6, 2] < left[:, 3, 2]).all()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset's own
def test_pictures_in_a_row_follow_each_other(folder: Path):
    found = Dataset.open(folder, "test").in_a_row(0, 5)
    known = Dataset.open(folder, "test")[0]
    assert len(found) == len(VIEWS) + 5
    assert np.array_equal(found.pictures[: len(VIEWS)], known.pictures[: len(VIEWS)])
    # Neighbours are nearer to each other than to whoever is four frames away, and than to a view.
    row = found.joints[len(VIEWS) :, :, :2]
    steps = np.abs(np.diff(row, axis=0)).mean(axis=(1, 2))
    assert 0 < steps.max() < 0.05 * known.size
    assert np.abs(row[4] - row[0]).mean() > steps.min()
    again = Dataset.open(folder, "test", 32).in_a_row(0, 5)
    assert again.size == 32
    np.testing.assert_allclose(again.joints[:, :, :3], found.joints[:, :, :3] / 2, atol=0.6)
    with pytest.raises(DatasetError, match="of a file"):
        Dataset(folder, ["test/mine.tar"]).in_a_row(0, 5)


@pytest.mark.filterwarnings(  # it leaves its last file to the garbage collector
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_webdataset_reads_the_shards(folder: Path):
    webdataset = pytest.importorskip("webdataset")
    paths = [str(folder / shard["path"]) for shard in read_manifest(folder)["shards"]]
    samples = list(
        webdataset.WebDataset(paths, shardshuffle=False, empty_check=False).decode("rgb8")
    )
    assert len(samples) == 3 * PLAN.samples
    ours = Dataset.open(folder, "train").samples(0)
    for sample, own in zip(samples, ours, strict=False):
        assert sample["json"]["joints"] == own.truth["joints"]
        assert sample["png"].shape == (64, 64, 3)


def test_a_killed_run_goes_on_and_ends_as_if_it_had_not_been(folder: Path, tmp_path, monkeypatch):
    whole = read_manifest(folder)
    calls = []

    class Killed(Exception):
        pass

    def killed_at_the_second(job):
        calls.append(job.path)
        if len(calls) == 2:
            raise Killed
        return make_shard(job)

    monkeypatch.setattr(making, "make_shard", killed_at_the_second)
    with pytest.raises(Killed):
        make(PLAN, tmp_path / "set", workers=1)
    with pytest.raises(DatasetError, match="begun"):
        Dataset.open(tmp_path / "set", "train")
    make(PLAN, tmp_path / "set", workers=1)
    assert calls.count(calls[0]) == 1  # what was done was not done again
    assert read_manifest(tmp_path / "set") == whole
    # A damaged shard, and only that, is made again.
    del calls[:]
    calls.append("not the second")
    calls.append("nor the third")
    shard = tmp_path / "set" / whole["shards"][1]["path"]
    shard.write_bytes(shard.read_bytes()[:-600])
    assert verify(tmp_path / "set") == [whole["shards"][1]["path"]]
    make(PLAN, tmp_path / "set", workers=1)
    assert calls[2:] == [whole["shards"][1]["path"]]
    assert verify(tmp_path / "set") == []


def test_the_folder_of_another_plan_is_refused(folder: Path, tmp_path):
    with pytest.raises(DatasetError, match="size 64 instead of 128"):
        make(replace(PLAN, size=128), folder)
    (tmp_path / "photo.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="other files"):
        make(PLAN, tmp_path)
    with pytest.raises(DatasetError, match="ayatsuri-train data make"):
        Dataset.open(tmp_path, "train")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"train": 0, "test": 0}, "one character"),
        ({"samples": 3}, "4 to 9999"),
        ({"still": 1.5}, r"\[0, 1\]"),
        ({"size": 8}, "16 to 4096"),
        ({"supersample": 9}, "1 to 8"),
        ({"background": "black"}, "transparent, white, scenes"),
    ],
)
def test_impossible_plans_are_explained(changes, expected):
    with pytest.raises(DatasetError, match=expected):
        replace(PLAN, **changes)


def test_nothing_of_the_test_set_is_in_the_training_set():
    plan = Plan()
    splits = {job.name: job.split for job in plan.jobs()}
    assert (plan.train, plan.test, len(splits)) == (214, 46, 260)
    assert sum(split == "train" for split in splits.values()) * plan.samples >= 37_289
    assert sum(split == "test" for split in splits.values()) * plan.samples >= 7_918
    assert not set(PHRASES["train"]) & set(PHRASES["test"])
    assert set(PHRASES["train"]) | set(PHRASES["test"]) == set(LIBRARY)


def test_a_file_keeps_its_split_whatever_it_is_called(tmp_path):
    splits = []
    for number in range(200):
        path = tmp_path / f"{number} ✓.bvh"
        path.write_bytes(f"motion {number}".encode())
        twin = tmp_path / f"twin {number}.bvh"
        twin.write_bytes(path.read_bytes())
        ours, theirs = SourceFile.of(path), SourceFile.of(twin)
        assert ours.split == theirs.split
        assert len(with_files(PLAN, [path, twin], []).models) == 1
        splits.append(ours.split)
    assert 0.1 < splits.count("test") / len(splits) < 0.26
    with pytest.raises(DatasetError, match="check the path"):
        SourceFile.of(tmp_path / "nothing.bvh")


def test_dances_of_given_phrases_only():
    spins = dance(8.0, 30, seed=3, phrases=("spin",))
    everything = dance(8.0, 30, seed=3)
    assert len(spins) == len(everything) == 240
    turned = [pose.rotations[0] for pose in spins]
    assert min(rotation[2, 2] for rotation in turned) < -0.9  # all the way round
    assert dance(4.0, 30, seed=0, phrases=("spin",))[0].rotations.shape == (19, 3, 3)


@pytest.mark.parametrize("background", ["white", "scenes"])
def test_opaque_backgrounds_and_a_camera_and_a_light_that_vary(background):
    plan = replace(PLAN, background=background, vary_camera=True, vary_light=True, samples=6)
    job = next(iter(plan.jobs()))
    samples = unpack(make_shard(job), job.name)
    plain = render_job(next(iter(replace(PLAN, samples=6).jobs())))
    assert (np.stack([s.picture for s in samples])[..., 3] == 255).all()
    assert any(s.truth["joints"] != p.truth["joints"] for s, p in zip(samples, plain, strict=True))
    corners = np.stack([s.picture[0, 0, :3] for s in samples])
    assert (corners == 255).all() == (background == "white")


def test_smaller_pictures_keep_their_joints(folder: Path):
    character = Dataset.open(folder, "train")[0]
    half = resized(character, 32)
    assert half.pictures.shape == (PLAN.samples, 32, 32, 4)
    np.testing.assert_allclose(half.joints[..., :3] * 2, character.joints[..., :3])
    np.testing.assert_array_equal(half.joints[..., 3], character.joints[..., 3])
    assert (half.pictures[..., :3].max(axis=3) <= half.pictures[..., 3]).all()
    np.testing.assert_array_equal(Dataset.open(folder, "train", 32)[0].pictures, half.pictures)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:700],
        lambda data: b"",
        lambda data: b"\0" * 10240,
        lambda data: data.replace(b'"visible"', b'"invisible'),
        lambda data: data.replace(b".json", b".exe\0"),
        lambda data: data.replace(b"\x89PNG", b"JUNK"),
        lambda data: data.replace(b'"joints":[[', b'"joints":[7,'),
    ],
)
def test_damaged_shards_are_explained(folder: Path, damage):
    data = (folder / "train/procedural-00000.tar").read_bytes()
    with pytest.raises(DatasetError, match="a shard of PNG"):
        collect(unpack(damage(data), "train.tar"), "train.tar")


def test_mutated_shards_end_in_samples_or_one_clear_error(folder: Path):
    data = np.frombuffer((folder / "train/procedural-00000.tar").read_bytes(), np.uint8)
    outcomes = set()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        mutated = data.copy()
        # Headers and truth are a small part of the file: aim at the blocks where text is.
        block = rng.choice(np.flatnonzero((data.reshape(-1, 512)[:, :4] < 128).all(axis=1)))
        places = 512 * int(block) + rng.integers(0, 512, int(rng.integers(1, 9)))
        mutated[places] = rng.integers(0, 256, len(places))
        try:
            collect(unpack(mutated.tobytes(), "x"), "x")
            outcomes.add("samples")
        except DatasetError:
            outcomes.add("error")
    assert outcomes == {"samples", "error"}


def test_a_full_disk_is_explained_and_leaves_nothing_behind(tmp_path, monkeypatch):
    fill_the_disk(monkeypatch)
    with pytest.raises(NoRoom, match="free some and run the same command again"):
        make(PLAN, tmp_path / "set", workers=1)
    assert list((tmp_path / "set").glob("*")) == []


def test_without_ray_the_flag_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray.util.multiprocessing", None)
    with pytest.raises(DatasetError, match=r"\.\[cluster\]"):
        make(PLAN, tmp_path / "set", ray=True)


def test_ray_makes_the_same_data_set(folder: Path, tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        make(PLAN, tmp_path / "set", ray=True, workers=1)
    finally:
        ray.shutdown()
    assert read_manifest(tmp_path / "set") == read_manifest(folder)


def test_sheet_shows_skeletons_and_rings_what_is_hidden(folder: Path):
    dataset = Dataset.open(folder, "train")
    sheet = contact_sheet(dataset, characters=2, samples=6)
    assert sheet.shape == (2 * 64, 6 * 64, 3)
    character = dataset[0]
    white = np.full((64, 64, 3), 255, np.uint8)
    everything = with_skeleton(white, character.joints[0], np.ones(20, bool))
    ringed = with_skeleton(white, character.joints[0], np.zeros(20, bool))
    assert (everything != 255).any()
    assert (everything != ringed).any()
    assert (white == 255).all()


def test_statistics_and_their_page(folder: Path):
    train, test = (measure(Dataset.open(folder, split)) for split in ("train", "test"))
    assert train.samples == 2 * PLAN.samples
    assert train.kinds == {"view": 8, "motion": 6, "still": 4}
    assert set(train.motions) & set(test.motions) == set()
    straight = train.bend("r_shoulder", "r_elbow", "r_wrist").reshape(2, -1)[:, 0]
    assert (straight < 20).all()  # the A-pose
    assert nearest(train, train).max() < 1e-6
    assert nearest(test, train).min() > 1e-3
    assert joint_density(train).shape == (256, 256, 3)
    text = page(train, test, "the command")
    for wanted in ("37,289", "79,829", "27 (18 + 9)", "the command", *PUPPET_20.joints):
        assert wanted in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") > 3 for line in tables)


def test_stage_one_writes_a_video_and_its_truth(tmp_path):
    character = build(3, detail=0.25)
    clip = clip_of(dance(0.4, FPS, 1, character.rest), FPS, "short")
    made = stage_one(clip, character, tmp_path / "dance.webm", size=64)
    truth = dict(np.load(made.truth))
    assert made.frames == len(clip) == 12
    assert truth["joints"].shape == (12, 20, 4)
    assert truth["visible"].dtype == bool
    with av.open(str(made.video)) as video:
        assert sum(1 for _ in video.decode(video=0)) == 12
    # The camera follows who walks away.
    far = replace(clip, root=clip.root + np.linspace(0, 30, len(clip))[:, None] * [1.0, 0.0, 0.0])
    walked = dict(np.load(stage_one(far, character, tmp_path / "far.mp4", size=64).truth))
    assert np.abs(walked["joints"][:, [8, 11], 0].mean(axis=1) - 32).max() < 0.13 * 64 + 3


def test_motion_files_are_motions_and_videos_become_them(tmp_path, monkeypatch):
    from engine.mocap.bvh import bvh
    from training.dataset import stage_one as module
    from training.motion.posture import REFERENCE_REST

    clip = clip_of(dance(1.0, FPS, 1), FPS, "one")
    path = tmp_path / "one.bvh"
    path.write_text(bvh(clip, REFERENCE_REST))
    assert len(motion_of(path)) == 30
    seen = []
    monkeypatch.setattr(
        module, "motion", lambda video, output: (seen.append(video), output.write_bytes(b"vmd"))
    )
    film = tmp_path / "film.mp4"
    film.write_bytes(b"frames")
    for _ in range(2):
        files = as_motion_files([path, film], tmp_path / "motions")
    assert files[0] == path
    assert files[1].suffix == ".vmd"
    assert seen == [film]  # once


def test_commands(folder: Path, tmp_path):
    from training.cli import app

    run = lambda *words: CliRunner().invoke(app, ["data", *map(str, words)])  # noqa: E731
    small = ["--train", 1, "--test", 0, "--samples", 4, "--size", 64, "--workers", 1]
    assert run("make", tmp_path / "set", *small).exit_code == 0
    assert run("verify", tmp_path / "set").exit_code == 0
    assert run("show", folder, "-o", tmp_path / "sheet.png").exit_code == 0
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None
    assert run("show", folder, "-o", tmp_path / "sheet.gif").exit_code == 1
    assert run("show", tmp_path / "set", "--split", "test", "-o", "s.png").exit_code == 1
    assert run("stats", folder, "-o", tmp_path).exit_code == 0
    assert "# What is in the data set" in (tmp_path / "dataset.md").read_text()
    shard = next(iter((tmp_path / "set").rglob("*.tar")))
    with tarfile.open(shard) as tar:
        assert tar.getnames()[:2] == ["0000.png", "0000.json"]
        assert {member.mtime for member in tar} == {0}
    shard.unlink()
    assert run("verify", tmp_path / "set").exit_code == 1
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    manifest["format"] = 99
    (tmp_path / "set" / "manifest.json").write_text(json.dumps(manifest))
    assert run("verify", tmp_path / "set").exit_code == 1
