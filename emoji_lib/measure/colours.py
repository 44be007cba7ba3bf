"""How well translated faces keep the colours of hair and skin."""

import numpy as np

# Where heads show skin and hair: top, bottom, left, right as fractions of the side. In these boxes, real heads of
# Twemoji and avatars have exactly their known skin, and their known hair to within 0.2 and 15 of 255.
BOXES = {"skin": (0.42, 0.6, 0.4, 0.6), "hair": (0.06, 0.24, 0.4, 0.6)}


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Mean distance of colours `[N, 3]` in 0..255."""
    return float(np.linalg.norm(found - wanted, axis=1).mean())


def nearest(colours: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The index of the palette colour `[K, 3]` nearest to each colour `[N, 3]`, `[N]`."""
    return np.linalg.norm(colours[:, None] - palette[None], axis=2).argmin(1)


def agreement(found: np.ndarray, wanted: np.ndarray, palette: np.ndarray) -> float:
    """Fraction of colours `[N, 3]` whose nearest colour of a palette `[K, 3]` is that of the wanted ones."""
    return float((nearest(found, palette) == nearest(wanted, palette)).mean())


def kept(
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
    turns = np.linspace(1, len(found) - 1, rolls).astype(int)
    same = [np.broadcast_to(colour, wanted.shape) for colour in palette]
    middle = np.broadcast_to(wanted.mean(0), wanted.shape)
    result = {
        "error": error(found, wanted),
        "error_chance": float(np.mean([error(np.roll(found, turn, 0), wanted) for turn in turns])),
        "error_blind": error(middle, wanted),
        "agreement": agreement(found, wanted, palette),
        "agreement_chance": float(np.mean([agreement(np.roll(found, turn, 0), wanted, palette) for turn in turns])),
        "agreement_blind": max(agreement(one, wanted, palette) for one in same),
        "faces": int(known.sum()),
    }
    if len(others):
        best = others[nearest(wanted, others)]
        result |= {"error_palette": error(best, wanted), "agreement_palette": agreement(best, wanted, palette)}
    return result
