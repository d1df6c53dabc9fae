"""What holds for a channel whatever is done to it, and whatever the threads do."""

import threading
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.channel import Channel, ChannelClosed


class ChannelMachine(RuleBasedStateMachine):
    """One thread does anything that does not wait; a deque says what must come of it."""

    @initialize(capacity=st.integers(1, 4), policy=st.sampled_from(["block", "latest"]))
    def make(self, capacity, policy):
        self.capacity, self.policy = capacity, policy
        self.channel = Channel("c", capacity=capacity, policy=policy)
        self.waiting: deque[int] = deque()
        self.sent = self.delivered = self.dropped = 0
        self.closed = self.aborted = False

    def would_wait(self) -> bool:
        return self.policy == "block" and len(self.waiting) == self.capacity and not self.aborted

    @precondition(lambda self: not self.closed and not self.would_wait())
    @rule()
    def put(self):
        item, self.sent = self.sent, self.sent + 1
        assert self.channel.put(item) is not self.aborted
        if self.aborted:
            self.dropped += 1
            return
        if len(self.waiting) == self.capacity:
            self.waiting.popleft()
            self.dropped += 1
        self.waiting.append(item)

    @precondition(lambda self: self.closed)
    @rule()
    def put_after_the_end(self):
        with pytest.raises(ValueError):
            self.channel.put(-1)

    @precondition(lambda self: self.waiting or self.closed or self.aborted)
    @rule()
    def get(self):
        if not self.waiting:
            with pytest.raises(ChannelClosed):
                self.channel.get()
            return
        assert self.channel.get() == self.waiting.popleft()
        self.delivered += 1

    @rule()
    def close(self):
        self.channel.close()
        self.closed = True

    @rule()
    def abort(self):
        self.channel.abort()
        self.aborted = True
        self.dropped += len(self.waiting)
        self.waiting.clear()

    @invariant()
    def the_counts_are_right(self):
        found = self.channel.statistics()
        assert (found.sent, found.delivered, found.dropped, found.waiting) == (
            self.sent, self.delivered, self.dropped, len(self.waiting),
        )  # fmt: skip
        assert found.sent == found.delivered + found.dropped + found.waiting
        assert found.waiting <= self.capacity


TestChannelMachine = ChannelMachine.TestCase
TestChannelMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@settings(max_examples=40, deadline=None)
@given(
    items=st.integers(0, 200),
    capacity=st.integers(1, 4),
    policy=st.sampled_from(["block", "latest"]),
    abort_after=st.none() | st.integers(0, 100),
)
def test_two_threads_lose_nothing_uncounted(items, capacity, policy, abort_after):
    """One sends, one receives and perhaps walks away; nothing is lost, doubled or out of order."""
    channel, got = Channel("c", capacity=capacity, policy=policy), []
    seen: list[int] = []

    def send() -> None:
        for item in range(items):
            if not channel.put(item):
                break
        channel.close()

    def watch() -> None:
        while sender.is_alive():
            found = channel.statistics()
            assert found.sent == found.delivered + found.dropped + found.waiting
            assert found.waiting <= capacity + 1  # one more: the item whose sender waits
            seen.append(found.sent)

    sender, watcher = threading.Thread(target=send), threading.Thread(target=watch)
    sender.start()
    watcher.start()
    while abort_after is None or len(got) < abort_after:
        try:
            got.append(channel.get())
        except ChannelClosed:
            break
    if abort_after is not None:
        channel.abort()
    sender.join(30)
    watcher.join(30)
    assert not sender.is_alive()
    assert not watcher.is_alive()

    end = channel.statistics()
    assert end.waiting == 0
    assert end.sent == end.delivered + end.dropped
    assert end.delivered == len(got)
    assert got == sorted(set(got))
    assert seen == sorted(seen)
    if policy == "block" and abort_after is None:
        assert got == list(range(items))
    if policy == "latest" and abort_after is None and items:
        assert got[-1] == items - 1  # the newest always arrives


@settings(max_examples=20, deadline=None)
@given(senders=st.integers(1, 4), receivers=st.integers(1, 4), capacity=st.integers(1, 3))
def test_many_senders_and_receivers_share_a_channel(senders, receivers, capacity):
    channel: Channel[tuple[int, int]] = Channel("c", capacity=capacity)
    got: list[list[tuple[int, int]]] = [[] for _ in range(receivers)]

    def receive(mine: list) -> None:
        while True:
            try:
                mine.append(channel.get())
            except ChannelClosed:
                return

    sending = [
        threading.Thread(target=lambda s=s: [channel.put((s, i)) for i in range(30)])
        for s in range(senders)
    ]
    receiving = [threading.Thread(target=receive, args=(mine,)) for mine in got]
    for thread in [*sending, *receiving]:
        thread.start()
    for thread in sending:
        thread.join(30)
    channel.close()
    for thread in receiving:
        thread.join(30)
    everything = [(s, i) for s in range(senders) for i in range(30)]
    assert sorted(item for mine in got for item in mine) == everything
    for mine in got:  # what one sender sent comes in its order
        for s in range(senders):
            numbers = [i for sender, i in mine if sender == s]
            assert numbers == sorted(numbers)
