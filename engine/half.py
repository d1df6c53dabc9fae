"""A network in fp16: what TensorRT runs in half the time, and in half the memory."""

from typing import Any


def to_fp16(model: bytes) -> bytes:
    """The same network with weights and activations in fp16; pixels in and out stay bytes.

    What turns the last activations into bytes stays in fp32: fp16 knows the numbers from 128 to 255
    to an eighth only, and the rounding of bytes should not be a second one.
    """
    import onnx

    from engine.backends.onnxruntime import load

    load()  # quietly, before its own modules load it
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    proto = onnx.load_model_from_string(model)
    _unshare_scales(proto)
    half = convert_float_to_float16(
        proto,
        keep_io_types=True,
        op_block_list=[op for op in DEFAULT_OP_BLOCK_LIST if op != "Resize"],
        node_block_list=[node.name for node in after_last_conv(proto)],
    )
    _sort(half)
    drop_unused(half)
    del half.graph.value_info[:]  # of what was fp32
    onnx.checker.check_model(half, full_check=True)
    return bytes(half.SerializeToString())


def _unshare_scales(proto: Any) -> None:
    """Give every Resize its own scales: they stay fp32, and the tool trips over shared ones."""
    import onnx

    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        if node.op_type == "Resize" and node.input[2]:  # others are told sizes
            copy = onnx.TensorProto()
            copy.CopyFrom(tensors[node.input[2]])
            copy.name = node.input[2] = f"{node.name}.scales"
            proto.graph.initializer.append(copy)


def drop_unused(proto: Any) -> None:
    """Remove constants that no node reads any more."""
    read = {name for node in proto.graph.node for name in node.input}
    for tensor in [t for t in proto.graph.initializer if t.name not in read]:
        proto.graph.initializer.remove(tensor)


def _sort(proto: Any) -> None:
    """Order nodes so that each comes after those it reads, each once.

    The fp16 tool appends its casts, and makes one for every reader of a value, all of one name.
    """
    known = {"", *(value.name for value in proto.graph.input)}
    known |= {tensor.name for tensor in proto.graph.initializer}
    waiting = {node.output[0]: node for node in proto.graph.node}
    done = []
    while waiting:
        ready = [name for name, node in waiting.items() if known.issuperset(node.input)]
        if not ready:
            raise ValueError("the graph has a cycle, or reads what nothing makes")
        for name in ready:
            done.append(waiting.pop(name))
            known.update(done[-1].output)
    del proto.graph.node[:]
    proto.graph.node.extend(done)


def after_last_conv(proto: Any) -> list[Any]:
    """The nodes that make bytes of the last convolution's result: few, cheap and exact.

    A convolution of ones and zeros is one of them: it moves channels. All nodes, where there is no
    convolution that has learned anything.
    """
    from onnx import numpy_helper

    constants = {tensor.name: tensor for tensor in proto.graph.initializer}

    def learned(node: Any) -> bool:
        weight = constants.get(node.input[1])
        if weight is None:
            return True
        values = numpy_helper.to_array(weight)
        return bool(((values != 0) & (values != 1)).any())

    nodes = list(proto.graph.node)
    convs = (i for i, node in enumerate(nodes) if node.op_type == "Conv" and learned(node))
    return nodes[max(convs, default=-1) + 1 :]
