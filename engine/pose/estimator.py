"""Which estimator: MediaPipe itself, or its networks run here."""

from typing import Final, Literal

from engine.stages import PoseEstimator

PoseRuntime = Literal[
    "mediapipe", "onnx", "onnx-cuda", "onnx-tensorrt", "onnx-directml", "onnx-coreml", "openvino",
    "openvino-gpu",
]  # fmt: skip

DEFAULT_RUNTIME: Final[PoseRuntime] = "mediapipe"


def open_estimator(runtime: PoseRuntime, model: str) -> PoseEstimator:
    """An estimator of a person's pose.

    Args:
        runtime: "mediapipe", which reports usage to Google, or what runs its networks without it
            and reports nothing, one of `engine.pose.runners.RUNNERS`.
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
