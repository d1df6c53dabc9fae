"""The sink that throws everything away."""

from engine.frame import Packet
from engine.io.null import NullSink
from tests.fakes import frame
from tests.videos import output, picture


def test_it_takes_everything() -> None:
    sink = NullSink()
    sink.write(output(0, picture(0)))
    sink.write(Packet(frame()))  # even a packet without an output, for measuring single stages
    sink.close()
    sink.close()
