"""Performers and viewers over loopback: the character comes back, and everything is let go."""

import pytest

from tests.webrtc.studio import mirrors, running, until, within


def moved_on(numbers: list[int]) -> list[int]:
    """The numbers as the performer sent them, each once, in the order seen."""
    return [n for i, n in enumerate(numbers) if i == 0 or numbers[i - 1] != n]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_the_performer_gets_the_character_back(codec):
    async def show():
        async with running() as server:
            performer = await server.perform(codec=codec)
            await until(lambda: len(performer.numbers) >= 60, "60 pictures")
            numbers = moved_on(performer.numbers)
            assert numbers == sorted(numbers)
            assert len(numbers) >= 15
            report = await server.get(performer.location)
            assert report["connections"][0]["codec"] == codec
            assert report["engine"]["frames_out"] >= 60
            assert await server.delete(performer.location) == 200
            assert await server.delete(performer.location) == 404
            assert not server.studio.sessions

    within(30, show)


def test_an_offer_may_come_before_its_candidates():
    async def show():
        async with running() as server:
            server.candidates = False
            performer = await server.perform()
            viewer = await server.view(performer.location)
            await until(lambda: bool(performer.numbers and viewer.numbers), "pictures for both")

    within(30, show)


def test_one_encoding_serves_many_viewers(monkeypatch):
    from engine.studio import sink

    made = []
    whole = sink.Encoder

    def counted(*args):
        made.append(args[0])
        return whole(*args)

    monkeypatch.setattr(sink, "Encoder", counted)

    async def show():
        async with running() as server:
            performer = await server.perform(direction="sendonly")  # as OBS: it wants nothing back
            viewers = [await server.view(performer.location) for _ in range(3)]
            viewers.append(await server.view(performer.location, codec="H264"))
            await until(lambda: all(len(v.numbers) >= 20 for v in viewers), "20 pictures each")
            late = await server.view(performer.location)
            await until(lambda: len(late.numbers) >= 10, "10 pictures for the latecomer")
            assert sorted(made) == ["H264", "VP8"]
            assert not performer.numbers
            assert await server.delete(late.location) == 200
            assert await server.delete(late.location) == 404
            report = await server.get(performer.location)
            assert report["viewers"] == 4

    within(30, show)


def test_sound_comes_too():
    async def show():
        async with running() as server:
            performer = await server.perform(sound=True)
            viewer = await server.view(performer.location)
            await until(lambda: performer.pieces >= 50 and viewer.pieces >= 50, "a second of sound")
            assert performer.numbers
            assert viewer.numbers

    within(30, show)


def test_a_viewer_who_never_reads_slows_nobody():
    async def show():
        async with running() as server:
            performer = await server.perform()
            await server.view(performer.location, watch=False)
            good = await server.view(performer.location)
            await until(lambda: len(good.numbers) >= 45, "45 pictures")
            report = await server.get(performer.location)
            for connection in report["connections"]:
                assert connection["video"]["waiting"] <= 8
            assert report["engine"]["frames_out"] >= 45

    within(30, show)


def test_a_slow_character_drops_pictures_and_counts_them():
    async def show():
        async with running(mirrors(work_s=0.1)) as server:
            performer = await server.perform()
            await until(lambda: len(performer.numbers) >= 10, "10 pictures")
            await server.get(performer.location)
            session = next(iter(server.studio.sessions.values()))
            await session.close()
            engine = session.report()["engine"]
            lost = engine["missed_by_source"] + engine["dropped"]
            assert lost > 0
            for channel in engine["channels"]:
                assert channel["sent"] == channel["delivered"] + channel["dropped"]

    within(30, show)


def test_a_lost_picture_brings_a_key_frame():
    async def show():
        async with running() as server:
            performer = await server.perform()
            await until(lambda: len(performer.numbers) >= 5, "5 pictures")
            session = next(iter(server.studio.sessions.values()))
            before = session.report()["connections"][0]["video"]["dropped"]
            asked = []
            feed = session._sink.feeds[0]
            whole = feed.request_key
            feed.request_key = lambda: (asked.append(feed.wants_key()), whole())
            [receiver] = performer.connection.getReceivers()
            [ssrc] = {s.source for s in receiver.getSynchronizationSources()}
            await receiver._send_rtcp_pli(ssrc)
            await until(lambda: asked != [], "the request")
            seen = len(performer.numbers)
            await until(lambda: len(performer.numbers) >= seen + 5, "pictures after it")
            after = session.report()["connections"][0]["video"]["dropped"]
            assert after - before <= 8

    within(30, show)


def test_a_pipeline_that_fails_ends_the_session_and_says_why():
    async def show():
        async with running(mirrors(fail_at=10)) as server:
            await server.perform()
            session = next(iter(server.studio.sessions.values()))
            await until(lambda: not server.studio.sessions, "the end of the session")
            assert "the mirror broke" in str(session.error)

    within(30, show)


def test_a_pipeline_that_cannot_be_built_is_told():
    from engine.errors import ModelMissing

    def fails(source, sink, clock, first):
        source.close()
        sink.close()
        raise ModelMissing("the pose model is not in the cache: run `ayatsuri models`")

    async def show():
        async with running(fails) as server:
            performer = await server.perform()
            assert performer.status == 500
            assert "ayatsuri models" in performer.said
            assert not server.studio.sessions

    within(30, show)


def test_a_performer_who_goes_without_a_word_is_noticed():
    async def show():
        async with running(silence_s=1.0) as server:
            performer = await server.perform()
            await until(lambda: len(performer.numbers) >= 5, "5 pictures")
            await performer.close()
            await until(lambda: not server.studio.sessions, "the end of the session")

    within(30, show)


def test_an_offer_that_nobody_follows_up_frees_its_place():
    async def show():
        async with running(silence_s=0.5, sessions=1) as server:
            client = server._client()
            client.connection.addTransceiver("video", direction="sendonly")
            await client.connection.setLocalDescription(await client.connection.createOffer())
            offer = client.connection.localDescription.sdp
            assert (await server.post("/whip", offer)).status == 201
            assert (await server.post("/whip", offer)).status == 503
            await until(lambda: not server.studio.sessions, "the end of the session")

    within(30, show)


def test_a_viewer_who_goes_without_a_word_is_noticed():
    async def show():
        async with running() as server:
            performer = await server.perform()
            viewer = await server.view(performer.location)
            await until(lambda: len(viewer.numbers) >= 5, "5 pictures")
            await viewer.close()  # DTLS says so; a network that is cut is noticed after 30 s
            session = next(iter(server.studio.sessions.values()))
            await until(lambda: not session._viewers, "the viewer's leaving")
            seen = len(performer.numbers)
            await until(lambda: len(performer.numbers) > seen + 5, "pictures for the others")

    within(30, show)


def test_coming_and_going_leaves_nothing():
    async def show():
        async with running(sessions=4, silence_s=4.0) as server:
            for i in range(12):
                performer = await server.perform(codec=("VP8", "H264")[i % 2], sound=i % 3 == 0)
                viewer = await server.view(performer.location)
                if i % 4 == 0:  # the others go while they are still being connected
                    await until(lambda v=viewer: bool(v.numbers), "a picture")
                if i % 2 == 0:
                    assert await server.delete(performer.location) == 200
                await performer.close()
                await viewer.close()
                await until(lambda: not server.studio.sessions, "the end of the session")

    within(60, show)
