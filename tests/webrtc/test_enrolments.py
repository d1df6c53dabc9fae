"""A drawing is sent to the studio, and becomes a character there."""

import asyncio
import json
import threading
from io import BytesIO

import cv2
import numpy as np
import pytest
from aiohttp import FormData

from engine.app import DEFAULT_CHARACTER
from engine.character import CharacterBundle
from engine.errors import BadLook, NoFigure
from engine.studio.enrolments import Enrolments, add_kept, file_for
from engine.studio.gallery import Gallery
from tests.webrtc.studio import running, within


def drawing() -> bytes:
    """Ito on paper: PNG."""
    reference = CharacterBundle.load(DEFAULT_CHARACTER).reference.astype(np.float32)
    alpha = reference[..., 3:] / 255
    paper = reference[..., :3] * alpha + 255 * (1 - alpha)
    large = cv2.resize(paper.astype(np.uint8)[..., ::-1], None, fx=3, fy=3)
    return cv2.imencode(".png", large)[1].tobytes()


def form(data: bytes, name: str = "Ito", file: str = "ito.png") -> FormData:
    made = FormData()
    made.add_field("name", name)
    made.add_field("drawing", BytesIO(data), filename=file, content_type="image/png")
    return made


async def enrolled(server, body: FormData) -> list[dict]:
    """All events of a drawing."""
    async with server.http.post(server.url("/api/enrol"), data=body) as response:
        assert response.status == 201
        identity = (await response.json())["id"]
    path = server.url(f"/api/enrol/{identity}/events")
    async with server.http.get(path) as response:
        assert response.content_type == "text/event-stream"
        assert "default-src" in response.headers["Content-Security-Policy"]
        text = await response.text()
    return [
        json.loads(part.removeprefix("data: "))
        for part in text.split("\n\n")
        if part.startswith("data: ")
    ]


@pytest.mark.slow
def test_a_drawing_becomes_a_character(tmp_path):
    async def show():
        async with running(folder=tmp_path) as server:
            gallery = server.studio.gallery  # the tests share it
            events = await enrolled(server, form(drawing()))
            shares = [event["share"] for event in events]
            assert shares == sorted(shares)
            assert len(events) >= 4
            assert all(event["stage"] for event in events)
            notes = [event["note"] for event in events if "note" in event]
            assert notes == ["Ito.png: reduced from 1536 to 1280 pixels"]
            last = events[-1]
            assert "error" not in last
            name = last["done"]["character"]
            assert name not in ("Ito", "Double")  # who are there already
            assert name.startswith("Ito")
            assert last["preview"].startswith("data:image/png;base64,")
            told = await server.get("/api/characters")
            assert name in [character["name"] for character in told["characters"]]
            # The next server of this user has it, too; a damaged one does not hinder it.
            (tmp_path / "characters" / "broken.character").write_bytes(b"nothing")
            another = Gallery()
            add_kept(another, tmp_path)
            assert another.get(name) is not None
            gallery.remove(name)

    within(90, show)


@pytest.mark.slow
def test_a_character_is_refined_by_and_by(tmp_path, monkeypatch):
    """The process that does it is a stand-in; what is done with its bundle is not."""
    from engine.puppet.bundle import write_painted
    from engine.puppet.shipped import shipped_painter

    closed = []

    class Refining:
        def __init__(self, path, tell, *, fps):
            self.path, self.tell = path, tell

        def wait(self):
            write_painted(self.path, shipped_painter(512), None, {"refined": {}}, {})
            self.tell({"stage": "learning", "share": 0.5, "picture": "data:image/png;base64,"})
            self.tell({"told": "it is better now"})

        def close(self):
            closed.append(self.path)

    monkeypatch.setattr("engine.studio.enrolments.Background", Refining)
    monkeypatch.setattr("engine.studio.enrolments.installed", lambda: None)

    async def show():
        async with running(folder=tmp_path, refine=True) as server:
            gallery = server.studio.gallery
            [*_, made, learning, last] = await enrolled(server, form(drawing(), "Mended"))
            assert "mended meanwhile" in made["stage"]
            assert made["done"]["mended"] is True
            name = made["done"]["character"]
            assert (learning["mending"], learning["share"]) == (name, 0.5)
            assert learning["preview"].startswith("data:image/png")
            assert (last["stage"], last["over"]) == ("it is better now", True)
            while gallery.get(name).painter is None:
                await asyncio.sleep(0.05)
            assert closed == [gallery.paths[name]]
            gallery.remove(name)

    within(90, show)


def test_what_nobody_has_thought_of_is_told_too(monkeypatch):
    """Else whoever waits for the character waits for ever."""

    def make(self, name, suffix, data, step, say):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Enrolments, "_make", make)

    async def show():
        async with running() as server:
            [last] = await enrolled(server, form(b""))
            assert "the disk is gone" in last["error"]

    within(20, show)


@pytest.mark.parametrize("said", ["crop it", "use --anyway"])
def test_options_of_the_command_line_are_told_as_such(said, monkeypatch):
    """Who dropped a drawing on a page knows of none."""

    def make(self, name, suffix, data, step, say):
        raise NoFigure(said)

    monkeypatch.setattr(Enrolments, "_make", make)

    async def show():
        async with running() as server:
            [last] = await enrolled(server, form(b""))
            assert last["error"].startswith(said)
            assert ("`ayatsuri adapt`" in last["error"]) == ("--" in said)

    within(20, show)


def test_no_more_drawings_wait_than_may_however_they_come(monkeypatch):
    goes_on = threading.Event()

    def make(self, name, suffix, data, step, say):
        goes_on.wait(10)
        raise BadLook("it was only for the queue")

    async def slowly(request):  # all are there before the first one has been read
        await asyncio.sleep(0.2)
        return "Ito", ".png", b""

    monkeypatch.setattr(Enrolments, "_make", make)
    monkeypatch.setattr("engine.studio.enrolments._parts", slowly)

    async def show():
        async with running() as server:

            async def send():
                async with server.http.post(server.url("/api/enrol"), data=form(b"")) as response:
                    return response.status

            found = await asyncio.gather(*(send() for _ in range(7)))
            goes_on.set()
            assert sorted(found) == [201] * 4 + [503] * 3

    within(20, show)


def test_names_that_differ_in_signs_have_files_of_their_own(tmp_path):
    taken = [file_for(tmp_path, name) for name in ("Mia!", "Mia?", "Mia")]
    assert taken == [tmp_path / "Mia.character"] * 3
    for file in ("Mia.character", "Mia-2.character"):
        (tmp_path / file).touch()
    assert file_for(tmp_path, "Mia?") == tmp_path / "Mia-3.character"
    assert file_for(tmp_path, "???") == tmp_path / "character.character"


def test_what_cannot_become_one_is_told_in_words(tmp_path, monkeypatch):
    async def show():
        async with running(folder=tmp_path) as server:
            [*_, last] = await enrolled(server, form(b"no picture at all"))
            assert last["error"]
            assert not (tmp_path / "characters").exists()
            url = server.url("/api/enrol")
            async with server.http.post(url, json={}) as response:
                assert response.status == 415
            monkeypatch.setattr("engine.studio.enrolments.MAX_BYTES", 1000)
            async with server.http.post(url, data=form(bytes(1001))) as response:
                assert response.status == 413
            empty = FormData(default_to_multipart=True)
            empty.add_field("name", "Nobody")
            async with server.http.post(url, data=empty) as response:
                assert response.status == 400
            async with server.http.get(server.url("/api/enrol/none/events")) as response:
                assert response.status == 404
            monkeypatch.setattr("engine.studio.enrolments.MOST_CHARACTERS", 2)
            async with server.http.post(url, data=form(b"one too many")) as response:
                assert response.status == 503
                assert "characters" in (await response.json())["error"]

    within(40, show)
