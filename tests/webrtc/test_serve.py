"""`ayatsuri serve` itself: a process of its own that listens, says where, and ends in order."""

import datetime
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import engine
from engine.errors import StudioError
from engine.studio import run
from engine.studio.settings import Settings
from tests.marks import needs_pose_model
from tests.ports import free_port

TOKEN = "a long and secret token"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-made certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, key_pem = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return pem, key_pem


@needs_pose_model
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_over_https_and_ends_when_told(tmp_path, end):
    pem, key = certificate(tmp_path)
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable, "-c", "from engine.cli import main; main()", "serve",
            "--port", str(port), "--token", TOKEN, "--cert", str(pem), "--key", str(key),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"AYATSURI_CONFIG": str(tmp_path / "config")},
        cwd=Path(engine.__file__).parent.parent,
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(pem))

    def get(path: str, **headers: str) -> int:
        request = urllib.request.Request(f"https://localhost:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    try:
        for _ in range(600):
            try:
                assert get("/readyz") == 200
                break
            except urllib.error.URLError:
                assert process.poll() is None, process.communicate()
                time.sleep(0.1)
        assert get("/") == 200
        assert get("/config") == 401
        assert get("/config", Authorization=f"Bearer {TOKEN}") == 200
        process.send_signal(end)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, err
    assert f"https://127.0.0.1:{port}/" in out
    assert "loading the studio, for Ito" in err.splitlines()[0]
    assert "loading ito.character, and what finds the performer's pose" in err


def test_what_cannot_be_served_is_explained(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "Gallery", lambda characters: pytest.fail("it is told too late"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StudioError, match="--port"):
            run.serve(Settings(port=taken.getsockname()[1]))
    nothing = tmp_path / "nothing.pem"
    with pytest.raises(StudioError, match="certificate"):
        run.serve(Settings(certificate=nothing, key=nothing))
