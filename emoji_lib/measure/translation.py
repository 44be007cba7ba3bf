"""How good translations between faces and cartoons are."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from emoji_lib.data import faces, pixels
from emoji_lib.data.batches import in_parts, scale
from emoji_lib.data.emoji import EmojiSet
from emoji_lib.measure import colours, protocol, scores
from emoji_lib.measure.features import TRUSTED, features, standardised, views

Domain = tuple[EmojiSet, faces.Colours]
HELD_OUT = 4  # one in so many pictures of a domain is never trained on


def held_out(n: int) -> np.ndarray:
    """Which of a domain's first `n` pictures are held out, bool `[N]`."""
    return np.arange(n) % HELD_OUT == 0


def through(translator: Callable[[Tensor], Tensor], images: np.ndarray) -> np.ndarray:
    """uint8 `[N, C, H, W]` through a translator of −1..1 images."""
    writable = torch.from_numpy(np.array(images))  # a copy, since cached images are read-only
    return in_parts(lambda part: translator(scale(part)), writable, 32)


def evaluate_both(system, people: Domain, drawings: Domain, n: int) -> dict:
    """`evaluate` of up to `n` pictures (at least 4) in both directions, and of the same pictures untranslated."""
    some = slice(max(n, HELD_OUT))
    people, drawings = (
        (replace(pictures, images=pictures.images[some], emoji=pictures.emoji[some]), given[some])
        for pictures, given in (people, drawings)
    )
    found, untouched = {}, {}
    for name, way, back, own, other in (
        ("to cartoons", "to_cartoon", "to_face", people, drawings),
        ("to faces", "to_face", "to_cartoon", drawings, people),
    ):
        images = own[0].images
        there = through(partial(system.translate, way), images)
        again = through(partial(system.translate, back), there)
        found[name] = evaluate(there, again, own, other)
        untouched[f"{name}: untouched"] = evaluate(images, images, own, other)
    return found | untouched


def evaluate(drawn: np.ndarray, back: np.ndarray, own: Domain, target: Domain) -> dict:
    """Scores of one direction: `drawn` are translations of the domain `own`, and `back` these translated back.

    The kernel distances to real pictures of the `target` domain in the trusted encoders, the fraction of near copies
    among the translations, the cycle error in 0..1, and for held-out pictures how well skin and hair are kept.
    """
    (pictures, given), (other, theirs) = own, target
    unseen, known = held_out(len(drawn)), held_out(len(other))
    real, shown = views(other.images, premultiplied=True), views(drawn, premultiplied=True)
    result: dict = {"samples": len(drawn)}
    for name in TRUSTED:
        result[name] = scores.rounded(scores.kid(*standardised(features(name, real)[0], features(name, shown)[0])))
    small = protocol.thumbnails(real)
    yardstick, _ = scores.nearest(small[known], small[~known])
    distances, _ = scores.nearest(protocol.thumbnails(shown), small[~known])
    result["memorised"] = scores.memorised(distances, yardstick)
    result["cycle"] = float(np.abs(back.astype(float) - pictures.images).mean() / 255)
    for what in ("skin", "hair"):
        wanted, palette = getattr(given, what), _palette(getattr(given, what))
        if len(palette) > 1 and len(_palette(wanted[unseen])) > 1:
            read = pixels.median_colour(drawn[unseen], colours.BOXES[what])
            kept = colours.kept(read, wanted[unseen], palette, _palette(getattr(theirs, what)))
            result[what] = scores.rounded(kept)
    return result


def _palette(given: np.ndarray) -> np.ndarray:
    """The different known colours among `[N, 3]`, `[K, 3]`."""
    return np.unique(given[~np.isnan(given[:, 0])], axis=0)
