"""Processes of Python's own."""

import subprocess
import sys


def run_without(
    packages: tuple[str, ...], code: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run code where packages cannot be imported, as if they were not installed."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({packages!r}))"
    return subprocess.run(
        [sys.executable, "-c", f"{blocked}\n{code}", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
