"""Layered emoji as vectors: a few flat colours, and the outlines of the regions where each is the nearest."""

from itertools import pairwise
from xml.sax.saxutils import escape

import contourpy
import numpy as np
import torch
from matplotlib.path import Path as Outline
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_lib.nets.layered import NATIVE

FINE = 6  # samples along a pixel
HALF = 127.5  # of alpha, above which a pixel is drawn
UNITS = 100  # of a path's coordinates in a pixel
TOLERANCE = 0.15  # pixels by which an outline may be simplified
SPECK = 0.35  # regions of fewer pixels are left out
COLOURS = 24  # of a document at most, before those alike are merged
EVEN = 6  # of 255, the most that a channel may span among a flat sample and its neighbours
ALIKE = 20  # of 255, the distance of two colours that are taken for one


@torch.no_grad()
def svgs(
    generator: nn.Module, latents: Tensor, facts: dict, first: int = 0, *, colours: Tensor | None = None
) -> list[str]:
    """The pictures of latents `[N, latent]` as SVG documents with `facts` in them; `first` is the index of the first.

    With `colours`, as many latents, these give the colours.
    """
    found = []
    for index, (one, painted) in enumerate(zip(latents, latents if colours is None else colours, strict=True), first):
        picture = generator(one[None], NATIVE * FINE, painted[None])[0]
        found.append(svg((picture + 1) * 127.5, {**facts, "index": index}))
    return found


def svg(picture: Tensor, facts: dict) -> str:
    """One document from premultiplied RGBA in 0..255, `[4, S, S]`: the regions of its flat colours.

    Where alpha is under a half nothing is drawn; elsewhere all is opaque. Each shape reaches a pixel under the shapes
    above it, so that no gap shows between neighbours.
    """
    straight, alpha = picture[:3] * (255 / picture[3].clamp(min=1)), picture[3]
    palette = flat_colours(straight, alpha)
    if len(palette):
        areas = _nearness(straight, palette).argmax(0)[alpha > HALF].bincount(minlength=len(palette)) / FINE**2
        largest_first = areas.argsort(descending=True, stable=True)
        palette = palette[largest_first[areas[largest_first] >= SPECK]]
    fields = torch.cat((HALF - alpha[None], _nearness(straight, palette)))  # only where they cross matters, at 0
    paths = [_path(fields, 1 + place, colour) for place, colour in enumerate(palette)]
    side, about = NATIVE * UNITS, escape(", ".join(f"{key} {value}" for key, value in facts.items()))
    box = f'width="{NATIVE}" height="{NATIVE}" viewBox="0 0 {side} {side}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}><desc>{about}</desc>'
    return "\n".join([head, *filter(None, paths), "</svg>\n"])


def flat_colours(straight: Tensor, alpha: Tensor) -> Tensor:
    """The colours `[P, 3]` of a picture's flat opaque places, or of all opaque ones where none is flat.

    Edges are left out, whose blends would become regions of their own.
    """
    span = sum(F.max_pool2d(sign * straight, 3, 1, 1) for sign in (1, -1)).amax(0)
    opaque = alpha > HALF
    flat = opaque & (span <= EVEN)
    seen = straight[:, flat if flat.any() else opaque].round().byte().T.contiguous()
    kept: list[Tensor] = []
    if len(seen):
        reduced = Image.fromarray(seen[None].numpy()).quantize(COLOURS, kmeans=1)
        found = torch.tensor(reduced.getpalette()).view(-1, 3).float()
        for _, index in sorted(reduced.getcolors(), reverse=True):
            if all((found[index] - one).norm() > ALIKE for one in kept):
                kept.append(found[index])
    return torch.stack(kept) if kept else torch.empty(0, 3)


def _nearness(straight: Tensor, palette: Tensor) -> Tensor:
    """`[P, S, S]`: the squared distance of each pixel's nearest colour, less that of each colour; 0 is the nearest."""
    near = -(straight - palette[..., None, None]).square().sum(1)
    return near - near.amax(0) if len(near) else near


def _path(fields: Tensor, first: int, colour: Tensor) -> str:
    """The path of a shape in `colour`: where field `first` is the highest, and a pixel into where a later one is."""
    own = (fields.argmax(0) == first).float()
    near = F.avg_pool2d(own[None], 2 * FINE + 1, 1, FINE)[0] - 0.1  # round, so that its outline is short
    over = fields[first:].amax(0) - fields[:first].amax(0)
    apart = torch.where(own > 0, over, torch.minimum(over, 1e4 * near))
    padded = np.pad(apart.numpy(), 1, mode="edge")  # out to the picture's edge, which lies between samples
    at = (np.arange(len(padded)) - 0.5) / FINE
    contours = contourpy.contour_generator(at, at, padded, fill_type=contourpy.FillType.OuterOffset)
    rings = []
    for points, offsets in zip(*contours.filled(0, np.inf), strict=True):
        rings += [_ring(points[start:end]) for start, end in pairwise(offsets)]
    red, green, blue = colour.round().int().tolist()
    ways = "".join(filter(None, rings))
    return f'<path fill="#{red:02x}{green:02x}{blue:02x}" fill-rule="evenodd" d="{ways}"/>' if ways else ""


def _ring(points: np.ndarray) -> str:
    """A closed outline `[P, 2]` in pixels as the steps of a path, or nothing for a speck."""
    x, y = points.T
    if abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2 < SPECK:  # the shoelace formula
        return ""
    outline = Outline(points.clip(0, NATIVE) * UNITS)
    outline.should_simplify, outline.simplify_threshold = True, TOLERANCE * UNITS
    corners = outline.cleaned(simplify=True).vertices[:-2].round().astype(int)  # the last ones stop and close
    steps = np.diff(corners, axis=0)
    steps = steps[(steps != 0).any(1)]
    start, moves = corners[0], " ".join(f"{dx} {dy}" for dx, dy in steps)
    return f"M{start[0]} {start[1]}l{moves}z"
