"""What notebooks show: pictures, source, tables of layers."""

import inspect
import io
import textwrap

import torch
from IPython.display import Image as Shown
from IPython.display import Markdown, display
from PIL import Image
from torch import nn
from torchinfo import summary

from emoji_lib.data import pixels


def pictures(*images: Image.Image) -> None:
    """Display each as PNG or as JPEG, whichever is smaller: notebooks are kept, and noise makes PNGs large."""
    for image in (image.convert("RGB") for image in images):
        jpeg = io.BytesIO()
        image.save(jpeg, "jpeg", quality=80, subsampling=0)
        display(Shown(min(pixels.png(image), jpeg.getvalue(), key=len)))


def source(*objects) -> None:
    """The source of functions or classes, as code that every viewer of notebooks renders."""
    display(Markdown("\n".join(f"```python\n{textwrap.dedent(inspect.getsource(one))}```" for one in objects)))


def layers(network: nn.Module, input_size: tuple[int, ...]) -> None:
    """Each layer's output shape, kernel and number of parameters for an input of this size, batch included.

    torchinfo does not see through spectral norm, so its estimates of operations and memory are left out.
    """
    columns = ("output_size", "kernel_size", "num_params")
    table = summary(network, input_size, depth=3, col_names=columns, col_width=18, verbose=0)
    print(str(table).split("Total mult-adds")[0])


def keras_summary(name: str, network: nn.Sequential, input_size: tuple[int, ...]) -> tuple[int, int]:
    """Print each layer's output shape and parameters, and return all parameters and those that train.

    Counted as Keras does: batch norm's running mean and variance are parameters that do not train.
    """
    given, was_training = torch.zeros(2, *input_size, device=next(network.parameters()).device), network.training
    network.eval()
    print(f"{name + ': layer':<28} {'output shape':<20} {'parameters':>10}")
    for layer in network:
        with torch.no_grad():
            given = layer(given)
        print(f"{type(layer).__name__:<28} {[None, *given.shape[1:]]!s:<20} {sum(keras_count(layer)):>10,}")
    network.train(was_training)
    trained, running = keras_count(network)
    print(f"total {trained + running:,}, of which {trained:,} train\n")
    return trained + running, trained


def keras_count(network: nn.Module) -> tuple[int, int]:
    """Parameters that train, and running statistics."""
    running = (buffer for name, buffer in network.named_buffers() if "running_" in name)
    return sum(parameter.numel() for parameter in network.parameters()), sum(buffer.numel() for buffer in running)
