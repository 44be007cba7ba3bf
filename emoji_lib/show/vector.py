"""Layered emoji as vectors: each layer's region is a level set of smooth fields, so its outline can be traced."""

from itertools import pairwise
from xml.sax.saxutils import escape

import contourpy
import numpy as np
import torch
from matplotlib.path import Path as Outline
from torch import Tensor, nn

from emoji_lib.nets.layered import NATIVE

FINE = 4  # samples of the fields along a pixel
UNITS = 100  # of a path's coordinates in a pixel
TOLERANCE = 0.06  # pixels by which an outline may be simplified
SPECK = 0.35  # regions of fewer pixels are left out


@torch.no_grad()
def svgs(
    generator: nn.Module, latents: Tensor, facts: dict, first: int = 0, *, colours: Tensor | None = None
) -> list[str]:
    """The pictures of latents `[N, latent]` as SVG documents with `facts` in them; `first` is the index of the first.

    With `colours`, as many latents, these give the colours.
    """
    found = []
    for index, (one, painted) in enumerate(zip(latents, latents if colours is None else colours, strict=True), first):
        masks = generator.masks(generator.fields(one[None]), NATIVE * FINE)[0]
        own = generator.colours(painted[None])[0].numpy()
        found.append(svg(masks.clamp(min=1e-30).log().numpy(), own, {**facts, "index": index}))
    return found


def svg(fields: np.ndarray, colours: np.ndarray, facts: dict) -> str:
    """One document from fields `[K, S, S]`, of which the highest wins, and RGBA colours `[K, 4]` in 0..1, of which each
    is opaque or, like the first, transparent.

    Each shape covers its own region and those of all shapes above it, so that no gap shows between neighbours.
    """
    areas = np.bincount(fields.argmax(0).ravel(), minlength=len(fields)) / FINE**2
    fields, colours, areas = (each[areas >= SPECK] for each in (fields, colours, areas))
    opaque = sorted(np.flatnonzero(colours[:, 3]), key=lambda layer: -areas[layer])
    paths = [_path(fields, opaque[place:], colours[layer]) for place, layer in enumerate(opaque)]
    side, about = NATIVE * UNITS, escape(", ".join(f"{key} {value}" for key, value in facts.items()))
    box = f'width="{NATIVE}" height="{NATIVE}" viewBox="0 0 {side} {side}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}><desc>{about}</desc>'
    return "\n".join([head, *filter(None, paths), "</svg>\n"])


def _path(fields: np.ndarray, covered: list[int], colour: np.ndarray) -> str:
    """The region where the highest field is one of the `covered`, filled with a colour."""
    others = np.delete(fields, covered, 0)
    apart = fields[covered].max(0) - (others.max(0) if len(others) else -np.inf)
    padded = np.pad(np.clip(apart, -50, 50), 1, mode="edge")  # out to the picture's edge, which lies between samples
    at = (np.arange(len(padded)) - 0.5) / FINE
    contours = contourpy.contour_generator(at, at, padded, fill_type=contourpy.FillType.OuterOffset)
    rings = []
    for points, offsets in zip(*contours.filled(0, np.inf), strict=True):
        rings += [_ring(points[start:end]) for start, end in pairwise(offsets)]
    red, green, blue = np.round(255 * colour[:3]).astype(int)
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
