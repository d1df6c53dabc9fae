"""`ayatsuri bench webrtc` in a real browser, over a network that loses packets."""

import json

import pytest
from typer.testing import CliRunner

from bench.commands import app
from tests.bundles import write_bundle
from tests.marks import needs_pose_model
from tests.webrtc.browser import needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium, needs_pose_model]


def test_glass_to_glass_over_a_bad_network(tmp_path):
    character = write_bundle(tmp_path / "stick.character", 256)
    result = CliRunner().invoke(
        app,
        ["webrtc", "--character", str(character), "--networks", "3%+10ms", "--seconds", "4",
         "--warm-up", "0.5", "--no-quality", "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    line = json.loads(result.stdout.splitlines()[-1])
    (row,) = line["rows"]
    measures, about = row["measures"], row["about"]
    waited = measures["every frame due"]["figures"]
    assert waited["p50"]["value"] > 20, "faster than two codecs and the relay could be"
    assert about["camera's time"] == "capture"
    assert about["clock uncertainty ms"] < 50
    assert about["packets"]["to server"]["lost"] > 0
    assert measures["codes not read"]["figures"]["value"]["value"] < 20
    assert about["pictures on the screen"] > 5
    # The page's own figure, against the numbers in the pictures.
    page, strip = about["figures of the page"], measures["frames shown"]["figures"]["p50"]["value"]
    assert page["pictures"] > 5
    if page["from the camera"] == 1:
        assert 0.8 < page["p50"] / strip < 1.25
