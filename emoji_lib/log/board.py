"""TensorBoard: scalars and images of a run under way."""

from pathlib import Path

import numpy as np

from emoji_lib import BadInput
from emoji_lib.log import plots


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

    def show(self, shown: list[tuple[int, np.ndarray]], premultiplied: bool) -> None:
        """The newest samples of the fixed latents, uint8 `[N, C, H, W]`."""
        step, images = shown[-1]
        sheet = np.asarray(plots.contact_sheet(images, premultiplied))
        self._writer.add_image("samples", sheet, step, dataformats="HWC")
