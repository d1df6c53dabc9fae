"""Ayatsuri: puppeteer a full-body 2D anime character live.

    from engine import live, puppeteer

    report = puppeteer("dance.mp4", "out.mp4")
    live("webcam:0", "window")

Everything here loads on first use, so that `import engine` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine._version import __version__

if TYPE_CHECKING:
    from engine.app import Options, live, puppeteer
    from engine.character import CharacterBundle
    from engine.errors import AyatsuriError
    from engine.pipeline import Pipeline
    from engine.report import Report

_HOMES = {
    "AyatsuriError": "engine.errors",
    "CharacterBundle": "engine.character",
    "Options": "engine.app",
    "Pipeline": "engine.pipeline",
    "Report": "engine.report",
    "live": "engine.app",
    "puppeteer": "engine.app",
}

__all__ = [
    "AyatsuriError",
    "CharacterBundle",
    "Options",
    "Pipeline",
    "Report",
    "__version__",
    "live",
    "puppeteer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
