"""The show to a streaming service: against FFmpeg as the service, in a process of its own."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from engine.clock import MonotonicClock
from engine.errors import SinkError
from engine.frame import Packet
from engine.push.address import parse, speaks
from engine.push.publisher import Publisher
from engine.push.sink import PushSink
from engine.push.waits import Waits
from engine.studio.encoder import Encoder, Stamps
from tests.fakes import frame
from tests.ports import free_port

# Says what came: the codecs, then how many packets of each, and the gaps between key frames.
LISTEN = """
import sys, av
url, kind, packets = sys.argv[1:]
options = {"listen": "1"} if kind == "flv" else {}
with av.open(url, format=kind, options=options, timeout=(20, 20)) as stream:
    print(*sorted(s.codec_context.name for s in stream.streams), flush=True)
    keys, count = [], {"video": 0, "audio": 0}
    for packet in stream.demux():
        count[packet.stream.type] += 1
        if packet.stream.type == "video" and packet.is_keyframe:
            keys.append(float(packet.pts * packet.time_base))
        if sum(count.values()) >= int(packets):
            break
    print(count["video"], count["audio"], *(b - a for a, b in zip(keys, keys[1:])), flush=True)
"""


@contextmanager
def listening(url: str, kind: str, packets: int):
    query = "?listen=1" if kind == "mpegts" else ""
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, url + query, kind, str(packets)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Pictures:
    """Pictures as a live pipeline gives them, faster than time passes."""

    def __init__(self) -> None:
        self._encoder = Encoder("H264", (64, 64), 500_000)
        self._stamps = Stamps()
        self.number = 0

    def send(self, publisher: Publisher) -> None:
        pts = self._stamps.of(self.number * 33_333_333)
        grey = np.full((64, 64, 3), self.number * 8 % 256, np.uint8)
        made = self._encoder.encode(grey, pts, key=publisher.wants_key(pts))
        self.number += 1
        assert made is not None
        publisher.put(made)


def until(true, what: str, seconds: float = 20.0, meanwhile=lambda: None) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        meanwhile()
        time.sleep(0.005)


@pytest.mark.parametrize(("scheme", "kind"), [("rtmp", "flv"), ("tcp", "mpegts")])
def test_a_service_gets_pictures_and_sound(scheme, kind):
    url = f"{scheme}://127.0.0.1:{free_port()}" + ("/live/key" if kind == "flv" else "")
    with listening(url, kind, 400) as service:
        publisher = Publisher(
            parse(url), capacity=1000, sleep=lambda stop, seconds: stop.wait(0.05)
        )
        pictures = Pictures()
        pictures.send(publisher)
        until(
            lambda: service.poll() is not None, "pictures",
            meanwhile=lambda: pictures.send(publisher),
        )  # fmt: skip
        said = service.communicate(timeout=20)[0].splitlines()
        publisher.close()
    assert said[0] == "aac h264"
    video, audio, *gaps = map(float, said[1].split())
    # 30 pictures a second, and 46.9 pieces of 1024 samples.
    assert audio / video == pytest.approx(46.9 / 30, rel=0.3)
    assert gaps
    assert max(gaps) <= 2.1, gaps
    counts = publisher.statistics()
    assert counts.state == "closed"
    assert counts.sent == counts.delivered + counts.dropped + counts.waiting


def test_it_connects_again_and_begins_at_a_key_frame():
    port, waits = free_port(), []
    url = f"tcp://127.0.0.1:{port}"

    def sleep(stop: threading.Event, seconds: float) -> None:
        waits.append(seconds)
        stop.wait(0.02)

    publisher = Publisher(parse(url), sleep=sleep)
    pictures = Pictures()
    until(lambda: len(waits) >= 7, "waits", meanwhile=lambda: pictures.send(publisher))
    assert waits[:7] == [1, 2, 4, 8, 16, 30, 30]
    for connection in (1, 2):
        with listening(url, "mpegts", 60) as service:
            until(
                lambda: service.poll() is not None, "the service to have enough",
                meanwhile=lambda: pictures.send(publisher),
            )  # fmt: skip
            assert service.stdout.readline().split() == ["aac", "h264"]
        assert publisher.statistics().connections == connection
        until(
            lambda: publisher.statistics().state == "waiting", "the loss to be noticed",
            meanwhile=lambda: pictures.send(publisher),
        )  # fmt: skip
        assert waits[-1] <= 30
    publisher.close()
    counts = publisher.statistics()
    assert counts.sent == counts.delivered + counts.dropped
    assert counts.dropped > 0


def test_a_service_that_never_reads_holds_nobody_up(monkeypatch):
    monkeypatch.setattr("engine.push.publisher._STUCK_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        publisher = Publisher(parse(url), capacity=30)
        noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
        encoder = Encoder("H264", (256, 256), 20_000_000)
        number, slowest = 0, 0.0

        def send() -> None:
            nonlocal number, slowest
            key = publisher.wants_key(number * 3000)
            made = encoder.encode(np.roll(noise, number * 37), number * 3000, key=key)
            number += 1
            before = time.monotonic()
            publisher.put(made)
            slowest = max(slowest, time.monotonic() - before)
            assert publisher.statistics().waiting <= 31

        until(
            lambda: publisher.statistics().error == "it takes nothing any more",
            "the service to be given up", meanwhile=send,
        )  # fmt: skip
        assert slowest < 1.0
        assert publisher.statistics().dropped > 0
        before = time.monotonic()
        publisher.close()
        assert time.monotonic() - before < 5


def test_a_fault_of_ours_is_told_and_it_is_tried_again(monkeypatch, caplog):
    def fails(self, line, stream, packet):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(Publisher, "_send_all", fails)
    with socket.create_server(("127.0.0.1", 0)) as service:
        address = parse(f"tcp://127.0.0.1:{service.getsockname()[1]}")
        publisher = Publisher(address, sleep=lambda stop, seconds: stop.wait(0.01))
        pictures = Pictures()
        until(
            lambda: publisher.statistics().state == "waiting", "the fault",
            meanwhile=lambda: pictures.send(publisher),
        )  # fmt: skip
        assert "ZeroDivisionError('by zero')" in publisher.statistics().error
        publisher.close()
    assert any(record.exc_info for record in caplog.records)


def test_a_sink_pushes_what_the_pipeline_shows():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = parse(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        sink = PushSink(address, MonotonicClock())
        for number, channels in enumerate((3, 4)):
            sink.write(Packet(frame(number), output=np.zeros((65, 64, channels), np.uint8)))
        until(lambda: sink.statistics().state == "live", "the connection")
        with pytest.raises(SinkError, match="size"):
            sink.write(Packet(frame(), output=np.zeros((32, 64, 3), np.uint8)))
        with pytest.raises(SinkError, match="composite"):
            sink.write(Packet(frame()))
        sink.close()
        sink.close()
        assert sink.statistics().delivered == 2


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("rtmp:", "no address"), ("rtmp:///live", "no address"), ("live", "no address"),
        ("rtmp://host:x/a", "no address"), ("ftp://host/x", "cannot be pushed to"),
        ("file:///etc/passwd", "no address"),
    ],
)  # fmt: skip
def test_wrong_addresses(url, says):
    with pytest.raises(SinkError, match=says):
        parse(url)


def test_an_address_keeps_its_secret():
    assert str(parse("rtmp://user:word@live.example:1935/app/secret-key")) == (
        "rtmp://live.example:1935"
    )
    assert parse("https://live.example/whip").kind == "whip"


@pytest.mark.parametrize(
    ("scheme", "spoken"),
    [("tcp", True), ("udp", True), ("rtmp", True), ("rtmps", True), ("no-such", False)],
)
def test_what_ffmpeg_speaks_is_found_out(scheme, spoken):
    assert speaks(scheme) == spoken


def test_waits_double_up_to_half_a_minute_and_begin_anew():
    waits = Waits()
    assert [waits.next_s() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    waits.begin_anew()
    assert [waits.next_s(), waits.next_s()] == [1, 2]
