import errno
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tensorboard.backend.event_processing import event_accumulator  # noqa: E402

from tests.disks import fill_the_disk  # noqa: E402
from tests.fewshot import SMALL, TINY, blobs, equal_states  # noqa: E402
from training.errors import Diverged, NoRoom, Unwritable  # noqa: E402
from training.fewshot import checkpoint  # noqa: E402
from training.fewshot.adapt import AdaptConfig  # noqa: E402
from training.fewshot.config import TrainConfig  # noqa: E402
from training.fewshot.episodes import EpisodeConfig  # noqa: E402
from training.fewshot.errors import CheckpointError, SettingsError  # noqa: E402
from training.fewshot.meta import InnerConfig  # noqa: E402
from training.fewshot.method import FewShot  # noqa: E402
from training.fewshot.objective import PaperObjective, Weights  # noqa: E402
from training.fewshot.train import Training, run  # noqa: E402
from training.fewshot.workers import Workers  # noqa: E402
from training.networks.generator import GeneratorConfig  # noqa: E402

HERE = Workers(torch.device("cpu"))
QUICK = AdaptConfig(shots=1, steps=4, rate=1e-4, every=2)


def begin(config: TrainConfig, network: GeneratorConfig = TINY, gan: float = 1.0) -> Training:
    torch.manual_seed(config.seed)
    objective = PaperObjective(width=2, weights=Weights(perceptual=0, gan=gan))
    return Training.new(config, FewShot(network), objective)


def short(**changes: object) -> TrainConfig:
    settings = {
        "steps": 3, "tasks": 2, "sizes": (16,), "inner": InnerConfig(steps=2),
        "episode": EpisodeConfig(shots=2, queries=2), **changes,
    }  # fmt: skip
    return TrainConfig(**settings)  # type: ignore[arg-type]


def curve(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("mode", ["meta", "plain"])
def test_it_learns(tmp_path: Path, mode: str) -> None:
    config = TrainConfig(
        mode=mode, steps=60, tasks=2, rate=1e-3, betas=(0.9, 0.99), warm_up=5, average=0.9,
        sizes=(32,), inner=InnerConfig(steps=2, rate=1e-4), episode=EpisodeConfig(2, 4, "mixed"),
    )  # fmt: skip
    training = begin(config, SMALL, gan=0)
    run(training, blobs(8), blobs(1, first=90), tmp_path, HERE, adaptation=QUICK, every=30)
    first, last = curve(tmp_path)
    assert last["train_l1"] < 0.9 * first["train_l1"]
    assert last["after_alpha_iou"] > 0.2
    assert last["shift_after"] <= last["shift_before"]
    assert 0 <= last["waited_share"] <= 1
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
    found = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    lines = curve(tmp_path)
    assert set(found.Tags()["scalars"]) == set(lines[0])
    for name in lines[0]:
        told = [(event.step, event.value) for event in found.Scalars(name)]
        assert told == [(line["step"], pytest.approx(line[name], rel=1e-6)) for line in lines]
    pictures = found.Images("samples")
    assert [event.step for event in pictures] == [30, 60]
    shown, kept = (
        cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        for content in (
            pictures[-1].encoded_image_string, (tmp_path / "samples.png").read_bytes()
        )
    )  # fmt: skip
    assert (shown == kept).all()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"inner": InnerConfig(steps=2, second_order=True), "multi_step": 0.5},
        {"mode": "plain"},
        {"sizes": (16, 32), "grow_at": (0.5,)},
        {"bf16": True},
    ],
    ids=["first order", "second order", "plain", "growing", "bf16"],
)
def test_a_resumed_run_equals_an_unbroken_one(tmp_path: Path, changes: dict[str, object]) -> None:
    config = short(**changes)
    data = blobs(5, max(config.sizes))
    whole = begin(config)
    run(whole, data, [], tmp_path / "whole", HERE)
    run(begin(config), data, [], tmp_path / "broken", HERE, minutes=0)  # stops after one step
    resumed = begin(config)
    resumed.restore(checkpoint.load(tmp_path / "broken" / "checkpoint.pt"))
    assert resumed.step == 1
    run(resumed, data, [], tmp_path / "broken", HERE, loaders=1)
    assert equal_states(whole.method, resumed.method)
    assert equal_states(whole.average, resumed.average)
    assert equal_states(whole.objective, resumed.objective)
    for a, b in zip(
        whole.optimiser.state_dict()["state"].values(),
        resumed.optimiser.state_dict()["state"].values(),
        strict=True,
    ):
        assert all(torch.equal(a[name], b[name]) for name in a)
    steps = [
        json.loads(x)["step"]
        for x in (tmp_path / "broken/curve.jsonl").read_text().split("\n")[:-1]
    ]
    assert steps == [1, 3]


def test_a_killed_runs_curve_continues_where_its_checkpoint_is(tmp_path: Path) -> None:
    config = short(steps=4)
    training = begin(config)
    run(training, blobs(3, 16), [], tmp_path, HERE, every=2)
    written = (tmp_path / "curve.jsonl").read_text()
    (tmp_path / "curve.jsonl").write_text(written + '{"step": 5, "los')
    again = begin(short(steps=6))
    state = checkpoint.load(tmp_path / "checkpoint.pt")
    state["step"] = 3  # as if it had been killed after its curve was written
    again.restore(state)
    run(again, blobs(3, 16), [], tmp_path, HERE, every=6)
    assert [line["step"] for line in curve(tmp_path)] == [2, 6]


def test_a_loss_that_is_no_number_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    training = begin(short(steps=10))
    run(training, blobs(3, 16), [], tmp_path, HERE, minutes=0)
    kept = (tmp_path / "checkpoint.pt").read_bytes()
    with torch.no_grad():
        next(training.method.parameters()).fill_(float("nan"))
    with pytest.raises(Diverged, match="the last checkpoint is whole; take its weights"):
        run(training, blobs(3, 16), [], tmp_path, HERE, every=1)
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept
    with pytest.raises(Diverged, match="nothing was kept yet; begin again, with a lower rate"):
        run(training, blobs(3, 16), [], tmp_path / "another", HERE)


def test_checkpoints_that_are_none_are_refused(tmp_path: Path) -> None:
    training = begin(short())
    path = tmp_path / "checkpoint.pt"
    training.save(path)
    content = path.read_bytes()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "missing.pt")
    for name, damage in (("cut", content[:-1000]), ("empty", b""), ("text", b"hello")):
        (tmp_path / name).write_bytes(damage)
        with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
            checkpoint.load(tmp_path / name)
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of ayatsuri"):
        checkpoint.load(tmp_path / "foreign.pt")
    torch.save({"kind": checkpoint.KIND, "version": 9}, tmp_path / "newer.pt")
    with pytest.raises(CheckpointError, match="version 9"):
        checkpoint.load(tmp_path / "newer.pt")
    other = begin(short(sizes=(32,)), SMALL)
    with pytest.raises(CheckpointError, match="does not fit this FewShot"):
        other.restore(checkpoint.load(path))


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    training = begin(short())
    training.save(path)
    kept = path.read_bytes()
    fill_the_disk(monkeypatch)
    with pytest.raises(NoRoom, match=r"no room for .* the last one is whole"):
        training.save(path)
    assert path.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_while_it_writes_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"
    training = begin(short())
    training.save(path)
    kept = path.read_bytes()
    training.step = 2

    def killed(descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr("engine.files.os.fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            training.save(path)
    assert path.read_bytes() == kept
    training.save(path)  # over what the killed one left
    assert checkpoint.load(path)["step"] == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_curve_without_room_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.flush", full)
    with pytest.raises(NoRoom, match=r"no room for the curve .* checkpoint is whole"):
        run(begin(short()), blobs(3, 16), [], tmp_path, HERE, every=1)
    assert checkpoint.load(tmp_path / "checkpoint.pt")["step"] == 1


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unwritable, match=r"the folder .* cannot be made"):
        run(begin(short()), blobs(3, 16), [], tmp_path / "file" / "run", HERE)
    for path in (tmp_path / "none" / "checkpoint.pt", tmp_path / "file" / "checkpoint.pt"):
        with pytest.raises(Unwritable, match=r"checkpoint\.pt cannot be written"):
            begin(short()).save(path)


def test_a_damaged_curve_is_named(tmp_path: Path) -> None:
    for content in ("no JSON\n", '{"loss": 1}\n', "[1]\n"):
        (tmp_path / "curve.jsonl").write_text(content)
        with pytest.raises(CheckpointError, match=r"curve.jsonl is damaged.*delete it"):
            run(begin(short()), blobs(3, 16), [], tmp_path, HERE)


def test_rates_sizes_and_step_weights_follow_the_paper() -> None:
    config = TrainConfig(
        steps=96, warm_up=0, sizes=(64, 128, 256), grow_at=(0.25, 0.5), multi_step=0.5
    )
    assert config.rate_at(0) == pytest.approx(2e-4)
    assert config.rate_at(32) == pytest.approx(1.25e-4)
    assert [config.rate_at(step) for step in (64, 80, 96)] == pytest.approx([5e-5] * 3)
    assert [config.size_at(step) for step in (0, 23, 24, 47, 48, 96)] == [
        64,
        64,
        128,
        128,
        256,
        256,
    ]
    assert [config.multi_step_progress(step) for step in (0, 24, 48)] == [0, 0.5, 1]
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no mode 'maml'; there are meta, plain"):
        TrainConfig(mode="maml")
    with pytest.raises(ValueError, match="need 1 growing shares"):
        TrainConfig(sizes=(64, 128))
    for size in (0, 8, 50, 100):
        with pytest.raises(SettingsError, match=f"of {size} px are asked for: take a multiple"):
            TrainConfig(sizes=(size,))
    for nothing in ({"steps": 0}, {"tasks": 0}):
        with pytest.raises(SettingsError, match="at least one step"):
            TrainConfig(**nothing)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="differentiated twice"):
        TrainConfig(compile=True, inner=InnerConfig(second_order=True))
    with pytest.raises(ValueError, match="no characters"):
        run(begin(short()), [], [], tmp_path, HERE)
    with pytest.raises(ValueError, match="take at least 4"):
        Workers(torch.device("cpu"), 0, 4).share(2)


def test_an_error_of_a_loader_ends_the_run(tmp_path: Path) -> None:
    few = [blobs(1, 16)[0][:3]]
    with pytest.raises(ValueError, match="has 3 pictures"):
        run(begin(short()), few, [], tmp_path, HERE)
    with pytest.raises(ValueError, match="render larger"):
        run(begin(short(sizes=(32,))), blobs(2, 16), [], tmp_path, HERE)


def test_what_ships_can_be_adapted_and_is_the_average() -> None:
    training = begin(short())
    with torch.no_grad():
        training.average.generator.out.bias.fill_(0.5)
    shipped = training.shipped()
    assert all(p.requires_grad for p in shipped.parameters())
    assert (shipped.generator.out.bias == 0.5).all()
    assert not any(p.requires_grad for p in training.average.parameters())
