"""What every test of the studio needs: its packages, and connections over loopback."""

from importlib.util import find_spec
from pathlib import Path

import pytest

MISSING = [
    package for package in ("aiohttp", "aiortc", "prometheus_client") if find_spec(package) is None
]


class _WithoutItsPackages(pytest.Module):
    def collect(self):
        pytest.skip(
            f"the studio needs {' and '.join(MISSING)}: pip install -e '.[studio]'",
            allow_module_level=True,
        )


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Skips these modules, visibly, where they cannot even be imported."""
    return _WithoutItsPackages.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture(autouse=True)
def over_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioice leaves 127.0.0.1 out, and a build machine need not have another address."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
