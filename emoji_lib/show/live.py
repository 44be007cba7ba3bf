"""A run under way: its curves and samples in an open notebook, or in TensorBoard."""

import os
import time
from pathlib import Path

import numpy as np
from IPython import get_ipython
from IPython.display import display

from emoji_lib import BadInput
from emoji_lib.runs.record import BOARD_VARIABLE, FOLDER_VARIABLE
from emoji_lib.runs.run import Run
from emoji_lib.show import plots

LIVE_EVERY = 5.0  # seconds between pictures of a run under way


class Board:
    """Event files in a folder, for `tensorboard --logdir`. Raises `BadInput` where TensorBoard is missing."""

    def __init__(self, folder: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise BadInput("--board needs TensorBoard: pip install -r requirements-extras.txt") from error
        self._writer = SummaryWriter(str(folder), flush_secs=10)

    def log(self, rows: list[dict]) -> None:
        """The newest row of metrics."""
        step = rows[-1]["step"]
        for name, value in rows[-1].items():
            if name != "step":
                self._writer.add_scalar(name, value, step)

    def snapshot(self, shown: list[tuple[int, np.ndarray]], premultiplied: bool) -> None:
        """The newest samples of the fixed latents, uint8 `[N, C, H, W]`."""
        step, images = shown[-1]
        sheet = np.asarray(plots.contact_sheet(images, premultiplied))
        self._writer.add_image("samples", sheet, step, dataformats="HWC")


def in_notebook() -> bool:
    """Whether a Jupyter kernel shows what is displayed."""
    return hasattr(get_ipython(), "kernel")


class Live:
    """Losses and samples of a run under way, in one place of the notebook; only the last picture is stored."""

    def __init__(self):
        self._handle, self._last, self._shown = None, 0.0, []

    def log(self, rows: list[dict]) -> None:
        """All rows of metrics so far."""
        if "loss_g" not in rows[-1] or time.monotonic() - self._last < LIVE_EVERY:
            return
        self._last = time.monotonic()
        sheets = [plots.loss_curves(rows)]
        if self._shown:
            sheets.append(plots.through_time(*self._shown))
        picture = plots.stack(*sheets)
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)

    def snapshot(self, shown: list[tuple[int, np.ndarray]], premultiplied: bool) -> None:
        """What the fixed latents gave so far, with their steps."""
        self._shown = (shown, premultiplied)


def watch(run: Run) -> Run:
    """The same run, with its curves and samples shown while it trains, where somebody may be looking.

    An open notebook shows them in place; `run --board` writes them for TensorBoard.
    """
    if os.environ.get(BOARD_VARIABLE):
        run.watchers.append(Board(run.folder / "board"))
    if not os.environ.get(FOLDER_VARIABLE) and in_notebook():
        run.watchers.append(Live())
    return run
