"""The cutter as the engine runs it: one graph for every size of drawing."""

from functools import cache
from pathlib import Path

import pytest
import torch

import engine
from engine.puppet.parts import COUNT
from export.cutter import Cutting, export_cutter
from export.parity import Parity, parity
from training.characters.character import render_sample, rest_pose
from training.characters.procedural.build import build
from training.fewshot.errors import CheckpointError
from training.fewshot.tensors import read_tensors
from training.fewshot.warp.cutter import Cutter
from training.fewshot.warp.shipped import read, shipped_cutter, write
from training.fit import to_tensor

ASSET = Path(engine.__file__).parent / "assets" / "cutter.onnx"


def drawing(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    character = build(3, 0.5)
    picture, joints = render_sample(character, rest_pose(), size)
    return to_tensor(picture[None]), torch.from_numpy(joints[None])


@cache
def model() -> tuple[Cutter, bytes]:
    torch.manual_seed(0)
    cutter = Cutter((4, 8)).half().float()  # the weights are stored in half precision
    return cutter, export_cutter(cutter)


def compare(cutter: Cutter, graph: bytes, picture: torch.Tensor, joints: torch.Tensor) -> Parity:
    return parity(Cutting(cutter), graph, [(picture, joints)])


@pytest.mark.parametrize("size", [160, 256])
def test_onnx_runtime_cuts_as_torch_does(size: int):
    parity = compare(*model(), *drawing(size))
    assert parity.mean_error < 1e-5
    assert parity.max_error < 1e-3


@pytest.mark.parametrize("size", [256, 512])
def test_the_shipped_graph_is_that_of_the_shipped_weights(size: int):
    parity = compare(shipped_cutter(), ASSET.read_bytes(), *drawing(size))
    assert parity.mean_error < 1e-5
    assert parity.max_error < 1e-3


def test_the_shipped_cutter_knows_the_parts_of_a_character():
    picture, joints = drawing(128)
    masks = shipped_cutter()(picture, joints)
    assert masks.shape == (1, COUNT, 128, 128)
    torch.testing.assert_close(masks.sum(1), torch.ones(1, 128, 128))


def test_half_precision_is_read_as_single(tmp_path: Path):
    path, module = tmp_path / "some.safetensors", torch.nn.Linear(2, 2)
    write(path, module, {"seed": 1})
    tensors, _ = read_tensors(path)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    found, about = read(path, torch.nn.Linear(2, 2))
    assert about == {"seed": 1}
    assert not found.training
    for name, tensor in found.state_dict().items():
        assert tensor.dtype == torch.float32
        assert (tensor == module.state_dict()[name].half().float()).all()


def test_weights_of_something_else_are_refused(tmp_path: Path):
    path = tmp_path / "some.safetensors"
    write(path, torch.nn.Linear(2, 2), {"seed": 1})
    with pytest.raises(CheckpointError, match="holds Linear, expected Cutter"):
        read(path, Cutter())
    write(path, Cutter((4, 8)), {"seed": 1})
    with pytest.raises(CheckpointError, match="another size"):
        read(path, Cutter())
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read(path, Cutter())
