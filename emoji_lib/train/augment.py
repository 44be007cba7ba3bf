"""Differentiable augmentation of the discriminator's input, on the device (Zhao et al. 2020; Karras et al. 2020)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from emoji_lib import BadInput


@dataclass(frozen=True)
class ShiftAndFlip:
    """Move images by whole pixels, up to `shift` of their side, and mirror them; −1..1 `[N, C, H, W]`.

    Each image is moved with `probability` and mirrored with half of it. With a `warp` w those that are moved are also
    turned by up to w radians and scaled by a factor between 1 / (1 + w) and 1 / (1 − w), bilinearly. Pixels that move
    in are −1: transparent in premultiplied RGBA, black in RGB, so this does not suit straight colour. Letters and flags
    should not be mirrored.
    """

    probability: float
    shift: float = 1 / 8
    flip: bool = True
    warp: float = 0.0

    def __post_init__(self):
        if not 0 <= self.probability <= 1:
            raise BadInput(f"augment {self.probability} is not a probability in 0..1")
        if not 0 <= self.warp <= 0.5:
            raise BadInput(f"warp {self.warp} is not in 0..0.5 (0.2 is much, 0 is none)")

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        if not self.probability:
            return images
        n, _, height, width = images.shape
        chance = torch.rand(4, n, generator=rng, device=images.device)
        moved = (chance[0] < self.probability).float()
        affine = torch.zeros(n, 2, 3, device=images.device)
        affine[:, 0, 0] = torch.where((chance[3] < self.probability / 2) & self.flip, -1.0, 1.0)
        affine[:, 1, 1] = 1
        for axis, side in enumerate((width, height)):  # numbers, since a CUDA graph copies no tensor from the host
            reach = math.floor(side * self.shift)
            pixels = torch.floor(chance[1 + axis] * (2 * reach + 1)) - reach
            affine[:, axis, 2] = moved * pixels * 2 / side
        if self.warp:
            turn, zoom = self.warp * moved * (2 * torch.rand(2, n, generator=rng, device=images.device) - 1)
            cos, sin = turn.cos() * (1 + zoom), turn.sin() * (1 + zoom)
            affine[:, :, :2] = torch.stack((cos, -sin, sin, cos), 1).view(n, 2, 2) @ affine[:, :, :2]
        grid = F.affine_grid(affine, list(images.shape), align_corners=False)
        mode = "bilinear" if self.warp else "nearest"
        # grid_sample pads with zeros, so images are shifted to make transparent zero.
        return F.grid_sample(images.float() + 1, grid, mode=mode, align_corners=False) - 1
