import threading
from types import SimpleNamespace

import numpy as np
import pytest

from engine.backends.base import TensorSpec
from engine.backends.shelf import Shelf, estimate_mb, taken_mb
from engine.cast import Actor, Cast
from engine.errors import BackendError
from engine.generator import NetworkGenerator

SPEC = TensorSpec("x", np.dtype(np.uint8), (1, 2, 2, 3))
POSE, OUT = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 4), np.uint8)


class Stub:
    """A backend that counts."""

    opened = 0

    def __init__(self, number: int) -> None:
        self.name, self.number = f"stub {number}", number
        self.input_spec = self.output_spec = SPEC
        self.closed = False
        Stub.opened += 1

    def run(self, pose_image: np.ndarray, out: np.ndarray) -> None:
        assert not self.closed
        out[:] = self.number

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def fresh() -> None:
    Stub.opened = 0


def fill(shelf: Shelf, count: int, mb: float = 100) -> list:
    return [shelf.add(Stub(i), lambda i=i: Stub(i), mb) for i in range(count)]


def draw(backend) -> int:
    backend.run(POSE, OUT)
    return int(OUT[0, 0, 0])


def test_all_that_fit_stay() -> None:
    shelf = Shelf(350)
    backends = fill(shelf, 3)
    assert [draw(b) for b in (*backends, *backends)] == [0, 1, 2, 0, 1, 2]
    assert Stub.opened == 3
    assert all(b.ready for b in backends)


def test_the_least_recently_used_makes_room_and_comes_back() -> None:
    shelf = Shelf(250)
    a, b, c = fill(shelf, 3)
    assert [x.ready for x in (a, b, c)] == [False, True, True]
    assert draw(b) == 1
    assert draw(a) == 0  # loaded again
    assert [x.ready for x in (a, b, c)] == [True, True, False]
    assert shelf.running == (b, a)
    assert Stub.opened == 4


def test_one_stays_however_large() -> None:
    (a,) = fill(Shelf(1), 1)
    assert a.ready
    assert draw(a) == 0


def test_it_is_brought_back_beside_the_show() -> None:
    shelf = Shelf(100)
    gate = threading.Event()

    def slow() -> Stub:
        assert gate.wait(5)
        return Stub(0)

    a = shelf.add(Stub(0), slow, 100)
    b = shelf.add(Stub(1), lambda: Stub(1), 100)
    a.prepare()
    a.prepare()
    assert not a.ready
    assert draw(b) == 1  # nobody waits
    gate.set()
    a._loader.join()
    assert a.ready
    assert not b.ready
    a.close()
    b.close()
    a.close()
    assert shelf.running == ()


@pytest.mark.parametrize("error", [BackendError, RuntimeError])
def test_what_cannot_be_loaded_is_told(error, caplog) -> None:
    def fails() -> Stub:
        raise error("no memory left")

    shelf = Shelf(100)
    a = shelf.add(Stub(0), fails, 100)
    fill(shelf, 1)
    a.prepare()
    a._loader.join()
    assert not a.ready
    assert "stub 0 cannot be loaded again" in caplog.text  # in a live show nobody draws with it
    assert "no memory left" in caplog.text
    with pytest.raises(error, match="no memory left"):
        draw(a)


def test_an_actor_enters_when_it_is_loaded() -> None:
    shelf = Shelf(100)
    gate = threading.Event()

    def slow() -> Stub:
        assert gate.wait(5)
        return Stub(1)

    first = shelf.add(Stub(0), lambda: Stub(0), 100)
    second = shelf.add(Stub(1), slow, 100)
    draw(first)
    cast = Cast(
        [
            Actor(SimpleNamespace(name=str(i)), NetworkGenerator(b))
            for i, b in enumerate((first, second))
        ]
    )
    assert cast.enter(0) == 0
    assert cast.wish(+1).bundle.name == "1"
    assert [cast.enter(s) for s in (1, 2)] == [0, 0]  # still on its way
    gate.set()
    second._loader.join()
    assert cast.enter(3) == 1
    assert [cast.at(s) for s in (2, 3)] == [0, 1]
    assert draw(second) == 1
    assert draw(first) == 0  # a frame of the one who left, late: drawn all the same
    cast.close()


def test_the_estimate_grows_with_weights_and_pictures() -> None:
    small = estimate_mb(bytes(1000), 64)
    assert estimate_mb(bytes(2000000), 64) > small
    assert estimate_mb(bytes(1000), 512) > small
    assert 20 < estimate_mb(bytes(7_000_000), 256) < 100


def test_what_a_gpu_engine_takes_counts_by_its_own_word() -> None:
    """Three engines of 900 MB do not fit in 2048: the first makes room."""
    plain, large = Stub(0), Stub(1)
    assert taken_mb(plain, bytes(100), 256) == estimate_mb(bytes(100), 256)
    large.memory_mb = 900.0
    assert taken_mb(large, b"", 256) == 900.0
    shelf, made = Shelf(2048), []
    for number in range(3):
        stub = Stub(number)
        stub.memory_mb = 900.0
        made.append(shelf.add(stub, lambda n=number: Stub(n), taken_mb(stub, b"", 256)))
    assert [one.ready for one in made] == [False, True, True]
    for one in made:
        one.close()
