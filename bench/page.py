"""A page of results that needs nothing but itself: `ayatsuri bench page RESULTS -o PAGE.html`."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.charts import chart_of
from bench.report import interval, number, read, told_of
from bench.statistics import SHARES, Figure, Measure
from bench.svg import draw
from engine import console
from engine.errors import SinkError

_MANY: Final = 6  # goals, of which none stands for all
_BY_GOAL: Final = ("soak", "governor")  # latency is not what they ask about
_BUSY: Final = 0.3  # cores that other programs take: more, and figures are of little use

_ABOUT: Final = {
    "every frame due": "of every frame that was due, shown or not: until it, or a newer one, was "
    "to be seen",
    "frames shown": "of the frames that were shown: from when they were due",
    "age on screen": "how old the picture before the viewer's eyes is, at every millisecond",
    "pacing error": "how unevenly pictures come: zero is a steady show, however late",
    "duplicates": "refreshes of a display at the camera's rate that find no new picture",
    "pose error, when shown": "how far the joints are, when they are shown, from where the "
    "performer is by then",
    "fps shown": "new pictures a second",
    "never shown": "frames that were due and for which a newer one was shown",
    "SSIM to fp32": "likeness to the pictures of the same network, or the same painter, in fp32; "
    "1 is the same, and what a plain puppet has, which knows one precision",
    "worst SSIM": "of all pictures compared",
    "flicker to fp32": "how the pictures shimmer beside those in fp32, of 255 levels",
    "SSIM to the best level": "likeness to the pictures that are drawn where nothing is governed, "
    "in fp32, over the time that each level had",
    "flicker to the best level": "how the pictures shimmer beside those, of 255 levels",
    "SSIM after the codec": "likeness of what the browser shows to what went into the encoder, "
    "picture by picture",
    "pose error, as found": "how far the joints that drive the character are from the performer's "
    "true ones, in the same picture",
    "cores used": "by all of it, as a mean",
    "waiting in the end": "frames that were taken from the camera and not drawn",
    "clock uncertainty": "of the server's stamps on the browser's clock; glass to glass itself "
    "needs one clock alone",
}


def page(
    results: Sequence[dict[str, Any]], title: str = "", missing: dict[str, str] | None = None,
    failed: dict[str, str] | None = None,
) -> str:  # fmt: skip
    """Results as one HTML page.

    Args:
        results: at least one.
        title: the heading; else the benchmarks' names.
        missing: benchmarks that could not be run, and why.
        failed: benchmarks of `results` that did not pass a check of their own, and which.
    """
    style = (files("bench") / "page.css").read_text(encoding="utf-8")
    many = len(results) > 1 or bool(missing)
    heading = title or ("Ayatsuri, measured" if many else f"Ayatsuri bench: {results[0]['bench']}")
    contents = "".join(_section(result) for result in results)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(heading)}</title><style>{style}</style></head><body><header>"
        f"<h1>{escape(heading)}</h1>"
        + (_contents(results, missing or {}, failed or {}) if many else "")
        + f"</header><main>{contents}</main></body></html>\n"
    )


def _contents(
    results: Sequence[dict[str, Any]], missing: dict[str, str], failed: dict[str, str]
) -> str:
    """Where it was measured, what there is, and the most telling figure of each."""
    lines = [
        f'<a href="#{_id(result)}"><span>{escape(result["question"])}</span>'
        f"<b>{escape(_headline(result))}</b></a>"
        for result in results
    ]
    lines += [
        f"<p><b>{escape(name)}</b> {word}: {escape(why)}</p>"
        for word, named in (("failed", failed), ("was not measured", missing))
        for name, why in named.items()
    ]
    return f"{_lead(results)}<nav>{''.join(lines)}</nav>"


def _lead(results: Sequence[dict[str, Any]]) -> str:
    """What an outsider has to know first: the machine, how busy it was, what the figures are."""
    machine = results[0]["machine"]
    busiest = max(results, key=lambda result: result["cores_used_by_others"])
    others = busiest["cores_used_by_others"]
    doubt = (
        f"<strong>Other programs kept up to {others:.2f} of {machine['cores']} cores busy "
        f"(during {escape(busiest['bench'])}): these figures say little about this machine."
        "</strong>"
        if others > _BUSY
        else "Nothing else was at work to speak of."
    )
    gpu = f"GPU {machine['gpu']['name']}" if machine["gpu"] else "no GPU"
    return (
        f'<p class="where">{escape(machine["processor"])}, {machine["cores"]} cores, '
        f"{machine['memory_gb']:g} GB, {escape(gpu)} · {escape(machine['platform'])} · "
        f"Python {escape(machine['python'])} · commit {escape(machine['commit'])}</p>"
        f"<p>{doubt} Latency counts from when a camera’s frame was due; frames that were dropped "
        "count as well. Each figure stands above its interval, and below each benchmark are its "
        "settings and the machine in full. The method is told in the project’s docs/bench.md.</p>"
    )


def _headline(result: dict[str, Any]) -> str:
    """The first row's latency; or the first goal's figure, or whether all of many goals are met."""
    goals = result["goals"]
    if result["rows"] and result["bench"] not in _BY_GOAL:
        first = {n: Measure.from_dict(m) for n, m in result["rows"][0]["measures"].items()}
        due = first.get("every frame due")
        if due is not None and due.count:
            where = result["rows"][0]["name"]
            return f"{where}: {number(due['p50'])} ms, one in twenty over {number(due['p95'])} ms"
    if 0 < len(goals) < _MANY and goals[0]["measured"] is not None:
        return f"{goals[0]['figure']}: {goals[0]['measured']:.3g} {goals[0]['unit']}"
    return f"{sum(goal['met'] for goal in goals)} of {len(goals)} goals met"


def _id(result: dict[str, Any]) -> str:
    return f"{result['bench']}-{result['when']}".replace(":", "").replace("+", "-")


def _section(result: dict[str, Any]) -> str:
    machine = result["machine"]
    others = result["cores_used_by_others"]
    quiet = (
        f"other programs kept {others:.2f} of {machine['cores']} cores busy"
        if others >= 0.1
        else "nothing else was at work"
    )
    where = (
        f"{machine['processor']}, {machine['cores']} cores",
        f"{result['when'][:16].replace('T', ' ')} UTC",
        f"{result['samples']:,} samples in {result['seconds']:.0f} s",
        quiet,
    )
    parts = [
        f'<section id="{_id(result)}"><h2>{escape(result["question"])}</h2>',
        f'<p class="where">{escape(" · ".join(where))}</p>',
    ]
    if result["ceiling"]:
        parts.append(f"<p>The ceiling: {escape(result['ceiling'])}.</p>")
    if result["goals"]:
        parts.append(f'<ul class="goals">{"".join(map(_goal, result["goals"]))}</ul>')
    drawn = told_of((row["name"], row["about"]) for row in result["rows"])
    if drawn:
        words = (f"<b>{escape(who)}</b>: {escape(what)}" for who, what in drawn.items())
        parts.append(f'<p class="note">{"; ".join(words)}</p>')
    parts.append(_distributions(result["rows"]))
    parts.append(_singles(result["rows"]))
    for stored in result["charts"]:
        chart = chart_of(stored)
        parts.append(
            f"<figure><figcaption><strong>{escape(chart.title)}</strong> "
            f"{escape(chart.caption)}</figcaption>{draw(chart)}</figure>"
        )
    parts.append(_details("Setting", {**result["setup"], "warm up": result["warm_up"],
                                      "seed": result["seed"]}))  # fmt: skip
    parts.append(_details("Machine", machine))
    return "".join(parts) + "</section>"


def _goal(goal: dict[str, Any]) -> str:
    sign = "≥" if goal["at_least"] else "≤"
    measured = "–" if goal["measured"] is None else f"{goal['measured']:.4g}"
    kind = "met" if goal["met"] else "missed"
    return (
        f'<li class="{kind}"><span class="mark">{"✓" if goal["met"] else "✗"}</span>'
        f"<span>{escape(goal['figure'])}</span><b>{measured} {escape(goal['unit'])}</b>"
        f"<i>{kind}: wanted {sign} {goal['limit']:g}</i></li>"
    )


def _distributions(rows: Sequence[dict[str, Any]]) -> str:
    lines = []
    told: dict[str, None] = {}
    for row in rows:
        measures = {n: Measure.from_dict(m) for n, m in row["measures"].items()}
        shown = {n: m for n, m in measures.items() if "value" not in m.figures and m.figures}
        for i, (name, measure) in enumerate(shown.items()):
            told[name] = None
            head = f'<th rowspan="{len(shown)}">{escape(row["name"])}</th>' if i == 0 else ""
            cells = "".join(f"<td>{_figure(measure.figures.get(p))}</td>" for p in (*SHARES, "max"))
            lines.append(
                f"<tr>{head}<td>{escape(name)}, {escape(measure.unit)}</td>{cells}"
                f"<td>{measure.count:,}</td><td>{measure.worth:,.0f}</td></tr>"
            )
    if not lines:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in (*SHARES, "max", "samples", "worth"))
    return (
        '<div class="scroll"><table class="numbers"><thead><tr><th></th><th></th>'
        f"{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        '<p class="note">Below each figure is its interval, 95%, by order statistics; '
        "<em>worth</em> is the number of independent samples: frames that follow each other are "
        f"alike.{_explained(told)}</p>"
    )


def _explained(names: Iterable[str]) -> str:
    return "".join(
        f" <b>{escape(name)}</b>: {escape(_ABOUT[name])}." for name in names if name in _ABOUT
    )


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return '<span class="few">too few</span>'
    same = figure.low == figure.value == figure.high or (figure.low == figure.value)
    return f"<b>{number(figure.value)}</b>" + ("" if same else f"<small>{interval(figure)}</small>")


def _singles(rows: Sequence[dict[str, Any]]) -> str:
    table: dict[str, dict[str, Measure]] = {}
    for row in rows:
        for name, stored in row["measures"].items():
            one = Measure.from_dict(stored)
            if "value" in one.figures:
                table.setdefault(name, {})[row["name"]] = one
    if not table:
        return ""
    # More settings than things measured: a line for each setting reads better.
    across = len(rows) > len(table)
    names = [row["name"] for row in rows]
    lines, columns = (names, list(table)) if across else (list(table), names)
    heads = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = []
    for line in lines:
        cells = []
        for column in columns:
            what, who = (column, line) if across else (line, column)
            measure = table[what].get(who)
            cells.append(f"<td>{_single(measure)}</td>")
        body.append(f"<tr><td>{escape(line)}</td>{''.join(cells)}</tr>")
    note = _explained(table)
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        + (f'<p class="note">{note}</p>' if note else "")
    )


def _single(measure: Measure | None) -> str:
    if measure is None:
        return ""
    figure = measure.figures["value"]
    value = number(figure.value)
    ends = (
        f"<small>{interval(figure)}</small>"
        if figure.low is not None and figure.high is not None and figure.low != figure.high
        else ""
    )
    return f"<b>{value}</b> {escape(measure.unit)}{ends}"


def _details(title: str, facts: dict[str, Any]) -> str:
    lines = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(_words(value))}</dd>"
        for name, value in facts.items()
        if value not in (None, "", {}, [])
    )
    return f"<details><summary>{title}</summary><dl>{lines}</dl></details>"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return " · ".join(f"{name} {_words(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return str(value)


def main(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULTS", help="JSON files of --output.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="HTML")] = Path("bench.html"),
    title: Annotated[str, typer.Option(help="The page's heading.")] = "",
) -> None:
    """Make a page of results that were kept."""
    # What `result/*.json` matches besides results.
    kept = [path for path in results if not path.name.endswith(".trace.json")]
    text = page([read(path) for path in kept], title)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{output} cannot be written: {error}") from error
    console.say(f"wrote {output}")
