"""What notebooks show: pictures, source, tables of layers."""

import inspect
import io
import time

import numpy as np
from IPython import get_ipython
from IPython.display import Image as Shown
from IPython.display import Markdown, display
from PIL import Image
from torch import nn
from torchinfo import summary

from emoji_lib.log import plots

LIVE_EVERY = 5.0  # seconds between pictures of a run under way


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

    def show(self, shown: list[tuple[int, np.ndarray]], premultiplied: bool) -> None:
        """What the fixed latents gave so far, with their steps."""
        self._shown = (shown, premultiplied)


def pictures(*images: Image.Image) -> None:
    """Display each as PNG or as good JPEG, whichever is smaller: notebooks are kept, and noise makes PNGs large."""
    for image in images:
        png, jpeg = io.BytesIO(), io.BytesIO()
        image.save(png, "png", optimize=True)
        image.save(jpeg, "jpeg", quality=92, subsampling=0)
        display(Shown(min(png.getvalue(), jpeg.getvalue(), key=len)))


def source(*objects) -> None:
    """The source of functions or classes, as code that every viewer of notebooks renders."""
    display(Markdown("```python\n" + "\n\n".join(map(inspect.getsource, objects)) + "```"))


def layers(network: nn.Module, input_size: tuple[int, ...]) -> None:
    """Each layer's output shape, kernel and number of parameters for an input of this size, batch included.

    torchinfo does not see through spectral norm, so its estimates of operations and memory are left out.
    """
    columns = ("output_size", "kernel_size", "num_params")
    table = str(summary(network, input_size, depth=3, col_names=columns, col_width=18, verbose=0))
    print(table.split("Total mult-adds")[0])
