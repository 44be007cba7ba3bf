"""A run while it trains: its curves and samples in an open notebook, or in TensorBoard."""

import atexit
import os
import time
from pathlib import Path

import numpy as np
from IPython import get_ipython
from IPython.display import DisplayHandle, display

from emoji_lib.runs.record import BOARD_VARIABLE, FOLDER_VARIABLE
from emoji_lib.runs.run import Run
from emoji_lib.show import plots

LIVE_EVERY = 5.0  # seconds between updates in a notebook


class Board:
    """TensorBoard's event files in a folder, complete once closed: by the run, or when the process ends."""

    def __init__(self, folder: Path):
        from torch.utils.tensorboard import SummaryWriter  # only where it is wanted: TensorBoard is an extra

        self._writer = SummaryWriter(str(folder), flush_secs=10)
        atexit.register(self.close)

    def log(self, rows: list[dict]) -> None:
        """The newest row of metrics."""
        newest = dict(rows[-1])
        step = newest.pop("step")
        for name, value in newest.items():
            self._writer.add_scalar(name, value, step)

    def snapshot(self, shown: list[tuple[int, np.ndarray]], premultiplied: bool) -> None:
        """The newest samples of the fixed latents, uint8 `[N, C, H, W]`."""
        step, images = shown[-1]
        sheet = np.asarray(plots.contact_sheet(images, premultiplied))
        self._writer.add_image("samples", sheet, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is still in memory; a second call does nothing."""
        self._writer.close()


class Live:
    """Losses and samples in one output of the notebook, which is updated; only the last picture is stored."""

    def __init__(self):
        self._handle: DisplayHandle | None = None
        self._last, self._rows, self._shown = 0.0, [], ()

    def log(self, rows: list[dict]) -> None:
        """All rows of metrics so far."""
        self._rows = rows
        if time.monotonic() - self._last >= LIVE_EVERY:
            self._draw()

    def _draw(self) -> None:
        self._last = time.monotonic()
        samples = [plots.through_time(*self._shown)] if self._shown else []
        picture = plots.grid([plots.loss_curves(self._rows), *samples])
        if self._handle:
            self._handle.update(picture)
        else:
            self._handle = display(picture, display_id=True)

    def snapshot(self, shown: list[tuple[int, np.ndarray]], premultiplied: bool) -> None:
        """The samples of the fixed latents so far, with their steps."""
        self._shown = (shown, premultiplied)

    def close(self) -> None:
        """The picture of the whole run stays."""
        if self._rows:
            self._draw()


def watch(run: Run) -> Run:
    """Show the run's curves and samples while it trains, in an open notebook and, under `run --board`, in TensorBoard;
    returns the run.
    """
    if os.environ.get(BOARD_VARIABLE):
        run.watchers.append(Board(run.folder / "board"))
    if not os.environ.get(FOLDER_VARIABLE) and hasattr(get_ipython(), "kernel"):
        run.watchers.append(Live())
    return run
