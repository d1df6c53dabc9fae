"""Certificates and logs of the server."""

import json
import logging
import ssl
import stat
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from engine.app import Options
from engine.errors import BadLook, StudioError
from engine.studio import certificate, logs
from engine.studio.run import asked_for
from engine.studio.settings import Settings, default_folder
from tests.webrtc.studio import within


def test_a_certificate_is_made_once_and_fits_its_names(tmp_path):
    folder = tmp_path / "certificate"
    made = certificate.ensure(folder, ("localhost", "192.168.1.7", "127.0.0.1", "::1"))
    assert made.origins(8420)[1:] == (
        "https://192.168.1.7:8420", "https://127.0.0.1:8420", "https://[::1]:8420",
    )  # fmt: skip
    if sys.platform != "win32":
        assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = certificate.ensure(folder, ("localhost", "127.0.0.1"))
    assert again.fingerprint == made.fingerprint
    other = certificate.ensure(folder, ("localhost", "10.0.0.1"))  # the machine has moved
    assert other.fingerprint != made.fingerprint
    made.certificate.write_text("garbage")
    assert certificate.ensure(folder, ("localhost",)).fingerprint != other.fingerprint
    Settings(
        host="0.0.0.0", token="a long and secret token", certificate=made.certificate,
        key=made.key, origins=made.origins(8420),
    )  # fmt: skip
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="no certificate"):
        certificate.ensure(tmp_path / "file", ("localhost",))


def test_a_certificate_whose_making_broke_off_is_made_anew(tmp_path, monkeypatch):
    """Else a server with the new key and the old certificate never starts again."""
    certificate.ensure(tmp_path, ("localhost",))
    write_bytes = Path.write_bytes

    def full(path, data):
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StudioError, match="full"):
        certificate.ensure(tmp_path, ("localhost", "10.0.0.1"))
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    made = certificate.ensure(tmp_path, ("localhost",))
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(made.certificate, made.key)


def test_this_machine_has_names():
    names = certificate.machine_names()
    assert {"localhost", "127.0.0.1", "::1"} <= set(names)
    assert all("%" not in name for name in names)


def test_a_client_that_trusts_the_certificate_gets_in(tmp_path):
    made = certificate.ensure(tmp_path, ("localhost", "127.0.0.1"))

    async def show():
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(made.certificate, made.key)
        runner = web.AppRunner(web.Application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        trust = ssl.create_default_context(cafile=str(made.certificate))
        async with (
            ClientSession() as http,
            http.get(f"https://127.0.0.1:{runner.addresses[0][1]}/", ssl=trust) as response,
        ):
            assert response.status == 404
        await runner.cleanup()

    within(10, show)


def test_logs_are_lines_of_json(capsys):
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("engine").level
    try:
        logs.begin(as_json=True)
        log = logging.getLogger("engine.studio.test")
        log.info("session %s", "x", extra={"session": "x", "viewers": 2})
        logging.getLogger("aioice").info("chatter")
        try:
            raise ValueError("a reason")
        except ValueError:
            log.exception("it broke")
        first, second = map(json.loads, capsys.readouterr().err.splitlines())
        assert (first["message"], first["session"], first["viewers"]) == ("session x", "x", 2)
        assert first["level"] == "info"
        assert first["time"].endswith("+00:00")
        assert "a reason" in second["exception"]
    finally:
        root.handlers[:], root.level = before[0], before[1]
        logging.getLogger("engine").setLevel(before[2])


def test_what_was_asked_for_on_the_command_line(tmp_path, monkeypatch):
    settings = Settings(folder=tmp_path)
    assert asked_for(Options(), settings) == {}
    assert asked_for(Options(mirror=True, background="green"), settings) == {
        "mirror": True, "background": "green",
    }  # fmt: skip
    picture = tmp_path / "room.png"
    import cv2
    import numpy as np

    cv2.imwrite(str(picture), np.zeros((4, 4, 3), np.uint8))
    assert asked_for(Options(background=str(picture)), settings)["background"].startswith("image:")
    with pytest.raises(BadLook, match="background"):
        asked_for(Options(background=str(tmp_path / "nothing.png")), settings)
    monkeypatch.setenv("AYATSURI_CONFIG", str(tmp_path / "here"))
    assert default_folder() == tmp_path / "here"
