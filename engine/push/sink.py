"""The pictures of a pipeline, to a streaming service."""

import numpy as np

from engine.clock import Clock
from engine.errors import SinkError
from engine.frame import Packet
from engine.push.address import Address
from engine.push.publisher import Publisher, PushStatistics
from engine.studio.encoder import Encoder, Stamps

_BITRATE = 2_500_000


class PushSink:
    """Encodes each picture and hands it to a `Publisher`; transparency becomes black.

    Args:
        address: where to; not for WHIP.
        clock: the pipeline's.
        bitrate: bits per second.
    """

    name = "push"

    def __init__(self, address: Address, clock: Clock, *, bitrate: int = _BITRATE) -> None:
        self._clock = clock
        self._bitrate = bitrate
        self._publisher = Publisher(address)
        self._encoder: Encoder | None = None
        self._stamps = Stamps()

    def write(self, packet: Packet) -> None:
        """Encode one packet's output.

        Raises:
            SinkError: there is none, or its size changes.
        """
        if packet.output is None:
            raise SinkError("there is no output to push: put the composite stage before the sink")
        height, width = (side // 2 * 2 for side in packet.output.shape[:2])
        if self._encoder is None:
            self._encoder = Encoder("H264", (width, height), self._bitrate)
        if self._encoder.size_wh != (width, height):
            raise SinkError("a stream cannot change its size: choose one with --size")
        pts = self._stamps.of(self._clock.now_ns())
        image = np.ascontiguousarray(packet.output[:height, :width, :3])
        made = self._encoder.encode(image, pts, key=self._publisher.wants_key(pts))
        if made is not None:
            self._publisher.put(made)

    def statistics(self) -> PushStatistics:
        """How the push does."""
        return self._publisher.statistics()

    def close(self) -> None:
        """Hang up; idempotent."""
        self._publisher.close()
