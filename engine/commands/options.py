"""The options that several commands have in common."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from engine import console


class PoseModel(StrEnum):
    """MediaPipe's three pose models."""

    LITE = "lite"
    FULL = "full"
    HEAVY = "heavy"


class PoseRuntimeName(StrEnum):
    """What runs the pose model."""

    ONNX = "onnx"
    MEDIAPIPE = "mediapipe"
    ONNX_CUDA = "onnx-cuda"
    ONNX_TENSORRT = "onnx-tensorrt"
    ONNX_DIRECTML = "onnx-directml"
    ONNX_COREML = "onnx-coreml"
    OPENVINO = "openvino"
    OPENVINO_GPU = "openvino-gpu"


class Draw(StrEnum):
    """What draws the character."""

    AUTO = "auto"
    GENERATOR = "generator"
    PUPPET = "puppet"


class BackendName(StrEnum):
    """What draws the character."""

    AUTO = "auto"
    ONNXRUNTIME = "onnxruntime"
    ONNXRUNTIME_CUDA = "onnxruntime-cuda"
    ONNXRUNTIME_TENSORRT = "onnxruntime-tensorrt"
    ONNXRUNTIME_DIRECTML = "onnxruntime-directml"
    ONNXRUNTIME_COREML = "onnxruntime-coreml"
    OPENVINO = "openvino"
    OPENVINO_GPU = "openvino-gpu"
    TENSORRT_RTX = "tensorrt-rtx"
    TENSORRT = "tensorrt"
    TORCH_CUDA = "torch-cuda"


class PrecisionName(StrEnum):
    """In what numbers it does."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"


class LifterName(StrEnum):
    """How 2D joints are lifted to 3D."""

    BASELINE = "baseline"
    MEDIAPIPE = "mediapipe"


class Layout(StrEnum):
    """What the picture shows."""

    CHARACTER = "character"
    SIDE_BY_SIDE = "side-by-side"


CharacterOption = Annotated[
    Path | None,
    typer.Option("--character", "-c", metavar="BUNDLE", help="A character bundle; else Ito."),
]
ReportOption = Annotated[
    Path | None,
    typer.Option("--report", metavar="JSON", help="Write counts, drops and latencies to a file."),
]
PoseModelOption = Annotated[
    PoseModel, typer.Option(help="MediaPipe's pose model: lite is faster, heavy is steadier.")
]


def _told(runtime: PoseRuntimeName) -> PoseRuntimeName:
    """MediaPipe asks that its users be told of its reports."""
    if runtime is PoseRuntimeName.MEDIAPIPE:
        from engine.pose.mediapipe import USAGE_NOTICE

        console.say(f"[yellow]note[/] {escape(USAGE_NOTICE)}")
    return runtime


PoseRuntimeOption = Annotated[
    PoseRuntimeName,
    typer.Option(
        callback=_told,
        help="What runs it: ONNX Runtime or OpenVINO, on the processor or a GPU, or MediaPipe "
        "itself, which gives the same poses, is slower, and reports usage to Google.",
    ),
]
_SMOOTHINGS: Final = ("auto", "one-euro", "savitzky-golay", "none")


def _smoothing(text: str) -> str | float:
    """A name, or a number from 0 to 1."""
    if text in _SMOOTHINGS:
        return text
    try:
        pace = float(text)
    except ValueError:
        pace = -1.0
    if not 0.0 <= pace <= 1.0:
        raise typer.BadParameter(
            f"{text!r} is none of {', '.join(_SMOOTHINGS)}, "
            "and no number from 0 (quick) to 1 (calm)"
        )
    return pace


SmoothingOption = Annotated[
    str,
    typer.Option(
        parser=_smoothing,
        metavar="auto|one-euro|savitzky-golay|none|0..1",
        help="auto: Savitzky-Golay for files, One Euro for live input. A number: One Euro from 0, "
        "quick, to 1, calm; it is 0.5 by itself.",
    ),
]
MirrorOption = Annotated[bool, typer.Option("--mirror", help="Swap left and right.")]
ClearHeadOption = Annotated[
    bool, typer.Option(help="Keep the arms off the head where the performer's are off theirs.")
]
ShowPoseOption = Annotated[
    bool, typer.Option("--show-pose", help="Draw the pose over the picture.")
]
LayoutOption = Annotated[Layout, typer.Option(help="The character alone, or beside the performer.")]
BackgroundOption = Annotated[
    str | None,
    typer.Option(
        metavar="COLOUR|IMAGE|source|transparent",
        help="Behind the character: a colour (green, #00ff00), a picture, the original video, or "
        "nothing. Default: transparent where the output can be, else a soft colour.",
    ),
]
SizeOption = Annotated[
    int | None,
    typer.Option(min=16, max=4096, metavar="PX", help="Height of the character's picture."),
]
ThreadsOption = Annotated[
    int, typer.Option(min=1, max=64, help="Processor threads that draw the character.")
]

DrawOption = Annotated[
    Draw,
    typer.Option(
        help="By its own network or as a puppet of its drawings; auto: what draws it better."
    ),
]
BackendOption = Annotated[
    BackendName,
    typer.Option(help="What draws the character; auto measures what is here, once."),
]
PrecisionOption = Annotated[
    PrecisionName,
    typer.Option(help="In what numbers; auto: the most exact that keeps up, else the quickest."),
]

PushOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="Send the show to a streaming service too: rtmp://, srt://, or https:// for WHIP.",
    ),
]
PushTokenOption = Annotated[
    str | None, typer.Option(envvar="AYATSURI_PUSH_TOKEN", help="A WHIP service's bearer token.")
]

TargetFpsOption = Annotated[
    float | None,
    typer.Option(
        min=1, max=240, metavar="FPS",
        help="Keep to so many pictures a second, by simpler pictures where the machine is busy.",
    ),
]  # fmt: skip
TargetLatencyOption = Annotated[
    float | None,
    typer.Option(
        min=1, metavar="MS", help="Likewise, to so much from capture to sink, nine times in ten."
    ),
]
TargetCpuOption = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=1, metavar="SHARE", help="Likewise, to so much of the processor: 0.5 is half."
    ),
]
TargetGpuOption = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=1, metavar="SHARE", help="Likewise, to so much of the graphics card."
    ),
]

_OF_A_SHOW: Final[dict[str, tuple[Any, Any]]] = {
    "layout": (LayoutOption, Layout.CHARACTER),
    "background": (BackgroundOption, None),
    "size": (SizeOption, None),
    "smoothing": (SmoothingOption, "auto"),
    "pose_model": (PoseModelOption, PoseModel.FULL),
    "pose_runtime": (PoseRuntimeOption, PoseRuntimeName.ONNX),
    "mirror": (MirrorOption, False),
    "clear_head": (ClearHeadOption, True),
    "show_pose": (ShowPoseOption, False),
    "threads": (ThreadsOption, 1),
    "draw": (DrawOption, Draw.AUTO),
    "backend": (BackendOption, BackendName.AUTO),
    "precision": (PrecisionOption, PrecisionName.AUTO),
}
_FIELD: Final = {"size": "size_px"}  # of `Options`, where it is called otherwise


def shows(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of a show; in its place of `options` it is handed the `Options`.

    Args:
        without: those that the command does not have.
    """
    taken = {name: what for name, what in _OF_A_SHOW.items() if name not in without}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            from engine.options import Options

            chosen = {_FIELD.get(name, name): given.pop(name) for name in taken}
            values: dict[str, Any] = {
                name: what.value if isinstance(what, StrEnum) else what
                for name, what in chosen.items()
            }
            command(**given, options=Options(**values))

        parameters: list[Parameter] = []
        for one in signature(command).parameters.values():
            if one.name != "options":
                parameters.append(one)
                continue
            parameters += [
                Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)
                for name, (kind, default) in taken.items()
            ]
        parameters = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in parameters]
        # What Typer reads, and what the names in it mean.
        run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate
