import stat
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from engine.app import ASSETS, DEFAULT_CHARACTER
from engine.backends import cuda
from engine.backends.cuda import why_not
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.plans import PlanCache, plan_key
from engine.backends.probes import probes
from engine.backends.tensorrt_build import CAPABILITIES, build, compile_rtx, network_of
from engine.backends.tensorrt_graph import acceptable
from engine.character import CharacterBundle
from engine.cli import app
from engine.errors import BackendError, MissingDependency, NotInBundle
from engine.half import to_fp16
from engine.likeness import ssim
from engine.puppet.bundle import write_painted, write_puppet_bundle, write_tuned
from tests.bundles import painter_model, stick_model, write_bundle
from tests.cut_drawings import cut_drawing
from tests.marks import needs_pose_model, needs_tensorrt_rtx
from tests.puppets import skeleton

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="access lists instead of modes")


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    return PlanCache(tmp_path / "plans")


def test_what_was_kept_comes_back(cache: PlanCache) -> None:
    key = plan_key(b"model", target="rtx")
    assert cache.get(key) is None
    path = cache.put(key, b"plan", {"target": "rtx"})
    assert cache.get(key) == b"plan"
    cache.put(key, b"another", {})
    assert cache.get(key) == b"another"
    assert {p.name for p in cache.folder.iterdir()} == {path.name, path.with_suffix(".json").name}


def test_a_key_changes_with_the_model_and_every_option() -> None:
    keys = [
        plan_key(b"a", version="1"), plan_key(b"b", version="1"), plan_key(b"a", version="2"),
        plan_key(b"a", version="1", driver="5"), plan_key(b"a", version="1", capabilities=["8.9"]),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert plan_key(b"a", version="1", x=2) == plan_key(b"a", x=2, version="1")


@pytest.mark.parametrize("damage", ["plan", "json", "no json", "other key", "half"])
def test_damaged_and_foreign_engines_do_not_count(cache: PlanCache, damage: str) -> None:
    path = cache.put("k", b"a compiled engine", {})
    match damage:
        case "plan":
            path.write_bytes(b"a_compiled engine")
        case "half":
            path.write_bytes(path.read_bytes()[:5])
        case "json":
            path.with_suffix(".json").write_text("nonsense")
        case "no json":
            path.with_suffix(".json").unlink()
        case "other key":  # moved here from another machine's cache, say
            other = cache.put("other", b"an engine for another card", {})
            other.replace(path)
            other.with_suffix(".json").replace(path.with_suffix(".json"))
    assert cache.get("k") is None


@posix_only
def test_the_folder_is_private(cache: PlanCache, tmp_path: Path) -> None:
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    path = cache.put("k", b"plan", {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o666)  # anybody may have written it
    assert cache.get("k") is None
    path.chmod(0o600)
    link = cache.path("link")
    link.symlink_to(path)
    link.with_suffix(".json").symlink_to(path.with_suffix(".json"))
    assert cache.get("link") is None
    cache.folder.chmod(0o777)
    with pytest.raises(BackendError, match="chmod 700"):
        PlanCache(cache.folder)
    with pytest.raises(BackendError, match="no folder for compiled engines"):
        PlanCache(path / "below a file")


def test_a_network_for_tensorrt_draws_the_same() -> None:
    bundle = CharacterBundle.load(DEFAULT_CHARACTER)
    changed = acceptable(bundle.need_generator().model)
    assert changed != bundle.need_generator().model
    size = bundle.resolution
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    pictures = []
    for model in (bundle.need_generator().model, changed):
        backend = OnnxRuntimeBackend(model)
        pictures.append(np.empty((size, size, 4), np.uint8))
        backend.run(image, pictures[-1])
        backend.close()
    np.testing.assert_array_equal(*pictures)


def test_int8_for_tensorrt_is_symmetric_and_draws_nearly_the_same() -> None:
    """Ito's generator as processors have it in int8, and as TensorRT gets it."""
    bundle = CharacterBundle.load(DEFAULT_CHARACTER)
    network = bundle.need_generator()
    changed = acceptable(network.variants["int8"])
    proto = onnx.load_model_from_string(changed)
    constants = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    quantising = [n for n in proto.graph.node if "quantize" in n.op_type.lower()]
    assert len(quantising) > 20
    for node in quantising:
        zero = constants[node.input[2]]
        assert zero.dtype == np.int8
        assert not zero.any()
    assert not any(value.dtype == np.int32 for value in constants.values())
    out = np.empty((256, 256, 4), np.uint8)
    pictures = []
    for model in (network.model, network.variants["int8"], changed):
        backend = OnnxRuntimeBackend(model)
        pictures.append([])
        for image in probes(bundle, 2):
            backend.run(image, out)
            pictures[-1].append(out.copy())
        backend.close()
    truth, processors, ours = pictures
    for picture, other, wanted in zip(ours, processors, truth, strict=True):
        assert ssim(picture, wanted) > max(0.985, ssim(other, wanted) - 0.01)


def test_int8_of_another_kind_is_refused() -> None:
    network = CharacterBundle.load(DEFAULT_CHARACTER).need_generator()
    for change, told in ((7, "around 7"), (None, "has no zero point")):
        proto = onnx.load_model_from_string(network.variants["int8"])
        weights = {t.name for t in proto.graph.initializer if t.data_type == onnx.TensorProto.INT8}
        dequantising = [n for n in proto.graph.node if n.op_type == "DequantizeLinear"]
        node = next(n for n in dequantising if n.input[0] in weights)
        if change is None:
            del node.input[2]
        else:
            zero = next(t for t in proto.graph.initializer if t.name == node.input[2])
            shape = numpy_helper.to_array(zero).shape
            zero.CopyFrom(numpy_helper.from_array(np.full(shape, change, np.int8), zero.name))
        with pytest.raises(BackendError, match=told):
            acceptable(proto.SerializeToString())


def test_a_network_without_transpositions_is_left_alone() -> None:
    model = stick_model(64)
    kept = [node.op_type for node in model.graph.node]
    import onnx

    after = onnx.load_model_from_string(acceptable(model.SerializeToString()))
    assert [node.op_type for node in after.graph.node] == kept


def test_where_there_is_no_gpu_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "_LIBCUDA", "libno-such-driver.so.1")
    reason = why_not()
    assert reason is not None
    assert "no NVIDIA driver" in reason
    assert "\n" not in reason


def test_without_the_package_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(MissingDependency, match=r"\.\[rtx\]"):
        build(b"", ("8.9",))


def at_one_size(model: bytes, size: int = 256) -> bytes:
    """The cutter takes drawings of any size, TensorRT compiles for one."""
    proto = onnx.load_model_from_string(model)
    for value in (*proto.graph.input, *proto.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_value = size
    del proto.graph.value_info[:]  # the shapes of what is in between
    return proto.SerializeToString()


def shipped() -> dict[str, bytes]:
    """Every network that is in the package, in all its precisions."""
    networks = {path.name: at_one_size(path.read_bytes()) for path in ASSETS.glob("*.onnx")}
    networks |= {f"{n} fp16": to_fp16(m) for n, m in networks.items() if "int8" not in n}
    for path in ASSETS.glob("*.character"):
        bundle = CharacterBundle.load(path)
        networks[f"{path.name} fp32"] = bundle.need_generator().model
        networks[f"{path.name} fp16"] = to_fp16(bundle.need_generator().model)
        for precision, model in bundle.need_generator().variants.items():
            networks[f"{path.name} {precision}"] = model
    return networks


@needs_tensorrt_rtx
def test_every_shipped_network_compiles_without_a_gpu() -> None:
    networks = shipped()
    assert {"painter.int8.onnx", "painter.onnx fp16", "cutter.onnx"} < set(networks)
    assert "ito.character int8" in networks
    sizes = {name: len(build(model, ("8.9",))) for name, model in networks.items()}
    assert all(size > 100_000 for size in sizes.values())


@needs_tensorrt_rtx
def test_fp16_compiles_for_every_kind_of_card() -> None:
    half = to_fp16(CharacterBundle.load(DEFAULT_CHARACTER).need_generator().model)
    assert len(build(half, CAPABILITIES)) > len(build(half, ("8.9",)))


@needs_tensorrt_rtx
def test_a_generator_of_today_compiles_in_int8() -> None:
    """As `ayatsuri adapt --generator` makes them: with a factor behind each matrix product."""
    torch = pytest.importorskip("torch")
    from export.onnx import export_generator
    from export.precision import Quantiser, draw_by
    from training.networks.generator import Generator
    from training.networks.generator import preset as configuration

    torch.manual_seed(0)
    generator = Generator(configuration("live", 64, spectral=False))
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    with Quantiser(export_generator(generator, torch.rand(1, 4, 64, 64)), images) as make:
        made = make(())
    changed = acceptable(made)
    constants = {t.name for t in onnx.load_model_from_string(changed).graph.initializer}
    assert "val_10_quantized" not in constants
    processors, ours = (draw_by(model, images) for model in (made, changed))
    assert np.mean([ssim(a, b) for a, b in zip(ours, processors, strict=True)]) > 0.98
    assert build(made, ("8.9",))


@needs_tensorrt_rtx
@pytest.mark.parametrize("preset", ["live", "base", "paper"])
def test_every_preset_compiles_without_a_gpu(preset: str) -> None:
    torch = pytest.importorskip("torch")
    from export.onnx import export_generator
    from training.networks.generator import Generator
    from training.networks.generator import preset as configuration

    torch.manual_seed(0)
    config = configuration(preset, 64, spectral=False)  # the same operators, less work
    model = export_generator(Generator(config), torch.rand(1, 4, 64, 64))
    assert build(to_fp16(model), ("8.9",))


@needs_tensorrt_rtx
@needs_pose_model
@pytest.mark.model
@pytest.mark.parametrize("which", ["detector", "landmarks"])
def test_the_pose_networks_compile_without_a_gpu(which: str) -> None:
    from engine.pose import networks

    model = getattr(networks.load("pose-full"), which)
    assert build(model, ("8.9",))
    assert build(to_fp16(model), ("8.9",))


@needs_tensorrt_rtx
def test_an_engine_is_compiled_once(tmp_path: Path) -> None:
    bundle = CharacterBundle.load(write_bundle(tmp_path / "stick.character"))
    ito = CharacterBundle.load(DEFAULT_CHARACTER)
    cache = PlanCache(tmp_path / "plans")
    first, kept = compile_rtx(ito, ("8.9",), cache=cache)
    assert not kept
    assert compile_rtx(ito, ("8.9",), cache=cache) == (first, True)
    assert compile_rtx(ito, ("8.6",), cache=cache)[1] is False
    assert compile_rtx(ito, ("8.9",), "fp32", cache)[1] is False
    assert compile_rtx(ito, ("8.9",), "int8", cache)[1] is False
    with pytest.raises(BackendError, match="fp32, fp16, int8, not in bf16"):
        compile_rtx(ito, ("8.9",), "bf16", cache)
    with pytest.raises(BackendError, match="holds no int8"):
        compile_rtx(bundle, ("8.9",), "int8", cache)
    with pytest.raises(BackendError, match="cannot read the network"):
        compile_rtx(bundle, ("8.9",), "fp32", cache)  # it subtracts bytes


def test_what_is_compiled_is_what_draws(tmp_path: Path) -> None:
    size, body = 64, skeleton(64)
    path = write_puppet_bundle(
        tmp_path / "doll.character", "Doll", [cut_drawing(size)], body,
        np.full((90, 60, 4), 200, np.uint8),
    )  # fmt: skip
    with pytest.raises(NotInBundle, match="has no generator"):
        network_of(CharacterBundle.load(path))
    model = stick_model(size).SerializeToString()
    write_tuned(path, model, None, body, size, {}, {})  # the puppet stays preferred
    assert network_of(CharacterBundle.load(path)).model == model
    painter = painter_model(size)
    write_painted(path, painter, None, {}, {})
    both = CharacterBundle.load(path)
    assert network_of(both).model == painter
    assert network_of(both.drawn_by("puppet")).model == painter
    alone = replace(both, manifest=both.manifest.model_copy(update={"prefers": "generator"}))
    assert network_of(alone).model == model


@needs_tensorrt_rtx
def test_what_cannot_be_compiled_is_told() -> None:
    with pytest.raises(BackendError, match=r"no compute capability 9\.0 .*; there are 7\.5"):
        build(stick_model(64).SerializeToString(), ("9.0",))
    with pytest.raises(BackendError, match="no ONNX file"):
        build(b"not a model", ("8.9",))
    ito = CharacterBundle.load(DEFAULT_CHARACTER)
    with pytest.raises(BackendError, match=r"Cannot compile operation.*Turing"):
        build(ito.need_generator().model, ("7.5",))  # fp32 on a card that has none of it


@needs_tensorrt_rtx
def test_the_command_line_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cuda, "_LIBCUDA", "libno-such-driver.so.1")
    output = tmp_path / "ito.plan"
    arguments = ["compile", str(DEFAULT_CHARACTER), "--target", "rtx",
                 "--compute-capability", "8.9", "-o", str(output)]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert output.stat().st_size > 100_000
    assert any((tmp_path / "cache" / "plans").iterdir())
