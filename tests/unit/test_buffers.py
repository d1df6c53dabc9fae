import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.buffers import BufferPool
from engine.cast import Actor, Cast
from engine.frame import Packet
from engine.generator import Generator, NetworkGenerator
from engine.io.composite import Background, CompositeStage
from engine.puppet.puppet import Puppet
from engine.stages import DrawStage, GenerateStage
from tests.bundles import standing_rest, stick_model
from tests.cut_drawings import cut_drawing
from tests.fakes import frame
from tests.puppets import FakeBundle


def test_a_buffer_that_is_let_go_comes_back():
    pool = BufferPool((4, 4, 3))
    first = pool.take()
    address = first.ctypes.data
    del first
    assert pool.take().ctypes.data == address
    assert len(pool) == 1


def test_a_buffer_in_use_is_never_handed_out():
    pool = BufferPool((2, 2))
    held = []
    for value in range(8):
        buffer = pool.take()
        buffer[:] = value
        held.append(buffer)
    assert [int(b[0, 0]) for b in held] == list(range(8))
    assert len({b.ctypes.data for b in held}) == 8


def test_a_view_keeps_its_buffer():
    pool = BufferPool((8, 8))
    view = pool.take()[2:4]
    view[:] = 7
    for _ in range(5):
        pool.take()[:] = 0
    assert (view == 7).all()


def test_a_steady_state_allocates_nothing():
    pool = BufferPool((4, 4))
    in_flight = [pool.take() for _ in range(3)]
    for _ in range(100):
        in_flight.append(pool.take())
        in_flight.pop(0)
    assert len(pool) == 4
    del in_flight
    gc.collect()
    assert isinstance(pool.take(), np.ndarray)
    assert len(pool) == 4


def network() -> Generator:
    return NetworkGenerator(OnnxRuntimeBackend(stick_model(256).SerializeToString()))


@pytest.mark.parametrize("make", [network, lambda: Puppet([cut_drawing(256)])])
def test_a_show_that_runs_allocates_no_pictures(make):
    """Drawn, generated and laid over a background, frame after frame: less than one of them."""
    cast = Cast([Actor(FakeBundle(256), make())])
    stages = (DrawStage(cast), GenerateStage(cast), CompositeStage(Background("#ff00ff")))
    rest = np.column_stack([standing_rest(256), np.ones(20)]).astype(np.float32)

    def play(sequence: int) -> None:
        joints = rest.copy()
        joints[4, :2] += 10 * np.sin(0.4 * sequence)
        given = Packet(replace(frame(sequence), image=image), joints=joints)
        for stage in stages:
            (given,) = stage.process(given)

    image = np.zeros((240, 320, 3), np.uint8)
    for sequence in range(10):
        play(sequence)
    tracemalloc.start()
    play(10)
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    for sequence in range(11, 31):
        play(sequence)
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for stage in stages:
        stage.close()
    assert peak - before < 256 * 256 * 3 / 2, "a picture is allocated"
    assert after - before < 20 * 1024, "something is kept of every frame"
