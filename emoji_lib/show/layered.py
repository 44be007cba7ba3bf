"""Figures of layered pictures: layer by layer, and at several sizes."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from emoji_lib.data import pixels
from emoji_lib.data.batches import to_uint8
from emoji_lib.nets.layered import NATIVE, Generator
from emoji_lib.show import plots

SHOWN, SEEN = 8, 0.002  # layers shown at most, and the fraction of the picture that each covers at least


@torch.no_grad()
def anatomy(generator: Generator, latents: Tensor) -> Image.Image:
    """The fields, masks and colours of the largest layers of one picture, latents `[1, latent]`, and the sums of the
    first, of the first two, and so on; the last is of all layers.
    """
    fields, (picture, masks) = generator.fields(latents)[0], generator.draw(latents)
    colours, masks = generator.colours(latents)[0], masks[0]
    areas = masks.mean((1, 2)) * (colours[:, 3] > 0)
    chosen = areas.argsort(descending=True)[: max(1, min(SHOWN, int((areas >= SEEN).sum())))]
    low, high = fields.quantile(0.02), fields.quantile(0.98)
    grey = ((fields - low) / (high - low))[chosen, None].clamp(0, 1)
    grey = torch.nn.functional.interpolate(grey, size=(NATIVE, NATIVE))
    flat = colours[chosen, :, None, None].expand(-1, -1, NATIVE, NATIVE)
    alone = masks[chosen, None] * colours[chosen, :, None, None]
    rows = {
        "field": _rgb(grey.expand(-1, 3, -1, -1)),
        "mask": _rgb(masks[chosen, None].expand(-1, 3, -1, -1)),
        "colour": _over(flat),
        "layer": _over(alone),
        "sum": _over(torch.cat((alone.cumsum(0)[:-1], (picture + 1) / 2))),
    }
    return plots.sheet([*rows.values()], [*rows], margin=150)


@torch.no_grad()
def sizes(generator: Generator, latents: Tensor) -> Image.Image:
    """Pictures of latents `[N, latent]` at 72 pixels, these four times enlarged, and drawn at 288 pixels."""
    size = 4 * NATIVE
    small, large = (_over((generator(latents, side) + 1) / 2) for side in (NATIVE, size))
    enlarged = small.repeat(4, 2).repeat(4, 3)
    padded = np.pad(small, [(0, 0), (0, 0), (0, 0), (0, size - NATIVE)], constant_values=255)
    return plots.sheet([padded, enlarged, large], [f"{NATIVE} px", "enlarged", f"drawn at {size} px"], margin=130)


def _rgb(images: Tensor) -> np.ndarray:
    return to_uint8(images * 2 - 1)


def _over(premultiplied: Tensor) -> np.ndarray:
    """Premultiplied RGBA in 0..1, `[N, 4, H, W]`, over white."""
    return pixels.over(_rgb(premultiplied), premultiplied=True)
