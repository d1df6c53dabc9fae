"""The bounded places where media cross between the event loop and the pipeline's threads."""

import asyncio
from fractions import Fraction

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from engine.channel import ChannelClosed
from engine.errors import BadOffer, SinkError
from engine.frame import Packet
from engine.studio.encoder import Encoder
from engine.studio.feed import Feed
from engine.studio.sdp import check_offer, video_codec
from engine.studio.sink import WebRtcSink
from engine.studio.source import LONGEST_SIDE_PX, WebRtcSource
from engine.studio.tracks import JITTER_NS, CharacterTrack, SoundTrack
from tests.fakes import FakeClock, frame
from tests.webrtc.studio import number_of, numbered, within


def picture(number: int = 0, size_wh: tuple[int, int] = (64, 48)) -> VideoFrame:
    made = VideoFrame.from_ndarray(np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    made.pts, made.time_base = number * 3000, Fraction(1, 90_000)
    return made


def output(number: int = 0, side: int = 64) -> Packet:
    grey = np.full((side, side, 3), number % 256, np.uint8)
    return Packet(frame(number, captured_ns=0), output=grey)


def law(counts) -> bool:
    return counts.sent == counts.delivered + counts.dropped + counts.waiting


def test_the_source_gives_the_newest_picture_and_numbers_tell_what_it_left_out():
    source = WebRtcSource(FakeClock())
    frames = source.frames()
    for number in range(5):
        source.put(picture(number))
    assert next(frames).sequence == 4
    source.put(picture(5))
    assert next(frames).sequence == 5
    source.stop()
    source.put(picture(6))
    assert list(frames) == []
    source.close()


@pytest.mark.parametrize(
    ("size_wh", "expected"),
    [((64, 48), (64, 48)), ((1920, 1080), (640, 360)), ((2, 2000), (1, 640))],
)
def test_the_source_scales_large_pictures_down(size_wh, expected):
    source = WebRtcSource(FakeClock())
    source.put(picture(size_wh=size_wh))
    got = next(source.frames())
    assert got.image.shape == (expected[1], expected[0], 3)
    assert source.size_wh == expected
    assert max(expected) <= LONGEST_SIDE_PX
    assert got.image.flags.c_contiguous


def test_captures_follow_the_senders_clock_from_zero_on():
    clock = FakeClock(10**9)
    source = WebRtcSource(clock)
    frames = source.frames()
    captured = []
    for number, late_ns in enumerate((0, 20_000_000, 0)):
        clock.time_ns = 10**9 + round(number * 1e9 / 30) + late_ns
        source.put(picture(number))
        captured.append(next(frames).captured_ns)
    assert np.diff(captured) == pytest.approx([1e9 / 30] * 2, abs=2)


def test_a_feed_that_is_full_goes_on_at_a_key_frame():
    async def show():
        feed = Feed("VP8", capacity=3)
        encoder = Encoder("VP8", (64, 64), 500_000)

        def send(number, *, key=False):
            feed.put(encoder.encode(numbered(number), number, key=key))

        send(0)  # a stream begins with a key frame
        send(1)
        assert [(await feed.get()).is_keyframe for _ in range(2)] == [True, False]
        for number in range(2, 6):  # the fourth finds it full
            send(number)
        assert feed.wants_key()
        assert feed.statistics().waiting == 0
        send(6)
        send(7, key=True)
        send(8)
        assert [(await feed.get()).pts for _ in range(2)] == [7, 8]
        counts = feed.statistics()
        assert (counts.sent, counts.delivered, counts.dropped) == (9, 4, 5)
        assert law(counts)
        waiting = asyncio.create_task(feed.get())
        await asyncio.sleep(0)
        feed.close()
        with pytest.raises(ChannelClosed):
            await waiting

    within(10, show)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_every_picture_gives_one_packet_at_once(codec):
    import av

    encoder = Encoder(codec, (64, 64), 500_000)
    decoder = av.CodecContext.create(codec.lower(), "r")
    seen = []
    for number in range(20):
        packet = encoder.encode(numbered(number), number * 3000, key=number == 10)
        assert packet.pts == number * 3000
        assert packet.is_keyframe == (number in (0, 10))
        seen += [number_of(f.to_ndarray(format="rgb24")) for f in decoder.decode(packet)]
    seen += [number_of(f.to_ndarray(format="rgb24")) for f in decoder.decode(None)]
    assert seen == sorted(seen)
    assert seen[-1] in (18, 19)


def test_nobody_watching_costs_nothing(monkeypatch):
    monkeypatch.setattr("engine.studio.sink.Encoder", None)
    sink = WebRtcSink(FakeClock(5_000_000))
    sink.write(output())
    assert sink.latency_ns == 5_000_000
    sink.close()
    with pytest.raises(SinkError, match="transparent"):
        sink.write(Packet(frame(), output=np.zeros((8, 8, 4), np.uint8)))


def test_pictures_may_change_their_size_and_be_odd():
    async def show():
        sink = WebRtcSink(FakeClock())
        feed = Feed("H264")
        sink.attach(feed)
        for number, side in enumerate((64, 64, 33, 33)):
            sink.write(output(number, side))
        assert [(await feed.get()).is_keyframe for _ in range(4)] == [True, False, True, False]
        sink.detach(feed)
        assert not sink.feeds
        sink.close()

    within(10, show)


def test_a_viewer_who_asks_for_ever_gets_few_key_frames():
    async def show():
        clock = FakeClock()
        sink = WebRtcSink(clock)
        feed, other = Feed("VP8"), Feed("VP8")
        sink.attach(feed)
        sink.attach(other)
        keys = 0
        for number in range(30):
            feed.request_key()
            sink.write(output(number))
            keys += (await other.get()).is_keyframe
            clock.time_ns += 33_333_333
        assert keys == 3  # in a second: at once, and at the first picture after each 0.3 s
        assert law(feed.statistics())
        assert other.statistics().dropped == 0
        sink.close()

    within(10, show)


def test_a_track_of_a_sink_that_is_closed_ends():
    async def show():
        sink = WebRtcSink(FakeClock())
        sink.close()
        track = CharacterTrack(sink)
        with pytest.raises(MediaStreamError):
            await track.recv()
        assert track.readyState == "ended"

    within(10, show)


def test_sound_waits_for_its_pictures_and_no_longer():
    async def show():
        clock, slept = FakeClock(), []

        async def sleep(seconds):
            slept.append(seconds)

        latency_ns = JITTER_NS + 70_000_000
        track = SoundTrack(clock, lambda: latency_ns, capacity=3)
        track._sleep = sleep
        for _ in range(4):
            track.put(AudioFrame(samples=960))
            clock.time_ns += 20_000_000
        for _ in range(3):
            await track.recv()
        assert slept == pytest.approx([0.010, 0.030, 0.050])
        latency_ns = 0
        track.put(AudioFrame(samples=960))
        await track.recv()
        assert slept[-1] == 0
        track.put(AudioFrame(samples=960))
        track.stop()
        track.put(AudioFrame(samples=960))
        counts = track.statistics()
        assert (counts.sent, counts.delivered, counts.dropped) == (6, 4, 2)
        assert law(counts)
        with pytest.raises(MediaStreamError):
            await track.recv()

    within(10, show)


WHOLE = "v=0\r\na=fingerprint:x\r\na=ice-ufrag:x\r\na=ice-pwd:x\r\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with v=0"),
        ("v=0\r\n", "fingerprint"),
        (WHOLE, "one video"),
        (WHOLE + "m=video 9 x 96\r\nm=video 9 x 96\r\n", "one video"),
        (WHOLE + "m=video 9 x 96\r\nm=audio 9\r\nm=audio 9\r\n", "one audio"),
        (WHOLE + "m=video 9 x 96\r\na=recvonly\r\n", "must send video"),
        (WHOLE + "m=audio 9\r\na=sendrecv\r\nm=video 9 x 96\r\na=inactive\r\n", "must send"),
    ],
)
def test_wrong_offers(text, says):
    with pytest.raises(BadOffer, match=says):
        check_offer(text, sends=True)


def test_the_codec_is_the_answers_first():
    answer = "m=audio 9 x 97\r\na=rtpmap:97 VP8/9\r\nm=video 9 x 98 97\r\na=rtpmap:{} H264/9\r\n"
    assert video_codec(answer.format(98)) == "H264"
    for wrong in (answer.format(97), "", "m=video\r\n", "m=video 9 x 98"):
        with pytest.raises(BadOffer):
            video_codec(wrong)
