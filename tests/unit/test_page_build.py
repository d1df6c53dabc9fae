"""The page that ships is the one that its sources make."""

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import engine

STUDIO = Path(engine.__file__).parent / "studio"
WEB, STATIC = STUDIO / "web", STUDIO / "static"
MOST_BYTES = 300_000


def fingerprint(folder: Path, skip: set[str]) -> str:
    """As `vite.config.mjs` has it: sorted paths, and contents with Unix line ends."""
    paths = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    found = hashlib.sha256()
    for path in paths:
        if not skip & set(path.split("/")):
            text = (folder / path).read_text(encoding="utf-8").replace("\r\n", "\n")
            found.update(f"{path}\0{text}\0".encode())
    return found.hexdigest()


def test_the_built_page_is_that_of_its_sources():
    stamp = json.loads((STATIC / "build.json").read_text(encoding="utf-8"))
    assert stamp["sources"] == fingerprint(WEB, {"node_modules"}), "the page is old: make page"
    assert stamp["built"] == fingerprint(STATIC, {"build.json"}), "edited by hand: make page"


def test_it_is_small_and_asks_nobody_else():
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for file in files:
        text = file.read_text(encoding="utf-8")
        elsewhere = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}  # SVG's name
        assert not elsewhere, f"{file.name} names {elsewhere}"
    lock = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock, "the lock file names a registry: npm install, with .npmrc"


def test_pages_work_under_a_strict_policy():
    """No script and no style inside the page: a Content-Security-Policy forbids both."""
    for page in STATIC.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), page
        assert not re.search(r"<style|\sstyle=|\son\w+=", text), page


def brightness(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 has it."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [("ink", "ground"), ("ink", "card"), ("quiet", "ground"), ("quiet", "card"),
     ("accent", "ground"), ("accent", "card"), ("on-accent", "accent"), ("on-cloth", "cloth"),
     ("on-cloth-quiet", "cloth"), ("cloth-accent", "cloth"), ("ink", "paper-low")],
)  # fmt: skip
def test_what_is_written_can_be_read_by_day_and_by_night(theme, text, ground):
    tokens = (WEB / "src" / "style" / "tokens.css").read_text(encoding="utf-8")
    colours = {n: (c, c) for n, c in re.findall(r"--([\w-]+): (#\w{6});", tokens)} | {
        name: (light, dark)
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", tokens)
    }
    low, high = sorted(brightness(colours[n][theme == "dark"]) for n in (text, ground))
    assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2, AA


@pytest.mark.skipif(
    shutil.which("npm") is None or not (WEB / "node_modules").is_dir(),
    reason="the page's own tests need Node: make page",
)
def test_its_own_tests_pass():
    for script in ("check", "test"):
        done = subprocess.run(
            ["npm", "run", "--silent", script],
            cwd=WEB, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
