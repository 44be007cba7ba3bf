"""How good translations between faces and cartoons are, and how well they keep the colours of hair and skin."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from emoji_lib.data import faces, pixels
from emoji_lib.data.batches import in_parts, scale
from emoji_lib.data.emoji import EmojiSet
from emoji_lib.measure import protocol, scores
from emoji_lib.measure.features import TRUSTED, features, standardised, views

Domain = tuple[EmojiSet, faces.Colours]
ONE_IN = 4  # one picture in so many is held out

# Where heads show skin and hair: top, bottom, left, right as fractions of the side. In these boxes, real heads of
# Twemoji and avatars have exactly their known skin, and their known hair to within 0.2 and 15 of 255.
BOXES = {"skin": (0.42, 0.6, 0.4, 0.6), "hair": (0.06, 0.24, 0.4, 0.6)}


def held_out(n: int) -> np.ndarray:
    """Which of a domain's first `n` pictures are held out, bool `[N]`."""
    return np.arange(n) % ONE_IN == 0


def through(translator: Callable[[Tensor], Tensor], images: np.ndarray) -> np.ndarray:
    """uint8 `[N, C, H, W]` through a translator of −1..1 images."""
    writable = torch.from_numpy(np.array(images))  # a copy, since cached images are read-only
    return in_parts(lambda part: translator(scale(part)), writable, 32)


def evaluate_both(system, people: Domain, drawings: Domain, n: int) -> dict:
    """`evaluate` of up to `n` pictures (at least 4) in both directions, and of the same pictures untranslated."""
    some = slice(max(n, ONE_IN))
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

    The kernel distances to real pictures of the `target` domain in the trusted encoders, the fraction of near copies of
    its learned pictures (of those given here), the cycle error in 0..1, and for held-out pictures how well skin and
    hair are kept.
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
            read = pixels.median_colour(drawn[unseen], BOXES[what])
            result[what] = scores.rounded(colours_kept(read, wanted[unseen], palette, _palette(getattr(theirs, what))))
    return result


def _palette(given: np.ndarray) -> np.ndarray:
    """The different known colours among `[N, 3]`, `[K, 3]`."""
    return np.unique(given[~np.isnan(given[:, 0])], axis=0)


def colour_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Mean distance of colours `[N, 3]` in 0..255."""
    return float(np.linalg.norm(found - wanted, axis=1).mean())


def nearest_colour(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The index of the palette colour `[K, 3]` nearest to each colour `[N, 3]`, `[N]`."""
    return np.linalg.norm(colours[:, None] - palette[None], axis=2).argmin(1)


def colour_agreement(found: np.ndarray, wanted: np.ndarray, palette: np.ndarray) -> float:
    """Fraction of colours `[N, 3]` whose nearest colour of a palette `[K, 3]` is that of the wanted ones."""
    return float((nearest_colour(found, palette) == nearest_colour(wanted, palette)).mean())


def colours_kept(
    found: np.ndarray, wanted: np.ndarray, palette: np.ndarray, others: np.ndarray, rolls: int = 8
) -> dict[str, float]:
    """Colour error and agreement of translations, beside those of two translators that keep nothing.

    `chance` gives each face the translation of another. `blind` gives all the same colour: the mean for the error, the
    palette's most frequent one for agreement. `palette` gives each face the nearest of the other domain's colours, if
    these are known: the best that pictures in that domain's colours can do. Rows with unknown `wanted` are left out.
    Colours `[N, 3]`, palettes `[K, 3]` and `[M, 3]`.
    """
    known = ~np.isnan(wanted[:, 0])
    found, wanted = found[known], wanted[known]
    turned = [np.roll(found, turn, 0) for turn in np.linspace(1, len(found) - 1, rolls).astype(int)]
    middle = np.broadcast_to(wanted.mean(0), wanted.shape)
    result = {
        "error": colour_error(found, wanted),
        "error_chance": float(np.mean([colour_error(other, wanted) for other in turned])),
        "error_blind": colour_error(middle, wanted),
        "agreement": colour_agreement(found, wanted, palette),
        "agreement_chance": float(np.mean([colour_agreement(other, wanted, palette) for other in turned])),
        "agreement_blind": float(np.bincount(nearest_colour(wanted, palette)).max() / len(wanted)),
        "faces": int(known.sum()),
    }
    if len(others):
        best = others[nearest_colour(wanted, others)]
        result["error_palette"] = colour_error(best, wanted)
        result["agreement_palette"] = colour_agreement(best, wanted, palette)
    return result
