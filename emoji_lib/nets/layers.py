"""The pieces that every network here is built from."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from emoji_lib import BadInput

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
}
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
INITIALISATIONS = {"normal": partial(nn.init.normal_, std=0.02), "orthogonal": nn.init.orthogonal_}


def choose(table: dict, kind: str, name: str):
    """`table[name]`, or an error that lists what there is."""
    if name not in table:
        raise BadInput(f"unknown {kind} {name!r}: {', '.join(table)}")
    return table[name]


def initialise(network: nn.Module, how: str) -> None:
    """Draw the weights of every convolution and dense layer; biases start at zero, batch norm's scales near one.

    `normal` is N(0, 0.02²) with batch norm scales N(1, 0.02²) (DCGAN, Radford et al. 2016, and its PyTorch tutorial);
    `orthogonal` is Saxe et al. 2014. Called before any weight is reparametrised.
    """
    draw = choose(INITIALISATIONS, "initialisation", how)
    if next(network.parameters()).is_meta:  # shapes only: nothing to draw, and torch would take seconds
        return
    for layer in network.modules():
        if isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02) if how == "normal" else nn.init.ones_(layer.weight)


def check(tensor: Tensor, what: str, *shape: int) -> None:
    """Raises `ValueError` where a tensor is not `[N, *shape]`."""
    if tensor.shape[1:] != shape:
        raise ValueError(f"{what} are [N, {', '.join(map(str, shape))}], not {list(tensor.shape)}")


def in_float32(head: Callable[..., Tensor], *seen: Tensor) -> Tensor:
    """A discriminator's last layers without autocast: logits are few, and differ by little at first."""
    with torch.autocast(seen[0].device.type, enabled=False):
        return head(*(one.float() for one in seen))


def seeded(seed: int, device: torch.device | str = "cpu", *, apart: int = 0) -> torch.Generator:
    """A generator of random numbers on a device; `apart` is added to the seed, for another stream of the same seed.

    Raises `BadInput` for a seed that does not fit into 64 bits.
    """
    if not 0 <= seed < 2**64:
        raise BadInput(f"seed {seed} is not between 0 and 2**64 - 1")
    return torch.Generator(device).manual_seed((seed + apart) % 2**64)


class Latents:
    """Seeded latents for samples, for a generator with `noise`, which training draws from."""

    def latents(self, n: int, seed: int) -> Tensor:
        """Latents `[N, latent]`, the same on every device, and none that training with `seed` draws.

        The first ones are the same for any `n`, so that seed and index say which picture it is.
        """
        return self.noise(self.whole(n), seeded(seed))[:n]

    def whole(self, n: int) -> int:
        """`n` rounded up to whole sixteens of numbers: torch draws the last ones differently, beyond these."""
        some = 16 // math.gcd(16, self.options.get("latent", 1))
        return -(-n // some) * some


class ReplicatePad(torch.autograd.Function):
    """`[N, C, H, W]` → `[N, C, H + 2, W + 2]`: the outermost pixels once more, in the same memory layout."""

    @staticmethod
    def forward(ctx, images: Tensor) -> Tensor:
        n, c, h, w = images.shape
        channels_last = images.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        padded = torch.empty((n, c, h + 2, w + 2), dtype=images.dtype, device=images.device, memory_format=layout)
        padded[:, :, 1:-1, 1:-1] = images
        padded[:, :, 1:-1, 0], padded[:, :, 1:-1, -1] = images[..., 0], images[..., -1]
        padded[:, :, 0], padded[:, :, -1] = padded[:, :, 1], padded[:, :, -2]
        return padded

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        rows = grad[:, :, 1:-1].clone()
        rows[:, :, 0] += grad[:, :, 0]
        rows[:, :, -1] += grad[:, :, -1]
        inner = rows[..., 1:-1].clone(memory_format=torch.preserve_format)
        inner[..., 0] += rows[..., 0]
        inner[..., -1] += rows[..., -1]
        return inner


class ReplicateConv2d(nn.Conv2d):
    """A convolution that pads by repeating the outermost pixels, `[N, C, H, W]` → `[N, C', H', W']`.

    The numbers of `padding_mode="replicate"`, which autocast on CPUs runs in float32 at many times the cost.
    """

    def forward(self, images: Tensor) -> Tensor:
        for _ in range(self.padding[0]):
            images = ReplicatePad.apply(images)
        return nn.functional.conv2d(images, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` (Srivastava et al. 2014), three times as fast on a CPU: a random byte a unit.

    A probability that is not a multiple of 1/256 is left to torch.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        bar = 256 * self.p
        if not self.training or inputs.is_cuda or bar != int(bar) or bar in (0, 256):
            return super().forward(inputs)
        words = torch.empty((inputs.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
        mask = torch.empty_like(inputs)  # with their memory layout
        kept = words.view(torch.uint8)[: inputs.numel()] >= int(bar)
        mask.as_strided((inputs.numel(),), (1,)).copy_(kept).mul_(1 / (1 - self.p))
        return inputs * mask


def block(conv: nn.Module, activation: str, *, batch_norm: bool = False) -> nn.Sequential:
    """A convolution, batch norm where asked for, and an activation."""
    norm = [nn.BatchNorm2d(conv.out_channels)] if batch_norm else []
    return nn.Sequential(conv, *norm, choose(ACTIVATIONS, "activation", activation)())


def architecture(network: nn.Module) -> dict:
    """Features and kernel sizes layer by layer and the number of trainable parameters, for a run's record."""
    layers = [layer for layer in network.modules() if isinstance(layer, (*CONVOLUTIONS, nn.Linear))]
    return {
        "features": [getattr(layer, "out_channels", None) or layer.out_features for layer in layers],
        "kernels": [layer.kernel_size[0] for layer in layers if isinstance(layer, CONVOLUTIONS)],
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }
