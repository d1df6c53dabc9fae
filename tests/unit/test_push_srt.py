"""The show by SRT: to a receiver that is `srt-live-transmit` itself, in a process of its own."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from socket import SOCK_DGRAM

import av
import pytest

from engine.errors import MissingDependency, SinkError
from engine.push import srt
from engine.push.address import parse
from engine.push.publisher import Publisher
from tests.ports import free_port
from tests.unit.test_push import Pictures, until

needs_srt = pytest.mark.skipif(
    srt.found() is None,
    reason=f"no {srt.PROGRAM}: {srt.REMEDY.get(sys.platform, srt.REMEDY['linux'])}",
)
SECRET = "a long passphrase"


@contextmanager
def receiving(url, path):
    """A receiver that writes what comes to a file."""
    with path.open("wb") as file:
        process = subprocess.Popen(
            [srt.PROGRAM, "-autoreconnect:no", "-quiet", "-chunk:1316", url, "file://con"],
            stdout=file, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)


def shown(path):
    """The codecs, the brightness of each picture, the seconds of sound, and the first is a key."""
    with av.open(path, format="mpegts") as stream:
        codecs = sorted(s.codec_context.name for s in stream.streams)
        first = next(p for p in stream.demux(video=0) if p.size)
    greys, samples = [], 0
    with av.open(path, format="mpegts") as stream:
        for piece in stream.decode():
            if isinstance(piece, av.VideoFrame):
                greys.append(float(piece.to_ndarray(format="gray").mean()))
            else:
                samples += piece.samples
    return codecs, greys, samples / 48_000, first.is_keyframe


class Show:
    """Pictures at the pace of a show, until it is left."""

    def __init__(self, url, sleep=lambda stop, seconds: stop.wait(0.05)):
        self.publisher = Publisher(parse(url), sleep=sleep)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self):
        pictures = Pictures()
        while not self._over.wait(1 / 60):
            pictures.send(self.publisher)

    def until(self, state, seconds=20.0):
        until(lambda: self.publisher.statistics().state == state, state, seconds)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *args):
        self._over.set()
        self._thread.join()
        self.publisher.close()


@needs_srt
def test_a_receiver_gets_pictures_and_sound_and_the_one_that_comes_after_it(tmp_path, caplog):
    caplog.set_level("INFO")
    port = free_port(SOCK_DGRAM)
    query = f"passphrase={SECRET.replace(' ', '%20')}&latency=60&streamid=#!::r=stage/one,m=publish"
    there = f"srt://127.0.0.1:{port}?mode=listener&passphrase={SECRET}"
    with Show(f"srt://127.0.0.1:{port}?{query}") as show:
        show.until("connecting")
        for number in range(2):
            path = tmp_path / f"{number}.ts"
            with receiving(there, path):
                show.until("live")
                until(lambda p=path: p.stat().st_size > 60_000, "a stream")
            show.until("waiting")
            codecs, greys, seconds, begins = shown(path)
            assert codecs == ["aac", "h264"]
            assert begins
            steps = [(b - a) % 256 for a, b in pairwise(greys)]
            # Each picture is 8 brighter than the last, in video's own range of brightness.
            assert sorted(steps)[len(steps) // 2] == pytest.approx(8, abs=2)
            assert len(greys) > 30
            assert seconds == pytest.approx(len(greys) / 30, abs=0.6)
        assert show.publisher.statistics().connections == 2
    counts = show.publisher.statistics()
    assert counts.state == "closed"
    assert counts.sent == counts.delivered + counts.dropped
    assert SECRET not in caplog.text
    assert SECRET not in str(show.publisher.statistics())


@needs_srt
def test_who_listens_waits_for_a_caller_however_long_it_takes(tmp_path):
    port = free_port(SOCK_DGRAM)
    with Show(f"srt://:{port}?latency=60") as show:
        time.sleep(1.0)
        assert show.publisher.statistics().state == "connecting"
        assert show.publisher.statistics().error is None
        with receiving(f"srt://127.0.0.1:{port}?latency=60", tmp_path / "a.ts"):
            show.until("live")
            until(lambda: (tmp_path / "a.ts").stat().st_size > 30_000, "a stream")
        assert shown(tmp_path / "a.ts")[3]


@needs_srt
def test_a_wrong_passphrase_says_so_and_nobody_there_does_too(tmp_path):
    port, waits = free_port(SOCK_DGRAM), []

    def sleep(stop, seconds):
        waits.append(seconds)
        stop.wait(0.02)

    with Show(f"srt://127.0.0.1:{port}?passphrase={SECRET}", sleep) as show:
        show.until("waiting")
        assert show.publisher.statistics().error == "nobody answers there"
        until(lambda: len(waits) >= 2, "another attempt")
        assert waits[:2] == [1, 2]
        with receiving(
            f"srt://127.0.0.1:{port}?mode=listener&passphrase=not the same", tmp_path / "a.ts"
        ):
            until(
                lambda: "passphrase" in (show.publisher.statistics().error or "").lower(),
                "the refusal",
            )
            assert SECRET not in show.publisher.statistics().error
        assert show.publisher.statistics().connections == 0


@needs_srt
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone ends children with their parent")
def test_nothing_is_left_when_the_process_is_killed():
    script = (
        "import time, sys; from engine.push.srt import *\n"
        f"made = Transmitter(SrtAddress.parse('srt://:{free_port(SOCK_DGRAM)}'))\n"
        "print(made._process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    until(lambda: not is_running(child), "the program to be gone")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_srt
@pytest.mark.skipif(sys.platform == "win32", reason="no process is stopped there")
def test_one_that_takes_nothing_is_ended_from_another_thread():
    with srt.Transmitter(srt.SrtAddress.parse(f"srt://:{free_port(SOCK_DGRAM)}")) as program:
        program._process.send_signal(signal.SIGSTOP)
        threading.Timer(0.3, program.kill).start()
        with pytest.raises(SinkError, match="was lost"):
            program.write(bytes(1000 * srt.MESSAGE))  # a pipe takes 64 KiB


@pytest.mark.parametrize(
    ("url", "program", "ffmpeg"),
    [
        ("srt://a.example:9000", "srt://a.example:9000?mode=caller",
         "srt://a.example:9000?mode=caller"),
        ("srt://:9000", "srt://:9000?mode=listener", "srt://:9000?mode=listener"),
        ("srt://[::1]:9000/?mode=listener&latency=200",
         "srt://[::1]:9000?mode=listener&latency=200",
         "srt://[::1]:9000?mode=listener&latency=200000"),
        ("srt://h:9?streamid=#!::r=a/b,m=publish&pbkeylen=32",
         "srt://h:9?mode=caller&streamid=#!::r=a/b,m=publish&pbkeylen=32",
         "srt://h:9?mode=caller&streamid=%23%21%3A%3Ar%3Da%2Fb%2Cm%3Dpublish&pbkeylen=32"),
        ("srt://h:9?streamid=%23!::r=a", "srt://h:9?mode=caller&streamid=#!::r=a",
         "srt://h:9?mode=caller&streamid=%23%21%3A%3Ar%3Da"),
    ],
)  # fmt: skip
def test_addresses(url, program, ffmpeg):
    address = srt.SrtAddress.parse(url)
    assert (address.for_program(), address.for_ffmpeg()) == (program, ffmpeg)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("srt://h", "srt://HOST:PORT"), ("srt://h:x", "srt://HOST:PORT"),
        ("srt://h:0", "srt://HOST:PORT"), ("srt://h:99999", "srt://HOST:PORT"),
        ("srt://h:9/live", "srt://HOST:PORT"), ("srt://u:p@h:9", "srt://HOST:PORT"),
        ("srt://:9?mode=caller", "a caller needs a host"), ("srt://h:9?mode=x", "mode is"),
        ("srt://h:9?latency=0.2", "milliseconds"), ("srt://h:9?passphrase=short", "10 to 79"),
        ("srt://h:9?pbkeylen=8", "16, 24 or 32"), ("srt://h:9?streamid=a%26b", "an & in it"),
        ("srt://h:9?secret-thing=1", "secret-thing is not known"),
        (f"srt://h:9?streamid={513 * 'x'}", "512"),
    ],
)  # fmt: skip
def test_wrong_addresses(url, says):
    with pytest.raises(SinkError, match=says):
        srt.SrtAddress.parse(url)


@pytest.mark.parametrize("platform", [*srt.REMEDY, "plan9"])
def test_what_to_install_is_told_where_nothing_speaks_it(monkeypatch, platform):
    monkeypatch.setattr("engine.push.srt.shutil.which", lambda name: None)
    monkeypatch.setattr("engine.push.address.speaks", lambda scheme: False)
    monkeypatch.setattr("engine.push.srt.sys.platform", platform)
    remedy = srt.REMEDY.get(platform, srt.REMEDY["linux"])
    with pytest.raises(MissingDependency) as told:
        parse("srt://127.0.0.1:9000")
    assert remedy in str(told.value)
    with pytest.raises(MissingDependency):
        srt.Transmitter(srt.SrtAddress.parse("srt://127.0.0.1:9000"))


def test_ffmpegs_own_srt_does_for_a_caller_where_it_has_any(monkeypatch):
    monkeypatch.setattr("engine.push.srt.shutil.which", lambda name: None)
    monkeypatch.setattr("engine.push.address.speaks", lambda scheme: True)
    assert parse("srt://127.0.0.1:9000?latency=120").format == "mpegts"
    with pytest.raises(MissingDependency):
        parse("srt://:9000")
