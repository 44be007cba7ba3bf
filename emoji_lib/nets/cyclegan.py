"""The networks of CycleGAN (Zhu et al. 2017, section 7.2): from image to image, and a discriminator of patches."""

import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.nets.layers import in_float32, initialise
from emoji_lib.nets.registry import register


def _conv(n_in: int, n_out: int, kernel: int, stride: int = 1, *, reflect: bool = False) -> nn.Conv2d:
    """Without a bias, which instance norm would remove."""
    mode = "reflect" if reflect else "zeros"
    return nn.Conv2d(n_in, n_out, kernel, stride, (kernel - 1) // 2, padding_mode=mode, bias=False)


class Residual(nn.Module):
    """A residual block (He et al. 2016) on `[N, C, H, W]`: two 3×3 convolutions with instance norm."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.Sequential(
            *(_conv(width, width, 3, reflect=True), nn.InstanceNorm2d(width), nn.ReLU()),
            *(_conv(width, width, 3, reflect=True), nn.InstanceNorm2d(width)),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.layers(maps)


@register
class Generator(nn.Module):
    """Images `[N, channels, H, W]` → images of the other domain, −1..1, sides divisible by 4.

    c7s1-F, d2F, d4F, `blocks` residual blocks (6 for 128 pixels and below, 9 above), u2F, uF, c7s1-channels, tanh, with
    instance norm and reflection padding (Johnson et al. 2016).
    """

    def __init__(self, features: int = 64, blocks: int = 6, channels: int = 4):
        super().__init__()
        if features < 1 or blocks < 0:
            raise BadInput(f"features {features} must be positive and blocks {blocks} not negative")
        layers = [_conv(channels, features, 7, reflect=True), nn.InstanceNorm2d(features), nn.ReLU()]
        for width in (features, 2 * features):
            layers += [_conv(width, 2 * width, 3, 2), nn.InstanceNorm2d(2 * width), nn.ReLU()]
        layers += [Residual(4 * features) for _ in range(blocks)]
        for width in (4 * features, 2 * features):
            up = nn.ConvTranspose2d(width, width // 2, 3, 2, 1, output_padding=1, bias=False)
            layers += [up, nn.InstanceNorm2d(width // 2), nn.ReLU()]
        last = nn.Conv2d(features, channels, 7, 1, 3, padding_mode="reflect")
        self.layers = nn.Sequential(*layers, last, nn.Tanh())
        initialise(self, "normal")

    def forward(self, images: Tensor) -> Tensor:
        _check(images, self.options["channels"])
        return self.layers(images)


@register
class ShortcutGenerator(nn.Module):
    """Images `[N, channels, H, W]` → images of the other domain, −1..1, sides divisible by 4, as `Generator`.

    The first layer works on blocks of 2×2 pixels (the inverse of Shi et al. 2016), the `blocks` residual blocks on a
    quarter of the side. Shortcuts (U-Net, Ronneberger et al. 2015) carry the first layer's output past them, and the
    picture itself to the last layer, so that edges and colours need not be found again. Nearest neighbours and a
    convolution enlarge (Odena et al. 2016), which leaves no checkerboard.
    """

    def __init__(self, features: int = 32, blocks: int = 4, channels: int = 4):
        super().__init__()
        if features < 2 or blocks < 0:
            raise BadInput(f"features {features} must be at least 2 and blocks {blocks} not negative")
        f, half = features, features // 2

        def layer(n_in: int, n_out: int, stride: int = 1) -> list[nn.Module]:
            return [_conv(n_in, n_out, 3, stride), nn.InstanceNorm2d(n_out), nn.ReLU()]

        self.first = nn.Sequential(nn.PixelUnshuffle(2), *layer(4 * channels, f))
        deep = [*layer(f, 2 * f, 2), *(Residual(2 * f) for _ in range(blocks)), nn.Upsample(scale_factor=2)]
        self.deep = nn.Sequential(*deep, *layer(2 * f, f))
        self.joined = nn.Sequential(*layer(2 * f, f), nn.Upsample(scale_factor=2), *layer(f, half))
        self.last = nn.Sequential(nn.Conv2d(half + channels, channels, 3, 1, 1), nn.Tanh())
        initialise(self, "normal")

    def forward(self, images: Tensor) -> Tensor:
        _check(images, self.options["channels"])
        first = self.first(images)
        joined = self.joined(torch.cat((first, self.deep(first)), 1))
        return self.last(torch.cat((joined, images), 1))


def _check(images: Tensor, channels: int) -> None:
    if images.shape[1] != channels or images.shape[2] % 4 or images.shape[3] % 4:
        raise BadInput(f"images are [N, {channels}, H, W] with sides divisible by 4, not {list(images.shape)}")


TRANSLATORS = {"residual": Generator, "shortcut": ShortcutGenerator}


@register
class Discriminator(nn.Module):
    """Images `[N, channels, H, W]` → logits `[N, 1, h, w]`, one for each patch of 70×70 pixels with three `stages`.

    C64-C128-C256-C512 (PatchGAN, Isola et al. 2017): 4×4 convolutions, the first `stages` of stride 2, leaky ReLU 0.2,
    instance norm in all but the first. Two stages see 34×34 pixels, one sees 16×16. `norm` is `instance`, or `none`:
    without it the strength of a colour counts, and a penalty has to regularise the discriminator.
    """

    def __init__(self, features: int = 64, stages: int = 3, channels: int = 4, norm: str = "instance"):
        super().__init__()
        if features < 1 or not 1 <= stages <= 4:
            raise BadInput(f"features {features} must be positive and stages {stages} between 1 and 4")
        if norm not in ("instance", "none"):
            raise BadInput(f"unknown norm {norm!r}: instance, none")
        layers, width = [nn.Conv2d(channels, features, 4, 2, 1), nn.LeakyReLU(0.2)], features
        for stage in range(1, stages + 1):
            wider = features * min(2**stage, 8)
            layers += [nn.Conv2d(width, wider, 4, 2 if stage < stages else 1, 1, bias=norm == "none")]
            layers += [nn.InstanceNorm2d(wider)] if norm == "instance" else []
            layers += [nn.LeakyReLU(0.2)]
            width = wider
        self.layers, self.head = nn.Sequential(*layers), nn.Conv2d(width, 1, 4, 1, 1)
        initialise(self, "normal")

    def forward(self, images: Tensor) -> Tensor:
        side, stages = min(images.shape[2:]), self.options["stages"]
        if side < 3 * 2**stages:
            raise BadInput(f"{stages} stages need images of at least {3 * 2**stages} pixels a side, not {side}")
        return in_float32(self.head, self.layers(images))


def reach(stages: int) -> int:
    """Pixels a side of the patch that one logit of `Discriminator` sees."""
    return 9 * 2**stages - 2  # 7 for the last two layers; each stage of stride 2 turns s into 2s + 2
