"""Assembles MediaPipe's `.task` file from the two networks that it consists of.

A `.task` is a zip, stored and not compressed, of a person detector and a landmark network. Bare
networks lack the metadata in which the Tasks library looks up how to scale pixels; it is added
here. The same networks give the same bytes.
"""

import io
import zipfile
from typing import Any

import numpy as np

_METADATA = b"TFLITE_METADATA"

# Pixels are scaled as (value - mean) / std.    mean   std
_DETECTOR_SCALE = (127.5, 127.5)
_LANDMARKS_SCALE = (0.0, 255.0)


def assemble(detector: bytes, landmarks: bytes) -> bytes:
    """The `.task` file of a pose detector and a pose landmark network (both .tflite)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, network, scale in (
            ("pose_detector.tflite", detector, _DETECTOR_SCALE),
            ("pose_landmarks_detector.tflite", landmarks, _LANDMARKS_SCALE),
        ):
            archive.writestr(zipfile.ZipInfo(name), _with_scale(network, *scale))
    return buffer.getvalue()


def _with_scale(network: bytes, mean: float, std: float) -> bytes:
    import flatbuffers
    from mediapipe.tasks.metadata import schema_py_generated as tflite

    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAsModel(network, 0))
    data = tflite.BufferT()
    data.data = np.frombuffer(_metadata(len(model.subgraphs[0].outputs), mean, std), np.uint8)
    model.buffers.append(data)
    entry = tflite.MetadataT()
    entry.name, entry.buffer = _METADATA, len(model.buffers) - 1
    model.metadata = [m for m in model.metadata or [] if m.name != _METADATA] + [entry]
    return _pack(flatbuffers.Builder(0), model, b"TFL3")


def _metadata(outputs: int, mean: float, std: float) -> bytes:
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    scale = schema.NormalizationOptionsT()
    scale.mean, scale.std = [mean], [std]
    unit = schema.ProcessUnitT()
    unit.optionsType = schema.ProcessUnitOptions.NormalizationOptions
    unit.options = scale
    image = schema.ImagePropertiesT()
    image.colorSpace = schema.ColorSpaceType.RGB
    content = schema.ContentT()
    content.contentPropertiesType = schema.ContentProperties.ImageProperties
    content.contentProperties = image
    tensor = schema.TensorMetadataT()
    tensor.name, tensor.content, tensor.processUnits = "image", content, [unit]
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [tensor]
    graph.outputTensorMetadata = [schema.TensorMetadataT() for _ in range(outputs)]
    metadata = schema.ModelMetadataT()
    metadata.name, metadata.subgraphMetadata = "pose", [graph]
    return _pack(flatbuffers.Builder(0), metadata, b"M001")


def _pack(builder: Any, root: Any, identifier: bytes) -> bytes:
    builder.Finish(root.Pack(builder), identifier)
    return bytes(builder.Output())
