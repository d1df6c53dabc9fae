import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.channel import Channel, ChannelClosed


def balanced(channel: Channel) -> bool:
    s = channel.statistics()
    return s.sent == s.delivered + s.dropped + s.waiting


def test_latest_keeps_the_newest_and_counts_the_rest() -> None:
    channel: Channel[int] = Channel("c", policy="latest")
    for item in range(5):
        assert channel.put(item)
    assert channel.get() == 4
    statistics = channel.statistics()
    assert (statistics.sent, statistics.delivered, statistics.dropped) == (5, 1, 4)


def test_block_waits_for_room() -> None:
    channel: Channel[int] = Channel("c", capacity=1)
    channel.put(0)
    second = threading.Thread(target=channel.put, args=(1,))
    second.start()
    second.join(0.05)
    assert second.is_alive()
    assert channel.get() == 0
    second.join(2)
    assert channel.get() == 1
    assert channel.statistics().dropped == 0


def test_close_delivers_what_waits_and_then_ends() -> None:
    channel: Channel[int] = Channel("c", capacity=3)
    channel.put(1)
    channel.put(2)
    channel.close()
    channel.close()
    assert [channel.get(), channel.get()] == [1, 2]
    with pytest.raises(ChannelClosed):
        channel.get()
    with pytest.raises(ValueError, match="closed by its sender"):
        channel.put(3)


def test_abort_frees_a_waiting_sender() -> None:
    channel: Channel[int] = Channel("c")
    channel.put(0)
    taken: list[bool] = []
    sender = threading.Thread(target=lambda: taken.append(channel.put(1)))
    sender.start()
    channel.abort()
    sender.join(2)
    assert taken == [False]
    statistics = channel.statistics()
    assert (statistics.sent, statistics.dropped, statistics.waiting) == (2, 2, 0)


def test_abort_frees_a_waiting_receiver() -> None:
    channel: Channel[int] = Channel("c")
    ended = threading.Event()

    def receive() -> None:
        with pytest.raises(ChannelClosed):
            channel.get()
        ended.set()

    receiver = threading.Thread(target=receive)
    receiver.start()
    channel.abort()
    receiver.join(2)
    assert ended.is_set()


def test_a_channel_holds_something() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Channel("c", capacity=0)


@given(
    st.lists(st.sampled_from(["put", "get", "abort"]), max_size=60),
    st.integers(1, 4),
    st.sampled_from(["block", "latest"]),
)
def test_nothing_is_ever_unaccounted_for(calls: list[str], capacity: int, policy: str) -> None:
    channel: Channel[int] = Channel("c", capacity=capacity, policy=policy)  # type: ignore[arg-type]
    received: list[int] = []
    aborted = False
    for number, call in enumerate(calls):
        waiting = channel.statistics().waiting
        assert waiting <= capacity
        if call == "put" and (policy == "latest" or waiting < capacity or aborted):
            assert channel.put(number) is not aborted
        elif call == "get" and waiting:
            received.append(channel.get())
        elif call == "abort":
            channel.abort()
            aborted = True
        assert balanced(channel)
    assert received == sorted(received)


def test_many_threads_lose_nothing() -> None:
    channel: Channel[int] = Channel("c", capacity=3)
    received: list[int] = []

    def receive() -> None:
        while True:
            try:
                received.append(channel.get())
            except ChannelClosed:
                return

    receivers = [threading.Thread(target=receive) for _ in range(3)]
    senders = [
        threading.Thread(target=lambda start=start: [channel.put(start + i) for i in range(200)])
        for start in (0, 1000, 2000)
    ]
    for thread in (*receivers, *senders):
        thread.start()
    for thread in senders:
        thread.join(5)
    channel.close()
    for thread in receivers:
        thread.join(5)
    assert sorted(received) == [start + i for start in (0, 1000, 2000) for i in range(200)]
    assert channel.statistics().delivered == 600
