"""A self-made certificate for the home network.

Browsers give a camera to HTTPS pages only, and nobody issues certificates for 192.168.x.y. This one
names all of this machine's names and addresses. A browser that does not know it warns once; compare
the fingerprint then.
"""

import datetime
import ipaddress
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ifaddr
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from engine.errors import StudioError

_DAYS: Final = 397  # browsers take no longer ones
_RENEW_DAYS: Final = 14  # before its end
_CERTIFICATE, _KEY = "certificate.pem", "key.pem"


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate and its key, in files.

    Attributes:
        certificate, key: PEM; the key is readable by its owner only.
        names: host names and addresses that it is for.
        fingerprint: its SHA-256, as browsers show it.
    """

    certificate: Path
    key: Path
    names: tuple[str, ...]
    fingerprint: str

    def origins(self, port: int) -> tuple[str, ...]:
        """The addresses of the server's own pages."""
        return tuple(
            f"https://[{name}]:{port}" if ":" in name else f"https://{name}:{port}"
            for name in self.names
        )


def ensure(folder: Path, names: tuple[str, ...] | None = None) -> Made:
    """The certificate in a folder; made where there is none, or where it does not fit any more.

    Args:
        folder: of this user alone.
        names: what it is for; None: this machine's names and addresses as of now.

    Raises:
        StudioError: the folder cannot be written to.
    """
    names = machine_names() if names is None else names
    try:
        kept = _load(folder, names)
        return _make(folder, names) if kept is None else kept
    except OSError as error:
        raise StudioError(f"no certificate can be kept in {folder}: {error}") from error


def machine_names() -> tuple[str, ...]:
    """The names and addresses by which others may reach this machine, and its own."""
    host = socket.gethostname().lower()
    names = {"localhost", host, f"{host.partition('.')[0]}.local"}
    addresses = {"127.0.0.1", "::1"}
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            address = ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
            if not address.is_link_local:  # those need a zone, which no certificate names
                addresses.add(str(address))
    return (*sorted(names), *sorted(addresses))


def _load(folder: Path, names: tuple[str, ...]) -> Made | None:
    pem, key = folder / _CERTIFICATE, folder / _KEY
    if not (pem.is_file() and key.is_file()):
        return None
    try:
        certificate = x509.load_pem_x509_certificate(pem.read_bytes())
        said = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    found = {str(name.value) for name in said}
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    if not set(names) <= found or left < datetime.timedelta(days=_RENEW_DAYS):
        return None
    return Made(pem, key, names, _fingerprint(certificate))


def _make(folder: Path, names: tuple[str, ...]) -> Made:
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ayatsuri on this machine")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        # Were it trusted by hand, it could still vouch for nobody else.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem, key = folder / _CERTIFICATE, folder / _KEY
    pem.unlink(missing_ok=True)  # first: one without its key is never taken for a pair
    key.unlink(missing_ok=True)
    handle = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Made(pem, key, names, _fingerprint(certificate))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
