"""What notebooks show: pictures, source, tables of layers."""

import inspect
import io
import time

import numpy as np
import torch
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
    """Display each as PNG or as JPEG, whichever is smaller: notebooks are kept, and noise makes PNGs large."""
    for image in (image.convert("RGB") for image in images):
        jpeg = io.BytesIO()
        image.save(jpeg, "jpeg", quality=80, subsampling=0)
        display(Shown(min(png(image), jpeg.getvalue(), key=len)))


def png(image: Image.Image) -> bytes:
    """The picture as the content of a PNG file with its 256 best colours, which is a third of the size."""
    content = io.BytesIO()
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(content, "png", optimize=True)
    return content.getvalue()


def markdown(text: str) -> None:
    """Display as Markdown."""
    display(Markdown(text))


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


def keras_summary(name: str, network: nn.Sequential, input_size: tuple[int, ...]) -> tuple[int, int]:
    """Print each layer's output shape and parameters, and return all parameters and those that train.

    Counted as Keras does: batch norm's running mean and variance are parameters that do not train.
    """
    given = torch.zeros(2, *input_size, device=next(network.parameters()).device)
    was_training = network.training
    network.eval()
    print(f"{name + ': layer':<28} {'output shape':<20} {'parameters':>10}")
    for layer in network:
        with torch.no_grad():
            given = layer(given)
        print(f"{type(layer).__name__:<28} {[None, *given.shape[1:]]!s:<20} {sum(keras_count(layer)):>10,}")
    network.train(was_training)
    trained, held = keras_count(network)
    print(f"total {trained + held:,}, of which {trained:,} train\n")
    return trained + held, trained


def keras_count(network: nn.Module) -> tuple[int, int]:
    """Parameters that train, and running statistics."""
    running = (buffer for name, buffer in network.named_buffers() if "running_" in name)
    return sum(parameter.numel() for parameter in network.parameters()), sum(buffer.numel() for buffer in running)
