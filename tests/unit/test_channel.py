"""One channel between two threads: order, bounds, drops, and its two ends."""

import threading
import time

import pytest

from engine.channel import Channel, ChannelClosed, ChannelStatistics
from tests.fakes import wait_until


def taken(channel: Channel) -> list:
    items = []
    while True:
        try:
            items.append(channel.get())
        except ChannelClosed:
            return items


def in_thread(target, *args) -> threading.Thread:
    thread = threading.Thread(target=target, args=args)
    thread.start()
    return thread


def test_it_is_a_queue():
    channel = Channel("c", capacity=3)
    assert [channel.put(item) for item in "abc"] == [True, True, True]
    channel.close()
    assert taken(channel) == ["a", "b", "c"]
    assert channel.statistics() == ChannelStatistics("c", 3, 3, 0, 0)


def test_latest_keeps_the_newest_and_counts_the_others():
    channel = Channel("c", policy="latest")
    for item in range(5):
        assert channel.put(item)
    assert channel.statistics() == ChannelStatistics("c", 5, 0, 4, 1)
    assert channel.get() == 4
    assert channel.statistics() == ChannelStatistics("c", 5, 1, 4, 0)


def test_latest_of_several_keeps_the_newest_in_order():
    channel = Channel("c", capacity=2, policy="latest")
    for item in range(5):
        channel.put(item)
    channel.close()
    assert taken(channel) == [3, 4]


@pytest.mark.parametrize("falsy", [0, None, "", False])
def test_any_value_is_an_item(falsy):
    channel = Channel("c")
    channel.put(falsy)
    channel.close()
    assert taken(channel) == [falsy]


def test_a_full_channel_holds_the_sender_up():
    channel = Channel("c", capacity=1)
    channel.put(0)
    sender = in_thread(channel.put, 1)
    wait_until(lambda: channel.statistics().sent == 2)
    sender.join(0.05)
    assert sender.is_alive()
    assert channel.get() == 0
    sender.join(10)
    assert not sender.is_alive()
    assert channel.get() == 1


def test_an_empty_channel_holds_the_receiver_up():
    channel, got = Channel("c"), []
    receiver = in_thread(lambda: got.append(channel.get()))
    receiver.join(0.05)
    assert receiver.is_alive()
    channel.put("a")
    receiver.join(10)
    assert got == ["a"]


def test_closing_delivers_what_waits_and_wakes_the_receiver():
    channel, got = Channel("c", capacity=2), []
    channel.put(1)
    channel.put(2)
    channel.close()
    channel.close()
    assert taken(channel) == [1, 2]

    channel = Channel("c")
    receiver = in_thread(lambda: got.extend(taken(channel)))
    channel.close()
    receiver.join(10)
    assert not receiver.is_alive()
    assert got == []


def test_aborting_drops_what_waits_and_wakes_the_sender():
    channel, answers = Channel("c", capacity=1), []
    channel.put(1)
    sender = in_thread(lambda: answers.append(channel.put(2)))
    wait_until(lambda: channel.statistics().sent == 2)
    channel.abort()
    channel.abort()
    sender.join(10)
    assert answers == [False]
    assert channel.put(3) is False
    assert channel.statistics() == ChannelStatistics("c", 3, 0, 3, 0)
    assert taken(channel) == []


def test_aborting_wakes_the_receiver():
    channel = Channel("c")
    receiver = in_thread(taken, channel)
    channel.abort()
    receiver.join(10)
    assert not receiver.is_alive()


def test_sending_after_the_senders_own_end_is_a_bug():
    channel = Channel("over")
    channel.close()
    with pytest.raises(ValueError, match="over"):
        channel.put(1)


def test_a_channel_holds_at_least_one():
    with pytest.raises(ValueError, match="capacity is 0"):
        Channel("c", capacity=0)


@pytest.mark.skipif(not hasattr(time, "thread_time"), reason="no processor time of a thread")
@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_waiting_takes_no_processor_time(side):
    channel, spent = Channel("c"), []

    def wait() -> None:
        start = time.thread_time()
        channel.put(1) if side == "sender" else taken(channel)
        spent.append(time.thread_time() - start)

    if side == "sender":
        channel.put(0)
    waiting = in_thread(wait)
    waiting.join(0.3)
    channel.abort()
    waiting.join(10)
    assert spent[0] < 0.03  # a tenth of the wait; a busy loop would take all of it
