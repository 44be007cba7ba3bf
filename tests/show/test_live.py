"""Watching a run under way: in a notebook's one picture, and in TensorBoard."""

import io

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from emoji_lib.runs import record
from emoji_lib.show import display

TINY = """
import torch
from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches
from emoji_lib.runs import record
from emoji_lib.show import display
from emoji_lib.nets import dcgan
from emoji_lib.train.loop import train
from emoji_lib.train.gan import GAN

display.LIVE_EVERY = 0
faces = emoji.load("faces")
generator, discriminator = dcgan.Generator(2), dcgan.Discriminator(2)
system = GAN(generator, discriminator)
"""
TRAIN = """
run.begin(faces, system.networks, torch.device("cpu"))
train(system, Batches(faces.images, 4, seed=0), 6, run, generator.latents(8, 0))
"""


@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA", "L"])
def test_pictures_of_any_mode_are_shown(mode, monkeypatch):
    given, shown = Image.new(mode, (8, 4)), []
    monkeypatch.setattr(display, "display", shown.append)
    display.pictures(given)
    assert Image.open(io.BytesIO(shown[0].data)).size == (8, 4)


def execute(*cells, folder):
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.validate(notebook)
    return notebook.cells[-1].outputs


def test_an_open_notebook_shows_one_picture_that_is_kept_up_to_date(tmp_path, monkeypatch):
    monkeypatch.delenv(record.FOLDER_VARIABLE, raising=False)
    by_hand = f"""
from pathlib import Path
run.create = lambda *given: record.create(*given, Path({str(tmp_path)!r}))
run = run.Run("tiny", {{}})
"""
    outputs = execute(TINY + by_hand, TRAIN, folder=tmp_path)
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 1
    assert [output for output in outputs if output.output_type == "stream"]


def test_a_runner_is_shown_plain_lines_alone(tmp_path, monkeypatch):
    folder = record.create("tiny", "tiny", "", {}, tmp_path)
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(folder))
    outputs = execute(TINY + "run = run.Run('tiny', {})", TRAIN, folder=tmp_path)
    assert {output.output_type for output in outputs} == {"stream"}
    assert not (folder / "board").exists()


def test_the_board_holds_scalars_and_images(tmp_path, monkeypatch):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder = record.create("tiny", "tiny", "", {}, tmp_path)
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(folder))
    monkeypatch.setenv(record.BOARD_VARIABLE, "1")
    execute(TINY + "run = run.Run('tiny', {})", TRAIN, "for one in run._watchers: one._writer.close()", folder=tmp_path)
    events = reader.EventAccumulator(str(folder / "board"))
    events.Reload()
    assert {"loss_g", "loss_d", "real", "fake"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("loss_d")] == [1, 2, 3, 4, 5, 6]
    assert "samples" in events.Tags()["images"]
