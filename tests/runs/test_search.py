"""Three real workers share one study; one of them is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import search_worker

from emoji_lib import BadInput
from emoji_lib.runs import experiments, record, search

optuna = pytest.importorskip("optuna", reason="an extra: pip install -r requirements-extras.txt")
ROOT = Path(__file__).parents[2]
TINY = """
import os, time
from pathlib import Path
from emoji_lib.runs.record import read_record, write_record
folder = Path(os.environ["EMOJI_RUN"])
scores = {name: {"kid": (rate - 0.3) ** 2} for name in ("contrast", "groups")}
status = "collapsed" if rate > 0.7 else "finished"
write_record(folder, read_record(folder) | {"outcome": status, "scores": scores})
"""


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [
        nbformat.v4.new_code_cell(source)
        for source in ("rate: float = 0.5  # to be found\nseed: int = 0  # of it", TINY)
    ]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "tiny.ipynb")
    entry = {"notebook": "tiny", "search": {"rate": {"low": 0.0, "high": 1.0}}}
    (folder / "experiments.yaml").write_text(json.dumps({"tiny": entry, "plain": {"notebook": "tiny"}}))
    monkeypatch.setattr(experiments, "NOTEBOOKS", folder)
    experiments.load.cache_clear()
    yield folder
    experiments.load.cache_clear()


def worker(notebooks, trials):
    out, journal = notebooks.parent / "runs", notebooks.parent / "study.journal"
    command = [sys.executable, search_worker.__file__, notebooks, journal, out, str(trials)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _stopped_in_a_trial(process, running) -> bool:
    """Whether `process`, which this stops, has begun a trial and chosen its settings; if not, it goes on."""
    process.send_signal(signal.SIGSTOP)
    if any(trial.params and trial.user_attrs["worker"][1] == process.pid for trial in running()):
        return True
    process.send_signal(signal.SIGCONT)
    return False


def test_three_workers_of_which_one_is_killed(notebooks):
    journal = str(notebooks.parent / "study.journal")
    workers = [worker(notebooks, 5) for _ in range(3)]
    study, ended = search.open_study("tiny", journal), time.monotonic() + 60
    running = lambda: study.get_trials(states=(optuna.trial.TrialState.RUNNING,))  # noqa: E731
    while sum(bool(trial.params) for trial in running()) < 3 and time.monotonic() < ended:
        time.sleep(0.02)
    while not _stopped_in_a_trial(workers[0], running) and time.monotonic() < ended:
        time.sleep(0.02)
    workers[0].kill()
    for one in workers[1:]:
        _, error = one.communicate(timeout=120)
        assert one.returncode == 0, error
    workers[0].communicate()
    states = [trial.state.name for trial in study.get_trials()]
    assert states.count("COMPLETE") + states.count("PRUNED") >= 5
    (left,) = running()
    last = worker(notebooks, len(states) + 1)
    _, error = last.communicate(timeout=120)
    assert last.returncode == 0, error
    trials = study.get_trials()
    assert trials[left.number].state.name == "FAIL"
    again = [trial for trial in trials if trial.params == left.params and trial.number != left.number]
    assert again, "the settings of the killed worker were not tried again"
    for trial in trials:
        if trial.state.name in ("COMPLETE", "PRUNED"):
            kept = record.read_record(Path(trial.user_attrs["folder"]))
            assert (kept["status"] == "collapsed") == (trial.state.name == "PRUNED")
            assert kept["parameters"]["rate"] == trial.params["rate"]
    lines = search.text(study).splitlines()
    assert lines[1].split() == ["number", "state", "value", "params_rate"]
    assert sum(line.split()[1:3] == ["FAIL", "–"] for line in lines) == 1


def test_trials_without_a_value_have_a_dash():
    study = optuna.create_study()
    space = {"rate": optuna.distributions.FloatDistribution(0, 1)}
    study.add_trial(
        optuna.trial.create_trial(state=optuna.trial.TrialState.FAIL, params={"rate": 0.5}, distributions=space)
    )
    assert search.text(study).splitlines()[2].split() == ["0", "FAIL", "–", "0.5"]


def test_workers_side_by_side_divide_the_threads_between_them(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    started, begin = [], subprocess.Popen

    def start(command, env, **options):
        started.append(env["OMP_NUM_THREADS"])
        return begin([sys.executable, "-c", ""], env=env, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(search, "work", lambda *_: started.append(os.environ["OMP_NUM_THREADS"]))
    search.work_together("tiny", 1, str(tmp_path / "a.journal"), 1)
    search.work_together("tiny", 1, str(tmp_path / "a.journal"), 3)
    assert started == ["8", "2", "2", "2"]  # one worker keeps what the user has set


def test_what_cannot_be_searched_is_said(notebooks, tmp_path):
    with pytest.raises(BadInput, match="plain says nothing to search; these do: tiny"):
        search.open_study("plain", str(tmp_path / "a.journal"))
    for storage in ("foo://bar", f"sqlite:///{tmp_path}/nowhere/x.db"):
        with pytest.raises(BadInput, match=r"--storage .* cannot be used"):
            search.open_study("tiny", storage)


def test_spaces():
    trial = optuna.trial.FixedTrial({"a": 3, "b": 0.01, "c": "x"})
    assert search._suggest(trial, "a", {"low": 1, "high": 5}) == 3
    assert search._suggest(trial, "b", {"low": "1e-4", "high": 0.1, "log": True}) == 0.01
    assert search._suggest(trial, "c", ["x", "y"]) == "x"
