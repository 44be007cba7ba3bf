import json

import pytest

from emoji_lib import BadInput
from emoji_lib.cli import main
from emoji_lib.runs import experiments, record, sweep
from emoji_lib.show import plots, report

NAME = "deep-emoji-sweep-quick"


def put(folder, experiment, status, **facts):
    plan = experiments.plan(experiment, {})
    made = record.create(experiment, plan.experiment.notebook, "", plan.parameters, folder)
    record.write_record(made, record.read_record(made) | {"status": status} | facts)
    return made


def scores(good):
    one = {"kid": 1 - good, "kid_low": 0.9 - good, "kid_high": 1.1 - good, "coverage": good, "vendi": 1.0}
    return {"contrast": one, "groups": one, "memorised": 0.0}


def test_the_logs_table_is_nine_rows():
    rows = experiments.sweep("deep-emoji-sweep")
    assert [row.name for row in rows] == [f"deep-emoji-sweep-{number}" for number in range(1, 10)]
    assert rows[0].parameters["beta2"] == 0.7
    assert rows[8].parameters["learning_rate_d"] == 1e-5
    assert [row.parameters["batch_size"] for row in rows] == [256, 128, *[512] * 7]
    quick = experiments.sweep(NAME)
    assert [row.parameters["batch_size"] for row in quick] == [32, 16, *[64] * 7]
    with pytest.raises(BadInput, match=r"no sweep 'deep-emoji-sweep-quik' \(did you mean 'deep-emoji-sweep-quick'\?\)"):
        experiments.sweep("deep-emoji-sweep-quik")


def test_a_grid_is_each_with_each(tmp_path):
    entry = {"notebook": "n", "parameters": {"seed": 1}, "sweep": {"beta1": [0.4, 0.5], "batch_size": [8, 16, 32]}}
    rows = experiments._rows("grid", entry, tmp_path)
    assert len(rows) == 6
    assert rows["grid-2"]["parameters"] == {"seed": 1, "beta1": 0.4, "batch_size": 16}
    assert rows["grid-6"]["about"] == "beta1 0.5, batch_size 32"
    for bad in ([], {}, {"beta1": 0.5}, "beta1", [3]):
        with pytest.raises(BadInput, match="the sweep of grid is a list of parameters, or a grid"):
            experiments._rows("grid", entry | {"sweep": bad}, tmp_path)


def test_a_dry_run_says_what_would_run_and_for_how_long(tmp_path, capsys, monkeypatch):
    put(tmp_path, f"{NAME}-1", "finished", seconds=60.0, images_seen=6000)
    put(tmp_path, f"{NAME}-2", "collapsed")
    put(tmp_path, f"{NAME}-3", "failed")
    put(tmp_path, f"{NAME}-4", "interrupted")
    states = {row["experiment"][-1]: (row["state"], row["seconds"]) for row in sweep.states(NAME, tmp_path)}
    assert states["1"] == ("finished", None)
    assert states["2"] == ("collapsed", None)
    assert states["3"] == ("failed", None), "what failed is not begun again by itself"
    assert states["4"][0] == "interrupted"
    assert states["5"][0] == "not run"
    assert main(["sweep", NAME, "--out", str(tmp_path), "--dry-run", "--jobs", "2"]) == 0
    said = capsys.readouterr().out
    assert f"{NAME}-5 not run learning_rate_g 1e-4" in " ".join(said.split())
    assert "to run: 6, about" in said
    assert len(record.runs_in(tmp_path)) == 4
    assert main(["sweep", NAME, "--out", str(tmp_path), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["experiment"] for row in listed] == [row.name for row in experiments.sweep(NAME)]
    assert len(record.runs_in(tmp_path)) == 4, "it only lists them"
    assert main(["sweep", "none", "--dry-run"]) == 2
    monkeypatch.setattr(sweep, "_images", lambda _: None)
    assert main(["sweep", NAME, "--out", str(tmp_path), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "to run: 6", "without a guess at how long"


def test_a_row_of_several_seeds_says_how_many_it_has(tmp_path, capsys):
    for seed in (0, 2, 5):
        put(tmp_path, "collapse-study-1", "collapsed", seed=seed, seconds=60.0, images_seen=35700)
    put(tmp_path, "collapse-study-1", "finished", seed=3, changed={"steps": 100})
    put(tmp_path, "collapse-study-1", "finished", seed=99)
    assert main(["sweep", "collapse-study", "--out", str(tmp_path), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "collapse-study-1             3 of 10 seeds " in said
    assert "collapse-study-2             0 of 10 seeds " in said
    assert "to run: 17, about" in said


def test_the_table_and_the_ranks(tmp_path):
    for number, good in ((1, 0.2), (2, 0.9), (3, 0.5)):
        folder = put(tmp_path, f"{NAME}-{number}", "finished", scores=scores(good))
        lines = [{"step": step, "loss_d": 1.0, "loss_g": 2.0} for step in range(20)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    put(tmp_path, f"{NAME}-4", "failed")
    rows = [one for one in sweep.table(NAME, tmp_path) if one[2]]
    shown = report.sweep_table(rows)
    assert shown[["state", "last loss D, G"]].values.tolist() == [["finished", "1.00, 2.00"]] * 3 + [["failed", "–"]]
    assert shown.filter(like="KID").loc["4"].tolist() == ["–", "–"]
    assert [row.name[-1] for row, *_ in report.ranked(rows, "kid")] == ["2", "3", "1"]
    assert [row.name[-1] for row, *_ in report.ranked(rows, "coverage")] == ["2", "3", "1"]
    axes, good = report.sweep_axes(rows, "kid")
    assert list(axes) == ["epochs", "batch_size", "beta1", "beta2", "kid, contrast", "kid, groups"]
    assert good == [1.0, 0.5, 0.0]
    assert plots.parallel(axes, good).width > 500


def test_settings_that_are_words_stand_in_the_table_and_the_picture(tmp_path):
    rows = []
    for number, words in enumerate(("512 > 128", "256 > 64"), 1):
        folder = put(
            tmp_path, f"{NAME}-{number}", "finished", scores=scores(number / 4), parameters={"features": words}
        )
        rows.append((experiments.sweep(NAME)[number], folder, record.read_record(folder)))
    assert report.sweep_table(rows)["features"].tolist() == ["512 > 128", "256 > 64"]
    assert plots.parallel(*report.sweep_axes(rows, "kid")).width > 500
    with pytest.raises(BadInput, match="no run of this sweep has the score 'frechet'"):
        report.sweep_axes(rows, "frechet")


def test_the_records_of_a_sweep_are_the_newest_good_run_of_each_row_and_seed(tmp_path):
    with pytest.raises(BadInput, match=r"no run of blog-ladder in .* yet: `python -m emoji_lib sweep NAME` makes"):
        sweep.records("blog-ladder", tmp_path)
    for started, (row, seed, status) in enumerate(
        [(12, 0, "finished"), (1, 1, "collapsed"), (1, 0, "finished"), (1, 0, "finished"), (2, 0, "interrupted")]
    ):
        facts = {"started": f"2026-01-0{started + 1}", "scores": scores(0.1 * (started + 1))}
        put(tmp_path, f"blog-ladder-{row}", status, seed=seed, **facts)
    put(tmp_path, "blog-ladder-1", "finished", seed=2, started="2026-01-09", changed={"features": 4})
    put(tmp_path, "collapse-study-1", "finished", seed=0)
    put(tmp_path, "02-quick", "finished", seed=3)
    assert sweep.records("02-quick collapse-study", tmp_path)["seed"].tolist() == [3, 0]
    runs = sweep.records("blog-ladder", tmp_path)
    assert runs[["about", "seed"]].values.tolist() == [["baseline", 0], ["baseline", 1], ["improved", 0]]
    assert runs["started"][0] == "2026-01-04"
    shown = report.variations(runs)
    assert shown["", "collapsed"].to_dict() == {"baseline": "1 of 2", "improved": "0 of 1"}
    assert shown["coverage", "groups"].to_dict() == {"baseline": "0.3 (0.2 to 0.4)", "improved": "0.1"}
    few = runs.drop(columns=runs.filter(like="coverage").columns)
    assert set(report.variations(few)["coverage", "groups"]) == {"–"}, "of few samples there are no such scores"
