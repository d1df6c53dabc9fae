"""What a page and a streamer's tools ask of the server, beside the pictures."""

import asyncio
import json
import threading
from dataclasses import replace
from io import BytesIO
from itertools import chain, pairwise
from operator import itemgetter

import cv2
import numpy as np
import pytest

from engine.errors import BackendError, BadLook, BundleDamaged
from engine.studio import backdrops
from engine.studio.backdrops import MAX_BYTES, Backdrops, picture_size
from engine.studio.director import Director
from engine.studio.looks import LAST, Look, Presets, load_preset, preset_json
from tests.webrtc.studio import NAMES, actor, mirrors, running, until, within


def png(width: int = 32, height: int = 16) -> bytes:
    return cv2.imencode(".png", np.full((height, width, 3), 77, np.uint8))[1].tobytes()


def jpeg(width: int = 32, height: int = 16) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), 77, np.uint8))[1].tobytes()


async def settings_of(server, location: str, **changes):
    path = f"/api/session/{location.removeprefix('/whip/')}/settings"
    if not changes:
        return await server.get(path)
    async with server.http.patch(server.url(path), json=changes) as response:
        return response.status, await response.json()


def test_characters_and_their_pictures():
    async def show():
        async with running() as server:
            performer = await server.perform()
            name = performer.location.removeprefix("/whip/")
            told = (await server.get("/api/characters", params={"session": name}))["characters"]
            assert [(c["name"], c["is_active"]) for c in told] == [("Ito", True), ("Double", False)]
            assert all(c["licence"] and c["author"] for c in told)
            async with server.http.get(server.url(told[0]["thumbnail"])) as response:
                assert response.content_type == "image/png"
                picture = cv2.imdecode(
                    np.frombuffer(await response.read(), np.uint8), cv2.IMREAD_UNCHANGED
                )
            assert picture.shape[2] == 4
            assert max(picture.shape) <= 256
            for path in ("/api/characters/Nobody/thumbnail", "/api/characters?session=none"):
                async with server.http.get(server.url(path)) as response:
                    assert response.status == 404

    within(20, show)


def test_settings_change_while_the_show_runs_and_are_kept(tmp_path):
    async def show():
        async with running(folder=tmp_path) as server:
            performer = await server.perform()
            assert (
                await settings_of(server, performer.location) == Look(character="Ito").model_dump()
            )
            session = next(iter(server.studio.sessions.values()))
            status, look = await settings_of(
                server, performer.location, character="Double", background="#00ff00", mirror=True,
                smoothing="none", layout="side-by-side", show_pose=True,
            )  # fmt: skip
            assert status == 200
            assert look == await settings_of(server, performer.location)
            show = session._show
            assert show.motion.mirror
            assert show.composite.layout == "side-by-side"
            assert show.cast.wished.bundle.name == "Double"
            assert show.controls.show_pose
            for wrong in (
                {"character": "Nobody"}, {"background": "/etc/passwd"}, {"background": "octarine"},
                {"background": "image:0123456789abcdef"}, {"mirror": "yes"}, {"unknown": 1},
                {"layout": "upside-down"}, {"background": "../x.png", "mirror": False},
            ):  # fmt: skip
                status, said = await settings_of(server, performer.location, **wrong)
                assert status == 400, wrong
                assert said["error"]
            assert look == await settings_of(server, performer.location)
            await server.delete(performer.location)
            # The next one begins so, but for what shows the performer.
            again = await server.perform()
            kept = Look.model_validate(look).model_copy(update={"layout": "character"})
            assert await settings_of(server, again.location) == kept.model_dump()
        async with running(folder=tmp_path, look=Look(background="blue")) as server:
            performer = await server.perform()
            assert (await settings_of(server, performer.location))["background"] == "blue"

    within(30, show)


def test_characters_come_while_the_show_runs():
    opened, slow = [], threading.Event()

    def make(source, sink, clock, first):
        show = mirrors(names=NAMES[:1])(source, sink, clock, first)

        def recruit(name):
            opened.append(name)
            assert slow.wait(10)
            if name == "Broken":
                raise BackendError("it cannot be drawn")
            if name != "Double":
                raise KeyError(name)
            return actor(name)

        return replace(show, recruit=recruit)

    async def show():
        async with running(make) as server:
            performer = await server.perform()
            await until(lambda: bool(performer.numbers), "pictures before all are there")
            change = asyncio.create_task(
                settings_of(server, performer.location, character="Double")
            )
            seen = len(performer.numbers)
            await until(lambda: len(performer.numbers) > seen + 5, "pictures meanwhile")
            assert not change.done()
            slow.set()
            assert (await change)[1]["character"] == "Double"
            assert opened == ["Double"]  # made ready before it was asked for, and once
            assert (await settings_of(server, performer.location, character="Nobody"))[0] == 400
            session = next(iter(server.studio.sessions.values()))
            cast = session._show.cast
            await server.delete(performer.location)
            cast.close()  # as the last stage of a true show does
            late = actor("late")
            cast.add(late)
            assert late.generator._backend.closed

    within(20, show)


def test_calibration():
    async def show():
        async with running() as server:
            performer = await server.perform()
            name = performer.location.removeprefix("/whip/")
            path = server.url(f"/api/session/{name}/calibrate")
            async with server.http.post(path) as response:
                assert response.status == 202
                assert (await response.json())["state"] == "countdown"
            async with server.http.post(path, json={"countdown_s": 0}) as response:
                assert response.status == 202
            assert (await server.get(f"/api/session/{name}"))["calibration"]["left_s"] == 0
            for wrong in ('{"countdown_s": 11}', '{"countdown_s": -1}', '{"countdown_s": "x"}',
                          '{"countdown_s": NaN}', "[]", "{", "null"):  # fmt: skip
                async with server.http.post(path, data=wrong) as response:
                    assert response.status == 400, wrong

    within(20, show)


def test_backgrounds_are_pictures_and_nothing_else(tmp_path):
    async def show():
        async with running(folder=tmp_path) as server:
            performer = await server.perform()

            async def send(data, kind="image/png"):
                async with server.http.post(
                    server.url("/api/backgrounds"),
                    data=BytesIO(data),
                    headers={"Content-Type": kind},
                ) as response:
                    return response.status, await response.json()

            status, said = await send(png())
            assert status == 201
            status, look = await settings_of(server, performer.location, **said)
            assert (status, look["background"]) == (200, said["background"])
            assert (await send(jpeg(), "image/jpeg"))[0] == 201
            assert (await send(b"GIF89a" + bytes(100)))[0] == 400
            assert (await send(png()[:40]))[0] == 400
            assert (await send(png(), "text/plain"))[0] == 415
            assert (await send(bytes(MAX_BYTES + 1)))[0] == 413
        async with (
            running() as server,
            server.http.post(
                server.url("/api/backgrounds"), data=png(), headers={"Content-Type": "image/png"}
            ) as response,
        ):
            assert response.status == 400

    within(20, show)


def test_a_picture_that_is_there_already_drives_no_other_out(tmp_path, monkeypatch):
    monkeypatch.setattr(backdrops, "MAX_PICTURES", 2)
    kept = Backdrops(tmp_path)
    first, second = kept.add(png(32, 16)), kept.add(png(16, 32))
    assert kept.add(png(16, 32)) == second
    assert kept.has(first)
    third = kept.add(png(8, 8))
    assert [kept.has(name) for name in (first, second, third)] == [False, True, True]


@pytest.mark.parametrize("encode", [png, jpeg])
def test_the_size_of_a_picture_is_read_without_decoding_it(encode):
    assert picture_size(encode(123, 45)) == (123, 45)
    for end in range(0, len(encode()), 7):  # never more than an answer
        picture_size(encode()[:end])


def test_a_picture_that_claims_gigabytes_is_refused(tmp_path):
    bomb = bytearray(png())
    bomb[16:24] = (60_000).to_bytes(4) * 2
    with pytest.raises(BadLook, match="million"):
        Backdrops(tmp_path).add(bytes(bomb))


def test_presets(tmp_path):
    async def show():
        async with running(folder=tmp_path) as server:
            green = json.loads(preset_json(Look(background="green")))
            async with server.http.put(server.url("/api/presets/green"), json=green) as response:
                assert response.status == 204
            assert (await server.get("/api/presets"))["presets"] == ["green"]
            assert await server.get("/api/presets/green") == green
            performer = await server.perform(query="?preset=green")
            name = performer.location.removeprefix("/whip/")
            assert await server.get(f"/api/session/{name}/preset") == green | {"character": "Ito"}
            path = server.url(f"/api/session/{name}/preset")
            async with server.http.put(path, json=green | {"background": "red"}) as response:
                assert (await response.json())["background"] == "red"
            assert (await server.get("/api/presets/green"))["background"] == "red"
            async with server.http.put(path, json=green | {"schema_version": 9}) as response:
                assert response.status == 400
            assert (await server.perform(query="?preset=none")).status == 400
            assert await server.delete("/api/presets/green") == 204
            assert await server.delete("/api/presets/green") == 404
            async with server.http.get(server.url("/api/presets/%2e%2e%2fx")) as response:
                assert response.status in (400, 404)

    within(20, show)


@pytest.mark.parametrize("kept", [True, False])
def test_presets_by_name(tmp_path, kept):
    presets = Presets(tmp_path / "presets" if kept else None)
    assert presets.names() == []
    presets.put("evening", Look(mirror=True))
    assert presets.names() == ["evening"]
    assert presets.get("evening") == Look(mirror=True)
    assert presets.get(LAST) is None
    assert presets.delete("evening")
    assert not presets.delete("evening")
    for name in ("", "..", "a/b", "x" * 41, "a.json"):
        with pytest.raises(BadLook):
            presets.put(name, Look())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 2}', '"x"',
                                  '{"schema_version": 1, "mirror": 1}'])  # fmt: skip
def test_presets_that_are_none(tmp_path, text):
    path = tmp_path / "preset.json"
    path.write_text(text)
    with pytest.raises(BadLook, match="preset"):
        load_preset(path)


def test_what_is_not_there_any_more_is_left_out(tmp_path):
    Presets(tmp_path / "presets").put(
        LAST, Look(character="Gone", background="image:0123456789abcdef", mirror=True)
    )

    async def show():
        async with running(folder=tmp_path) as server:
            performer = await server.perform()
            look = await settings_of(server, performer.location)
            assert look == Look(character=NAMES[0], mirror=True).model_dump()

    within(20, show)


def test_alpha_is_packed_below_the_colour():
    async def show():
        async with running() as server:
            performer = await server.perform()
            plain = await server.view(performer.location)
            packed = await server.view("/whip/first", query="?packed-alpha=1")
            await until(lambda: len(packed.numbers) >= 20 and len(plain.numbers) >= 5, "pictures")
            assert plain.sizes == {(64, 64)}
            assert packed.sizes == {(128, 64)}
            assert packed.numbers == packed.alphas  # in the mirror, both are the number
            assert packed.numbers == sorted(packed.numbers)
            alone = await server.perform(query="?packed-alpha=1")
            await until(lambda: len(alone.numbers) >= 5, "pictures")
            assert alone.sizes == {(128, 64)}

    within(30, show)


def test_every_picture_is_told_of():
    async def show():
        async with running() as server:
            performer = await server.perform(channel=True)
            await until(lambda: len(performer.facts) >= 30, "30 pictures told of")
            # Messages may overtake each other.
            facts = sorted(performer.facts[5:30], key=itemgetter("sequence"))
            stamps = [fact["rtp_timestamp"] for fact in facts]
            steps = {(b - a) % 2**32 for a, b in pairwise(stamps)}
            assert all(0 < step < 2**31 for step in steps)
            for fact in facts:
                assert fact["type"] == "frame"
                assert fact["character"] == "Ito"
                assert list(fact["stages"]) == ["mirror", "encode"]
                stages = chain.from_iterable(fact["stages"].values())
                times = [fact["captured_ms"], *stages, fact["sent_ms"]]
                assert times == sorted(times)
            # The pictures' own time stamps: 30 a second, at 90 kHz.
            first = facts[0]
            for fact in facts:
                passed = (fact["source_rtp_timestamp"] - first["source_rtp_timestamp"]) % 2**32
                expected = 3000 * (fact["sequence"] - first["sequence"])
                assert passed == pytest.approx(expected, abs=2)  # aiortc rounds
            performer.facts.clear()
            for said in ("ping", "{}", "[" * 400, json.dumps({"type": "ping", "t0": "x"}),
                         b"\x00", "x" * 10_000):  # fmt: skip
                performer.channel.send(said)
            performer.channel.send(json.dumps({"type": "ping", "t0": 12.5}))

            def pongs():
                return [fact for fact in performer.facts if fact["type"] == "pong"]

            await until(lambda: pongs() != [], "the pong")
            [pong] = pongs()
            assert pong["t0"] == 12.5
            assert pong["t1"] <= pong["t2"]
            other = performer.connection.createDataChannel("other")
            again = performer.connection.createDataChannel("ayatsuri")
            await until(
                lambda: other.readyState == again.readyState == "closed", "other channels' end"
            )
            report = await server.get(performer.location)
            assert report["connections"][0]["telemetry"]["sent"] >= 30

    within(30, show)


async def _control(server):
    socket = await server.http.ws_connect(server.url("/api/control"))

    async def ask(**message):
        await socket.send_json({"id": 7, **message})
        while True:
            answer = await socket.receive_json(timeout=5)
            if answer["type"] in ("answer", "error"):
                assert answer["id"] in (7, None)
                return answer

    return socket, ask


def test_control_over_a_websocket(tmp_path, monkeypatch):
    async def cannot_be_opened(director, name):
        raise BundleDamaged(f"{name} is damaged")

    async def show():
        async with running(folder=tmp_path) as server:
            socket, ask = await _control(server)
            assert (await ask(do="state"))["sessions"] == []
            assert "nobody performs yet" in (await ask(do="set", settings={}))["error"]
            performer = await server.perform()
            other, ask_other = await _control(server)
            assert (await ask(do="set", settings={"mirror": True}))["settings"]["mirror"]
            told = [await other.receive_json(timeout=5)]
            assert told[0]["type"] == "settings"
            assert told[0]["session"] == performer.location.removeprefix("/whip/")
            assert (await ask_other(do="press", key="n"))["settings"]["character"] == "Double"
            assert (await ask(do="calibrate", countdown_s=1))["calibration"]["state"] == "countdown"
            assert "error" in await ask(do="press", key="q")
            assert "error" in await ask(do="set", settings={"character": "Nobody"})
            with monkeypatch.context() as damaged:
                damaged.setattr(Director, "recruit", cannot_be_opened)
                told = await ask(do="set", settings={"character": "Ito"})
                assert "damaged" in told["error"]  # and the connection goes on
            assert "error" in await ask(do="set", session="nobody", settings={})
            assert "error" in await ask(do="wear", preset="none")
            assert "error" in await ask(do="dance")
            assert (await ask(do="wear", preset=LAST))["settings"]["mirror"]
            for wrong in ("", "[]", "{", '"x"'):
                await socket.send_str(wrong)
            for _ in range(4):
                while (await socket.receive_json(timeout=5))["type"] != "error":
                    pass
            await server.delete(performer.location)
            while (event := await other.receive_json(timeout=5))["type"] != "session":
                pass
            assert event["state"] == "ended"
            await socket.send_str("x" * 5000)
            while not (await socket.receive(timeout=5)).type.name.startswith("CLOS"):
                pass
            async with server.http.get(server.url("/api/control")) as response:
                assert response.status == 426
            async with server.http.get(
                server.url("/api/control"), headers={"Origin": "http://evil.example"}
            ) as response:
                assert response.status == 403
            await other.close()

    within(30, show)


def test_a_listener_who_never_reads_is_let_go():
    from engine.studio.events import Events

    async def show():
        events = Events()
        with events.listen() as slow, events.listen() as quick:
            for number in range(100):
                events.tell({"number": number})
                assert await quick.get() == {"number": number}
            assert await slow.get() is None
            assert slow.empty()

    within(5, show)


def test_tokens_in_the_address_are_for_looking_only():
    async def show():
        token = "a long and secret token"
        async with running(token=token) as server:
            query = {"access_token": token}
            assert (await server.get("/api/characters", params=query))["characters"]
            async with server.http.ws_connect(server.url("/api/control"), params=query) as socket:
                await socket.close()
            async with server.http.put(
                server.url("/api/presets/x"), params=query, json={}
            ) as response:
                assert response.status == 401
            wrong = {"access_token": "another"}
            async with server.http.get(server.url("/config"), params=wrong) as response:
                assert response.status == 401

    within(10, show)


def test_metrics_and_rates():
    async def show():
        async with running(offers_per_s=0.01, offers_burst=3) as server:
            performer = await server.perform()
            await until(lambda: len(performer.numbers) >= 5, "pictures")
            async with server.http.get(server.url("/metrics")) as response:
                text = await response.text()
            for line in ("ayatsuri_sessions 1.0", "ayatsuri_sessions_opened_total 1.0",
                         'ayatsuri_requests_refused_total{reason="rate"} 0.0',
                         "process_open_fds"):  # fmt: skip
                assert line in text, line
            statuses = [(await server.post("/whip", "v=0")).status for _ in range(4)]
            assert statuses == [400, 400, 429, 429]
            async with server.http.get(server.url("/healthz")) as response:
                assert response.status == 200  # looking is not bounded by it
            async with server.http.get(server.url("/metrics")) as response:
                assert 'refused_total{reason="rate"} 2.0' in await response.text()

    within(20, show)


def test_a_server_that_ends_lets_shows_go_on_for_a_while():
    async def show():
        async with running(drain_s=5.0) as server:
            performer = await server.perform()
            draining = asyncio.create_task(server.studio.drain())
            await asyncio.sleep(0.1)
            assert not draining.done()
            assert (await server.perform()).status == 503
            async with server.http.get(server.url("/readyz")) as response:
                assert response.status == 503
            seen = len(performer.numbers)
            await until(lambda: len(performer.numbers) > seen + 3, "pictures meanwhile")
            await server.delete(performer.location)
            await draining

    within(20, show)
