"""The parts of glass to glass that need no browser: clocks, the bad network, films and ledgers."""

import asyncio
import re
from importlib.resources import files

import av
import numpy as np
import pytest

from bench import blockcode
from bench.browser import camera_file
from bench.clocks import ClockMap, Exchange
from bench.glass import CodedSink, Film, Ledger, Passed, timelines
from bench.lossy import HOST, Fate, Network, relaying, without_candidates
from bench.webrtc import FILM, film_length
from engine.app import PERFORMER
from engine.errors import MediaError
from engine.frame import Frame, Packet, Stamp
from tests.fakes import FakeClock
from tests.videos import make_video


def exchanges(rng, offset, drift, count=40):
    """Over ways that take unequal times."""
    for asked in rng.uniform(0, 100, count):
        way, back = rng.exponential(2.0, 2) + np.array([0.1, 1.0])
        there = (asked + way) * (1 + drift) + offset
        yield Exchange(asked, there, there + 0.2, asked + way + 0.2 + back)


def test_the_other_clock_is_within_the_uncertainty_that_is_told():
    rng = np.random.default_rng(0)
    for _ in range(50):
        offset = float(rng.uniform(-1e6, 1e6))
        clocks = ClockMap.of([*exchanges(rng, offset, 0.0)], [*exchanges(rng, offset, 0.0)])
        error = abs(float(clocks.there(np.array([50.0]))[0]) - 50.0 - offset)
        assert error <= clocks.uncertainty_ms + 1e-6
        assert clocks.uncertainty_ms < 2.5


def test_a_clock_that_drifts_is_followed():
    before, after = Exchange(0, 100, 100, 0), Exchange(10_000, 10_101, 10_101, 10_000)
    clocks = ClockMap.of([before], [after])
    assert clocks.drift_ppm == pytest.approx(100)
    assert clocks.there(np.array([5000.0]))[0] == pytest.approx(5100.5)


def test_the_same_packets_are_lost_in_every_run():
    network = Network.parse("25%+50ms", seed=7)
    first, again, other = (
        [fate.next(0.01 * i) for i in range(4000)]
        for fate in (Fate(network, "in"), Fate(network, "in"), Fate(network, "out"))
    )
    assert first == again != other
    assert sum(leaves is None for leaves in first) / 4000 == pytest.approx(0.25, abs=0.03)
    left = [leaves for leaves in first if leaves is not None]
    assert left == sorted(left), "packets overtake each other"
    late = [leaves - 0.01 * i for i, leaves in enumerate(first) if leaves is not None]
    assert min(late) >= 0
    assert max(late) < 0.051 + 0.05


def test_studios_receive_by_aiortc_only_where_that_is_asked_for():
    from bench.webrtc import Receiver, receiving
    from engine.studio import peer

    own = peer.receive_live
    with receiving(Receiver.OURS):
        assert peer.receive_live is own
    with receiving(Receiver.AIORTC):
        assert peer.receive_live is not own
        assert peer.receive_live(None, None) is None
    assert peer.receive_live is own


@pytest.mark.parametrize("text", ["fast", "100%", "-5%", "5%+", "ms"])
def test_networks_that_are_none(text):
    with pytest.raises(ValueError, match=r"expected|a network is"):
        Network.parse(text)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data[::-1], addr)


class Client(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = []

    def datagram_received(self, data, addr):
        self.got.append(data)


@pytest.mark.parametrize(("name", "least", "most"), [("clean", 200, 200), ("25%", 80, 145)])
def test_what_goes_through_the_relay_comes_back(name, least, most):
    async def talk():
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
        async with relaying(Network.parse(name)) as relay:
            port = await relay.open(server.get_extra_info("sockname"))
            clients = []
            for _ in range(2):
                line, client = await loop.create_datagram_endpoint(Client, remote_addr=(HOST, port))
                clients.append((line, client))
            for i in range(100):
                for line, _ in clients:
                    line.sendto(b"%03d" % i)
                if i % 10 == 0:
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.1)
            for line, _ in clients:
                line.close()
        server.close()
        got = [data for _, client in clients for data in client.got]
        assert least <= len(got) <= most
        assert all(re.fullmatch(rb"\d{3}", data) for data in got)
        assert relay.to_server.came == 200
        assert relay.to_client.came == 200 - relay.to_server.lost

    asyncio.run(talk())


def test_packets_under_way_end_with_the_relay():
    failures = []

    async def leave():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: failures.append(told))
        server, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
        async with relaying(Network("slow", delay_ms=50)) as relay:
            port = await relay.open(server.get_extra_info("sockname"))
            line, client = await loop.create_datagram_endpoint(Client, remote_addr=(HOST, port))
            line.sendto(b"late")
            while not relay.to_client.came:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        line.close()
        server.close()
        return client.got

    assert asyncio.run(leave()) == []
    assert not failures


SDP = (
    "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 97\r\n"
    "a=candidate:1 1 udp 2130706431 10.0.0.1 40000 typ host\r\n"
    "a=candidate:2 1 tcp 2130706431 10.0.0.1 9 typ host\r\n"
    "a=candidate:3 1 udp 2130706430 10.0.0.2 40001 typ host\r\na=end-of-candidates\r\n"
)


def test_an_answer_leads_through_the_network_alone():
    async def rewrite():
        async with relaying(Network.parse("clean")) as relay:
            return await relay.rewrite(SDP)

    answer = asyncio.run(rewrite())
    (candidate,) = [line for line in answer.splitlines() if "candidate:" in line]
    assert candidate.split()[4] == HOST
    assert candidate.split()[5] not in ("40000", "40001")
    assert "candidate:" not in without_candidates(SDP)
    assert without_candidates(SDP).count("\r\n") == 3


def test_a_film_that_comes_round_tells_its_turns_apart():
    numbers = [n % 10 for n in range(3, 48) if n % 7]
    film = Film.of(numbers, [100.0 * n for n in range(3, 48) if n % 7], 10, 10.0)
    assert film.first == 3
    assert film.due_ms[3:].tolist() == pytest.approx([100.0 * n for n in range(3, 48)])
    assert film.frame(5, 2600.0) == 25  # seen 100 ms later
    assert film.frame(5, 2499.0) == 15
    assert film.frame(1, 350.0) is None
    assert film.frame(7, 4790.0) == 47  # the last one, shown a moment later
    assert film.frame(8, 4850.0) is None  # taken after the page's last look
    assert film.frame(5, 5520.0) is None, "a frame of the next turn was taken for the last turn's"
    with pytest.raises(ValueError, match="two"):
        Film.of([-1, 4], [0.0, 1.0], 10)


def test_a_page_that_misses_most_of_a_turn_still_knows_which_it_is():
    frames = [2, 9, 27, 28, 51, 68, 69]  # of turns of 20, at 10 a second
    film = Film.of([n % 20 for n in frames], [100.0 * n + n % 3 for n in frames], 20, 10.0)
    assert [round(film.due_ms[n] / 100) for n in frames] == frames


def test_the_way_of_a_frame_from_three_places():
    film = Film.of([*range(10), *range(5)], [100.0 * n for n in range(15)], 10, 10.0)
    clocks = ClockMap.of([Exchange(0, 1000, 1000, 0)], [Exchange(10, 1010, 1010, 10)])
    ledger = Ledger(("pose", "encode"))
    for n in (0, 2, 12):
        at = 100.0 * n - 1000 + 20  # the server's clock is a second behind
        ns = [round(1e6 * (at + k)) for k in range(5)]
        ledger.passed.append(Passed(n % 10, ns[0], [ns[1], ns[3]], [ns[2], ns[4]]))
    shown = [(0, 60.0), (2, 270.0), (2, 280.0), (-1, 300.0), (3, 390.0), (2, 1260.0)]
    whole, parts = timelines(film, shown, ledger, clocks, 0.0)
    assert whole.sequence.tolist() == [0, 2, 3, 12]
    assert whole.latency_ms() == pytest.approx([60, 70, 90, 60])
    assert parts.sequence.tolist() == [0, 2, 12]
    assert parts.stages == ("to the server", "pose", "encode")
    assert parts.works_ms() == pytest.approx(np.array([[20, 1, 1]] * 3))
    assert parts.waits_ms() == pytest.approx(np.array([[0, 1, 1, t - 24] for t in (60, 70, 60)]))


def test_the_sink_carries_codes_and_keeps_a_ledger():
    class Inner:
        name, extra = "inner", 5

        def write(self, packet):
            self.output = packet.output

        def close(self): ...

    inner, ledger, clock = Inner(), Ledger(), FakeClock(100)
    sink = CodedSink(inner, clock, ledger)
    image = np.full((480, 640, 3), 90, np.uint8)
    for number in (None, 321):
        if number is not None:
            blockcode.stamp(image, number)
        frame = Frame(image, 0, 50)
        output = np.zeros((256, 256, 3), np.uint8)
        sink.write(Packet(frame, (Stamp("pose", 60, 70),), output=output))
        assert not output.any(), "the stage's own buffer was written to"
    assert blockcode.number_of(inner.output) == 321
    assert ledger.unread == 1
    assert ledger.stages == ("pose", "encode")
    assert ledger.passed == [Passed(321, 50, [60, 100], [70, 100])]
    assert sink.extra == 5


def test_the_page_reads_codes_by_the_same_rules():
    script = files("bench").joinpath("recorder.js").read_text()
    assert "0x07" in script
    assert "< 48" in script
    assert blockcode._POLYNOMIAL == 0x07
    assert blockcode._LEAST_CONTRAST == 48


@pytest.mark.parametrize("size_wh", [(1280, 720), (90, 160), (640, 480)])
def test_any_video_is_before_the_camera_whole_and_with_its_numbers(tmp_path, size_wh):
    """A page asks for 640 x 480: of other shapes it would be given a part, without the code."""
    video = make_video(tmp_path / "a.mkv", count=3, size_wh=size_wh)
    film = camera_file(video, tmp_path / "camera.mjpeg", frames=2, coded=True)
    with av.open(str(film)) as camera:
        images = [np.asarray(f.to_ndarray(format="rgb24")) for f in camera.decode(video=0)]
    assert [image.shape for image in images] == [(480, 640, 3)] * 2
    assert [blockcode.number_of(image) for image in images] == [0, 1]
    shown = images[0].max(axis=2) > 15
    height, width = (np.ptp(np.flatnonzero(shown.any(axis=axis))) + 1 for axis in (1, 0))
    scale = min(640 / size_wh[0], 480 / size_wh[1])
    assert width >= size_wh[0] * scale - 8
    assert height >= size_wh[1] * scale - 8


def test_a_short_film_comes_round_sooner_and_a_very_short_one_not_at_all(tmp_path):
    assert film_length(make_video(tmp_path / "a.mkv", count=70)) == 70
    assert film_length(PERFORMER) == FILM
    with pytest.raises(MediaError, match="has 30 pictures; at least 60"):
        film_length(make_video(tmp_path / "b.mkv", count=30))
