"""Real papermill runs in real kernels, of notebooks that end in every way a notebook can."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from emoji_lib import BadInput, RunFailed
from emoji_lib.files import is_held
from emoji_lib.runs import experiments, record, runner

ROOT = Path(__file__).parents[2]
PARAMETERS = 'steps: int = 3  # how many\nname: str = "x"  # what\nseed: int = 0  # of everything'
START = (
    "from emoji_lib.runs.run import Run\n"
    'run = Run("tiny", {name: globals()[name] for name in __annotations__})\nprint("began")'
)
NOTED = """import os, time
from pathlib import Path
from emoji_lib.runs.record import read_record, write_record
folder = Path(os.environ["EMOJI_RUN"])
write_record(folder, read_record(folder) | {"process": os.getpid()})
"""
ENDINGS = {
    "good": "run.note(told=[steps, name])\nrun.finish()",
    "raises": 'raise ZeroDivisionError("by naught")',
    "refuses": "from emoji_lib import BadInput\nraise BadInput(\"selection 'moons' is empty\")",
    "exits": "import sys\nsys.exit(0)",
    "dies": "import os\nos.kill(os.getpid(), 9)",
    "forgets": "pass",
    "half": "run.note(architecture={})\nrun.finish()",
    "stopped": NOTED + "os.kill(os.getppid(), steps)\ntime.sleep(30)",
    "late": "import os, time\nrun.finish()\nif not run.resumed:\n    os.kill(os.getppid(), steps)\n    time.sleep(30)",
}


@pytest.fixture
def laboratory(tmp_path, monkeypatch):
    """A notebooks folder with one tiny notebook for each ending."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    entries = {}
    for name, ending in ENDINGS.items():
        start = START if "run." in ending else 'print("began")'  # which need not wait for torch
        cells = [nbformat.v4.new_code_cell(source) for source in (PARAMETERS, start, ending, 'print("after")')]
        cells[0].metadata["tags"] = ["parameters"]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
        entries[name] = {"notebook": name, "source": "a test", "parameters": {"steps": 5}}
    (folder / "experiments.yaml").write_text(json.dumps(entries))
    monkeypatch.setattr(experiments, "NOTEBOOKS", folder)
    experiments.load.cache_clear()
    yield tmp_path / "runs"
    experiments.load.cache_clear()


def test_a_good_run(laboratory, capsys):
    folder = runner.run(experiments.plan("good", {"name": "y"}), out=laboratory)
    kept = record.read_record(folder)
    assert kept["status"] == "finished"
    assert kept["told"] == [5, "y"]
    assert kept["parameters"] == {"steps": 5, "name": "y", "seed": 0}
    assert kept["seconds"] > 0
    assert folder.name == f"good-{kept['commit'][:7]}-s0"
    assert "began" in capsys.readouterr().out
    executed = nbformat.read(folder / "notebook.ipynb", 4)
    assert [cell.execution_count for cell in executed.cells] == [1, 2, 3, 4, 5]
    assert str(laboratory) not in (folder / "notebook.ipynb").read_text()
    record.write_record(folder, kept | {"dirty": False})
    with pytest.raises(BadInput, match="changed parameters"):
        runner.store(folder)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("raises", "ZeroDivisionError: by naught"),
        ("refuses", "selection 'moons' is empty"),
        ("exits", "exited before its end"),
        ("dies", "kernel died"),
        ("forgets", "without finishing its run"),
        ("half", "the run lacks device, data"),
    ],
)
def test_bad_endings_are_failed_runs_that_say_why(laboratory, name, reason):
    with pytest.raises(RunFailed, match=reason):
        runner.run(experiments.plan(name, {}), out=laboratory)
    (folder,) = laboratory.iterdir()
    kept = record.read_record(folder)
    assert kept["status"] == "failed"
    assert reason in kept["reason"]


def test_what_is_wrong_stops_before_anything_is_made(laboratory):
    for given in ({"stepps": 1}, {"steps": "many"}):
        with pytest.raises(BadInput):
            experiments.plan("good", given)
    assert not laboratory.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_notebook_is_an_interrupted_run(laboratory, number):
    before = signal.signal(number, signal.SIG_DFL)  # also where the tests run under nohup
    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run(experiments.plan("stopped", {"steps": int(number)}), out=laboratory)
    finally:
        signal.signal(number, before)
    (folder,) = laboratory.iterdir()
    assert record.read_record(folder)["status"] == "interrupted"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_run_is_finished_leaves_it_to_be_resumed(laboratory, sent):
    """Ctrl-C in the last cell, or the end of the time: the record must not call a notebook finished that is cut off."""
    plan = experiments.plan("late", {"steps": int(sent)})
    with pytest.raises(KeyboardInterrupt, match="stopped on request"):
        runner.run(plan, out=laboratory)
    (folder,) = laboratory.iterdir()
    kept = record.read_record(folder)
    assert kept["status"] == "interrupted"
    assert "--resume" in kept["reason"]
    assert runner.run(plan, out=laboratory, resume=True) == folder
    assert record.read_record(folder)["status"] == "finished"
    executed = nbformat.read(folder / "notebook.ipynb", 4)
    assert [cell.execution_count for cell in executed.cells] == [1, 2, 3, 4, 5]


def test_a_run_killed_after_it_is_finished_is_left_to_be_resumed(laboratory):
    plan = experiments.plan("late", {"steps": int(signal.SIGKILL)})
    lines = [
        "from pathlib import Path",
        "from emoji_lib.runs import experiments, runner",
        f"experiments.NOTEBOOKS = Path({str(experiments.NOTEBOOKS)!r})",
        f"runner.run(experiments.plan('late', {plan.changed!r}), out=Path({str(laboratory)!r}))",
    ]
    killed = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    ((folder, kept),) = record.runs_in(laboratory)
    assert kept["status"] == "interrupted"
    assert runner.run(plan, out=laboratory, resume=True) == folder
    kept = record.read_record(folder)
    assert kept["status"] == "finished"
    assert "outcome" not in kept


def test_a_run_is_held_from_its_first_moment(laboratory, monkeypatch):
    held = []
    monkeypatch.setattr(runner, "_finish", lambda folder, plan: held.append(is_held(folder)))
    write = record.write_record
    monkeypatch.setattr(record, "write_record", lambda folder, one: held.append(is_held(folder)) or write(folder, one))
    first, second = (runner.run(experiments.plan("good", {}), out=laboratory) for _ in range(2))
    assert held == [True] * 4
    assert not is_held(first)
    assert second.name == f"{first.name}-2"


def test_a_stopped_run_keeps_a_checkpoint_and_goes_on(tmp_path):
    """Ctrl-C at a real command line, while the kernel trains; then `--resume`."""
    command = [sys.executable, "-m", "emoji_lib", "run", "02-quick", "-p", "features", "2", "--out", str(tmp_path)]
    command += ["-p", "steps", "300", "-p", "eval_samples", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "steps of" not in (line := process.stdout.readline()):
        assert line, "the run ended before it began to train"
    while not list(tmp_path.glob("*/metrics.jsonl")):  # it trains
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    (folder,) = tmp_path.iterdir()
    kept = record.read_record(folder)
    assert kept["status"] == "interrupted"
    assert kept["reason"] in error
    stopped = int(kept["reason"].split("step ")[1].split(" of")[0].replace(",", ""))
    assert 0 < stopped < 300
    other = subprocess.run([*command, "--resume", "-p", "batch_size", "8"], cwd=ROOT, capture_output=True, text=True)
    assert other.returncode == 2
    assert "other parameters: batch_size 16 → 8" in other.stderr
    done = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"resuming from step {stopped:,} of 300" in done.stdout
    kept = record.read_record(folder)
    assert kept["status"] in record.DONE  # a network this small may well collapse
    assert len(kept["resumed"]) == 1
    again = subprocess.run([*command, "--resume"], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert "nothing to resume" in again.stderr


def test_only_finished_runs_of_committed_code_and_defaults_are_stored(laboratory, monkeypatch):
    monkeypatch.setattr(record, "code", lambda: {"commit": "0" * 40, "dirty": False, "started": "2026-01-01"})
    plain = runner.run(experiments.plan("good", {"steps": 3}), out=laboratory)
    kept = record.read_record(plain)
    record.write_record(plain, kept | {"dirty": True})
    with pytest.raises(BadInput, match="ran code that no commit holds"):
        runner.store(plain)
    record.write_record(plain, kept)
    whole = (plain / "notebook.ipynb").read_text()
    (plain / "notebook.ipynb").write_text(whole[:99])
    record.write_record(plain, kept | {"status": "interrupted"})
    with pytest.raises(BadInput, match="is interrupted, so its outputs are not stored"):
        runner.store(plain)
    (plain / "notebook.ipynb").write_text(whole)
    record.write_record(plain, kept)
    target = runner.store(plain)
    stored = nbformat.read(target, 4)
    assert [cell.execution_count for cell in stored.cells] == [1, 2, 3, 4]
    stored.cells[2].source += "\n"
    nbformat.write(stored, target)
    with pytest.raises(BadInput, match=r"code of good\.ipynb has changed since"):
        runner.store(plain)


def test_stored_progress_is_thinned_and_nothing_else():
    lines = [f"step {number}/100\n" for number in range(1, 101)]
    few = "".join(["resuming\n", *lines[:20], "done"])
    assert runner._thinned(few) == few
    text = runner._thinned("".join(["resuming\n", *lines, "done"]))
    assert text.startswith("resuming\nstep ")
    assert text.endswith("step 100/100\ndone")
    assert text.count("step ") == runner.PROGRESS
