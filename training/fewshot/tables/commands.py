"""`ayatsuri-train tables`, `table` and `figure`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine import console

if TYPE_CHECKING:
    from training.fewshot.tables.budget import Budget, Shipping
    from training.fewshot.tables.study import Study

TABLE_NUMBERS = (4, 2, 1, 3)
"""In the order in which they are made: first what the full method is part of."""
SAFETY = 0.65
"""The share of the given minutes that runs may take; the rest is for judging, and surprises."""

Data = Annotated[Path, typer.Argument(metavar="DATA", help="Made by `data make`.")]
Folder = Annotated[Path, typer.Option(help="Where runs, results and pictures are kept.")]
BudgetName = Annotated[str, typer.Option(help="cpu (64 px) or gpu (256 px): see its module.")]
Steps = Annotated[int | None, typer.Option(help="Of every run, instead of the budget's.")]
Minutes = Annotated[
    float | None, typer.Option(help="Measure the pace, and take the steps that fit into so long.")
]
Size = Annotated[int | None, typer.Option(help="Of all pictures, instead of the budget's.")]
Seeds = Annotated[str, typer.Option(help="As in 0,1,2: each run is trained so often.")]
Characters = Annotated[int | None, typer.Option(help="Of the test split, to be judged on.")]
Device = Annotated[str | None, typer.Option(help="cpu or cuda.")]
Loaders = Annotated[int, typer.Option(help="Threads that make batches, and measure.")]
Fid = Annotated[bool, typer.Option(help="FID and KID too (a download of 25 MB, once).")]

_FOLDER = Path("runs/tables")


@console.explains
def tables(
    data: Data,
    folder: Folder = _FOLDER,
    budget: BudgetName = "cpu",
    steps: Steps = None,
    minutes: Minutes = None,
    size: Size = None,
    seeds: Seeds = "",
    characters: Characters = None,
    ship: Annotated[bool, typer.Option(help="Also train and write the weights.")] = True,
    device: Device = None,
    loaders: Loaders = 2,
    fid: Fid = True,
) -> None:
    """All tables and figures of the few-shot paper, and the weights; goes on where it stopped."""
    from training.fewshot.tables.plan import KEPT

    chosen, shipping = _chosen(budget, size, seeds, characters)
    with _study(data, folder, chosen, shipping, steps, minutes, device, loaders, fid) as study:
        for number in TABLE_NUMBERS:
            _make_table(study, number)
        for number in KEPT:
            _write_figure(folder, number, folder / f"figure-{number}.png")
        if ship:
            print(f"wrote {study.ship(shipping)}")


@console.explains
def table(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="1, 2, 3 or 4.")],
    data: Data,
    folder: Folder = _FOLDER,
    budget: BudgetName = "cpu",
    steps: Steps = None,
    minutes: Minutes = None,
    size: Size = None,
    seeds: Seeds = "",
    characters: Characters = None,
    device: Device = None,
    loaders: Loaders = 2,
    fid: Fid = True,
) -> None:
    """One table of the few-shot paper: 1 methods, 2 shots, 3 cost, 4 ablation."""
    if number not in TABLE_NUMBERS:
        raise typer.BadParameter(f"the paper has tables 1 to 4, found {number}")
    chosen, shipping = _chosen(budget, size, seeds, characters)
    with _study(data, folder, chosen, shipping, steps, minutes, device, loaders, fid) as study:
        _make_table(study, number)


@console.explains
def figure(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="6 to 11.")],
    folder: Folder = _FOLDER,
    person: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="BUNDLE",
            help="For 7 and 10: somebody, by `ayatsuri adapt PICTURE --anyway`; repeatable.",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help=".png")] = None,
) -> None:
    """One figure of the few-shot paper.

    6 methods (table 1), 7 the same on people, 8 shots (2), 9 ablation (4), 10 ten shots, on people
    too, 11 failures.
    """
    from training.fewshot.tables.plan import KEPT

    if number not in (7, *KEPT):
        raise typer.BadParameter(f"figures of results are 6 to 11, found {number}")
    if person and number not in (7, 10):
        raise typer.BadParameter(f"figure {number} shows no people: leave out --person")
    _write_figure(folder, number, output or folder / f"figure-{number}.png", person or ())


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    for command in (tables, table, figure):
        app.command()(command)


def _chosen(
    name: str, size: int | None, seeds: str, characters: int | None
) -> "tuple[Budget, Shipping]":
    """A preset of `BUDGETS` with what the options change."""
    from training.fewshot.tables.budget import BUDGETS

    if name not in BUDGETS:
        raise typer.BadParameter(f"no budget {name!r}; there are {', '.join(BUDGETS)}")
    budget, shipping = BUDGETS[name]
    if size is not None:
        budget = replace(budget, sizes=(size,), grow_at=())
        shipping = replace(shipping, sizes=(size,), grow_at=())
    if seeds:
        try:
            budget = replace(budget, seeds=tuple(int(part) for part in seeds.split(",")))
        except ValueError:
            raise typer.BadParameter(f"expected seeds as in 0,1, found {seeds!r}") from None
    if characters is not None:
        budget = replace(budget, characters=characters)
    return budget, shipping


@contextmanager
def _study(
    data: Path, folder: Path, budget: "Budget", shipping: "Shipping", steps: int | None,
    minutes: float | None, device: str | None, loaders: int, fid: bool,
) -> "Iterator[Study]":  # fmt: skip
    """With the steps that were asked for, or the folder's, or those that fit, or the budget's."""
    from training.fewshot.tables.results import keep_budget, read_budget
    from training.fewshot.tables.study import Study
    from training.fewshot.workers import workers

    with workers(device) as place:
        study = Study(data, folder, budget, place, loaders=loaders, fid=fid, say=typer.echo)
        if steps is not None:
            budget = replace(budget, steps=steps)
        elif (folder / "budget.json").exists():
            budget = replace(budget, steps=read_budget(folder).steps)
        elif minutes is not None:
            budget = replace(budget, steps=_steps_within(study, minutes, shipping))
            typer.echo(f"{budget.steps} steps of every run")
        study.budget = budget
        keep_budget(folder, budget)
        yield study


def _steps_within(study: "Study", minutes: float, shipping: "Shipping") -> int:
    """So many steps that all runs of the tables, and that of the weights, take their share."""
    from training.fewshot.tables.plan import FULL, RUNS, TABLES

    names = {trial.run for table in TABLES.values() for trial in table.trials}
    pace = study.pace(run for run in RUNS.values() if run.name in names)
    seconds = len(study.budget.seeds) * sum(pace.values()) + shipping.times * pace[FULL]
    return max(1, int(SAFETY * 60 * minutes / seconds))


def _make_table(study: "Study", number: int) -> None:
    from training.fewshot.tables import report
    from training.fewshot.tables.plan import TABLES
    from training.files import write_whole

    # The table of costs is of the runs of all others.
    for other in TABLES.values() if number == 3 else (TABLES[number],):
        study.do(other.trials)
    found = report.markdown(study.folder, number)
    write_whole(study.folder / f"table-{number}.md", found.encode())
    print(found)


def _write_figure(folder: Path, number: int, output: Path, people: Sequence[Path] = ()) -> None:
    from training.fewshot.tables.figures import figure as sheet
    from training.fewshot.validate import encode_sheet
    from training.files import write_whole

    write_whole(output, encode_sheet(sheet(folder, number, people=people)))
    print(f"wrote {output}")
