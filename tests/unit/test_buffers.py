import gc

import numpy as np

from engine.buffers import BufferPool


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
