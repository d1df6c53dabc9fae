"""Which estimator: MediaPipe itself, or its networks run here."""

from typing import Final, Literal

from engine.stages import PoseEstimator

PoseRuntime = Literal[
    "mediapipe", "onnx", "onnx-cuda", "onnx-tensorrt", "onnx-directml", "onnx-coreml", "openvino",
    "openvino-gpu",
]  # fmt: skip

DEFAULT_RUNTIME: Final[PoseRuntime] = "onnx"
"""It gives MediaPipe's poses in two thirds of the time, and reports nothing to anybody."""


def open_estimator(runtime: PoseRuntime, model: str) -> PoseEstimator:
    """An estimator of a person's pose.

    Args:
        runtime: what runs MediaPipe's networks, one of `engine.pose.runners.RUNNERS`, or
            "mediapipe" itself, which reports usage to Google.
        model: "lite", "full" or "heavy".

    Raises:
        ModelMissing, ModelCorrupt, MissingDependency, PoseError, BackendError, ProviderMissing: see
            `engine.pose.mediapipe` and `engine.pose.blazepose`.
    """
    if runtime == "mediapipe":
        from engine.pose.mediapipe import MediaPipeEstimator

        return MediaPipeEstimator(model)
    from engine.pose.runners import RUNNERS

    if runtime not in RUNNERS:
        raise ValueError(
            f"the pose runtime must be mediapipe, {', '.join(RUNNERS)}, but it is {runtime!r}"
        )
    from engine.pose.blazepose import BlazePoseEstimator

    return BlazePoseEstimator(model, runner=runtime)
