"""What notebooks show: pictures, source, tables of layers."""

import inspect
import io

from IPython.display import Image as Shown
from IPython.display import Markdown, display
from PIL import Image
from torch import nn
from torchinfo import summary


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
