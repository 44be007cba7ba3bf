import errno
import fcntl
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emoji_lib import BadInput
from emoji_lib.cli import main
from emoji_lib.files import held, is_held
from emoji_lib.runs import experiments, missing, record, runner

ROOT = Path(__file__).parents[2]


def put(folder: Path, experiment: str, status: str, started: str, **given) -> Path:
    made = record.create(experiment, "notebook", "", experiments.plan(experiment, given).parameters, folder)
    record.write_record(made, record.read_record(made) | {"status": status, "started": started})
    return made


def waiting(*given, **options) -> list[tuple[str, bool]]:
    """What is waiting, by its labels."""
    return [(plan.label, begun) for plan, begun in missing.waiting(*given, **options)]


def test_the_longest_waiting_comes_first_and_what_is_done_or_failed_does_not_come(tmp_path):
    put(tmp_path, "02-quick", "interrupted", "2026-01-03")
    put(tmp_path, "01-blog", "interrupted", "2026-01-01")
    put(tmp_path, "01-quick", "finished", "2026-01-02")
    put(tmp_path, "02-plain", "failed", "2026-01-02")
    begun, fresh = [("01-blog", True), ("02-quick", True)], ("00-quick", "01-augmented", "02-blog", "02-blog-million")
    assert waiting(tmp_path)[:2] == begun
    assert set(waiting(tmp_path)[2:]) >= {(name, False) for name in fresh}
    assert not {"01-quick", "02-plain"} & {name for name, _ in waiting(tmp_path)}
    assert waiting(tmp_path, ["02-quick", "01-quick"]) == [("02-quick", True)]


def test_what_needs_data_of_the_users_own_is_not_begun_unless_it_is_named(tmp_path, monkeypatch):
    alone = dict(waiting(tmp_path))
    assert not {"07-celeba", "deep-emoji-0344c27", "deep-emoji-sweep-1"} & alone.keys()
    assert waiting(tmp_path, ["07-celeba"]) == [("07-celeba", False)]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sets").mkdir()
    assert {"deep-emoji-0344c27", "deep-emoji-sweep-1"} <= dict(waiting(tmp_path)).keys()


def test_what_failed_is_begun_again_when_it_is_asked_for(tmp_path):
    put(tmp_path, "02-plain", "failed", "2026-01-02")
    assert waiting(tmp_path, ["02-plain"]) == []
    assert waiting(tmp_path, ["02-plain"], again=True) == [("02-plain", False)]


def test_a_run_that_cannot_be_gone_on_with_is_begun_anew(tmp_path):
    put(tmp_path, "02-quick", "interrupted", "2026-01-03", seed=3)
    assert waiting(tmp_path, ["02-quick"]) == [("02-quick", False)]
    put(tmp_path, "02-quick", "interrupted", "2026-01-01")
    assert waiting(tmp_path, ["02-quick"]) == [("02-quick", True)]


def test_an_experiment_of_several_seeds_lacks_each_of_them_by_itself(tmp_path, monkeypatch):
    """A seed of every experiment comes before the next seed of any."""
    put(tmp_path, "blog-ladder-1", "finished", "2026-01-01", seed=1)
    put(tmp_path, "blog-ladder-2", "interrupted", "2026-01-02", seed=2)
    put(tmp_path, "blog-ladder-2", "collapsed", "2026-01-03", seed=0)
    put(tmp_path, "blog-ladder-2", "finished", "2026-01-03", seed=7)
    rest = [("blog-ladder-1 seed 0", False), ("blog-ladder-2 seed 1", False), ("blog-ladder-1 seed 2", False)]
    names = ["blog-ladder-1", "blog-ladder-2"]
    assert waiting(tmp_path, names) == [("blog-ladder-2 seed 2", True), *rest]
    begun = []
    monkeypatch.setattr(missing, "side_by_side", lambda command, _: begun.append(command) or subprocess.Popen("true"))
    ended = missing.run_missing(tmp_path, names=names)
    assert set(ended) == {"blog-ladder-2 seed 2", *(label for label, _ in rest)}
    assert begun[0] == ["run", "blog-ladder-2", "--seed", "2", "--out", str(tmp_path), "--resume"]
    assert begun[1] == ["run", "blog-ladder-1", "--seed", "0", "--out", str(tmp_path)]


def test_what_some_process_is_running_is_left_alone(tmp_path):
    folder = put(tmp_path, "02-quick", "interrupted", "2026-01-03")
    with held(folder):
        assert waiting(tmp_path, ["02-quick"]) == []
        with pytest.raises(BadInput, match="worked on by another process"):
            runner.run(experiments.plan("02-quick", {}), out=tmp_path, resume=True)
        assert "resumed" not in record.read_record(folder)
    assert waiting(tmp_path, ["02-quick"]) == [("02-quick", True)]


def test_a_device_that_is_not_there_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(BadInput, match="device 'gpu' cannot be used"):
        missing.run_missing(tmp_path, device="gpu")
    assert not list(tmp_path.iterdir())


def test_no_experiment_is_begun_twice(tmp_path, monkeypatch):
    """Two calls at the same moment, and one that names an experiment twice, while the process that runs it starts."""
    begun = []

    def start(command: list[str], jobs: int) -> subprocess.Popen:
        begun.append(command)
        return subprocess.Popen(["sleep", "1"])

    monkeypatch.setattr(missing, "side_by_side", start)
    with ThreadPoolExecutor() as pool:
        calls = [pool.submit(missing.run_missing, tmp_path, names=["02-quick"]) for _ in range(2)]
    assert len(begun) == 1
    assert {"finished", "done or begun by another process"} == {call.result()["02-quick"] for call in calls}
    assert missing.run_missing(tmp_path, names=["01-quick", "01-quick"], jobs=2) == {"01-quick": "finished"}
    assert len(begun) == 2
    assert not list(tmp_path.iterdir()), "nothing stays locked"


def test_a_name_is_free_again_when_its_run_has_ended(tmp_path, monkeypatch):
    """While another run of the same call goes on."""
    lasts = {"01-quick": "3", "02-quick": "0"}
    monkeypatch.setattr(missing, "side_by_side", lambda command, jobs: subprocess.Popen(["sleep", lasts[command[1]]]))
    with ThreadPoolExecutor() as pool:
        call = pool.submit(missing.run_missing, tmp_path, names=["01-quick", "02-quick"], jobs=2)
        time.sleep(1)
        assert missing.run_missing(tmp_path, names=["02-quick"]) == {"02-quick": "finished"}
        assert not call.done()
        assert call.result() == {"01-quick": "finished", "02-quick": "finished"}


def test_a_collapsed_run_is_called_that(tmp_path, monkeypatch):
    def collapse(command: list[str], jobs: int) -> subprocess.Popen:
        put(tmp_path, command[1], "collapsed", "2026-01-01")
        put(tmp_path, command[1], "failed", "2026-01-02")  # of somebody else, meanwhile
        return subprocess.Popen(["true"])

    monkeypatch.setattr(missing, "side_by_side", collapse)
    assert missing.run_missing(tmp_path, names=["02-quick"]) == {"02-quick": "collapsed"}


def test_a_killed_process_leaves_nothing_held(tmp_path):
    hold = "import sys, time, pathlib; from emoji_lib.files import held\n"
    hold += "with held(pathlib.Path(sys.argv[1])): print(flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", hold, tmp_path / "x"], cwd=ROOT, stdout=subprocess.PIPE)
    other.stdout.readline()
    assert is_held(tmp_path / "x")
    other.kill()
    other.communicate()
    assert not is_held(tmp_path / "x")
    assert not list(tmp_path.iterdir()), "nothing of it is left"
    with held(tmp_path / "x"):
        assert is_held(tmp_path / "x")


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with held(tmp_path / "x"), held(tmp_path / "x"):
        assert not is_held(tmp_path / "x")
    assert not list(tmp_path.iterdir())


class Clock:
    """For `runs/missing.py`: time is up once a run in a folder has logged a row more than it had."""

    def __init__(self, folder):
        self.folder, self.before = folder, self.rows(folder)
        self.sleep = time.sleep

    @staticmethod
    def rows(folder) -> int:
        return sum(len(path.read_text().splitlines()) for path in folder.glob("*/metrics.jsonl"))

    def monotonic(self) -> float:
        return 1e9 if self.rows(self.folder) > self.before else 0.0


def test_what_the_time_cuts_off_goes_on_at_the_next_call(tmp_path, monkeypatch, capfd):
    """A real run through the command line: stopped by the clock, taken up, and stopped again where it got to."""

    def call() -> str:
        monkeypatch.setattr(missing, "time", Clock(tmp_path))
        assert main(["missing", "02-quick", "--minutes", "1", "--out", str(tmp_path)]) == 0
        return capfd.readouterr().out

    assert re.search("02-quick +interrupted", call())
    (folder,) = (path.parent for path in tmp_path.glob("*/record.json"))
    kept = record.read_record(folder)
    assert kept["status"] == "interrupted"
    first = int(max(folder.glob("checkpoint-*.pt")).stem.removeprefix("checkpoint-"))
    assert f"resuming from step {first:,} of " in call()
    assert int(max(folder.glob("checkpoint-*.pt")).stem.removeprefix("checkpoint-")) > first
    assert len(record.read_record(folder)["resumed"]) == 1
    assert kept["parameters"] == experiments.plan("02-quick", {}).parameters


def test_a_device_is_given_to_those_notebooks_that_take_one(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(missing, "side_by_side", lambda command, _: begun.append(command) or subprocess.Popen("true"))
    missing.run_missing(tmp_path, names=["00-quick", "01-quick"], device="cpu")
    assert ["-p" in command for command in begun] == [False, True]


def test_a_run_stopped_before_it_listened_is_interrupted(tmp_path, monkeypatch):
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 15)"]
    monkeypatch.setattr(missing, "side_by_side", lambda command, _: subprocess.Popen(killed))
    assert missing.run_missing(tmp_path, names=["00-quick"]) == {"00-quick": "interrupted"}


def test_a_folder_that_cannot_be_written_to_is_not_called_busy(tmp_path, monkeypatch):
    def refuse(self, **_):
        raise PermissionError(errno.EACCES, "Permission denied", self.lock_file)

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(PermissionError), held(tmp_path / "x"):
        pass
    (tmp_path / ".x.lock").touch()  # another user's
    with pytest.raises(BadInput, match="worked on by another process"), held(tmp_path / "x"):
        pass
