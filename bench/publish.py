"""`ayatsuri bench publish`: the results that are kept in bench/results, as docs/bench.md and the
README show them.

A machine is a folder of results, named for it: `ayatsuri bench open -o bench/results/NAME`. Only
the JSON is kept; pages, traces and logs are made of a run, and stay where it was.
"""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench import readme
from bench.charts import chart_of
from bench.report import interval, number, read, told_of
from bench.statistics import SHARES, Figure, Measure
from bench.svg import standalone
from engine import console
from engine.errors import SinkError

ROOT: Final = Path(__file__).parent.parent
BEGIN: Final = "<!-- results: made by `ayatsuri bench publish` -->"
END: Final = "<!-- end of results -->"

ORDER: Final = (
    "open", "webrtc", "peers", "live", "soak", "governor", "closed", "models", "puppet", "stages",
    "smoothing", "fidelity", "character", "render", "itself",
)  # fmt: skip
SHOWN: Final = {
    "open": (1, 3), "live": (0,), "governor": (0,), "webrtc": (1, 3), "peers": (0, 1),
    "closed": (0,), "models": (0,), "smoothing": (0, 1), "soak": (0, 3), "itself": (0,),
}  # fmt: skip
"""Which of a result's charts a document shows."""
_LONG: Final = 20  # lines of a table that is folded


def machines(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Results by machine."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*/*.json")):
        if not path.name.endswith(".trace.json"):
            found.setdefault(path.parent.name, []).append(read(path))
    for results in found.values():
        results.sort(key=lambda r: ORDER.index(r["bench"]) if r["bench"] in ORDER else len(ORDER))
    return found


def section(name: str, results: list[dict[str, Any]], pictures: Path) -> str:
    """One machine's results in Markdown; writes the pictures that it shows."""
    machine = results[0]["machine"]
    facts = (
        f"{machine['processor']}, {machine['cores']} cores",
        f"{machine['memory_gb']} GB",
        f"GPU: {machine['gpu']['name']}" if machine["gpu"] else "no GPU",
        f"governor {machine['governor']}",
        "a virtual machine" if machine["virtual"] else "",
        machine["platform"],
        f"Python {machine['python']}",
    )
    parts = [f"### {name}\n", ", ".join(filter(None, facts)) + "."]
    for result in results:
        drawn = told_of((row["name"], row["about"]) for row in result["rows"])
        words = [f"- {who}: {what}" for who, what in drawn.items()]
        parts += ["", f"#### {result['question']}", "", _run(result), "", *words, ""]
        parts += _folded(_distributions(result)) + _folded(_singles(result))
        for index in SHOWN.get(result["bench"], ()):
            if index < len(result["charts"]):
                chart = chart_of(result["charts"][index])
                file = f"bench-{name}-{result['bench']}-{index}.svg"
                (pictures / file).write_text(standalone(chart), encoding="utf-8")
                parts += ["", f"![{chart.title}: {result['bench']}]({pictures.name}/{file})"]
    return "\n".join(parts) + "\n"


def _run(result: dict[str, Any]) -> str:
    options = ", ".join(f"{k} {v}" for k, v in result["setup"].items() if _brief(v))
    return (
        f"`ayatsuri bench {result['bench'].replace('_', '-')}`, {result['when'][:10]}, "
        f"{result['samples']:,} samples, other programs kept {result['cores_used_by_others']:.2f} "
        f"cores busy; {options}."
    )


def _brief(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _distributions(result: dict[str, Any]) -> list[str]:
    lines = []
    for row in result["rows"]:
        for name, stored in row["measures"].items():
            measure = Measure.from_dict(stored)
            if "value" not in measure.figures and measure.count:
                cells = [_cell(measure.figures.get(share)) for share in SHARES]
                most = number(measure["max"])
                what = f"{row['name']}: {name}, {measure.unit}"
                lines.append(f"| {what} | {' | '.join(cells)} | {most} | {measure.count:,} |")
    if not lines:
        return []
    head = ["", *SHARES, "max", "samples"]
    return [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1), *lines, ""]


def _folded(lines: list[str]) -> list[str]:
    """A long table behind its heading."""
    if len(lines) <= _LONG:
        return lines
    return [f"<details><summary>{len(lines) - 3} lines</summary>", "", *lines, "</details>", ""]


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "too few"
    return f"**{number(figure.value)}** ({interval(figure)})"


def _singles(result: dict[str, Any]) -> list[str]:
    rows = []
    for row in result["rows"]:
        measures = {name: Measure.from_dict(m) for name, m in row["measures"].items()}
        rows.append((row["name"], {n: m for n, m in measures.items() if "value" in m.figures}))
    names = list(dict.fromkeys(name for _, measures in rows for name in measures))
    if not names:
        return []
    lines = [f"| | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
    for row_name, measures in rows:
        if measures:
            cells = [
                f"{number(measures[n]['value'])} {measures[n].unit}" if n in measures else ""
                for n in names
            ]
            lines.append(f"| {row_name} | {' | '.join(cells)} |")
    return [*lines, ""]


def main(
    results: Annotated[Path, typer.Option(help="A folder of machines.")] = ROOT / "bench/results",
    document: Annotated[Path, typer.Option(help="To be brought up to date.")] = (
        ROOT / "docs/bench.md"
    ),
    table: Annotated[Path, typer.Option("--readme", help="Its table, too.")] = ROOT / "README.md",
) -> None:
    """Bring docs/bench.md and the README's table up to date."""
    pictures = document.parent / "pictures"
    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{document} cannot be read: {error}") from error
    if BEGIN not in text or END not in text:
        raise SinkError(f"{document} has no place for results: {BEGIN} and {END}")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    for old in pictures.glob("bench-*.svg"):
        old.unlink()
    by_machine = machines(results)
    sections = [section(name, found, pictures) for name, found in by_machine.items()]
    document.write_text(f"{before}{BEGIN}\n\n{chr(10).join(sections)}\n{END}{after}", "utf-8")
    console.say(f"{len(sections)} machines in {document}")
    fill(table, by_machine)


def fill(path: Path, by_machine: dict[str, list[dict[str, Any]]]) -> None:
    """Write the README's table anew, from the results of the machine that it names.

    Raises:
        SinkError: it cannot be read, has no place for the table, or names another machine.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{path} cannot be read: {error}") from error
    begin = readme.BEGIN.search(text)
    end = text.find(readme.END)
    if begin is None or end < 0:
        raise SinkError(f"{path} has no place for figures: {readme.BEGIN.pattern} {readme.END}")
    name = begin[1]
    if name not in by_machine:
        raise SinkError(f"{path} has figures of {name}; there are results of {[*by_machine]}")
    lines, gone = readme.table(text[begin.end() : end], by_machine[name])
    path.write_text(f"{text[: begin.end()]}\n{lines}\n\n{text[end:]}", encoding="utf-8")
    console.say(f"the figures of {name} in {path}")
    if gone:
        console.say(f"left as they were, for want of a result: {', '.join(gone)}")
