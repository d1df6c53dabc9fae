"""Pictures of a performer who is connected by WebRTC, into a pipeline."""

from collections import deque
from collections.abc import Iterator

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from engine.channel import Channel, ChannelClosed
from engine.clock import Clock, DeviceClock
from engine.frame import Frame

_REMEMBERED = 64  # far more pictures than are under way

LONGEST_SIDE_PX = 640
"""Larger pictures are scaled down as they are converted: the pose estimator sees no more."""


class WebRtcSource:
    """The newest decoded picture waits in one slot; what it replaces is a gap in the numbering.

    Args:
        clock: the pipeline's.
    """

    name = "webrtc"
    live = True
    fps: float | None = None

    def __init__(self, clock: Clock) -> None:
        self.size_wh = (0, 0)
        """Of the newest frame; a sender changes it as its network allows."""
        self.last_ns = clock.now_ns()
        """When the last picture arrived, or when the wait for the first one began."""
        self._clock = clock
        self._device = DeviceClock()
        self._slot: Channel[tuple[av.VideoFrame, int, int]] = Channel("webrtc", policy="latest")
        self._arrived = 0
        self._stamps: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def put(self, picture: av.VideoFrame) -> None:
        """Take a decoded picture; called by the event loop, and never waits."""
        arrived_ns = self.last_ns = self._clock.now_ns()
        captured_ns = arrived_ns
        if picture.pts is not None and picture.time_base is not None:
            # The sender's time stamps are steadier than arrivals: motion is smoothed by them.
            sent_ns = round(picture.pts * picture.time_base * 1_000_000_000)
            captured_ns = self._device.captured_ns(sent_ns, arrived_ns)
            self._stamps.append((self._arrived, picture.pts))
        self._slot.put((picture, self._arrived, captured_ns))
        self._arrived += 1

    def pts_of(self, sequence: int) -> int | None:
        """The time stamp that came with a picture of late; on the event loop, as `put`."""
        return next((pts for number, pts in self._stamps if number == sequence), None)

    def frames(self) -> Iterator[Frame]:
        """See `engine.pipeline.Source`."""
        convert = VideoReformatter()  # one for all: PyAV keeps memory for each
        while True:
            try:
                picture, sequence, captured_ns = self._slot.get()
            except ChannelClosed:
                return
            scale = min(LONGEST_SIDE_PX / max(picture.width, picture.height), 1.0)
            width, height = (
                max(round(side * scale), 1) for side in (picture.width, picture.height)
            )
            rgb = convert.reformat(picture, width, height, "rgb24").to_ndarray()
            self.size_wh = (width, height)
            yield Frame(np.ascontiguousarray(rgb), sequence, captured_ns)

    def stop(self) -> None:
        """See `engine.pipeline.Source`."""
        self._slot.abort()

    def close(self) -> None:
        """See `engine.pipeline.Source`."""
        self._slot.abort()
