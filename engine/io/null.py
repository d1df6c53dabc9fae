"""The sink that throws everything away, for measuring."""

from engine.frame import Packet


class NullSink:
    """Takes pictures and does nothing with them."""

    name = "null"

    def write(self, packet: Packet) -> None:
        """See `engine.pipeline.Sink`."""

    def close(self) -> None:
        """See `engine.pipeline.Sink`."""
