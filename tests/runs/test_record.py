import json

import pytest
import torch
from PIL import Image

from emoji_lib import BadInput, runs
from emoji_lib.data import emoji
from emoji_lib.nets import dcgan
from emoji_lib.runs import record
from emoji_lib.runs.run import Run
from emoji_lib.show import plots


@pytest.fixture
def run(tmp_path, monkeypatch):
    folder = record.create("02-test", "02_improved_gan", "a test", {"seed": 7, "steps": 2}, tmp_path)
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(folder))
    return Run("02_improved_gan", {})


def fill(run):
    faces = emoji.load("faces")
    generator = dcgan.Generator(4)
    run.begin(faces, {"generator": generator}, torch.device("cpu"))
    for step in (1, 2):
        run.log(step, {"loss_g": 0.5, "loss_d": 1.5, "real": 0.0, "fake": 0.1})
    run.picture("loss.png", plots.loss_curves(run.rows))
    run.note(steps=2, images_seen=64, images_per_second=10.0)
    run.weights(generator, faces)
    return run.picture("sample.png", plots.contact_sheet(faces.images[:48], faces.premultiplied))


def test_a_record_is_interrupted_until_it_is_whole(run, monkeypatch):
    assert record.read_record(run.folder)["status"] == "interrupted"
    run.note(architecture={})
    with pytest.raises(RuntimeError, match=r"lacks device, data, .*sample\.png, generator\.safetensors"):
        run.finish()
    assert record.read_record(run.folder)["status"] == "interrupted"
    fill(run)
    run.finish()
    kept = record.read_record(run.folder)
    assert (kept["status"], kept["outcome"]) == ("interrupted", "finished")  # until the runner sees the last cell
    monkeypatch.delenv(record.FOLDER_VARIABLE)  # as in JupyterLab
    run.finish()
    kept = record.read_record(run.folder)
    assert kept["status"] == "finished"
    designed = "experiment notebook source commit dirty seed status started seconds device steps images_seen"
    designed += " images_per_second parameters data architecture scores versions"
    assert kept.keys() >= set(designed.split())
    assert kept["seed"] == 7
    assert kept["data"].keys() >= {"selection", "images", "sha256"}
    assert kept["architecture"]["generator"].keys() == {"features", "kernels", "parameters"}


def test_metrics_are_one_line_a_step(run):
    fill(run)
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert rows[0]["loss_d"] == 1.5


def test_the_contact_sheet_shows_the_pictures_over_white_and_over_dark(run):
    sheet = fill(run)
    assert Image.open(run.folder / "sample.png").size == sheet.size == (8 * 76 + 4, 6 * 76 + 8)
    assert sheet.getpixel((4, 4)) == (255, 255, 255)  # the corner of a round face is transparent
    assert sheet.getpixel((4, sheet.height - 6)) == (40, 44, 52)
    assert sheet.getpixel((4 + 36, 4 + 60))[2] < 120  # and its chin is yellow


def test_the_film_shows_the_whole_run_and_the_best_coverage(run):
    fill(run)
    for step, shade in ((1, 1.0), (2, -1.0), (3, 1.0)):
        run.frame(step, torch.cat((torch.full((8, 3, 72, 72), shade), torch.ones(8, 1, 72, 72)), 1))
    run.trace([{"step": 1, "coverage": 0.1}, {"step": 2, "coverage": 0.3}, {"step": 3, "coverage": 0.2}])
    run.finish()
    with Image.open(run.folder / "training.gif") as film:
        assert (film.n_frames, film.size) == (3, (8 * 72, 72))
        colours = [(film.seek(frame), film.convert("RGB").getpixel((0, 0)))[1] for frame in range(3)]
    assert colours == [(255, 255, 255), (0, 0, 0), (255, 255, 255)]
    assert Image.open(run.folder / "best.png").convert("RGB").getpixel((0, 0)) == (0, 0, 0)


def test_runs_are_found_by_folder_name_or_experiment(run, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(record, "RUNS", tmp_path / "none")
    assert record.find_run(str(run.folder)) == run.folder
    assert record.find_run(run.folder.name) == run.folder
    with pytest.raises(BadInput, match=r"no finished run of '02-test' keeps record\.json"):
        record.find_run("02-test")
    run.note(status="finished")
    assert record.find_run("02-test") == run.folder
    later = record.create("02-test", "02_improved_gan", "", {"seed": 7}, tmp_path, changed={"steps": 3})
    record.write_record(later, record.read_record(later) | {"status": "finished"})
    assert record.find_run("02-test") == run.folder
    with pytest.raises(BadInput, match=r"no finished run of '02-test' keeps generator\.safetensors"):
        record.find_run("02-test", "generator.safetensors")
    with pytest.raises(BadInput, match=r"no run '02-tst' that holds record.json \(did you mean '02-test'\?\)"):
        record.find_run("02-tst")


def test_without_git_nothing_is_claimed_of_the_code(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    folder = record.create("02-test", "02_improved_gan", "", {"seed": 7}, tmp_path)
    kept = record.read_record(folder)
    assert kept["commit"] == ""
    assert kept["dirty"] is True
    assert folder.name == "02-test-nocommit-s7"


@pytest.mark.parametrize("lost", ["experiment", "started", "dirty", "scores"])
def test_a_folder_without_a_readable_record_is_not_a_run(run, tmp_path, lost):
    whole = record.read_record(run.folder)
    broken = tmp_path / "broken"
    broken.mkdir()
    half = json.dumps({key: value for key, value in whole.items() if key != lost})
    for text in ("{", "{}", "[]", "null", "7", half, json.dumps(whole | {lost: 7})):
        (broken / "record.json").write_text(text)
        assert record.runs_in(tmp_path) == [(run.folder, whole)]
        with pytest.raises(BadInput, match="is not a run folder"):
            record.read_record(broken)


@pytest.mark.parametrize("wrong", [{"changed": 7}, {"resumed": 7}, {"data": []}, {"schema": "3"}, {"architecture": 7}])
def test_what_a_record_may_have_is_of_its_kind(run, tmp_path, wrong):
    whole = record.read_record(run.folder)
    broken = tmp_path / "broken"
    broken.mkdir()
    for older in ({}, {"schema": 1}):
        (broken / "record.json").write_text(json.dumps(whole | older | wrong))
        assert record.runs_in(tmp_path) == [(run.folder, whole)]
    with pytest.raises(BadInput, match=f"no usable {next(iter(wrong))}"):
        record.read_record(broken)


@pytest.mark.parametrize(
    ("schema", "experiment", "notebook", "given", "today"),
    [
        (1, "06-quick", "06_text_to_emoji", {"pull": 3, "judged": 8}, {"l1_weight": 3, "eval_samples": 8}),
        (1, "07-quick", "07_cyclegan_memoji", {"pool": 50, "cycle": 9}, {"pool_size": 50, "cycle_weight": 9}),
        (1, "02-quick", "02_improved_gan", {"go_on": True, "pool": 1}, {"ignore_collapse": True, "pool": 1}),
        (2, "06-phrases", "06_text_to_emoji", {"l1_weight": 3}, {"l1_weight": 3}),
    ],
)
def test_old_records_have_todays_names(run, schema, experiment, notebook, given, today):
    old = record.read_record(run.folder) | {"schema": schema, "experiment": experiment, "notebook": notebook}
    record.write_record(run.folder, old | {"parameters": given, "changed": given})
    read = record.read_record(run.folder)
    assert read["parameters"] == read["changed"] == today
    assert read["experiment"] == {"06-quick": "06-paper", "06-phrases": "06-phrases-pixels"}.get(experiment, experiment)
    assert read["schema"] == record.SCHEMA


def test_the_frame_has_a_row_a_run(run, tmp_path):
    fill(run)
    run.note(scores={"contrast": {"kid": 0.25}}, resumed=[{"dirty": True}])
    record.create("01-test", "01_baseline_dcgan", "", {"seed": 8, "batch_size": 5}, tmp_path)
    frame = runs.frame(tmp_path).set_index("experiment")
    assert frame.loc["02-test", ["seed", "scores.contrast.kid", "data.selection"]].tolist() == [7, 0.25, "faces"]
    assert frame.loc["02-test", ["folder", "dirty", "steps"]].tolist() == [str(run.folder), True, 2]
    assert frame.loc["01-test", "parameters.batch_size"] == 5
    assert list(runs.frame(tmp_path / "none").columns) == runs.FIRST


def test_a_run_does_not_go_on_with_another_second_domain(run):
    faces, flags, letters = (emoji.load(name) for name in ("faces", "flags", "1f600"))
    networks = {"generator": dcgan.Generator(4)}
    run.begin(faces, networks, torch.device("cpu"), cartoons=flags)
    run.checkpoint(1, {"step": 1})
    run.note(resumed=[{"dirty": False}])
    for cartoons in ({"cartoons": letters}, {}):
        again = Run("02_improved_gan", {})
        again.begin(faces, networks, torch.device("cpu"), **cartoons)
        with pytest.raises(BadInput, match="begun with other settings: cartoons"):
            again.restore()
    again.begin(faces, networks, torch.device("cpu"), cartoons=flags)
    assert again.restore() == {"step": 1}


def test_the_best_run_is_one_that_can_be_drawn_from():
    folder = record.find_run("best", "generator.safetensors")
    assert record.read_record(folder)["experiment"] == record.BEST


def test_a_killed_piece_counts_up_to_its_last_checkpoint(run, monkeypatch):
    monkeypatch.setattr(run, "_sets", {}, raising=False)
    run.note(architecture={}, seconds=100.0)
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(run.folder))
    again = Run("notebook", {})
    monkeypatch.setattr(again, "_sets", {}, raising=False)
    again.checkpoint(3, {})
    assert 100 <= record.read_record(run.folder)["seconds"] < 160


def test_a_place_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "unplugged" / "runs")
    with pytest.raises(OSError, match="runs"):
        record.create("02-test", "02_improved_gan", "", {}, tmp_path / "runs")
