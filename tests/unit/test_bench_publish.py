"""What is kept of results, as documents show them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import publish
from bench.charts import Chart, Series
from bench.commands import app
from bench.report import Row
from bench.statistics import Measure
from tests.unit.test_bench_measuring import result


@pytest.fixture
def kept(tmp_path):
    """Two machines' results, and a document."""
    charts = [Chart("points", f"chart {i}", "", "x", "y", [Series("s", [1, 2], [3, 4])]).to_dict()
              for i in range(4)]  # fmt: skip
    machine = {
        "processor": "a | b", "cores": 2, "python": "3", "memory_gb": 24.0, "gpu": None,
        "governor": "performance", "virtual": True, "platform": "Linux",
    }  # fmt: skip
    row = Row("30 fps", {
        "every frame due": Measure.of(np.arange(2000.0)), "fps shown": Measure.single(30, "fps")
    })  # fmt: skip
    for name in ("quiet", "other"):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        one = result([1.0], machine=machine, charts=charts, rows=[row.to_dict()])
        (folder / "open.json").write_text(json.dumps(one))
        (folder / "open.trace.json").write_text("[]")
    document = tmp_path / "docs" / "bench.md"
    (document.parent / "pictures").mkdir(parents=True)
    document.write_text(f"# Before\n{publish.BEGIN}\nold\n{publish.END}\nafter\n")
    (document.parent / "pictures/bench-old-open-1.svg").write_text("old")
    return tmp_path / "results", document


def test_the_document_has_every_machine_once_however_often(kept):
    results, document = kept
    arguments = ["publish", "--results", str(results), "--document", str(document)]
    for _ in range(2):
        said = CliRunner().invoke(app, arguments)
        assert said.exit_code == 0, said.output
    text = document.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert [text.count(f"### {name}\n") for name in ("quiet", "other")] == [1, 1]
    assert "| 30 fps: every frame due, ms | **999** (" in text
    pictures = sorted(path.name for path in (document.parent / "pictures").iterdir())
    assert pictures == [f"bench-{m}-open-{i}.svg" for m in ("other", "quiet") for i in (1, 3)]
    assert all(f"(pictures/{name})" in text for name in pictures)


def test_a_document_without_a_place_for_them_is_left_alone(kept):
    results, document = kept
    document.write_text("nothing")
    said = CliRunner().invoke(
        app, ["publish", "--results", str(results), "--document", str(document)]
    )
    assert said.exit_code == 1
    assert document.read_text() == "nothing"
