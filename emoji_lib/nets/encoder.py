"""The small convolutional network in whose features the measures are taken."""

import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.nets.layers import check
from emoji_lib.nets.registry import register

WIDTHS = (24, 48, 96, 192)


@register
class Encoder(nn.Module):
    """RGB images `[N, 3, 72, 72]` in −1..1 → features `[N, features]`, 72 → 36 → 18 → 9 → 5 pixels a side.

    Group norm, so that the features of a picture do not depend on the rest of its batch. The buffers `mean` and `scale`
    standardise each feature over the training pictures.
    """

    def __init__(self, features: int = 32):
        super().__init__()
        if not 1 <= features <= 64:
            raise BadInput(f"features {features} is not in 1..64")
        stages, n_in = [], 3
        for width in WIDTHS:
            stages += [nn.Conv2d(n_in, width, 3, 2, 1), nn.GroupNorm(8, width), nn.GELU()]
            stages += [nn.Conv2d(width, width, 3, 1, 1), nn.GroupNorm(8, width), nn.GELU()]
            n_in = width
        self.layers = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * n_in, features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def forward(self, images: Tensor) -> Tensor:
        check(images, "images", 3, 72, 72)
        return (self.layers(images) - self.mean) / self.scale
