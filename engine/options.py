"""How a show looks and moves."""

from dataclasses import dataclass
from typing import Literal

from engine.pose.estimator import DEFAULT_RUNTIME, PoseRuntime

Draw = Literal["auto", "generator", "puppet"]
"""What draws a character: its own network, or the puppet of its drawings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a show looks and moves; the same for videos and for live input.

    Attributes:
        layout: the character alone, or beside the performer.
        background: behind the character: see `engine.io.composite.Background`. None: transparent
            where the output can be, else a soft colour.
        size_px: height of the character's picture; None: as the character is, or for
            "side-by-side" as the video is.
        smoothing: "auto" is Savitzky-Golay for files, which looks ahead, and One Euro for live
            input, which cannot. A number is One Euro from 0, quick, to 1, calm; 0.5 is as it is by
            itself. `engine.motion.smooth.OneEuro` has the parameters of every joint.
        pose_model: MediaPipe's; "lite" is faster, "heavy" is steadier.
        pose_runtime: what runs it: one of `engine.pose.runners.RUNNERS`, or "mediapipe" itself,
            which gives the same poses, and reports usage to Google.
        mirror: swap left and right.
        clear_head: keep the character's arms off her head where the performer's are off theirs.
        show_pose: draw the pose over the picture.
        threads: processor threads that draw the character.
        draw: by the character's own "generator" or as a "puppet" of its cut drawings; "auto" takes
            what the bundle prefers, and else the generator where there is one.
        backend, precision: what runs the network, or "auto": see `engine.backends.choose`.
        memory_mb: what all characters' generators may take together; beyond it those not seen for
            longest are put away, and loaded again when they are asked for.
    """

    layout: Literal["character", "side-by-side"] = "character"
    background: str | None = None
    size_px: int | None = None
    smoothing: Literal["auto", "one-euro", "savitzky-golay", "none"] | float = "auto"
    pose_model: Literal["lite", "full", "heavy"] = "full"
    pose_runtime: PoseRuntime = DEFAULT_RUNTIME
    mirror: bool = False
    clear_head: bool = True
    show_pose: bool = False
    threads: int = 1
    draw: Draw = "auto"
    backend: str = "auto"
    precision: str = "auto"
    memory_mb: float = 2048.0
