"""Clients that are wrong, foreign or too many."""

import re

import pytest

from engine.errors import StudioError
from engine.studio.settings import IceServer, Settings
from tests.webrtc.studio import running, until, within

TOKEN = "a long and secret token"


async def _an_offer(server) -> str:
    client = server._client()
    client.connection.addTransceiver("video", direction="sendrecv")
    await client.connection.setLocalDescription(await client.connection.createOffer())
    return client.connection.localDescription.sdp


def test_garbage_is_answered_with_400_and_leaves_nothing():
    async def show():
        async with running() as server:
            offer = await _an_offer(server)
            lines = offer.splitlines(keepends=True)
            wrong = [
                "", "garbage", "v=0\r\n", b"\xff\xfe\x00", offer[: len(offer) // 2],
                offer.replace("m=video", "m=audio"), offer.replace("a=fingerprint", "a=x"),
                offer.replace("sendrecv", "recvonly"), "".join(sorted(lines)),
                offer.replace("VP8", "VP9").replace("H264", "AV1"),
            ]  # fmt: skip
            for body in wrong:
                response = await server.post("/whip", body)
                assert response.status == 400, (response.status, body)
                assert (await response.json())["error"]
                assert not server.studio.sessions
            # What may pass for an offer or not, lines left out among it: there is an answer.
            doubtful = [
                offer.replace("a=candidate:", "a=candidate:x "), offer + "".join(lines[5:]),
                offer.replace("0", "\x00"), offer.replace("a=mid:0", "a=mid:9"),
                offer.replace("a=rtpmap", "a=rtpmop"),
                offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP 9 9"),
                *("".join(lines[:i] + lines[i + 1 :]) for i in range(len(lines))),
            ]  # fmt: skip
            for body in doubtful:
                response = await server.post("/whip", body)
                assert response.status in (201, 400), (response.status, body)
                if response.status == 201:
                    assert await server.delete(response.headers["Location"]) == 200
                assert not server.studio.sessions

    within(60, show)


def test_an_oversized_offer_is_not_read():
    async def show():
        async with running(offer_bytes=1000) as server:
            assert (await server.post("/whip", "v=0\r\n" + "a=x\r\n" * 1000)).status == 413

    within(10, show)


def test_an_offer_must_say_that_it_is_one():
    async def show():
        async with running() as server:
            response = await server.post("/whip", "v=0", {"Content-Type": "application/json"})
            assert response.status == 415
            assert (await server.http.patch(server.url("/whip/x"))).status == 405
            assert (await server.http.get(server.url("/nothing"))).status == 404
            assert (await server.post("/whep/nobody", "v=0")).status == 404

    within(10, show)


def test_a_token_is_asked_for():
    async def show():
        async with running(token=TOKEN) as server:
            offer = await _an_offer(server)
            for wrong in (None, "", TOKEN, "Bearer", "Bearer nearly", f"bearer {TOKEN}x"):
                headers = {} if wrong is None else {"Authorization": wrong}
                response = await server.post("/whip", offer, headers)
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
                async with server.http.get(server.url("/config"), headers=headers) as response:
                    assert response.status == 401
            for path in ("/", "/obs", "/privacy", "/healthz", "/readyz"):
                async with server.http.get(server.url(path)) as response:
                    assert response.status == 200, path
            bearer = {"Authorization": f"Bearer {TOKEN}"}
            performer = await server.perform(headers=bearer)
            await until(lambda: bool(performer.numbers), "a picture")
            assert await server.delete(performer.location) == 401
            assert await server.delete(performer.location, headers=bearer) == 200

    within(20, show)


def test_foreign_pages_are_refused():
    async def show():
        friend = "https://friend.example:8443"
        async with running(origins=(friend,)) as server:
            offer = await _an_offer(server)
            own = f"http://127.0.0.1:{server.port}"
            evil = f"http://evil.example:{server.port}"
            for origin in (evil, "null", "http://127.0.0.1:1", own.replace("http:", "https:")):
                response = await server.post("/whip", offer, {"Origin": origin})
                assert response.status == 403, origin
                assert "Access-Control-Allow-Origin" not in response.headers
            rebound = {"Origin": evil, "Host": f"evil.example:{server.port}"}
            assert (await server.post("/whip", offer, rebound)).status == 403
            for origin in (own, own.replace("127.0.0.1", "localhost"), friend):
                response = await server.post("/whip", offer, {"Origin": origin})
                assert response.status == 201, origin
                assert response.headers["Access-Control-Allow-Origin"] == origin
                assert await server.delete(response.headers["Location"]) == 200
            async with server.http.options(server.url("/whip"), headers={"Origin": friend}) as got:
                assert got.status == 204
                assert "POST" in got.headers["Access-Control-Allow-Methods"]

    within(20, show)


def test_performers_and_viewers_are_capped():
    async def show():
        async with running(sessions=1, viewers=1) as server:
            assert (await server.get("/readyz"))["ready"]
            first = await server.perform()
            assert not (await server.get("/readyz"))["ready"]
            second = await server.perform()
            assert second.status == 503
            viewer = await server.view(first.location)
            assert viewer.status == 201
            assert (await server.view(first.location)).status == 503
            assert await server.delete(viewer.location) == 200
            assert (await server.view(first.location)).status == 201
            assert await server.delete(first.location) == 200
            assert (await server.perform()).status == 201

    within(30, show)


def test_a_viewer_cannot_send():
    async def show():
        async with running() as server:
            performer = await server.perform()
            path = performer.location.replace("whip", "whep")
            offer = await _an_offer(server)
            response = await server.post(path, offer)
            assert response.status == 201
            assert "a=sendonly" in await response.text()
            assert "a=sendrecv" not in await response.text()
            wrong = offer.replace("a=sendrecv", "a=sendonly")
            assert (await server.post(path, wrong)).status == 400

    within(20, show)


def test_ice_servers_are_told():
    async def show():
        servers = (IceServer.parse("turn:user:pass@127.0.0.1:9"),)
        async with running(ice_servers=servers) as server:
            [told] = (await server.get("/config"))["iceServers"]
            assert told == {
                "urls": "turn:127.0.0.1:9", "username": "user", "credential": "pass"
            }  # fmt: skip

    within(10, show)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": "0.0.0.0"}, "--token, --cert and --key, --origin"),
        ({"token": "short"}, "openssl rand"),
        ({"origins": ("studio.local",)}, "an origin is"),
        ({"origins": ("https://studio.local/",)}, "an origin is"),
        ({"certificate": "cert.pem"}, "--cert and --key"),
    ],
)
def test_settings_that_do_not_go_together(wrong, says):
    with pytest.raises(StudioError, match=says):
        Settings(**wrong)


@pytest.mark.parametrize("wrong", ["", "stun", "http:host", "turn:host:1", "stun:"])
def test_wrong_ice_servers(wrong):
    with pytest.raises(StudioError):
        IceServer.parse(wrong)


def test_the_pages_are_whole():
    async def show():
        async with running() as server:
            for page in ("/", "/obs", "/privacy"):
                async with server.http.get(server.url(page)) as response:
                    assert response.content_type == "text/html"
                    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                    text = await response.text()
                parts = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', text)
                assert {part.rpartition(".")[2] for part in parts} >= {"css", "svg"}, page
                for part in parts:
                    async with server.http.get(server.url(f"/{part}")) as response:
                        assert response.status == 200, part
                        assert "immutable" in response.headers["Cache-Control"]

    within(10, show)
