"""Which cameras there are; needs no OpenCV, so that `ayatsuri doctor` can look."""

from pathlib import Path


def cameras() -> list[str]:
    """The cameras that the system lists by name; only Linux does."""
    found = []
    for folder in sorted(Path("/sys/class/video4linux").glob("video*")):
        name = folder / "name"
        title = name.read_text(encoding="utf-8").strip() if name.exists() else ""
        found.append(f"/dev/{folder.name} ({title})" if title else f"/dev/{folder.name}")
    return found
