"""A connection that is closed in the middle of connecting."""

import asyncio
import gc

import numpy as np
import pytest
from aioice import ice
from aiortc import RTCConfiguration
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from engine.studio.connection import Connection
from tests.webrtc.studio import within

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
