"""Which estimator: MediaPipe itself, or its networks run here."""

from typing import Final, Literal

from engine.stages import PoseEstimator

PoseRuntime = Literal["mediapipe", "onnx"]

DEFAULT_RUNTIME: Final[PoseRuntime] = "mediapipe"


def open_estimator(runtime: PoseRuntime, model: str) -> PoseEstimator:
    """An estimator of a person's pose.

    Args:
        runtime: "mediapipe", which reports usage to Google, or "onnx", which reports nothing.
        model: "lite", "full" or "heavy".

    Raises:
        ModelMissing, ModelCorrupt, MissingDependency, PoseError, BackendError: see
            `engine.pose.mediapipe` and `engine.pose.blazepose`.
    """
    match runtime:
        case "mediapipe":
            from engine.pose.mediapipe import MediaPipeEstimator

            return MediaPipeEstimator(model)
        case "onnx":
            from engine.pose.blazepose import BlazePoseEstimator

            return BlazePoseEstimator(model)
    raise ValueError(f"the pose runtime must be mediapipe or onnx, but it is {runtime!r}")
