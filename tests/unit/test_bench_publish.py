"""What is kept of results, as documents show them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import publish, readme
from bench.charts import Chart, Series
from bench.commands import app
from bench.report import Row
from bench.statistics import Measure
from tests.unit.test_bench_measuring import result

README = f"""before
<!-- figures: made by `ayatsuri bench publish` of quiet -->

| figure | goal | measured | samples | command |
| --- | --- | --- | --- | --- |
| the same: from when a frame was due to the sink, p50 / p95 / p99 ² | | old | 1 | |
| a line by hand | | 3 | 4 | `something` |
| a file, as fast as it can | | old | 1 | |

{readme.END}
after
"""


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
    table = document.parent / "README.md"
    table.write_text(README)
    arguments = ["publish", "--results", str(results), "--document", str(document)]
    arguments += ["--readme", str(table)]
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
    lines = table.read_text().splitlines()
    late = "999 / **1899** / 1979 ms"
    what = "the same: from when a frame was due to the sink, p50 / p95 / p99"
    assert f"| {what} ² | p95 ≤ 60 ms | {late} | 2,000 | `ayatsuri bench open` |" in lines
    assert "| a line by hand | | 3 | 4 | `something` |" in lines
    assert "| a file, as fast as it can | | old | 1 | |" in lines, "there is no result of it"
    assert "left as they were, for want of a result: character, closed" in said.output
    assert lines[0] == "before"
    assert lines[-1] == "after"


def test_a_readme_of_another_machine_is_left_alone(kept):
    results, document = kept
    table = document.parent / "README.md"
    table.write_text(README.replace("quiet", "gone"))
    said = CliRunner().invoke(
        app, ["publish", "--results", str(results), "--document", str(document),
              "--readme", str(table)],
    )  # fmt: skip
    assert said.exit_code == 1
    assert "has figures of gone" in " ".join(said.output.split())
    assert table.read_text() == README.replace("quiet", "gone")


def test_the_lines_of_our_readme_are_known():
    text = (publish.ROOT / "README.md").read_text()
    begin = readme.BEGIN.search(text)
    assert begin is not None
    assert (publish.ROOT / "bench/results" / begin[1]).is_dir()
    there = text[begin.end() : text.index(readme.END)]
    commands = {line.split("`")[-2] for line in there.strip().splitlines()[2:]}
    assert all(command.startswith("ayatsuri") for command in commands)
    known = {line.what for line in readme.LINES}
    cells = [readme._MARKS.sub("", line.strip("| ").split(" | ")[0]) for line in there.splitlines()]
    assert len(known & set(cells)) >= 15


def test_a_document_without_a_place_for_them_is_left_alone(kept):
    results, document = kept
    document.write_text("nothing")
    said = CliRunner().invoke(
        app, ["publish", "--results", str(results), "--document", str(document)]
    )
    assert said.exit_code == 1
    assert document.read_text() == "nothing"
