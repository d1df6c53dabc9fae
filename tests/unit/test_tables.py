import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner  # noqa: E402

from tests.cast import a_batch  # noqa: E402
from tests.tables import SMALL, a_puppet, fake, small_methods, the_study  # noqa: E402
from training.cli import app  # noqa: E402
from training.fewshot import recipe, train, weights  # noqa: E402
from training.fewshot.diary import minutes  # noqa: E402
from training.fewshot.errors import ResultError, SettingsError  # noqa: E402
from training.fewshot.tables import budget as budgets  # noqa: E402
from training.fewshot.tables import report, study  # noqa: E402
from training.fewshot.tables.budget import BUDGETS, Budget, Shipping  # noqa: E402
from training.fewshot.tables.figures import figure  # noqa: E402
from training.fewshot.tables.plan import FIGURES, FULL, KEPT, RUNS, TABLES, Trial  # noqa: E402
from training.fewshot.tables.results import (  # noqa: E402
    Result,
    keep_budget,
    read_budget,
    read_pictures,
    read_result,
    result_path,
)
from training.fewshot.tables.study import Study  # noqa: E402

TIMES = {"train_minutes": 0.0, "adapt_seconds": 0.0}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_methods(monkeypatch)


def test_a_killed_table_goes_on_and_ends_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = (Trial(FULL, 0), Trial(FULL, 4), Trial("fewshot", 1))
    whole = the_study(tmp_path / "whole")
    whole.do(trials)

    step, judge, done = train.train_step, Study.judge, {"steps": 0}

    def killed_step(*arguments: object) -> object:
        done["steps"] += 1
        if done["steps"] == 3:
            raise KeyboardInterrupt
        return step(*arguments)  # type: ignore[arg-type]

    def killed_judge(self: Study, trial: Trial, seed: int) -> Result:
        if trial.shots == 4:
            raise KeyboardInterrupt
        return judge(self, trial, seed)

    monkeypatch.setattr(train, "train_step", killed_step)
    with pytest.raises(KeyboardInterrupt):
        the_study(tmp_path / "broken").do(trials)
    monkeypatch.setattr(Study, "judge", killed_judge)
    with pytest.raises(KeyboardInterrupt):
        the_study(tmp_path / "broken").do(trials)
    monkeypatch.setattr(Study, "judge", judge)
    the_study(tmp_path / "broken").do(trials)

    for trial in trials:
        one, other = (read_result(tmp_path / name, trial, 0, SMALL) for name in ("whole", "broken"))
        assert replace(one, **TIMES) == replace(other, **TIMES)
        assert list(one.characters) == ["blob-50", "blob-51"]
        made = [read_pictures(tmp_path / name, trial, 0).made for name in ("whole", "broken")]
        assert (made[0] == made[1]).all()
    lines = (tmp_path / "broken/runs/fewshot-msl-seed0/curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4]

    before = result_path(tmp_path / "whole", trials[0], 0).stat().st_mtime_ns
    whole.do(trials)  # nothing is left to be done
    assert result_path(tmp_path / "whole", trials[0], 0).stat().st_mtime_ns == before
    whole.digest = "other"
    with pytest.raises(ResultError, match="of another data set"):
        whole.do(trials)


def test_no_shots_is_the_run_as_it_was_trained(tmp_path: Path) -> None:
    here = the_study(tmp_path / "tables")
    here.do((Trial("fewshot", 0), Trial("fewshot", 1)))
    before, after = (read_pictures(here.folder, Trial("fewshot", k), 0) for k in (0, 1))
    assert (before.truth == after.truth).all()
    assert (before.made != after.made).any()


def test_several_drawings_are_another_trial(tmp_path: Path) -> None:
    here = the_study(tmp_path / "tables")
    trials = (Trial("fewshot", 1), Trial("fewshot", 4, 4))
    here.do(trials)
    found = [read_result(here.folder, trial, 0, SMALL) for trial in trials]
    assert [result.drawings for result in found] == [1, 4]
    one, four = (read_pictures(here.folder, trial, 0) for trial in trials)
    assert (one.truth == four.truth).all()
    assert (one.made != four.made).any()


def test_fid_is_added_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, trial = the_study(tmp_path / "tables"), Trial("fewshot", 0)
    here.do([trial])
    without = read_result(here.folder, trial, 0, SMALL)
    assert without.whole == {}
    monkeypatch.setattr(
        Study, "_features", lambda self, ps: ps.reshape(-1, ps[0, 0].size).astype("f4")
    )
    here.fid = True
    here.do([trial])
    found = read_result(here.folder, trial, 0, SMALL)
    assert found.whole["fid"] > 0
    assert replace(found, whole={}) == without


def test_a_new_measure_is_added_to_old_results(tmp_path: Path) -> None:
    here, trial = the_study(tmp_path / "tables"), Trial("fewshot", 0)
    here.do([trial])
    path = result_path(here.folder, trial, 0)
    whole = path.read_bytes()
    old = json.loads(whole)
    for measures in old["characters"].values():
        del measures["edges"]
    path.write_text(json.dumps(old))
    here.do([trial])
    assert path.read_bytes() == whole


def test_every_run_sees_the_same_pictures_as_often() -> None:
    for run in RUNS.values():
        config = run.config(Budget(), 3)
        assert replace(config, mode="meta", multi_step=0.0) == RUNS["fewshot"].config(Budget(), 3)
    assert {t.run for table in TABLES.values() for t in table.trials} <= set(RUNS)
    for number, titles in (
        (6, ["PATN", "PG2", "Pix2Pix", "XingGAN", "Ours", "warp", "warp, 4 drawings"]),
        (8, ["1 shot", "4 shots", "10 shots"]),
        (9, ["w/o ML", "w/o FT", "w/o FRM", "w/o MSL", "Full"]),
    ):
        assert [title for title, _ in FIGURES[number]] == titles


def test_a_table_has_the_papers_figures_beside_ours(tmp_path: Path) -> None:
    keep_budget(tmp_path, replace(SMALL, seeds=(0, 1)))
    fake(tmp_path, Trial("fewshot", 1), ssim=0.9)
    fake(tmp_path, Trial("fewshot", 1), seed=1)
    fake(tmp_path, Trial("fewshot", 4), perceptual=0.4)
    fake(tmp_path, Trial(FULL, 1), ssim=0.7)
    half = ["0.500 ± 0.000"] * 5
    rows = [
        ["Ours (1 shot)", *half, "0.825 ± 0.043", "5.00", "2.00", "5.78", "0.871"],
        [
            "Ours (4 shots)",
            "0.450 ± 0.050",
            *half[1:],
            "0.800 ± 0.000",
            "8.00",
            "2.00",
            "4.31",
            "0.872",
        ],
        ["Ours (10 shots)", "not run", *[""] * 7, "4.01", "0.878"],
        ["Ours (1 shot, MSL)", *half, "0.750 ± 0.050", "5.00", "2.00", "4.03", "0.872"],
        ["Ours (4 shots, MSL)", "not run", *[""] * 7, "2.33", "0.874"],
        ["Ours (10 shots, MSL)", "not run", *[""] * 7, "", ""],
    ]
    found = report.markdown(tmp_path, 2).splitlines()
    assert found[0] == "**Table 2: shots, and the multi-step loss (MSL).**"
    assert found[2].startswith("|  | perceptual ↓ | sharpness → 1 | edges → 1 |")
    assert found[3] == "| --- |" + " ---: |" * 10
    assert found[4:10] == [f"| {' | '.join(row)} |" for row in rows]
    assert found[11] == "- Keypoints of the true pictures: 0.900."
    assert found[12:-1] == [
        f"- By {measure}, best first, the paper has {paper}; we find {ours}: 1 of 3 pairs in "
        "its order."
        for measure, paper, ours in (
            (
                "FID",
                "Ours (1 shot, MSL), Ours (4 shots), Ours (1 shot)",
                "Ours (1 shot), Ours (1 shot, MSL), Ours (4 shots)",
            ),
            (
                "SSIM",
                "Ours (4 shots), Ours (1 shot, MSL), Ours (1 shot)",
                "Ours (1 shot), Ours (4 shots), Ours (1 shot, MSL)",
            ),
        )
    ]
    assert found[-1] == (
        "- Beside Ours (1 shot, MSL), the perceptual distance is lower on: "
        "Ours (1 shot) 0 of 2 characters, Ours (4 shots) 1 of 2 characters."
    )
    # A seed that one row lacks is beside nothing, not beside another seed.
    fake(tmp_path, Trial("fewshot", 4), seed=1, perceptual=0.6)
    result_path(tmp_path, Trial("fewshot", 4), 0).unlink()
    said = report.markdown(tmp_path, 2).splitlines()[-1]
    assert said.endswith("Ours (1 shot) 0 of 2 characters, Ours (4 shots) 0 of 0 characters.")
    assert "not run" in report.markdown(tmp_path, 1)
    assert "× 1000" in report.markdown(tmp_path, 4)
    assert report.order(report.lines_of(tmp_path, TABLES[4])) == []  # one row has nothing beside it
    assert "Table 3" in report.markdown(tmp_path, 3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is damaged"),
        (b'{"format": "x"', "is damaged"),
        (b"[1]", "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (b'{"format": "another"}', "expected the format"),
        ({"ssim": "high"}, "a measure is no number"),
        ({}, "it has no characters"),
        ({"run": "patn"}, "is of patn"),
        ({"drawings": 4}, "with 1 shots of 4 drawings"),
        ({"budget": SMALL.to_dict() | {"steps": 9}}, "another budget than .* steps 9 and not 4"),
        ({"style": 1}, "is damaged"),
    ],
)
def test_results_that_are_none_are_refused(
    tmp_path: Path, content: bytes | dict[str, object], said: str
) -> None:
    keep_budget(tmp_path, SMALL)
    path = fake(tmp_path, Trial(FULL, 1))
    if isinstance(content, dict):
        found = json.loads(path.read_text())
        if content == {}:
            found["characters"] = {}
        elif "ssim" in content:
            found["characters"]["a"] |= content
        else:
            found |= content
        content = json.dumps(found).encode()
    path.write_bytes(content)
    with pytest.raises(ResultError, match=said):
        report.markdown(tmp_path, 2)


def test_damaged_pictures_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="there is no"):
        read_budget(tmp_path)
    keep_budget(tmp_path, SMALL)
    with pytest.raises(ResultError, match="no pictures for figure 8"):
        figure(tmp_path, 8)
    path = fake(tmp_path, Trial(FULL, 1)).with_suffix(".npz")
    with pytest.raises(ResultError, match="there is no"):
        figure(tmp_path, 8)
    for content in (b"", b"PK\x03\x04 and no more", b"no zip"):
        path.write_bytes(content)
        with pytest.raises(ResultError, match="is damaged"):
            figure(tmp_path, 8)
    with pytest.raises(ResultError, match="of another budget, steps 4 and not 5"):
        keep_budget(tmp_path, replace(SMALL, steps=5))
    (tmp_path / "budget.json").write_text('{"style": 1}')
    with pytest.raises(ResultError, match="is damaged"):
        read_budget(tmp_path)
    with pytest.raises(SettingsError, match="at least one seed"):
        replace(SMALL, seeds=())


def test_a_runs_time_is_that_of_all_its_parts(tmp_path: Path) -> None:
    paces = ((10, 0.5), (20, 1.0), (50, 1.0))  # steps, and a second's since the line before
    lines = [json.dumps({"step": step, "steps_per_second": pace}) for step, pace in paces]
    (tmp_path / "curve.jsonl").write_text("\n".join(lines))
    assert minutes(tmp_path) == 1.0


def test_one_command_makes_tables_figures_and_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a GPU does it, growing and in bf16, but tiny."""
    gpu, shipping = BUDGETS["gpu"]
    tiny = replace(
        gpu, sizes=(16, 32), grow_at=(0.5,), tasks=2, shots=1, queries=1, inner_steps=1,
        characters=1, pictures=2, adapt_steps=1,
    )  # fmt: skip
    monkeypatch.setitem(
        budgets.BUDGETS, "gpu", (tiny, replace(shipping, times=2, sizes=(16, 32), grow_at=(0.5,)))
    )
    monkeypatch.setattr("training.fewshot.tables.commands._steps_within", lambda *arguments: 2)
    monkeypatch.setattr(  # the other tests measure
        study,
        "evaluate",
        lambda *arguments, **options: dict.fromkeys((*report.MEASURES, "keypoints_of_truth"), 0.5),
    )
    (tmp_path / "manifest.json").touch()
    folder = tmp_path / "tables"
    options = ["--folder", str(folder), "--device", "cpu", "--no-fid", "--loaders", "1"]
    run = ["tables", str(tmp_path), *options, "--budget", "gpu", "--minutes", "20"]
    done = CliRunner().invoke(app, run)
    assert done.exit_code == 0, done.output
    for number in (1, 2, 3, 4):
        table = (folder / f"table-{number}.md").read_text()
        assert table.startswith(f"**Table {number}")
        assert ("not run" in table) == (number == 1 and "warp" not in recipe.METHODS)
    for number in KEPT:
        assert (folder / f"figure-{number}.png").read_bytes().startswith(b"\x89PNG")
    _, about = weights.read(folder / "live.safetensors")
    assert about["steps_done"] == 4
    assert about["config"]["sizes"] == [16, 32]
    assert about["hours"] > 0
    assert about["curve"][-1]["step"] == 4
    assert read_budget(folder).steps == 2

    done = CliRunner().invoke(app, run)  # again: all is there
    assert done.exit_code == 0, done.output
    assert "steps" not in done.output  # of which a training would tell
    done = CliRunner().invoke(app, ["figure", "8", "--folder", str(folder)])
    assert done.exit_code == 0
    doll = a_puppet(tmp_path / "doll.character")
    for number in (7, 10):
        asked = ["figure", str(number), "--folder", str(folder), "--person", str(doll)]
        done = CliRunner().invoke(app, [*asked, "-o", str(tmp_path / f"{number}.png")])
        assert done.exit_code == 0, done.output
        assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")
    for wrong, said in (
        (["table", "5", str(tmp_path)], "tables 1 to 4"),
        (["figure", "5"], "6 to 11"),
        (["figure", "7"], "by --person"),
        (["figure", "6", "--person", "her.character"], "shows no people"),
        (["figure", "10", "--person", "her.character"], "no character bundle"),
        (["table", "1", str(tmp_path), "--budget", "tpu"], "no budget 'tpu'"),
        (["table", "1", str(tmp_path), "--seeds", "a"], "seeds as in 0,1"),
    ):
        done = CliRunner().invoke(app, [*wrong, *options[:2]])
        assert done.exit_code in (1, 2)
        assert said in done.output
    done = CliRunner().invoke(app, ["table", "2", str(tmp_path), *options, "--steps", "3"])
    assert done.exit_code == 1
    assert "another budget" in done.output


def test_times_are_the_least_of_the_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_size", lambda made_by, size: (1, 1))
    monkeypatch.setattr(report.Recipe, "from_dict", lambda described: described)
    keep_budget(tmp_path, replace(SMALL, seeds=(0, 1)))
    for seed, trained, adapted in ((0, 9.0, 2.0), (1, 3.0, 4.0)):
        path = fake(tmp_path, Trial(FULL, 4), seed)
        described = json.loads(path.read_text())
        path.write_text(
            json.dumps(described | {"train_minutes": trained, "adapt_seconds": adapted})
        )
    heads, line = report.costs(tmp_path)
    told = dict(zip(heads, line, strict=True))
    assert told["training, min"] == "3.0"
    assert told["adaptation, s a character"] == "2.0 (4 shots)"


def test_the_weights_that_ship_say_what_made_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real method
    assert weights.SHIPPED.stat().st_size < 16e6
    method, about = weights.read(weights.SHIPPED)
    assert about["steps_done"] == about["curve"][-1]["step"]
    assert {"command", "data", "hours", "recipe"} <= set(about)
    for made in (about, about["start"]):
        assert made["command"].startswith("ayatsuri-train meta runs/")
        assert made["curve"][-1]["step"] == made["steps_done"]
    inputs, truth = a_batch(about["recipe"]["size"])
    with torch.no_grad():
        made = method(inputs)
    blank = truth.abs().mean()  # how far an empty picture is from the truth
    assert (made - truth).abs().mean() < 0.6 * blank


def test_the_pace_tells_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.fewshot.tables import commands

    here = the_study(tmp_path / "tables")
    pace = here.pace([RUNS["fewshot"], RUNS[FULL]])
    assert all(seconds > 0 for seconds in pace.values())
    monkeypatch.setattr(Study, "pace", lambda self, runs: {run.name: 2.0 for run in runs})
    names = {t.run for table in TABLES.values() for t in table.trials}
    found = commands._steps_within(here, 10, Shipping(times=3))
    assert found == int(0.65 * 600 / (2 * (len(names) + 3)))
