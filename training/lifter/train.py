"""Training of the baseline lifter, its error, and the ONNX file that the engine ships."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from engine.mocap.joints import LIFT_17
from engine.mocap.recover import METRES
from training.lifter.data import F32, Bodies, views
from training.lifter.network import Lifter, LifterConfig, init_he


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Adam with the rate of the paper (section 3.2), annealed to nothing."""

    steps: int = 10_000
    batch: int = 256
    rate: float = 1e-3
    noise: float = 0.012
    seed: int = 0


def train(
    network: Lifter,
    data: Bodies,
    held_out: Bodies,
    config: TrainConfig,
    folder: Path,
    *,
    minutes: float | None = None,
    every: int = 1000,
) -> dict[str, float]:
    """Train to the last step, or for so many minutes; writes curve.jsonl and lifter.pt.

    Errors are told in millimetres of somebody 1.65 m tall.

    Every batch has poses and cameras of its own. Returns the last line of the curve.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    init_he(network)
    optimiser = torch.optim.Adam(network.parameters(), config.rate)
    rng = np.random.default_rng(config.seed)
    began = time.monotonic()
    losses: list[float] = []
    line: dict[str, float] = {}
    with (folder / "curve.jsonl").open("w") as curve:
        curve.write(json.dumps({**asdict(config), **asdict(network.config)}) + "\n")
        for step in range(1, config.steps + 1):
            spent = (time.monotonic() - began) / (60 * minutes) if minutes else 0.0
            share = min(max(step / config.steps, spent), 1.0)
            for group in optimiser.param_groups:
                group["lr"] = config.rate * 0.5 * (1 + math.cos(math.pi * share)) + 1e-6
            keypoints, truth = views(
                data.joints[rng.integers(len(data), size=config.batch)], rng, config.noise
            )
            made = network.train()(torch.from_numpy(keypoints))
            loss = (made - torch.from_numpy(truth)).square().sum(-1).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
            if step % every == 0 or share >= 1.0:
                line = {
                    "step": step,
                    "seconds": round(time.monotonic() - began, 1),
                    "train_loss": float(np.mean(losses)),
                    "held_out_mpjpe_mm": 1000 * METRES * error(network, held_out, config.noise),
                }
                losses.clear()
                curve.write(json.dumps(line) + "\n")
                curve.flush()
                print(line, flush=True)
            if share >= 1.0:
                break
    torch.save(
        {"config": asdict(network.config), "state": network.state_dict()}, folder / "lifter.pt"
    )
    return line


@torch.no_grad()
def error(network: Lifter, data: Bodies, noise: float = 0.0, views_each: int = 4) -> float:
    """MPJPE in body sizes over random cameras; the same ones at every call."""
    rng = np.random.default_rng(99)
    network.eval()
    errors = []
    for _ in range(views_each):
        keypoints, truth = views(data.joints, rng, noise)
        made = network(torch.from_numpy(keypoints)).numpy()
        errors.append(np.linalg.norm(made - truth, axis=-1).mean())
    return float(np.mean(errors))


def export(network: Lifter, path: Path, note: str) -> None:
    """Write the network as ONNX with its weights halved to float16; it computes in float32.

    Input `keypoints` (N, 17, 2), output `joints` (N, 17, 3); see `engine.mocap.lift`.
    """
    weights: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []

    def constant(name: str, value: F32) -> str:
        weights.append(numpy_helper.from_array(value.astype(np.float16), name + ".half"))
        nodes.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
        return name

    weights.append(numpy_helper.from_array(np.array([0, -1], np.int64), "flat"))
    weights.append(numpy_helper.from_array(np.array([0, -1, 3], np.int64), "joints.shape"))
    nodes.append(helper.make_node("Reshape", ["keypoints", "flat"], ["x0"]))
    folded = folded_layers(network)
    at, branch = "x0", "x0"
    for i, (weight, bias) in enumerate(folded):
        w, b = constant(f"w{i}", weight), constant(f"b{i}", bias)
        nodes.append(helper.make_node("Gemm", [at, w, b], [f"y{i}"], transB=1))
        at = f"y{i}"
        if i + 1 < len(folded):
            nodes.append(helper.make_node("Relu", [at], [f"r{i}"]))
            at = f"r{i}"
            if i == 0:
                branch = at
            elif i % 2 == 0:
                nodes.append(helper.make_node("Add", [branch, at], [f"x{i}"]))
                at = branch = f"x{i}"
    nodes.append(helper.make_node("Reshape", [at, "joints.shape"], ["joints"]))
    count = len(LIFT_17.joints)
    graph = helper.make_graph(
        nodes,
        "lifter",
        [helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["N", count, 2])],
        [helper.make_tensor_value_info("joints", TensorProto.FLOAT, ["N", count, 3])],
        weights,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", 18)],
        producer_name="ayatsuri",
        doc_string=note,
    )
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def folded_layers(network: Lifter) -> list[tuple[F32, F32]]:
    """Weights and biases of the linear layers, in order, with the batch norms folded in."""
    modules = [
        m for m in network.modules() if isinstance(m, torch.nn.Linear | torch.nn.BatchNorm1d)
    ]
    layers: list[tuple[F32, F32]] = []
    for module in modules:
        if isinstance(module, torch.nn.Linear):
            layers.append((module.weight.detach().numpy(), module.bias.detach().numpy()))
        else:
            assert module.running_var is not None
            assert module.running_mean is not None
            scale = (module.weight / (module.running_var + module.eps).sqrt()).detach().numpy()
            shift = module.bias.detach().numpy() - scale * module.running_mean.numpy()
            weight, bias = layers[-1]
            layers[-1] = (weight * scale[:, None], bias * scale + shift)
    return layers


def load(path: Path) -> Lifter:
    """A network that `train` wrote, in evaluation mode."""
    state = torch.load(path, weights_only=True)
    network = Lifter(LifterConfig(**state["config"]))
    network.load_state_dict(state["state"])
    return network.eval()
