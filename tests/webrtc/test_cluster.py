"""`ayatsuri serve --ray` on this machine: places, characters, the way back, the end."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from aiohttp import ClientSession

from engine.app import DEFAULT_CHARACTER
from engine.errors import StudioError
from tests.bundles import rewrite_manifest
from tests.marks import needs_pose_model
from tests.webrtc.studio import Running, until, within

pytest.importorskip("ray.serve", reason="pip install -c constraints.txt -e '.[studio,ray]'")

from engine.studio.cluster import Fleet  # it imports Ray


def test_replicas_are_read_from_words():
    assert (Fleet.parse("3").least, Fleet.parse("3").most) == (3, 3)
    assert (Fleet.parse("1:8").least, Fleet.parse("1:8").most) == (1, 8)
    for wrong in ("0", "3:2", "x", "1:2:3", ""):
        with pytest.raises(StudioError, match="LEAST:MOST"):
            Fleet.parse(wrong)


@pytest.mark.slow
@needs_pose_model
def test_two_performers_on_two_replicas_and_an_orderly_end(tmp_path):
    double = shutil.copy(DEFAULT_CHARACTER, tmp_path / "double.character")
    rewrite_manifest(double, name="Double")
    log = tmp_path / "log"
    environment = os.environ | {"AYATSURI_CONFIG": str(tmp_path / "settings")}
    with log.open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "-c", "from engine.cli import main; main()", "serve", "--ray",
             "--replicas", "1:2", "--sessions", "1", "--replica-cpus", "0.5", "--drain", "2",
             "--port", "8437", "-c", str(DEFAULT_CHARACTER), "-c", str(double)],
            stdout=said, stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip

    async def show():
        def text() -> str:
            assert server.poll() is None, log.read_text()
            return log.read_text()

        await until(lambda: "the studio is open" in text(), "the server", 240)
        async with ClientSession() as http:
            studio = Running(SimpleNamespace(sessions=()), 8437, http)
            try:
                first = await studio.perform(query="?character=Ito")
                assert first.status == 201, first.said
                deadline = time.monotonic() + 120
                second = await studio.perform(query="?character=Double")
                while second.status == 503 and time.monotonic() < deadline:  # a replica starts
                    second = await studio.perform(query="?character=Double")
                assert second.status == 201, second.said
                await until(lambda: bool(first.numbers and second.numbers), "both", 30)
                assert (await studio.perform()).status == 503
                for performer, name in ((first, "Ito"), (second, "Double")):
                    session = performer.location.rpartition("/")[2]
                    settings = await studio.get(f"/api/session/{session}/settings")
                    assert settings["character"] == name
                viewer = await studio.view(second.location)
                await until(lambda: bool(viewer.numbers), "a viewer's pictures", 30)
                assert await studio.delete(first.location) == 200
                server.send_signal(signal.SIGTERM)
                await until(lambda: server.poll() is not None, "the end", 60)
                assert server.returncode == 0, log.read_text()
            finally:
                for client in studio.clients:
                    await client.close()

    try:
        within(480, show)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
    assert not re.search("Traceback", log.read_text())
