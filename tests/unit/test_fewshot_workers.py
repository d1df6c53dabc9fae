import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.fewshot import TINY, blobs  # noqa: E402
from training.fewshot.config import TrainConfig  # noqa: E402
from training.fewshot.episodes import EpisodeConfig  # noqa: E402
from training.fewshot.errors import SettingsError  # noqa: E402
from training.fewshot.meta import InnerConfig  # noqa: E402
from training.fewshot.method import FewShot  # noqa: E402
from training.fewshot.objective import PaperObjective, Weights  # noqa: E402
from training.fewshot.train import Training, run  # noqa: E402
from training.fewshot.workers import Workers, launch, workers  # noqa: E402

ROOT = Path(__file__).parents[2]


def some_steps(folder: Path, place: Workers) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    config = TrainConfig(
        steps=2, tasks=2, sizes=(16,), inner=InnerConfig(steps=2), episode=EpisodeConfig(2, 2)
    )
    objective = PaperObjective(width=2, weights=Weights(perceptual=0))
    training = Training.new(config, FewShot(TINY), objective)
    run(training, blobs(3, 16), [], folder, place, loaders=1)
    return {**training.method.state_dict(), **objective.state_dict()}


def one_of_two(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)
    }  # fmt: skip
    with workers("cpu") as place:
        state = some_steps(Path(folder), place)
    torch.save(state, Path(folder) / f"{rank}.pt")


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port = listener.getsockname()[1]
    call = "from tests.unit.test_fewshot_workers import one_of_two as call; call({}, {}, {!r})"
    running = [
        subprocess.Popen([sys.executable, "-c", call.format(rank, port, str(tmp_path))], cwd=ROOT)
        for rank in range(2)
    ]
    assert [process.wait(120) for process in running] == [0, 0]
    alone = some_steps(tmp_path / "alone", Workers(torch.device("cpu")))
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for name, tensor in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], tensor, rtol=1e-3, atol=2e-5)
    assert (tmp_path / "checkpoint.pt").exists()  # by the first alone


def test_a_missing_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="pass --device cpu"), workers("cuda"):
        pass
    with workers() as place:
        assert place.device.type == "cpu"
        assert place.first
        assert not place.any(False)


def test_a_started_process_starts_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert launch(2) is False
