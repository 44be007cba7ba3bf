"""Watching a run under way: in a notebook's one picture, and in TensorBoard."""

import io
import os
import subprocess
import sys
import threading

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from emoji_lib.runs import record
from emoji_lib.runs.run import Run
from emoji_lib.show import live, notebook

WATCHED = """
import numpy as np
from pathlib import Path
from emoji_lib.runs import record
from emoji_lib.runs import run as runs
from emoji_lib.show import live
live.LIVE_EVERY = 0
runs.create = lambda *given: record.create(*given, Path("made"))
run = live.watch(runs.Run("tiny", {}))
for step in (1, 2):
    run.log(step, {"loss_g": 1.0, "loss_d": 2.0})
    for watcher in run.watchers:
        watcher.snapshot([(step, np.zeros((8, 4, 72, 72), np.uint8))], True)
"""

SLOW_DISK = """
import time
from tensorboard.summary.writer.record_writer import RecordWriter
write = RecordWriter.write
RecordWriter.write = lambda self, data: (time.sleep(0.1), write(self, data))
"""


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA", "L"])
def test_pictures_of_any_mode_are_shown(mode, monkeypatch):
    given, shown = Image.new(mode, (8, 4)), []
    monkeypatch.setattr(notebook, "display", shown.append)
    notebook.pictures(given)
    assert Image.open(io.BytesIO(shown[0].data)).size == (8, 4)


def test_an_open_notebook_shows_one_picture_that_is_kept_up_to_date(tmp_path, monkeypatch):
    monkeypatch.delenv(record.FOLDER_VARIABLE, raising=False)
    opened = new_notebook(cells=[new_code_cell(WATCHED), new_code_cell("run.finish()")])
    NotebookClient(opened, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    nbformat.validate(opened)
    (picture,) = opened.cells[0].outputs
    assert "image/png" in picture["data"]
    assert not opened.cells[1].outputs


def test_a_runner_is_shown_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(record.create("tiny", "tiny", "", {}, tmp_path)))
    monkeypatch.setattr(live, "get_ipython", lambda: type("Shell", (), {"kernel": None}))
    run = live.watch(Run("tiny", {}))
    assert not run.watchers
    run.finish()


def events(folder):
    """What TensorBoard would show."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(folder / "board"))
    found.Reload()
    return found


def test_the_board_is_whole_when_the_run_is_finished(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    folder = record.create("tiny", "tiny", "", {}, tmp_path)
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(folder))
    monkeypatch.setenv(record.BOARD_VARIABLE, "1")
    before = threading.active_count()
    run = live.watch(Run("tiny", {}))
    for step in range(1, 7):
        run.log(step, {"loss_g": 1.0, "loss_d": 2.0, "real": 0.5, "fake": 0.5})
    (board,) = run.watchers
    board.snapshot([(6, np.zeros((8, 4, 72, 72), np.uint8))], True)
    run.finish()
    assert threading.active_count() == before  # the writer's thread is gone, and with it whatever it still held
    found = events(folder)
    assert {"loss_g", "loss_d", "real", "fake"} <= set(found.Tags()["scalars"])
    assert [event.step for event in found.Scalars("loss_d")] == [1, 2, 3, 4, 5, 6]
    assert "samples" in found.Tags()["images"]


def test_the_board_is_whole_when_the_process_ends_before(tmp_path):
    pytest.importorskip("tensorboard")
    folder = record.create("tiny", "tiny", "", {}, tmp_path)
    environment = os.environ | {record.FOLDER_VARIABLE: str(folder), record.BOARD_VARIABLE: "1"}
    script = SLOW_DISK + WATCHED + "1 / 0"
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert "ZeroDivisionError" in done.stderr
    found = events(folder)
    assert [event.step for event in found.Scalars("loss_g")] == [1, 2]
    assert "samples" in found.Tags()["images"]
