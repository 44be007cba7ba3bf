"""Mode collapse: cheap evaluations of a generator during training, and the rule by which it counts as collapsed."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from emoji_lib.data import split
from emoji_lib.data.batches import to_uint8
from emoji_lib.data.emoji import EmojiSet
from emoji_lib.measure import scores
from emoji_lib.measure.features import encode, encoder, standardised, views

FRESH = 200  # samples of new latents at each evaluation
REAL = 400  # real pictures at most that coverage is taken over
IN_A_ROW = 3
WORTH = 0.2  # a fall counts only after this coverage; below it, a halving is within the noise of one evaluation


def collapsed(trace: list[dict[str, float]], low_diversity: float, fraction: float = 0.5) -> bool:
    """Whether coverage and diversity were both low in each of the last `IN_A_ROW` evaluations.

    Coverage is low under this `fraction` of the best until then, if that was at least `WORTH`; diversity is low under
    `low_diversity`, that of real pictures of a quarter of the concepts.
    """
    best, bad = 0.0, 0
    for one in trace:
        best = max(best, one["coverage"])
        both_low = best >= WORTH and one["coverage"] < fraction * best and one["diversity"] < low_diversity
        bad = bad + 1 if both_low else 0
    return bad >= IN_A_ROW


class Monitor:
    """Evaluates a generator in training.

    `trace` holds for each evaluation: `coverage` of the real pictures by samples of the fixed and of fresh latents;
    `diversity` of the fresh ones (Vendi score); `support`, the number of different pictures by the birthday argument
    (Arora and Zhang 2018): n (n − 1) / 2 pairs over the number of near-equal ones. Features are the `contrast`
    encoder's, over white, standardised over the real pictures. With `ignore_collapse` a collapsed run runs to its end.
    """

    def __init__(
        self,
        learned: EmojiSet,
        fixed: Tensor,
        latents: Callable[[int, int], Tensor],
        *,
        ignore_collapse: bool = False,
        seed: int = 0,
    ):
        self.fixed, self.latents, self.ignore_collapse, self.seed = fixed, latents, ignore_collapse, seed
        self.premultiplied = learned.premultiplied
        self.trace: list[dict[str, float]] = []
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(learned))[:REAL]
        self._learned = self._features(learned.images[chosen])
        (self._real,) = standardised(self._learned)
        apart, n = torch.cdist(self._real, self._real), len(self._real)
        self._reach = apart.kthvalue(min(scores.NEAREST + 1, n), 1).values if n > 1 else torch.tensor([torch.inf])
        # Two samples are the same picture where they are half as far apart as the nearest tenth of real pictures.
        self._same = apart.kthvalue(min(2, n), 1).values.quantile(0.1).item() / 2
        quarter_of = lambda names: rng.permutation(names)[: math.ceil(len(names) / 4)]  # noqa: E731
        some = split.draw_from_concepts(learned, FRESH, rng, quarter_of)
        _, quarter = standardised(self._learned, self._features(some))
        self.quarter = scores.vendi(quarter)

    def _features(self, images: np.ndarray) -> Tensor:
        network, _ = encoder("contrast")
        return encode(network, views(images, premultiplied=self.premultiplied).white)

    def evaluate(self, step: int, sample: Callable[[Tensor], Tensor]) -> None:
        """Add the state at `step` to the trace; `sample` gives float images `[N, C, H, W]` in −1..1 for latents."""
        fresh = self.latents(FRESH, self.seed + step)
        _, drawn = standardised(self._learned, self._features(to_uint8(sample(torch.cat((self.fixed, fresh))))))
        new = drawn[len(self.fixed) :]
        inside = torch.cdist(self._real, drawn) <= self._reach[:, None]
        near = int((torch.pdist(new) <= self._same).sum())
        self.trace.append(
            {
                "step": step,
                "coverage": round(inside.any(1).double().mean().item(), 4),
                "diversity": round(scores.vendi(new), 4),
                "support": round(FRESH * (FRESH - 1) / 2 / max(1, near), 1),
            }
        )

    @property
    def collapsed(self) -> bool:
        return collapsed(self.trace, self.quarter)
