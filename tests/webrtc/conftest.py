"""What every test of the studio needs: connections over loopback, and no task left behind."""

from collections.abc import Iterator

import pytest

pytest.importorskip("aiortc", reason="the studio's packages: pip install -e '.[studio]'")
pytest.importorskip("aiohttp", reason="the studio's packages: pip install -e '.[studio]'")


@pytest.fixture(autouse=True)
def over_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """aioice leaves 127.0.0.1 out, and a build machine need not have another address."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    return
