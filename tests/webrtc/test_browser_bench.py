"""`ayatsuri bench webrtc` in a real browser, over a network that loses packets."""

import asyncio
import base64
import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from bench import blockcode
from bench.browser import browsing
from bench.commands import app
from bench.webrtc import script
from tests.bundles import write_bundle
from tests.marks import needs_pose_model
from tests.webrtc.browser import needs_chromium

pytestmark = [pytest.mark.browser, needs_chromium, needs_pose_model]


def test_glass_to_glass_over_a_bad_network(tmp_path):
    character = write_bundle(tmp_path / "stick.character", 256)
    result = CliRunner().invoke(
        app,
        ["webrtc", "--character", str(character), "--networks", "3%+10ms", "--seconds", "4",
         "--warm-up", "0.5", "--no-quality", "--rivals", "none", "--json"],
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
    assert 0.8 < measures["SSIM after the codec"]["figures"]["value"]["value"] < 1


def test_a_page_of_others_reads_the_number_on_its_canvas(tmp_path):
    image = np.full((480, 640, 3), 255, np.uint8)
    blockcode.stamp(image, 4321)
    _, png = cv2.imencode(".png", image)
    text = base64.b64encode(png.tobytes()).decode()
    (tmp_path / "page.html").write_text("<!doctype html><title>a page</title>")
    read = f"""(async () => {{
      const picture = new Image();
      picture.src = "data:image/png;base64,{text}";
      await picture.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [640, 480];
      const pen = canvas.getContext("2d");
      const blank = __bench.numberOn(pen, 640, 480);
      pen.drawImage(picture, 0, 0);
      return [blank, __bench.numberOn(pen, 640, 480), __bench.shown.length];
    }})()"""

    async def look():
        url = (tmp_path / "page.html").as_uri()
        async with browsing(url, tmp_path / "home", script=script(True, 0)) as page:
            return await page.js(read)

    assert asyncio.run(look()) == [-1, 4321, 0]
