"""Runs that are stopped, killed, or left without a disk, and go on as if nothing had been."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny_run
import torch

from emoji_lib import BadInput
from emoji_lib.runs import record
from emoji_lib.runs.run import Run
from emoji_lib.train import observers
from emoji_lib.train.checkpoint import Checkpoints

TINY = Path(tiny_run.__file__)
STEPS = 24


def start(folder: Path, steps: int = STEPS, checkpoint_every: float = 60.0) -> subprocess.Popen:
    command = [sys.executable, TINY, folder, str(steps), str(checkpoint_every)]
    environment = os.environ | {"PYTHONPATH": str(TINY.parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def in_process(folder: Path, steps: int = STEPS, checkpoint_every: float = 60.0) -> None:
    threads = torch.get_num_threads()
    try:
        tiny_run.main(folder, steps, checkpoint_every)
    finally:
        torch.set_num_threads(threads)
        os.environ.pop(record.FOLDER_VARIABLE, None)


def assert_same(one, other, path: str = "") -> None:
    assert type(one) is type(other), path
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            if key != "seconds":
                assert_same(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{path}/{index}")
    else:
        assert one == other, path


def assert_same_end(folder: Path, straight: Path) -> None:
    """Weights, optimizers, random states, shown pictures and logged metrics, bit for bit."""
    assert_same(Checkpoints(folder).load(), Checkpoints(straight).load())
    assert (folder / "metrics.jsonl").read_bytes() == (straight / "metrics.jsonl").read_bytes()


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run of `STEPS` in one go."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    in_process(folder)
    return folder


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A copy of it for each test."""
    return Path(shutil.copytree(stopped_once, tmp_path / "run"))


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory):
    """The same run, asked to stop in the middle of a step by each of the two signals."""
    folder, monkeypatch = tmp_path_factory.mktemp("stopped") / "run", pytest.MonkeyPatch()
    step = tiny_run.GAN.step
    for at, number in ((7, signal.SIGINT), (15, signal.SIGTERM)):
        count = 7 if number == signal.SIGTERM else 0

        def counted(self, real, at=at, number=number):
            nonlocal count
            count += 1
            if count == at:
                os.kill(os.getpid(), number)
            return step(self, real)

        monkeypatch.setattr(tiny_run.GAN, "step", counted)
        with pytest.raises(observers.Interrupted, match=f"stopped at step {at} of 24"):
            in_process(folder)
    monkeypatch.undo()
    return folder


def test_a_run_in_pieces_equals_a_run_in_one_go(stopped, straight, capsys):
    in_process(stopped)
    assert "resuming from step 15 of 24" in capsys.readouterr().out
    assert_same_end(stopped, straight)
    assert len(Checkpoints(stopped).paths()) == 2


def test_a_truncated_checkpoint_is_passed_over_and_said(stopped, straight, capsys):
    newest = Checkpoints(stopped).paths()[-1]
    newest.write_bytes(newest.read_bytes()[:5000])
    in_process(stopped)
    said = capsys.readouterr().out
    assert f"{newest.name} cannot be read and is passed over" in said
    assert "resuming from step 7 of 24" in said
    assert_same_end(stopped, straight)


def test_unreadable_checkpoints_are_not_silently_started_over(stopped):
    for path in Checkpoints(stopped).paths():
        path.write_bytes(b"junk")
    with pytest.raises(BadInput, match=r"no checkpoint in .* can be read"):
        in_process(stopped)


def test_pickled_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "hacked"),))

    torch.save({"step": Evil()}, tmp_path / "checkpoint-000000001.pt")
    with pytest.raises(BadInput, match="can be read"):
        Checkpoints(tmp_path).load()
    assert not (tmp_path / "hacked").exists()


def test_changed_settings_are_refused_by_name(stopped):
    kept = record.read_record(stopped)
    record.write_record(stopped, kept | {"parameters": {"steps": 25}})
    with pytest.raises(BadInput, match=r"other settings: parameters\.steps 24 → 25"):
        in_process(stopped)


def test_another_architecture_is_refused_by_name(stopped, monkeypatch):
    generator = tiny_run.dcgan.Generator
    monkeypatch.setattr(tiny_run.dcgan, "Generator", lambda features, **options: generator(3, **options))
    with pytest.raises(BadInput, match=r"architecture\.generator\.features \[16, 8, 4, 2, 4\] → \[24, 12, 6, 3, 4\]"):
        in_process(stopped)


def test_a_run_that_was_not_stopped_starts_from_the_beginning(stopped, monkeypatch):
    """Training again in an open notebook must not mix two runs."""
    kept = record.read_record(stopped)
    kept.pop("resumed")
    record.write_record(stopped, kept)
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(stopped))
    run = Run("tiny", {})
    run.begin(tiny_run.emoji.load("faces"), {}, torch.device("cpu"))
    assert run.restore() is None
    assert not (stopped / "metrics.jsonl").exists()
    assert not Checkpoints(stopped).paths()


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_moments(kills, tmp_path):
    """Checkpoints are written after every step, so that many of the kills fall into one."""
    steps, chance, folder = 30 * kills, random.Random(kills), tmp_path / "killed"
    in_process(tmp_path / "straight", steps, checkpoint_every=1e9)
    for kill in range(kills):
        process = start(folder, steps, checkpoint_every=0.0)
        assert process.stdout.readline() == "training\n", process.stderr.read()
        while kill == kills - 1 and not Checkpoints(folder).paths() and process.poll() is None:
            time.sleep(0.01)  # on a busy machine the first checkpoint takes longer than all of the pauses
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        process.communicate()
    assert Checkpoints(folder).paths()
    rows = [json.loads(line) for line in (tmp_path / "straight" / "metrics.jsonl").read_text().splitlines()]
    process = start(folder, steps, checkpoint_every=1e9)
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert "resuming from step" in out
    assert rows[-1]["step"] == steps
    assert_same_end(folder, tmp_path / "straight")


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mount"), reason="a small disk of its own takes root to mount"
)
def test_a_full_disk_is_one_clear_error_and_loses_nothing(straight, tmp_path, monkeypatch, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        folder, step = disk / "run", tiny_run.GAN.step

        def fill(self, real):
            if len(Checkpoints(folder).paths()) == 2 and not (disk / "filler").exists():
                with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                    while True:
                        filler.write(bytes(4096))
            return step(self, real)

        monkeypatch.setattr(tiny_run.GAN, "step", fill)
        with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device$"):
            in_process(folder, checkpoint_every=0.0)
        (disk / "filler").unlink()
        assert record.read_record(folder)["status"] == "interrupted"
        assert not list(folder.glob(".*partial"))
        monkeypatch.setattr(tiny_run.GAN, "step", step)
        in_process(folder)
        assert "resuming from step" in capsys.readouterr().out
        assert_same_end(folder, straight)
    finally:
        subprocess.run(["umount", disk], check=True)
