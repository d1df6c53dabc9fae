"""Tiny real videos, made by PyAV, and what is in a video file."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from engine.frame import Packet
from tests.fakes import frame


def picture(index: int, size_wh: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """RGB: red at the top left, else a grey that changes from picture to picture."""
    width, height = size_wh
    image = np.full((height, width, 3), 30 + 20 * (index % 10), np.uint8)
    image[: height // 2, : width // 2] = (220, 20, 20)
    return image


def make_video(
    path: Path,
    *,
    count: int = 10,
    size_wh: tuple[int, int] = (64, 48),
    fps: int = 30,
    pts_ms: Sequence[int] | None = None,
    codec: str = "mpeg4",
    sound: bool = False,
    pixel_aspect: Fraction | None = None,
) -> Path:
    """A video of `picture`s; `pts_ms` gives it a variable frame rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        if pts_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        audio = container.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for index in range(count):
            image = av.VideoFrame.from_ndarray(picture(index, size_wh), format="rgb24")
            image.pts = index if pts_ms is None else pts_ms[index]
            image.time_base = Fraction(1, fps) if pts_ms is None else Fraction(1, 1000)
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
        if audio is not None:
            samples = 48_000 * count // fps
            beep = np.zeros((1, samples), np.float32)
            t = np.arange(samples) / 48_000
            half = samples // 2
            beep[0, half:] = 0.5 * np.sin(2 * np.pi * 440 * t[half:])  # silence, then a tone
            for start in range(0, samples, 1024):
                sound_frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(beep[:, start : start + 1024]), "fltp", "mono"
                )
                sound_frame.sample_rate, sound_frame.pts = 48_000, start
                sound_frame.time_base = Fraction(1, 48_000)
                container.mux(audio.encode(sound_frame))
            container.mux(audio.encode(None))
    return path


def decoded(path: Path, pixels: str = "rgb24") -> tuple[list[NDArray[np.uint8]], list[float]]:
    """All pictures and their times in seconds."""
    with av.open(str(path)) as container:
        found = [(f.to_ndarray(format=pixels), float(f.time)) for f in container.decode(video=0)]
    return [image for image, _ in found], [time for _, time in found]


def tone_start_s(path: Path) -> float:
    """When the sound of a file becomes loud."""
    with av.open(str(path)) as container:
        for heard in container.decode(audio=0):
            loud = np.abs(heard.to_ndarray().astype(np.float64)).max(axis=0) > 0.2
            if loud.any():
                return float(heard.time) + int(loud.argmax()) / heard.sample_rate
    raise AssertionError(f"{path} is silent")


def output(index: int, image: NDArray[np.uint8]) -> Packet:
    """A packet for a sink, at 30 fps."""
    return replace(Packet(frame(index)), output=image)
