"""The deep-emoji log's family of DCGANs at 64×64: any features and kernels that reach it."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.nets.layers import Latents, check, in_float32, initialise
from emoji_lib.nets.registry import register

SIDE = 64


def numbers(text: str, what: str) -> list[int]:
    """`512 > 128 > 64`, or `512 128 64`, as numbers. Raises `BadInput` for anything else."""
    try:
        found = [int(word) for word in text.replace(">", " ").split()]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise BadInput(f"{what} {text!r} are not positive numbers, such as '512 > 128 > 64' or '50 70'")
    return found


def spread_out(kernels: str, convolutions: int, what: str) -> list[int]:
    """A kernel size for each convolution: one for all, or one for each."""
    found = numbers(kernels, what)
    if len(found) == 1:
        return found * convolutions
    if len(found) != convolutions:
        raise BadInput(
            f"{what} {kernels!r} are {len(found)} for {convolutions} convolutions: give one for all, or each its own"
        )
    return found


@register
class Generator(Latents, nn.Module):
    """Latents `[N, latent]` uniform in −1..1 → images `[N, channels, 64, 64]` in −1..1.

    A dense layer to `start`×`start` maps of the first of `features`; then transposed convolutions that each double the
    side and go to the next of `features`, and at last to `channels` (written at the end or not). Batch norm and leaky
    ReLU of slope `alpha` in between, tanh at the end.
    """

    def __init__(
        self,
        features: str = "256 > 128 > 32",
        kernels: str = "5",
        *,
        channels: int = 4,
        latent: int = 128,
        start: int = 8,
        alpha: float = 0.2,
    ):
        super().__init__()
        widths = numbers(features, "features of the generator")
        if len(widths) < 2 or widths[-1] != channels:
            widths.append(channels)
        convolutions = len(widths) - 1
        reached, fitting = start * 2**convolutions, SIDE // 2**convolutions
        if reached != SIDE:
            raise BadInput(
                f"the generator does not reach {SIDE}×{SIDE}: {convolutions} convolutions each double the side, so "
                f"{start}×{start} becomes {reached}×{reached} ({start} · 2^{convolutions} = {reached}). "
                + (f"Start from {fitting}×{fitting}, or give" if fitting else "Give")
                + " features for 3 convolutions from 8×8"
            )
        sizes = spread_out(kernels, convolutions, "kernels of the generator")
        self.dense = nn.Sequential(nn.Linear(latent, widths[0] * start**2), nn.Unflatten(1, (widths[0], start, start)))
        layers = [nn.BatchNorm2d(widths[0]), nn.LeakyReLU(alpha)]
        for (n_in, n_out), size in zip(pairwise(widths), sizes, strict=True):
            padding = (size - 1) // 2  # with the rest at the far side, so that every kernel doubles exactly
            layers.append(nn.ConvTranspose2d(n_in, n_out, size, 2, padding, output_padding=2 + 2 * padding - size))
            layers += [nn.BatchNorm2d(n_out), nn.LeakyReLU(alpha)]
        self.layers = nn.Sequential(*layers[:-2], nn.Tanh())
        initialise(self, "normal")

    def forward(self, latents: Tensor) -> Tensor:
        check(latents, "latents", self.options["latent"])
        return self.layers(self.dense(latents))

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Latents `[N, latent]`, uniform in −1..1, on the device of `rng`."""
        return torch.rand(n, self.options["latent"], generator=rng, device=rng.device) * 2 - 1


@register
class Discriminator(nn.Module):
    """Images `[N, channels, 64, 64]` → logits `[N]`: convolutions that halve the side, then one dense layer.

    `features` are those of the convolutions, `kernels` one size for all or one for each; leaky ReLU of slope `alpha`,
    batch norm on all but the first.
    """

    def __init__(self, features: str = "32 > 128 > 256", kernels: str = "5", *, channels: int = 4, alpha: float = 0.2):
        super().__init__()
        widths = [channels, *numbers(features, "features of the discriminator")]
        sizes = spread_out(kernels, len(widths) - 1, "kernels of the discriminator")
        layers, side = [], SIDE
        for (n_in, n_out), size in zip(pairwise(widths), sizes, strict=True):
            padding = (size - 1) // 2
            after = (side + 2 * padding - size) // 2 + 1
            if after < 1:
                raise BadInput(f"a kernel of {size} does not fit the {side}×{side} maps before {n_out} features")
            norm = [nn.BatchNorm2d(n_out)] if layers else []
            layers += [nn.Conv2d(n_in, n_out, size, 2, padding), *norm, nn.LeakyReLU(alpha)]
            side = after
        self.layers, self.head = nn.Sequential(*layers), nn.Linear(widths[-1] * side**2, 1)
        initialise(self, "normal")

    def forward(self, images: Tensor) -> Tensor:
        check(images, "images", self.options["channels"], SIDE, SIDE)
        return in_float32(self.head, self.layers(images).flatten(1))[:, 0]
