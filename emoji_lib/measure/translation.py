"""How good translations between faces and cartoons are."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from emoji_lib.data import faces
from emoji_lib.data.batches import scale, to_uint8
from emoji_lib.data.emoji import EmojiSet
from emoji_lib.measure import colours, protocol, scores
from emoji_lib.measure.features import TRUSTED, features, standardised, views

Domain = tuple[EmojiSet, faces.Colours]
HELD_OUT = 4  # every so many pictures of a domain, one is never trained on


def held_out(n: int) -> np.ndarray:
    """Which of a domain's first `n` pictures are held out, bool `[N]`."""
    return np.arange(n) % HELD_OUT == 0


def through(translator: Callable[[Tensor], Tensor], images: np.ndarray) -> np.ndarray:
    """uint8 `[N, C, H, W]` through a translator of −1..1 images."""
    parts = torch.from_numpy(np.array(images)).split(32)  # a copy: what is kept on disk is read-only
    return np.concatenate([to_uint8(translator(scale(part))) for part in parts])


def evaluate_both(system, people: Domain, drawings: Domain, n: int) -> dict:
    """`judge` of up to `n` pictures (4 at least) in either direction, and of the same pictures left as they are."""
    people, drawings = (_some(*domain, max(n, HELD_OUT)) for domain in (people, drawings))
    back = {"to_cartoon": "to_face", "to_face": "to_cartoon"}
    found, untouched = {}, {}
    for name, way, own, other in (
        ("to cartoons", "to_cartoon", people, drawings),
        ("to faces", "to_face", drawings, people),
    ):
        images = own[0].images
        there = through(lambda images, way=way: system.translate(way, images), images)
        again = through(lambda images, way=way: system.translate(back[way], images), there)
        found[name] = evaluate(there, again, own, other)
        untouched[f"{name}: untouched"] = evaluate(images, images, own, other)
    return found | untouched


def _some(domain: EmojiSet, given: faces.Colours, n: int) -> Domain:
    """The first `n` pictures."""
    return replace(domain, images=domain.images[:n], emoji=domain.emoji[:n]), given[:n]


def evaluate(drawn: np.ndarray, back: np.ndarray, own: Domain, target: Domain) -> dict:
    """Scores of one direction: `drawn` translations of `own` pictures, and their way `back`.

    The kernel distances to real pictures of the `target` domain in the trusted encoders, the share of near-copies among
    the translations, the cycle error in 0..1, and for held-out pictures how well skin and hair are kept.
    """
    (pictures, given), (other, theirs) = own, target
    unseen, known = held_out(len(drawn)), held_out(len(other))
    real, shown = views(other.images, premultiplied=True), views(drawn, premultiplied=True)
    result: dict = {"samples": len(drawn)}
    for name in TRUSTED:
        estimate = scores.kid(*standardised(features(name, real)[0], features(name, shown)[0]))
        keys = ("kid", "kid_low", "kid_high")
        result[name] = {key: protocol.round_off(value) for key, value in zip(keys, estimate, strict=True)}
    learned = protocol.thumbnails(real[~known])
    yardstick = scores.nearest(protocol.thumbnails(real[known]), learned)[0]
    result["memorised"] = scores.memorised(scores.nearest(protocol.thumbnails(shown), learned)[0], yardstick)
    result["cycle"] = float(np.abs(back.astype(float) - pictures.images).mean() / 255)
    for what in ("skin", "hair"):
        wanted, palette = getattr(given, what), _palette(getattr(given, what))
        if len(palette) > 1:
            read = colours.read(drawn[unseen], what)
            kept = colours.kept(read, wanted[unseen], palette, _palette(getattr(theirs, what)))
            result[what] = {key: protocol.round_off(value) for key, value in kept.items()}
    return result


def _palette(given: np.ndarray) -> np.ndarray:
    """The known of colours `[N, 3]`, each once, `[K, 3]`."""
    return np.unique(given[~np.isnan(given[:, 0])], axis=0)
