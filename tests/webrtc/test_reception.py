"""Packets to pictures: what is waited for and asked for, on networks that are lists of packets."""

import heapq
import random
from itertools import count

import pytest
from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from engine.clock import MonotonicClock
from engine.errors import StudioError
from engine.studio.reception import (
    PATIENCE_NS,
    Assembly,
    Counter,
    Missing,
    begins_key,
    receive_live,
)
from tests.fakes import FakeClock

MS = 1_000_000
KEY, DELTA = b"\x00", b"\x01"  # the first byte of a frame of VP8: its lowest bit


def packet(number: int, picture: int, data: bytes, *, first: bool, last: bool) -> RtpPacket:
    made = RtpPacket(sequence_number=number % 2**16, timestamp=3000 * picture, marker=int(last))
    made.payload = (b"\x10" if first else b"\x00") + data
    made._data = data
    return made


def film(pictures: int, packets: int = 3, key_every: int = 10**9, first: int = 65_500) -> list:
    """Pictures of so many packets each; the numbers of the packets come round."""
    numbers = count(first)
    return [
        packet(
            next(numbers), k, (DELTA if k % key_every else KEY) + bytes([k % 256, part]),
            first=part == 0, last=part == packets - 1,
        )
        for k in range(pictures) for part in range(packets)
    ]  # fmt: skip


def run(arrivals: list, clock: FakeClock | None = None) -> tuple[list[int], list[bool]]:
    """The pictures that were handed on, by number, and whether each packet led to a request."""
    seen: list[int] = []
    assembly = Assembly(clock or FakeClock(), lambda one, data: seen.append(one.timestamp // 3000))
    return seen, [assembly.add(one)[0] for one in arrivals]


@given(st.lists(st.integers(-(2**14), 2**14)))
def test_numbers_are_counted_on_whatever_their_turns(steps):
    counter, number = Counter(), 5
    assert counter.count(5) == 5
    for step in steps:
        number += step
        assert counter.count(number % 2**16) == number


def test_a_picture_goes_on_with_its_last_packet_not_with_the_next_picture():
    seen: list[int] = []
    assembly = Assembly(FakeClock(), lambda one, data: seen.append(one.timestamp // 3000))
    for number, one in enumerate(film(5, packets=3), 1):
        assembly.add(one)
        assert len(seen) == number // 3


def test_one_without_a_mark_ends_where_the_next_begins():
    packets = film(3)
    for one in packets:
        one.marker = 0
    assert run(packets)[0] == [0, 1]


@given(st.randoms(use_true_random=False))
def test_order_does_not_matter_nor_what_comes_twice(chance):
    packets = film(8)
    rest = packets[3:] + chance.sample(packets, 5)
    chance.shuffle(rest)
    seen, asked = run(packets[:3] + rest)
    assert (seen, any(asked)) == (list(range(8)), False)


@given(st.lists(st.booleans(), min_size=60, max_size=60))
def test_pictures_are_whole_in_order_and_after_a_gap_come_from_a_key_frame(lost):
    clock, seen = FakeClock(), []
    packets = film(20, key_every=5)

    def deliver(one, data):
        k = one.timestamp // 3000
        head = KEY if k % 5 == 0 else DELTA
        assert data == b"".join(head + bytes([k, part]) for part in range(3))
        seen.append(k)

    assembly = Assembly(clock, deliver)
    for one, gone in zip(packets, lost, strict=True):
        clock.time_ns += 11 * MS
        if not gone:
            assembly.add(one)
    assert seen == sorted(set(seen))
    assert all(k % 5 == 0 or k - 1 in seen for k in seen)


def test_what_does_not_come_is_given_up_and_a_key_frame_asked_for():
    clock = FakeClock()
    packets = film(60, key_every=40)
    seen: list[int] = []
    assembly = Assembly(clock, lambda one, data: seen.append(one.timestamp // 3000))
    asked = []
    for number, one in enumerate(packets):
        clock.time_ns += 11 * MS
        if number != 7 and assembly.add(one)[0]:  # of picture 2
            asked.append(number)
    assert seen == [0, 1, *range(40, 60)]
    first_ms = (asked[0] - 6) * 11  # the first packet of picture 2 waits since then
    assert PATIENCE_NS <= first_ms * MS <= PATIENCE_NS + 22 * MS
    assert len(asked) > 1  # a request may be lost
    assert asked[-1] < 40 * 3


def test_a_whole_key_frame_is_not_kept_waiting():
    packets = film(6, key_every=3)
    del packets[4]  # of picture 1
    assert run(packets)[0] == [0, 3, 4, 5]


def test_a_key_frame_that_is_coming_is_not_forgotten():
    clock, seen = FakeClock(), []
    packets = film(30, key_every=20)
    assembly = Assembly(clock, lambda one, data: seen.append(one.timestamp // 3000))
    held_back = packets[61]
    for one in packets[:3] + packets[4:61] + packets[62:75]:
        clock.time_ns += 11 * MS
        assembly.add(one)
    assembly.add(held_back)
    assert seen == [0, *range(20, 25)]


def test_padding_is_no_picture_and_holds_nothing_up():
    packets = film(4, first=0)
    padding = packet(6, 1, b"", first=False, last=False)
    padding.payload = b""
    for one in packets[6:]:
        one.sequence_number += 1
    assert run([*packets[:6], padding, *packets[6:]])[0] == [0, 1, 2, 3]


def test_a_sender_that_begins_anew_is_taken_as_it_comes():
    assert run(film(4, first=40_000) + film(4, first=20_000))[0] == [0, 1, 2, 3] * 2


@pytest.mark.parametrize(
    ("payload", "data", "key"),
    [
        (b"\x10\x00", b"\x00", True),
        (b"\x10\x01", b"\x01", False),
        (b"\x00\x00", b"\x00", False),  # not the first of its picture
        (b"\x10", b"", False),
        (b"", b"", False),
        (b"\x67", b"\0\0\0\1\x67", True),  # parameters of H.264
        (b"\x18", b"\0\0\0\1\x09\xf0\0\0\0\1\x65", True),
        (b"\x41", b"\0\0\0\1\x41", False),
        (b"\x41", b"\0\0\0\1", False),
    ],
)
def test_key_frames_are_known_by_their_first_bytes(payload, data, key):
    one = packet(0, 0, data, first=True, last=False)
    one.payload = payload
    assert begins_key(one) == key


@given(st.lists(st.integers(0, 2**16 - 1), max_size=50), st.randoms(use_true_random=False))
def test_any_numbers_at_all_leave_it_bounded(numbers, chance):
    clock = FakeClock()
    assembly, missing = Assembly(clock, lambda one, data: None), Missing(clock)
    for number in numbers:
        clock.time_ns += chance.randrange(100) * MS
        one = packet(number, chance.randrange(9), KEY, first=True, last=chance.random() < 0.5)
        assembly.add(one)
        missing.add(one)
        assert len(missing.missing) <= 256


def test_what_is_missing_is_asked_for_again_until_it_comes_or_is_given_up():
    clock, recovered = FakeClock(), []
    missing = Missing(clock, recovered.append)
    packets = film(40, packets=1, first=0)
    asked = []
    for number, one in enumerate(packets):
        if number == 12:
            missing.add(packets[3])
        if number not in (3, 5) and missing.add(one):
            asked.append((number, missing.missing))
        clock.time_ns += 10 * MS
    assert asked[:3] == [(4, [3]), (6, [5]), (7, [3])]
    assert [n for n, what in asked if 3 in what] == [4, 7, 10]
    assert [n for n, what in asked if 5 in what][-1] * 10 * MS <= PATIENCE_NS + 60 * MS
    assert recovered == [packets[3]]


@pytest.mark.parametrize(("loss", "late_ms"), [(0.05, 100), (0.25, 350)])
def test_a_bad_network_makes_pictures_late_by_tens_of_milliseconds_not_by_seconds(loss, late_ms):
    """A sender who sends again what is asked for and makes key frames, over a line of 10 ms."""
    clock, chance, seen = FakeClock(), random.Random(0), {}
    made_ns: dict[int, int] = {}
    history: dict[int, RtpPacket] = {}
    events: list = []
    order, numbers = count(), count(100)
    key_wanted = True

    def later(ms: float, what: str, one: object) -> None:
        if what == "picture" or chance.random() >= loss:
            heapq.heappush(events, (clock.now_ns() + round(ms * MS), next(order), what, one))

    assembly = Assembly(clock, lambda one, data: seen.setdefault(one.timestamp, clock.now_ns()))
    missing = Missing(clock)
    later(0, "picture", 0)
    while events:
        at_ns, _, what, one = heapq.heappop(events)
        clock.time_ns += at_ns - clock.now_ns()
        if what == "picture":
            head, key_wanted = KEY if key_wanted else DELTA, False
            made_ns[one * 3000] = at_ns
            for part in range(6):
                sent = packet(next(numbers), one, head + b"x", first=part == 0, last=part == 5)
                history[sent.sequence_number] = sent
                later(10 + part, "packet", sent)
            if one < 900:
                later(33.3, "picture", one + 1)
        elif what == "packet":
            if missing.add(one):
                later(10, "again", list(missing.missing))
            if assembly.add(one)[0]:
                later(10, "key", None)
        elif what == "again":
            for number in one:
                later(10, "packet", history[number])
        else:
            key_wanted = True
    ages = sorted((ns - made_ns[stamp]) / MS for stamp, ns in seen.items())
    assert len(ages) > 0.9 * len(made_ns)
    assert ages[int(0.95 * len(ages))] < late_ms


def test_another_aiortc_is_refused_in_words():
    class Other(RTCRtpReceiver):
        def __init__(self):
            pass

    with pytest.raises(StudioError, match="no codecs: pip install"):
        receive_live(Other(), MonotonicClock())
