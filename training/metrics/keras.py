"""A network of layers, as TensorFlow.js keeps them, to ONNX.

The topology is Keras's; the weights are bytes that stand for `min + scale * byte`. Only the layers
of InceptionV3 are known, and each does in ONNX exactly what it does in Keras.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 18
_STRING = r'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(rf"({_STRING})|!([01])|([A-Za-z_$][\w$]*)(?=\s*:)|(?<![\w.])(-?)(\.\d)")


def module_json(script: str) -> Any:
    """The value that a browserified `n.exports={...}` file holds: a literal, minified.

    Raises ValueError where there is none.
    """
    begin = re.search(r"\.exports=(?=\{model)", script)
    if begin is None:
        raise ValueError("expected a module that exports a model, found none")

    def to_json(match: re.Match[str]) -> str:
        string, not_, key, minus, fraction = match.groups()
        if string is not None:
            return string
        if not_ is not None:
            return "true" if not_ == "0" else "false"
        return f'"{key}"' if key is not None else f"{minus}0{fraction}"

    text = _TOKEN.sub(to_json, script[begin.end() :])
    return json.JSONDecoder().raw_decode(text)[0]


def module_bytes(script: str) -> bytes:
    """The bytes that a browserified file of one base64 string holds; ValueError if it has none."""
    strings = re.findall(r'\.exports="([A-Za-z0-9+/=]+)"', script)
    if not strings:
        raise ValueError("expected a module that exports a string of base64, found none")
    return base64.b64decode(strings[-1], validate=True)


def convert(model: Any, content: bytes, outputs: dict[str, str]) -> bytes:
    """An ONNX file of a model.

    Input `picture` (N, 3, H, W), float32. Weights stay bytes in the file, and are made whole when
    it is loaded.

    Args:
        model: the JSON of TensorFlow.js.
        content: all weights, in the manifest's order.
        outputs: names of the file's outputs, and the layers that they are.

    Raises:
        ValueError: a layer that is not known, or weights that do not fit the manifest.
    """
    graph = _Graph(_weights(model["weightsManifest"], content))
    layers = model["modelTopology"]["model_config"]["config"]["layers"]
    for layer in layers:
        graph.add(layer)
    picture = layers[0]["config"]["batch_input_shape"]
    shape = ["N", picture[3], picture[1], picture[2]]
    made = [helper.make_node("Identity", [layer], [output]) for output, layer in outputs.items()]
    proto = helper.make_model(
        helper.make_graph(
            [*graph.nodes, *made],
            "drawings",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, ["N", None]) for o in outputs],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="ayatsuri",
    )
    proto.ir_version = 9
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString())


class _Weight:
    """Bytes of one tensor and what they stand for."""

    def __init__(self, values: NDArray[np.uint8], scale: float, least: float) -> None:
        self.values, self.scale, self.least = values, scale, least

    def array(self) -> NDArray[np.float32]:
        # In float32, as TensorFlow.js does.
        return self.values.astype(np.float32) * np.float32(self.scale) + np.float32(self.least)


def _weights(manifest: Any, content: bytes) -> dict[str, _Weight]:
    found, at = {}, 0
    for group in manifest:
        for entry in group["weights"]:
            quantised = entry.get("quantization", {})
            if quantised.get("dtype") != "uint8":
                raise ValueError(f"expected weights of bytes for {entry['name']}, found {entry}")
            size = int(np.prod(entry["shape"]))
            values = np.frombuffer(content, np.uint8, size, at).reshape(entry["shape"])
            found[entry["name"]] = _Weight(values, quantised["scale"], quantised["min"])
            at += size
    if at != len(content):
        raise ValueError(f"expected {at} bytes of weights, found {len(content)}")
    return found


class _Graph:
    def __init__(self, weights: dict[str, _Weight]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, layer: Any) -> None:
        """One layer, under its own name as the name of its output."""
        kind, config, name = layer["class_name"], layer["config"], layer["name"]
        inputs = [source[0] for node in layer["inbound_nodes"] for source in node]
        handlers: dict[str, Callable[[str, Any, list[str]], None]] = {
            "InputLayer": lambda name, config, inputs: self.node("Identity", ["picture"], name),
            "Conv2D": self.convolution,
            "BatchNormalization": self.normalisation,
            "Activation": lambda name, config, inputs: self.activation(
                config["activation"], inputs[0], name
            ),
            "MaxPooling2D": self.pooling,
            "AveragePooling2D": self.pooling,
            # After pooling to 1 x 1: otherwise the order of channels and places would matter.
            "Flatten": lambda name, config, inputs: self.node("Flatten", inputs, name, axis=1),
            "Concatenate": lambda name, config, inputs: self.node("Concat", inputs, name, axis=1),
            "Dropout": lambda name, config, inputs: self.node("Identity", inputs, name),
            "Dense": self.dense,
        }
        if kind not in handlers:
            raise ValueError(f"expected a layer of {', '.join(handlers)}, found {kind} ({name})")
        handlers[kind](name, config, inputs)

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def weight(self, name: str, axes: tuple[int, ...]) -> str:
        """Bytes, cast, scaled and shifted: nodes that a runtime folds when it loads the file."""
        weight = self.weights[name]
        self.constant(f"{name}.bytes", weight.values.transpose(axes))
        self.node("Cast", [f"{name}.bytes"], f"{name}.cast", to=TensorProto.FLOAT)
        scale = self.constant(f"{name}.scale", np.array(weight.scale, np.float32))
        least = self.constant(f"{name}.min", np.array(weight.least, np.float32))
        self.node("Mul", [f"{name}.cast", scale], f"{name}.scaled")
        self.node("Add", [f"{name}.scaled", least], name)
        return name

    def convolution(self, name: str, config: Any, inputs: list[str]) -> None:
        # Keras: (height, width, in, out); ONNX: (out, in, height, width).
        parts = [*inputs, self.weight(f"{name}/kernel", (3, 2, 0, 1))]
        if config["use_bias"]:
            parts.append(self.weight(f"{name}/bias", (0,)))
        self.node(
            "Conv", parts, f"{name}.linear", kernel_shape=config["kernel_size"],
            strides=config["strides"], dilations=config["dilation_rate"],
            auto_pad="SAME_UPPER" if config["padding"] == "same" else "VALID",
        )  # fmt: skip
        self.activation(config["activation"], f"{name}.linear", name)

    def normalisation(self, name: str, config: Any, inputs: list[str]) -> None:
        shape = self.weights[f"{name}/moving_mean"].values.shape
        learnt = {
            "gamma": np.ones(shape, np.float32),
            "beta": np.zeros(shape, np.float32),
        }
        parts = []
        for part, used in (
            ("gamma", config["scale"]), ("beta", config["center"]),
            ("moving_mean", True), ("moving_variance", True),
        ):  # fmt: skip
            value = self.weights[f"{name}/{part}"].array() if used else learnt[part]
            parts.append(self.constant(f"{name}/{part}", value))
        self.node("BatchNormalization", [*inputs, *parts], name, epsilon=config["epsilon"])

    def pooling(self, name: str, config: Any, inputs: list[str]) -> None:
        attributes = {
            "kernel_shape": config["pool_size"],
            "strides": config["strides"],
            "auto_pad": "SAME_UPPER" if config["padding"] == "same" else "VALID",
        }
        if "max" in name:
            self.node("MaxPool", inputs, name, **attributes)
        else:  # the padding does not count, in Keras either
            self.node("AveragePool", inputs, name, **attributes, count_include_pad=0)

    def dense(self, name: str, config: Any, inputs: list[str]) -> None:
        parts = [*inputs, self.weight(f"{name}/kernel", (0, 1)), self.weight(f"{name}/bias", (0,))]
        self.node("Gemm", parts, f"{name}.linear")
        self.activation(config["activation"], f"{name}.linear", name)

    def activation(self, kind: str, source: str, name: str) -> None:
        kinds = {"linear": "Identity", "relu": "Relu", "softmax": "Softmax"}
        if kind not in kinds:
            raise ValueError(f"expected one of {', '.join(kinds)}, found {kind} ({name})")
        self.node(kinds[kind], [source], name)
