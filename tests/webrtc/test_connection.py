"""A connection that is closed in the middle of connecting, or begins on a lossy network."""

import asyncio
import gc
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from aioice import ice, stun
from aiortc import RTCConfiguration, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from bench.lossy import Network, relaying, without_candidates
from engine.studio.connection import Connection, check_again, shake_again
from engine.studio.sdp import as_caller
from tests.webrtc.studio import until, within

NO_SERVERS = RTCConfiguration(iceServers=[])


async def offered() -> Connection:
    """The side that calls: pictures, sound and a channel."""
    made = Connection(NO_SERVERS)
    made.addTrack(VideoStreamTrack())
    made.addTrack(AudioStreamTrack())
    made.createDataChannel("test")
    await made.setLocalDescription(await made.createOffer())
    return made


@pytest.mark.parametrize("answers", [True, False], ids=["met", "alone"])
def test_whoever_goes_in_the_middle_of_connecting_leaves_nothing_behind(monkeypatch, answers):
    heard = []

    consent = ice.Connection.query_consent

    async def reluctant(connection):  # the moment of closing in which others go on is longer here
        try:
            await consent(connection)
        finally:
            await asyncio.sleep(0.03)

    monkeypatch.setattr(ice.Connection, "query_consent", reluctant)

    async def show():
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: heard.append(context)
        )
        for moment_s in np.arange(0.0, 0.16, 0.01):
            caller, called = await offered(), Connection(NO_SERVERS)
            await called.setRemoteDescription(caller.localDescription)
            for transceiver in called.getTransceivers():
                transceiver.direction = "sendrecv"
            await called.setLocalDescription(await called.createAnswer())
            if answers:
                await caller.setRemoteDescription(called.localDescription)
            await asyncio.sleep(moment_s)
            await asyncio.gather(called.close(), caller.close())
            await called.close()  # idempotent
            assert called.connectionState == caller.connectionState == "closed"
        await asyncio.sleep(0.1)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        gc.collect()  # exceptions that nobody heard are told when their tasks are collected

    within(30, show)
    assert not heard, heard


def test_messages_to_whoever_hangs_up_are_lost_quietly():
    heard = []

    async def show():
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: heard.append(context)
        )
        caller, called = Connection(NO_SERVERS), Connection(NO_SERVERS)
        channels = []
        called.on("datachannel", channels.append)
        caller.createDataChannel("test")
        await caller.setLocalDescription(await caller.createOffer())
        await called.setRemoteDescription(caller.localDescription)
        await called.setLocalDescription(await called.createAnswer())
        await caller.setRemoteDescription(called.localDescription)
        await until(lambda: channels, "the channel")
        ended = asyncio.create_task(caller.sctp.transport.stop())  # only that: the rest is to come
        said = 0
        while channels[0].readyState == "open":
            channels[0].send("still there?")
            said += 1
            await asyncio.sleep(0)
        assert said > 1
        await asyncio.gather(ended, caller.close(), called.close())
        await asyncio.sleep(0.01)
        gc.collect()

    within(20, show)
    assert not heard, heard


class Way:
    """What is used of an ICE transport: what is sent, and what comes."""

    def __init__(self):
        self.sent = []
        self.comes = asyncio.Queue()
        self._send, self._recv = self.own_send, self.own_recv

    async def own_send(self, data):
        if data == b"broken":
            raise ConnectionError
        self.sent.append(data)

    async def own_recv(self):
        return await self.comes.get()


@dataclass
class Shake:
    """What is used of a DTLS transport."""

    transport: Way
    state: str = "new"


def test_a_flight_is_sent_again_until_the_handshake_is_over(monkeypatch):
    monkeypatch.setattr("engine.studio.connection._FIRST_WAIT_S", 0.002)
    monkeypatch.setattr("engine.studio.connection._LONGEST_WAIT_S", 0.004)

    async def show():
        way = Way()
        shake = Shake(way)
        task = asyncio.create_task(shake_again(shake))
        await asyncio.sleep(0.01)
        assert way.sent == []
        shake.state = "connecting"
        await way._send(b"hello")
        await way._send(b"there")
        await until(lambda: way.sent.count(b"there") > 3, "the flight again")
        assert way.sent[:4] == [b"hello", b"there", b"hello", b"there"]
        way.comes.put_nowait(b"an answer")
        assert await way._recv() == b"an answer"
        await way._send(b"finished")  # so the first flight has arrived
        before = len(way.sent)
        await until(lambda: len(way.sent) > before + 3, "the next flight again")
        assert set(way.sent[before:]) == {b"finished"}
        shake.state = "connected"
        await asyncio.wait_for(task, 5)
        assert (way._send, way._recv) == (way.own_send, way.own_recv)

    within(20, show)


def test_a_way_that_is_lost_ends_the_insisting(monkeypatch):
    monkeypatch.setattr("engine.studio.connection._FIRST_WAIT_S", 0.002)

    async def show():
        way = Way()
        task = asyncio.create_task(shake_again(Shake(way, "connecting")))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await way._send(b"broken")
        await asyncio.wait_for(task, 5)
        assert way._send == way.own_send

    within(20, show)


def test_checks_without_an_answer_are_sent_again(monkeypatch):
    monkeypatch.setattr("engine.studio.connection._FIRST_WAIT_S", 0.002)
    monkeypatch.setattr("engine.studio.connection._LONGEST_WAIT_S", 0.004)

    async def show():
        sent = []
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        socket = SimpleNamespace(send_stun=lambda message, addr: sent.append((message, addr)))
        check = stun.Transaction(request, ("127.0.0.1", 9), socket)
        socket.transactions = {request.transaction_id: check}
        transport = SimpleNamespace(state="new", _connection=SimpleNamespace(_protocols=[socket]))
        task = asyncio.create_task(check_again(transport))
        transport.state = "checking"
        await until(lambda: len(sent) > 3, "the check again")
        assert set(sent) == {(request, ("127.0.0.1", 9))}
        socket.transactions.clear()
        await asyncio.sleep(0.01)
        before = len(sent)
        await asyncio.sleep(0.02)
        assert len(sent) == before
        transport.state = "completed"
        await asyncio.wait_for(task, 5)

    within(20, show)


@pytest.mark.parametrize("seed", range(4))
def test_a_quarter_of_the_packets_may_be_lost(seed):
    async def show():
        caller, called = await offered(), Connection(NO_SERVERS)
        async with relaying(Network("25%", 0.25, seed=seed)) as relay:
            # More candidates may be to come: the caller is found by what it sends.
            offer = without_candidates(caller.localDescription.sdp)
            offer = as_caller(offer.replace("a=end-of-candidates\r\n", ""))
            await called.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await called.setLocalDescription(await called.createAnswer())
            assert "a=setup:passive" in called.localDescription.sdp
            answer = await relay.rewrite(called.localDescription.sdp)
            await caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            try:
                states = lambda: {caller.connectionState, called.connectionState}  # noqa: E731
                await until(lambda: states() == {"connected"}, "the connection", 40)
                ice = called.getTransceivers()[0].receiver.transport.transport
                await until(lambda: ice._send == ice._connection.send, "the end of insisting")
            finally:
                await asyncio.gather(caller.close(), called.close())

    within(60, show)
