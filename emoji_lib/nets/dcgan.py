"""The baseline DCGAN at 72×72 and the improved GAN: one pair of classes, which differ by their options."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.nets.layers import Latents, ReplicateConv2d, block, check, in_float32, initialise
from emoji_lib.nets.registry import register
from emoji_lib.nets.spectral import spectral_norm

# Kernel, stride and padding from 1×1 up: 1 → 4 → 8 → 18 → 36 → 72 (and back). The third without padding turns the
# 64×64 of DCGAN into 72×72.
STAGES = ((4, 1, 0), (4, 2, 1), (4, 2, 0), (4, 2, 1), (4, 2, 1))

# What the improved GAN changes, besides its loss. Each can be taken back by itself.
IMPROVED = {"bias": True, "activation": "gelu", "norm": "spectral", "init": "orthogonal"}


@register
class Generator(Latents, nn.Module):
    """Latents `[N, latent]` → images `[N, channels, 72, 72]` in −1..1 (DCGAN, Radford et al. 2016).

    `activation` is `dcgan` (ReLU here, leaky ReLU with slope 0.2 in the discriminator), `gelu`, `relu` or `leaky_relu`.
    With the defaults it is the baseline: batch norm, ReLU, no biases, N(0, 0.02²) weights. `norm` means the same as for
    the discriminator, so `spectral` leaves the generator without any.
    """

    def __init__(
        self,
        features: int = 64,
        latent: int = 100,
        channels: int = 4,
        *,
        bias: bool = False,
        activation: str = "dcgan",
        norm: str = "batch",
        init: str = "normal",
    ):
        super().__init__()
        check_options(features, norm)
        activation = "relu" if activation == "dcgan" else activation
        widths = [latent, 8 * features, 4 * features, 2 * features, features, channels]
        layers = []
        for stage, ((n_in, n_out), geometry) in enumerate(zip(pairwise(widths), STAGES, strict=True)):
            last = stage == len(STAGES) - 1
            conv = nn.ConvTranspose2d(n_in, n_out, *geometry, bias=bias)
            layers.append(block(conv, "tanh" if last else activation, batch_norm=norm == "batch" and not last))
        self.layers = nn.Sequential(*layers)
        initialise(self, init)

    def forward(self, latents: Tensor) -> Tensor:
        check(latents, "latents", self.options["latent"])
        return self.layers(latents[:, :, None, None])

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Standard normal latents `[N, latent]` on the device of `rng`."""
        return torch.randn(n, self.options["latent"], generator=rng, device=rng.device)


@register
class Discriminator(nn.Module):
    """Images `[N, channels, 72, 72]` → logits `[N]`, high for real where the loss says so (DCGAN, Radford et al. 2016).

    `norm` is `batch` (not on the input layer), `spectral` (all layers but the last, with replicate padding), or `none`.
    """

    def __init__(
        self,
        features: int = 64,
        channels: int = 4,
        *,
        bias: bool = False,
        activation: str = "dcgan",
        norm: str = "batch",
        init: str = "normal",
    ):
        super().__init__()
        check_options(features, norm)
        activation = "leaky_relu" if activation == "dcgan" else activation
        widths = [channels, features, 2 * features, 4 * features, 8 * features, 1]
        convolution = ReplicateConv2d if norm == "spectral" else nn.Conv2d
        *convs, head = (
            convolution(n_in, n_out, *geometry, bias=bias)
            for (n_in, n_out), geometry in zip(pairwise(widths), STAGES[::-1], strict=True)
        )
        blocks = [block(conv, activation, batch_norm=norm == "batch" and conv is not convs[0]) for conv in convs]
        self.layers, self.head = nn.Sequential(*blocks), head
        initialise(self, init)
        if norm == "spectral":
            for conv in convs:
                spectral_norm(conv)

    def forward(self, images: Tensor) -> Tensor:
        check(images, "images", self.options["channels"], 72, 72)
        return in_float32(self.head, self.layers(images))[:, 0, 0, 0]


def check_options(features: int, norm: str) -> None:
    """Raises `BadInput` for options that no network can be built with."""
    if features < 1:
        raise BadInput(f"features {features} is not positive")
    if norm not in ("batch", "spectral", "none"):
        raise BadInput(f"unknown norm {norm!r}: batch, spectral, none")
