"""Whether a picture shows what it was asked for: which label's real pictures it is nearest to, in a frozen encoder."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoji_lib.data import emoji, words
from emoji_lib.measure import classifier, scores
from emoji_lib.measure.features import TRUSTED, features, standardised, views
from emoji_lib.measure.protocol import SEED, Reference, round_off

TURNS = 8  # shuffles of the wanted labels among the samples: what a match is worth that only chance made
KINDS = ("seen", "paraphrases", "unseen concepts")
EACH = 8  # samples of one phrase, for the diversity within it


def ranks(fake: Tensor, wanted: Tensor, real: Tensor, labels: Tensor) -> Tensor:
    """How many labels have a picture nearer to each sample than the wanted label has, int64; 0 is a match.

    `fake` and `real` are features, float64 `[N, F]` and `[M, F]`; `wanted` and `labels` are label numbers, `[N]` or
    `[K, N]` for K ways to want, and `[M]`, each wanted one among `labels`. The result is shaped as `wanted`.
    """
    names, place = labels.unique(return_inverse=True)
    nearest = torch.full((len(fake), len(names)), torch.inf, dtype=fake.dtype)
    nearest.scatter_reduce_(1, place.expand(len(fake), -1), torch.cdist(fake, real), "amin")
    places = torch.searchsorted(names, wanted)
    own = [nearest.gather(1, one[:, None]) for one in places.view(-1, len(fake))]
    return torch.stack([(nearest < one).sum(1) for one in own]).view(wanted.shape)


def accuracy(found: Tensor) -> dict[str, float]:
    """Shares of samples whose label is the nearest, and among the five nearest, from their `ranks`."""
    return {"top1": (found == 0).double().mean().item(), "top5": (found < 5).double().mean().item()}


def within(features: Tensor, wanted: Tensor) -> float:
    """Diversity within one caption: the mean distance of two samples of the same label over that of any two."""
    apart, same = torch.cdist(features, features), wanted[:, None] == wanted
    different = ~torch.eye(len(features), dtype=torch.bool)
    return (apart[same & different].mean() / apart[different].mean()).item()


@dataclass(frozen=True)
class Question:
    """Embedded phrases `[N, E]`, the number of the label that each asks for, and the pictures that show the labels."""

    vectors: Tensor
    wanted: Tensor
    shown: emoji.EmojiSet
    labels: Tensor

    def groups(self) -> tuple[Tensor, Tensor]:
        """The group of each wanted label, and of each picture."""
        names = sorted({one.group for one in self.shown.emoji})
        of_pictures = torch.tensor([names.index(one.group) for one in self.shown.emoji])
        of_label = torch.zeros(int(self.labels.max()) + 1, dtype=torch.long).scatter_(0, self.labels, of_pictures)
        return of_label[self.wanted], of_pictures


def questions(selection: str, encoder: str, n: int) -> dict[str, Question]:
    """Up to `n` phrases of each kind: `seen` are names that were learned, `paraphrases` are other words for these that
    were not, and `unseen concepts` are names of held-out emoji, which are to be told from each other; such a name that
    some learned emoji is called by, too, is left out.
    """
    reference = Reference(selection)
    found = {"seen": _ask(reference.learned, encoder, n, lambda label: next(iter(label.phrases), ""))}
    taught = {phrase for label in words.labels(reference.learned.emoji) for phrase in label.phrases}
    own = lambda label: words.plain(label.name.replace("-", " "))  # noqa: E731
    unheard = lambda label: own(label) if own(label) in set(label.phrases) - taught else ""  # noqa: E731
    found["paraphrases"] = _ask(reference.learned, encoder, n, lambda label: label.paraphrase)
    held = reference.part("validation", "test")
    if held is not None and selection.endswith(":train"):
        found["unseen concepts"] = _ask(held, encoder, n, unheard)
    return {kind: question for kind, question in found.items() if question is not None}


def _ask(shown: emoji.EmojiSet, encoder: str, n: int, phrase: Callable[[words.Label], str]) -> Question | None:
    labels = words.readable(words.labels(shown.emoji), encoder)
    numbers = torch.zeros(len(shown), dtype=torch.long)
    for number, label in enumerate(labels):
        numbers[list(label.pictures)] = number
    asked = [number for number, label in enumerate(labels) if phrase(label)]
    if not asked:
        return None
    chosen = np.sort(np.random.default_rng(SEED).permutation(asked)[:n])
    vectors = words.embed(encoder, [phrase(labels[number]) for number in chosen])
    return Question(torch.tensor(vectors), torch.from_numpy(chosen), shown, numbers)


def answer(draw: Callable[[Tensor], np.ndarray], question: Question) -> dict[str, dict[str, float]]:
    """Shares of matches in each trusted encoder, beside what chance gives: by label, the nearest (`top1`) and among the
    five nearest (`top5`), and by the group of the nearest picture (`group`).

    `draw` gives premultiplied RGBA uint8 `[N, 4, 72, 72]` for embeddings. Chance is the mean over samples that were
    drawn for others of the phrases.
    """
    shown = views(question.shown.images, premultiplied=True)
    drawn = views(draw(question.vectors), premultiplied=True)
    of_wanted, of_pictures = question.groups()
    found = {}
    for name in TRUSTED:
        real, fake = standardised(features(name, shown)[0], features(name, drawn)[0])
        rng = torch.Generator().manual_seed(SEED)
        turns = torch.stack([torch.arange(len(fake)), *(_others(len(fake), rng) for _ in range(TURNS))])
        by_label = ranks(fake, question.wanted[turns], real, question.labels)
        by_group = ranks(fake, of_wanted[turns], real, of_pictures)
        rows = [
            accuracy(one) | {"group": accuracy(group)["top1"]} for one, group in zip(by_label, by_group, strict=True)
        ]
        chance = {f"{key}_chance": sum(row[key] for row in rows[1:]) / TURNS for key in rows[0]}
        found[name] = {key: round_off(value) for key, value in (rows[0] | chance).items()}
    return found


def _others(n: int, rng: torch.Generator) -> Tensor:
    """For each of `n` another one at random, and each of them once, `[n]`."""
    order = torch.randperm(n, generator=rng)
    return torch.empty_like(order).index_copy_(0, order, order.roll(1))


def evaluate(draw: Callable[[Tensor], np.ndarray], selection: str, encoder: str, n: int) -> dict:
    """What a text generator is scored by, besides how good its pictures are: for each kind of `questions` its `answer`;
    the inception score of `n` samples of learned names by the subgroup classifier; and the diversity `within` one name.
    """
    asked = questions(selection, encoder, n)
    result = {kind: answer(draw, question) for kind, question in asked.items()}
    known = asked["seen"].vectors
    samples = views(draw(known[torch.arange(n) % len(known)]), premultiplied=True)
    real = [int((asked["seen"].labels == label).nonzero()[0]) for label in asked["seen"].wanted]
    real_ones = views(asked["seen"].shown.images[real], premultiplied=True)
    result["inception"] = round_off(scores.inception(classifier.odds(samples.white)))
    result["inception_real"] = round_off(scores.inception(classifier.odds(real_ones.white)))
    result |= {"samples": n, "classifier": classifier.digest()}
    some = known[: -(-n // EACH)]
    repeated = views(draw(some.repeat_interleave(EACH, 0)), premultiplied=True)
    (seen,) = standardised(features("contrast", repeated)[0])
    return result | {"within": round_off(within(seen, torch.arange(len(some)).repeat_interleave(EACH)))}
