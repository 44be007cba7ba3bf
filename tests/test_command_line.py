"""The command line as a user types it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emoji_lib import BadInput, RunFailed
from emoji_lib.cli import command_line, main
from emoji_lib.measure import protocol
from emoji_lib.nets import dcgan
from emoji_lib.runs import experiments, record, runner
from emoji_lib.show import sampler
from emoji_lib.tools import bench, emoji_sets
from emoji_lib.train.checkpoint import save_weights

ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(tmp_path):
    """A run's folder with an untrained generator."""
    folder = record.create("02-test", "02_improved_gan", "", {"seed": 0, "selection": "faces"}, tmp_path)
    save_weights(folder / sampler.WEIGHTS, dcgan.Generator(4), mode="RGBA", premultiplied=True)
    return folder


def test_data_for_machines_and_for_people(capsys):
    assert main(["data", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["images"] == facts["selections"]["all"] == 4009
    assert len(facts["sha256"]) == 64
    assert main(["data"]) == 0
    assert "faces                  119" in capsys.readouterr().out


def test_data_of_ones_own(tmp_path, capsys):
    Image.new("RGBA", (72, 72)).save(tmp_path / "mine.png")
    assert main(["data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["split"] == {"train": 1, "validation": 0, "test": 0}


def test_list_shows_every_experiment(capsys):
    assert main(["list", "--json"]) == 0
    rows = {row["experiment"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"01-quick", "01-blog", "02-quick", "02-blog-million"} <= rows.keys()
    assert all(row.keys() >= {"notebook", "source", "state", "newest"} for row in rows.values())
    assert rows["02-blog-million"]["changed"] == {"steps": 22000}, "finished, but not whole"
    assert main(["list"]) == 0
    assert f"{rows['02-blog-million']['newest']}, steps 22000\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("run 02-quick -p epocs 3", "did you mean 'epochs'?"),
        ("run 02-quick -p epochs three", "epochs is "),
        ("run 02-quick -p epochs", "'-p' requires 2 arguments"),
        ("run 02-quick --seed -1", "seed -1 is not between 0 and 4,294,967,295"),
        (f"run 02-quick --seed {2**64}", f"seed {2**64} is not between"),
        ("run 02-quick -p seed -1", "seed -1 is not between"),
        ("run 02-quik", "did you mean '02-quick'?"),
        ("run", "Missing argument 'NAME'"),
        ("sample nothing", "no run 'nothing'"),
        ("sample 02-quick --seed one", "'--seed'"),
        ("data ./nowhere", "no folder nowhere"),
        ("data --jsn", "Possible options: --json"),
        ("dta", "Did you mean 'data'?"),
        ("bench --batch 0", "--batch 0: there are 4,009 pictures"),
        ("bench --batch 5000", "--batch 5000: there are 4,009 pictures"),
        ("bench --batch 5 five", "Invalid value for 'SIZE'"),
        ("bench --features 0", "--features 0 is not at least 1"),
        ("encoders --steps 0", "--steps 0 is"),
        ("missing --minutes -1", "--minutes -1.0 is not at least 0"),
        ("missing --minutes nan", "--minutes nan is"),
        ("missing --jobs 0", "--jobs 0 is"),
        ("sweep deep-emoji-sweep-quick --jobs -2", "--jobs -2 is"),
        ("search deep-emoji-search --trials 0", "--trials 0 is"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(typed, message, capsys):
    assert main(typed.split()) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) == 1
    assert not said.out


def test_a_reader_that_has_gone_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "emoji_lib", "list"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_the_process_ends_with_the_code_and_no_traceback():
    command = [sys.executable, "-m", "emoji_lib", "run", "02-quick", "--bord"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: No such option: --bord (Possible options: --board)\n"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (RunFailed("cell 3 failed"), 1, "error: cell 3 failed\n"),
        (OSError("disk full"), 1, "error: disk full\n"),
        (
            KeyboardInterrupt("stopped on request: go on with --resume"),
            130,
            "\nstopped on request: go on with --resume\n",
        ),
        (KeyboardInterrupt(), 130, "\nstopped\n"),
    ],
)
def test_what_fails_or_is_stopped_says_so(error, code, message, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(runner, "run", fail)
    assert main(["run", "02-quick"]) == code
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("command", command_line.commands)
def test_help_ends_with_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip().startswith(f"example: python -m emoji_lib {command}")


def test_without_a_command_there_is_help(capsys):
    assert main([]) == 2
    out = capsys.readouterr().out
    assert all(f"\n  {command} " in out for command in command_line.commands)


def test_parameters_come_in_pairs(monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(runner, "run", lambda plan, **options: ran.append((plan, options)))
    words = "run 02-quick -p selection 🥸+😎 --parameter learning_rate_d -1 -p steps 5 --seed 7 --resume"
    assert main([*words.split(), "--out", str(tmp_path)]) == 0
    ((plan, options),) = ran
    wanted = {"selection": "🥸+😎", "learning_rate_d": -1.0, "steps": 5, "seed": 7}
    assert plan.parameters.items() >= wanted.items()
    assert options == {"out": tmp_path.resolve(), "resume": True}


@pytest.mark.parametrize("words", ["--batch 5 64", "--batch 5 --batch 64", "--batch=5 64 --features 8"])
def test_an_option_takes_several_values(words, monkeypatch, capsys):
    def rows(sizes, features, device):
        for size in sizes:
            speeds = {"reference_images_per_second": 10.0, "images_per_second": 20.0, "ratio": 2.0, "peak_share": 0.5}
            yield {"device": str(device), "batch": size, "split": {"data": 0.1}} | speeds

    monkeypatch.setattr(bench, "bench", rows)
    assert main(["bench", *words.split(), "--device", "cpu", "--json"]) == 0
    assert [row["batch"] for row in json.loads(capsys.readouterr().out)] == [5, 64]
    assert main(["bench", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.count("ours 20, ratio 2.00, 50% of peak") == 3


@pytest.mark.parametrize("words", ["--vendors google apple", "--vendors google --vendors apple"])
def test_vendors_too(words, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(emoji_sets, "fetch", lambda out, vendors: {"-".join(vendors): 2})
    assert main(["sets", "--out", str(tmp_path), *words.split()]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/google-apple/: 2 pictures\n"


def test_samples_are_rgba_with_clean_transparency_and_repeat(run, tmp_path, capsys):
    for premultiplied in (True, False):
        save_weights(run / sampler.WEIGHTS, dcgan.Generator(4), mode="RGBA", premultiplied=premultiplied)
        for out in ("a", "b"):
            assert main(["sample", str(run), "--n", "3", "--seed", "5", "--out", str(tmp_path / out)]) == 0
        assert "3 RGBA PNGs of 72×72 in " in capsys.readouterr().out
        names = ["0000.png", "0001.png", "0002.png"]
        assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
        for name in names:
            pixels = np.asarray(Image.open(tmp_path / "a" / name))
            assert pixels.shape == (72, 72, 4)
            assert not pixels[pixels[..., 3] == 0].any()
            np.testing.assert_array_equal(pixels, np.asarray(Image.open(tmp_path / "b" / name)))


@pytest.mark.parametrize("bad", ["--n 0", "--n -3", "--seed -1", f"--seed {2**64}"])
def test_numbers_that_cannot_be_drawn_with(bad, run, capsys):
    for command in ("sample", "evaluate"):
        assert main([command, str(run), *bad.split()]) == 2
        assert capsys.readouterr().err.startswith(f"error: {bad} is not ")


@pytest.mark.parametrize(
    "other", ["--n 100", "--n 60 --seed 1", "--n 60 --reference flags", "--n 60 --reference faces:train"]
)
def test_only_scores_of_the_protocol_are_kept(other, run, monkeypatch, capsys):
    monkeypatch.setattr(protocol, "SAMPLES", 60)
    monkeypatch.setattr(protocol, "evaluate", lambda shown, reference: {"samples": len(shown)})
    kept = ["evaluate", str(run), "--alone", "--keep", "--json"]
    assert main([*kept, *other.split()]) == 2
    error = capsys.readouterr().err
    assert "60 samples of seed 0 against what the run learned from, 'faces'; leave out --reference" in error
    assert record.read_record(run)["scores"] == {}
    assert main([*kept, "--n", "60", "--reference", "faces"]) == 0
    assert record.read_record(run)["scores"] == {"samples": 60, "seed": 0}


def test_a_folder_called_as_a_reference_row_is_shown_beside_it(draw_png, tmp_path, monkeypatch, capsys):
    draw_png(tmp_path / "noise" / "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(protocol, "evaluate", lambda shown, reference: {"samples": len(shown)})
    monkeypatch.setattr(protocol, "reference_rows", lambda reference: {"noise": {"samples": 300}})
    assert main(["evaluate", "noise", "--json"]) == 0
    assert {name: row["samples"] for name, row in json.loads(capsys.readouterr().out).items()} == {
        "noise/": 1,
        "noise": 300,
    }


@pytest.mark.parametrize("panel", ["missing/x.png", "file.txt/x.png", "x.jpg", "folder.png"])
def test_a_panel_that_cannot_be_written_is_refused_before_scoring(panel, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sampler, "target", lambda *_: pytest.fail("scoring has begun"))
    (tmp_path / "file.txt").write_text("")
    (tmp_path / "folder.png").mkdir()
    assert main(["evaluate", "02-quick", "--panel", str(tmp_path / panel)]) == 2
    assert f"{panel} must end in .png, in a folder that is there" in capsys.readouterr().err


def test_the_readme_is_in_step_with_the_results(capsys):
    assert main(["table", "--check"]) == 0, capsys.readouterr().err


def test_store_takes_an_experiments_name_and_says_where_there_is_none(monkeypatch, capsys):
    stored = []
    monkeypatch.setattr(runner, "store", lambda folder: stored.append(folder) or folder)
    assert main(["store", "03-full"]) == 0
    assert stored == [record.find_run("03-full")]
    assert main(["store", "no-such-run"]) == 2
    assert "no run 'no-such-run'" in capsys.readouterr().err


def test_bad_input_is_one_line_even_where_a_library_says_more():
    assert str(BadInput("it cannot be read:\n  line 2\n    column 3")) == "it cannot be read: line 2 column 3"


def test_a_package_that_is_missing_is_named_and_a_module_of_ours_is_not_taken_for_one(monkeypatch, capsys):
    def missing(name):
        def plan(*_):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        return plan

    monkeypatch.setattr(experiments, "plan", missing("emojis"))
    assert main(["run", "02-quick"]) == 2
    assert capsys.readouterr().err == "error: the package emojis is missing: pip install -r requirements.txt\n"
    monkeypatch.setattr(experiments, "plan", missing("emoji_lib.gone"))
    with pytest.raises(ModuleNotFoundError):
        main(["run", "02-quick"])
