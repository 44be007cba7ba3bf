"""Emoji in layers: smooth fields say where each flat region is, colours say which, and any size can be drawn."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.nets import dcgan
from emoji_lib.nets.layers import Latents, ReplicatePad, check, choose, initialise
from emoji_lib.nets.registry import register

NATIVE = 72  # pixels a side that training sees


def softmax_masks(fields: Tensor) -> Tensor:
    """Each layer's fraction of every pixel, `[N, K, H, W]`: mₖ = softmaxₖ(fields)."""
    return fields.softmax(1)


def over_masks(fields: Tensor) -> Tensor:
    """As `softmax_masks`, but each layer lies over those before it (Porter and Duff 1984):
    mₖ = αₖ Πⱼ₌ₖ₊₁ (1 − αⱼ) with αₖ = σ(fieldₖ) and α₀ = 1.
    """
    hidden = F.logsigmoid(-fields[:, 1:]).flip(1).cumsum(1).flip(1)  # log Π (1 − αⱼ) from k on
    above = torch.cat((hidden, torch.zeros_like(fields[:, :1])), 1)
    own = torch.cat((torch.zeros_like(fields[:, :1]), F.logsigmoid(fields[:, 1:])), 1)
    return (own + above).exp()


MASKS = {"softmax": softmax_masks, "over": over_masks}


class Blur(nn.Module):
    """The binomial filter (1 2 1)² / 16 on `[N, C, H, W]` (Zhang 2019), which removes a checkerboard of pixels."""

    def forward(self, maps: Tensor) -> Tensor:
        line = maps.new_full((3,), 0.25)
        line[1] = 0.5  # not from a list, which CUDA graphs cannot copy to the device
        kernel = torch.outer(line, line).expand(maps.shape[1], 1, 3, 3)
        return F.conv2d(ReplicatePad.apply(maps), kernel, groups=maps.shape[1])


def coarse(latent: int, features: int, layers: int, enlarge: str = "nearest") -> nn.Sequential:
    """Fields of 36×36, enlarged by nearest neighbours and a convolution each time (Odena et al. 2016)."""
    widths = (8 * features, 4 * features, 2 * features, 2 * features, layers)
    first, second, third, last = (nn.Conv2d(*pair, 3, padding=1) for pair in pairwise(widths))
    dense = (nn.Linear(latent, widths[0] * 81), nn.Unflatten(1, (widths[0], 9, 9)), nn.GELU())
    twice = [nn.Upsample(scale_factor=2, mode=enlarge) for _ in range(2)]
    return nn.Sequential(*dense, first, nn.GELU(), twice[0], second, nn.GELU(), twice[1], third, nn.GELU(), last)


def fine(latent: int, features: int, layers: int, enlarge: str = "nearest") -> nn.Sequential:
    """Fields of 72×72 by sub-pixel convolution (Shi et al. 2016), which draws finer strokes, and a blur.

    Without the blur the generator mixes two layers in a checkerboard to imitate a colour that neither has.
    """
    return nn.Sequential(coarse(latent, features, 4 * layers, enlarge), nn.PixelShuffle(2), Blur())


class PixelNorm(nn.Module):
    """`[N, K, H, W]` scaled so that the K numbers of each pixel have a mean square of 1 (Karras et al. 2018, 4.2)."""

    def forward(self, fields: Tensor) -> Tensor:
        fields = fields.float()
        return fields * (fields.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def bounded(latent: int, features: int, layers: int, enlarge: str = "nearest") -> nn.Sequential:
    """Fine fields that cannot grow: edges stay soft enough to tell the generator where to move them."""
    return nn.Sequential(*fine(latent, features, layers, enlarge), PixelNorm())


def smooth(latent: int, features: int, layers: int) -> nn.Sequential:
    """Bounded fields whose coarse maps are enlarged linearly, so that the grids of 9 and 18 leave no dots in fills.

    That is nearest neighbours and the blur above in one (Karras et al. 2019, section 2).
    """
    return bounded(latent, features, layers, "bilinear")


def transposed(latent: int, features: int, layers: int) -> nn.Sequential:
    """Fields of 72×72 by the improved GAN's generator, so that layers are the only difference from it."""
    pixels = dcgan.Generator(features, latent, layers, **dcgan.IMPROVED).layers
    return nn.Sequential(nn.Unflatten(1, (latent, 1, 1)), *pixels[:-1], pixels[-1][0])  # without its tanh


FIELDS = {"coarse": coarse, "fine": fine, "bounded": bounded, "smooth": smooth, "transposed": transposed}


def enlarged(maps: Tensor, size: int, how: str) -> Tensor:
    """Maps `[N, C, H, W]` at `[N, C, size, size]`."""
    same = maps.shape[-1] == size
    return maps if same else F.interpolate(maps, size=(size, size), mode=how, align_corners=False)


def sharpened(large: Tensor, masks: Tensor) -> Tensor:
    """Enlarged masks `[N, K, size, size]`, with edges as many pixels wide as those of `masks`, `[N, K, S, S]`; both sum
    to 1.

    A mask is stretched around the middle of its least and most within two pixels of `masks`, by size / S, and clipped
    to these (toggle mapping, Kramer and Bruckner 1975; differs: a ramp, not a jump). Flat and evenly sloping masks stay
    as they are, so that blends of layers keep their shade.
    """
    size = large.shape[-1]
    most, least = (sign * F.max_pool2d(sign * masks, 5, 1, 2) for sign in (1, -1))
    most, least = (enlarged(extreme, size, "bilinear") for extreme in (most, least))
    between = (large - least) / (most - least).clamp(min=1e-4)
    ramp = between.sub(0.5).mul(size / masks.shape[-1]).add(0.5).clamp(0, 1)
    sharp = torch.lerp(least, most, ramp)
    sharp = sharp + (1 - sharp.sum(1, keepdim=True)).relu() * large  # where three meet, none is above its middle
    return sharp / sharp.sum(1, keepdim=True)


@register
class Generator(Latents, nn.Module):
    """Latents `[N, latent]` → premultiplied RGBA `[N, 4, size, size]` in −1..1: Σₖ mₖ cₖ over `layers`.

    The masks m come from fields of a kind (of `FIELDS`) times `sharpness`, by `masks` (`softmax` or `over`). The
    colours c `[N, K, 4]` come from the whole latent, or with a `colour_latent` from the last so many of its numbers, on
    which the fields then do not depend; layer 0 is transparent, the others opaque. A size above 72 enlarges the fields
    and sharpens them as much, so that edges stay a pixel wide; no pixel is enlarged.
    """

    def __init__(
        self,
        features: int = 32,
        latent: int = 100,
        *,
        layers: int = 12,
        fields: str = "bounded",
        masks: str = "softmax",
        sharpness: float = 2.0,
        colour_latent: int = 0,
    ):
        super().__init__()
        if features < 1 or layers < 2 or not 0 <= colour_latent < latent or not sharpness > 0:
            given = f"features {features}, layers {layers}, sharpness {sharpness}, colour_latent {colour_latent}"
            raise BadInput(f"{given}: at least 1, at least 2, above 0, and 0 or more but under {latent}")
        self.latent = latent
        self.to_masks = choose(MASKS, "masks", masks)
        self.to_fields = choose(FIELDS, "fields", fields)(latent - colour_latent, features, layers)
        self.to_colours = nn.Sequential(
            nn.Linear(colour_latent or latent, 128), nn.GELU(), nn.Linear(128, 3 * (layers - 1))
        )
        initialise(self, "orthogonal")

    def forward(self, latents: Tensor, size: int = NATIVE, colours: Tensor | None = None) -> Tensor:
        """With `colours`, latents too, these give the colours and `latents` the shapes."""
        masks = self.masks(self.fields(latents), max(size, NATIVE))
        picture = self.compose(masks, self.colours(latents if colours is None else colours))
        return picture if size >= NATIVE else F.interpolate(picture, size=(size, size), mode="area")

    def draw(self, latents: Tensor, size: int = NATIVE) -> tuple[Tensor, Tensor]:
        """The pictures of latents at a size of 72 or more, and their masks `[N, K, size, size]`."""
        masks = self.masks(self.fields(latents), size)
        return self.compose(masks, self.colours(latents)), masks

    def fields(self, latents: Tensor) -> Tensor:
        """`[N, K, G, G]`, on the grid that they are made on."""
        check(latents, "latents", self.latent)
        return self.to_fields(latents[:, : self.latent - self.options["colour_latent"]]).float()

    def masks(self, fields: Tensor, size: int = NATIVE) -> Tensor:
        """Each layer's part of every pixel, `[N, K, size, size]`, which sum to 1."""
        masks = self.to_masks(self.options["sharpness"] * enlarged(fields, NATIVE, "bilinear"))
        if size == NATIVE:
            return masks
        large = self.to_masks(self.options["sharpness"] * enlarged(fields, size, "bicubic"))  # smooth where it is seen
        return sharpened(large, masks)

    def colours(self, latents: Tensor) -> Tensor:
        """Premultiplied RGBA in 0..1, `[N, K, 4]`: layer 0 is transparent, the others are opaque.

        With an alpha of their own, σ of a number that training would have to make large, heads stayed a little
        transparent; only the masks' edges are.
        """
        own = latents[:, -self.options["colour_latent"] :]  # from −0 on it is all of them
        colour = self.to_colours(own).float().unflatten(1, (-1, 3)).sigmoid()
        return F.pad(F.pad(colour, (0, 1), value=1.0), (0, 0, 1, 0))

    @staticmethod
    def compose(masks: Tensor, colours: Tensor) -> Tensor:
        """Σₖ mₖ cₖ, `[N, 4, H, W]` in −1..1. Any colours `[N, K, 4]` will do: other ones recolour a shape."""
        with torch.autocast(masks.device.type, enabled=False):  # eight bits would show in flat colours
            picture = (colours.transpose(1, 2) @ masks.flatten(2)).unflatten(2, masks.shape[2:])
        return picture * 2 - 1

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Standard normal latents `[N, latent]` on the device of `rng`."""
        return torch.randn(n, self.options["latent"], generator=rng, device=rng.device)


class BatchDeviations(nn.Module):
    """`[N, C, H, W]` → `[N, C + maps, H, W]`: what comes in, and how much the batch varies, the same for each image.

    Each map is the mean of the standard deviations over the batch of a group of C / maps features (minibatch standard
    deviation, Karras et al. 2018, section 3; differs: one number for all features and places there). Distributed
    processes each see their own part of a batch.
    """

    def __init__(self, maps: int):
        super().__init__()
        self.maps = maps

    def forward(self, features: Tensor) -> Tensor:
        features = features.float()
        deviations = (features.var(0, unbiased=False) + 1e-8).sqrt().unflatten(0, (self.maps, -1)).mean(1)
        return torch.cat((features, deviations.expand(len(features), -1, -1, -1)), 1)


@register
class Discriminator(dcgan.Discriminator):
    """As `dcgan.Discriminator`, whose last layer also sees how much the batch varies: `deviations` maps, or none.

    So it can tell a batch in which a kind of picture is missing. `antialias` blurs what each strided convolution but
    the first takes in.
    """

    def __init__(
        self, features: int = 64, channels: int = 4, *, deviations: int = 0, antialias: bool = False, **design
    ):
        super().__init__(features, channels, **design)
        if deviations < 0 or (deviations and 8 * features % deviations):
            raise BadInput(f"deviations {deviations} does not divide the {8 * features} features of the last layer")
        if antialias:
            for block in self.layers[1:]:
                block.insert(0, Blur())
        if deviations:
            self.layers.append(BatchDeviations(deviations))
            bias = self.head.bias is not None
            self.head = type(self.head)(8 * features + deviations, 1, *dcgan.STAGES[0], bias=bias)
            initialise(self.head, design.get("init", "normal"))
