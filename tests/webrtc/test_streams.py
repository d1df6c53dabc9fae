"""Who is sent how many bits: rules alone, then rules with networks that are told of."""

import numpy as np
import pytest
from aiortc.rtp import RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket, pack_remb_fci

from engine.clock import MonotonicClock
from engine.studio.limits import Buckets
from engine.studio.packed_alpha import pack, unpack
from engine.studio.streams import NS, Ladder, Link, Rate
from tests.fakes import FakeClock
from tests.webrtc.studio import running, until, within

LADDER = Ladder(full=2_000_000, least=250_000, thin=150_000)


def link(estimate: int | None = None, loss: float = 0.0) -> Link:
    made = Link()
    made.estimate, made.loss, made.fallen = estimate, loss, estimate is not None
    return made


@pytest.mark.parametrize(
    ("estimates", "sent", "wanted"),
    [
        ([], 0, 2_000_000),
        ([None], 1_900_000, 2_000_000),
        ([400_000], 1_900_000, 400_000),  # it can take less than it is sent
        ([700_000], 500_000, 2_000_000),  # a quiet scene: no limit is known
        ([100_000], 1_900_000, 250_000),
        ([9_000_000], 1_900_000, 2_000_000),
        ([400_000, None], 1_900_000, 2_000_000),  # one slow viewer does not drag the other
        ([400_000, 500_000, None], 1_900_000, 500_000),  # most are slow
    ],
)
def test_the_rate_is_what_half_of_the_viewers_can_take(estimates, sent, wanted):
    links = [link(estimate) for estimate in estimates]
    assert LADDER.wanted(links, 2_000_000, sent) == wanted


def test_rates_fall_soon_and_rise_slowly():
    rate, viewer = Rate(LADDER), link(400_000)
    changed = [s for s in range(10) if rate.follow([viewer], min(rate.bitrate, 1_900_000), s * NS)]
    assert (changed, rate.bitrate) == ([2], 400_000)
    viewer.estimate = 600_000  # a receiver reports half as much again, at most
    changed = [s for s in range(10, 30) if rate.follow([viewer], rate.bitrate - 1, s * NS)]
    assert (changed, rate.bitrate) == ([10], 600_000)
    viewer.estimate = 620_000
    assert not any(rate.follow([viewer], rate.bitrate, s * NS) for s in range(30, 60))


@pytest.mark.parametrize("trouble", [{"estimate": 100_000}, {"loss": 0.25}])
def test_who_cannot_follow_gets_the_thin_stream_and_is_tried_again_later_each_time(trouble):
    viewer, changes = link(), []
    for second in range(200):
        now = viewer.thin
        # Whenever it is sent the full stream, its network fails again.
        viewer.estimate = None if now else 3_000_000
        if not now and "estimate" in trouble:
            viewer.report(trouble["estimate"])
        viewer.loss = 0.0 if now else trouble.get("loss", 0.0)
        if viewer.judge(140_000 if now else 1_900_000, second * NS) != now:
            changes.append(second)
    thin = [b - a for a, b in zip(changes[::2], changes[1::2], strict=False)]
    assert changes[0] == 4
    assert thin == sorted(thin)
    assert thin[0] < thin[-1] <= 61


def test_an_estimate_that_has_only_grown_is_no_limit():
    viewer, rate = link(), Rate(LADDER)
    for second, estimate in enumerate(range(100_000, 1_500_000, 50_000)):
        viewer.report(estimate)
        assert not rate.follow([viewer], 1_900_000, second * NS)
        assert not viewer.judge(1_900_000, second * NS)
    viewer.report(700_000)
    assert viewer.limit(1_900_000) == 700_000
    assert viewer.limit(690_000) is None
    assert viewer.limit(1_900_000) is None


def test_a_short_trouble_changes_nothing():
    viewer = link()
    for second in range(60):
        viewer.loss = 0.5 if second % 4 == 0 else 0.0
        assert not viewer.judge(1_900_000, second * NS)


def test_one_slow_viewer_is_thin_and_the_others_are_full():
    async def show():
        async with running() as server:
            performer = await server.perform()
            slow = await server.view(performer.location)
            good = await server.view(performer.location)
            await until(lambda: len(slow.numbers) > 5 and len(good.numbers) > 5, "pictures")
            session = next(iter(server.studio.sessions.values()))
            [slow_peer, good_peer] = session._viewers.values()
            sender = slow_peer._sender
            await sender._handle_rtcp_packet(
                RtcpPsfbPacket(
                    fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(1000, [sender._ssrc])
                )
            )
            lost = RtcpReceiverInfo(
                ssrc=sender._ssrc, fraction_lost=128, packets_lost=1, highest_sequence=1,
                jitter=0, lsr=0, dlsr=0,
            )  # fmt: skip
            await sender._handle_rtcp_packet(RtcpRrPacket(ssrc=1, reports=[lost]))
            # aiortc's own receiver would report other figures meanwhile.
            sender._handle_rtcp_packet = None
            for receiver in slow.connection.getReceivers():
                receiver._send_rtcp = _nothing
            feed = slow_peer.character.feed
            assert (feed.link.estimate, feed.link.loss) == (1000, 0.5)
            await until(lambda: feed.stream.thin, "the thin stream", 15)
            seen, full = len(slow.numbers), len(good.numbers)
            await until(lambda: len(slow.numbers) >= seen + 10, "pictures of the thin stream")
            assert not good_peer.character.feed.stream.thin
            assert len(good.numbers) - full > 1.5 * (len(slow.numbers) - seen)
            report = await server.get(performer.location)
            assert {stream["thin"] for stream in report["streams"]} == {False, True}

    within(40, show)


async def _nothing(*args):
    return None


def test_buckets_fill_again_and_are_not_shared():
    clock = FakeClock()
    buckets = Buckets(clock, rate=2.0, burst=3)
    assert [buckets.take("10.0.0.1") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]
    assert buckets.take("10.0.0.2") == 0
    clock.time_ns += NS // 2
    assert [buckets.take("10.0.0.1") == 0 for _ in range(2)] == [True, False]
    for last in range(3):  # a household has 2^64 addresses
        assert buckets.take(f"2001:db8::{last + 1}") == 0
    assert buckets.take("2001:db8::9") > 0
    assert buckets.take("2001:db8:0:1::9") == 0
    assert buckets.take(None) == 0


def test_buckets_are_bounded():
    buckets = Buckets(MonotonicClock(), rate=1.0, burst=1)
    for number in range(5000):
        buckets.take(f"10.0.{number // 256}.{number % 256}")
    assert len(buckets._buckets) <= 4096


@pytest.mark.parametrize("height", [8, 9])
def test_packing_loses_nothing(height):
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, 256, (height, 6, 1), np.uint8)
    picture = np.concatenate([np.minimum(rng.integers(0, 256, (height, 6, 3)), alpha), alpha], 2)
    packed = pack(picture.astype(np.uint8))
    assert packed.shape == (16, 6, 3)
    assert np.array_equal(unpack(packed), picture[:8])
