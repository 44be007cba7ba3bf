"""Whether a picture shows its phrase: which label's real pictures it is nearest to, in a frozen encoder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from emoji_lib.data import emoji, words
from emoji_lib.measure import scores
from emoji_lib.measure.features import CLASSIFIER, TRUSTED, encode, encoder, features, standardised, views
from emoji_lib.measure.protocol import SEED, Reference

TURNS = 8  # shuffles of the wanted labels among the samples, for the accuracy of chance
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
    """Fractions of samples whose label is the nearest, and among the five nearest, from their `ranks`."""
    return {"top1": (found == 0).double().mean().item(), "top5": (found < 5).double().mean().item()}


def within(features: Tensor, wanted: Tensor) -> float:
    """Diversity within one phrase: the mean distance of two samples of the same label over that of any two."""
    apart, same = torch.cdist(features, features), wanted[:, None] == wanted
    different = ~torch.eye(len(features), dtype=torch.bool)
    return (apart[same & different].mean() / apart[different].mean()).item()


@dataclass(frozen=True)
class Question:
    """Embedded phrases `[N, E]`, the number of each one's label, and real pictures with the numbers of theirs; `real`
    gives their features, by encoder.
    """

    vectors: Tensor
    wanted: Tensor
    shown: emoji.EmojiSet
    labels: Tensor
    real: Callable[[], dict[str, Tensor]]

    def groups(self) -> tuple[Tensor, Tensor]:
        """The group of each wanted label, and of each picture."""
        of_pictures = torch.from_numpy(self.shown.labels("group")[1])
        of_label = torch.zeros(int(self.labels.max()) + 1, dtype=torch.long).scatter_(0, self.labels, of_pictures)
        return of_label[self.wanted], of_pictures


def questions(selection: str, encoder: str, n: int) -> dict[str, Question]:
    """Up to `n` phrases of each kind: `seen` are names that were learned, `paraphrases` are other words for these that
    were not, and `unseen concepts` are names of held-out emoji, compared with each other; a name that is also a phrase
    of some learned emoji is left out.
    """
    reference = Reference(selection)
    real = cache(lambda: _features(reference.learned.images))  # computed when asked for, and once
    found = {
        "seen": _ask(reference.learned, real, encoder, n, lambda label: next(iter(label.phrases), "")),
        "paraphrases": _ask(reference.learned, real, encoder, n, lambda label: label.paraphrase),
    }
    held = reference.part("validation", "test")
    if held is not None and all(term.endswith(":train") for term in emoji.terms(selection)):
        learned = {phrase for label in words.labels(reference.learned.emoji) for phrase in label.phrases}
        own = lambda label: words.plain(label.name.replace("-", " "))  # noqa: E731
        unseen = lambda label: own(label) if own(label) in set(label.phrases) - learned else ""  # noqa: E731
        found["unseen concepts"] = _ask(held, cache(lambda: _features(held.images)), encoder, n, unseen)
    return {kind: question for kind, question in found.items() if question is not None}


def _features(images: np.ndarray) -> dict[str, Tensor]:
    """Of premultiplied RGBA, by each trusted encoder."""
    shown = views(images, premultiplied=True)
    return {name: features(name, shown)[0] for name in TRUSTED}


def _ask(
    shown: emoji.EmojiSet, real: Callable, encoder: str, n: int, phrase: Callable[[words.Label], str]
) -> Question | None:
    labels = words.readable(words.labels(shown.emoji), encoder)
    numbers = torch.zeros(len(shown), dtype=torch.long)
    for number, label in enumerate(labels):
        numbers[list(label.pictures)] = number
    named = [number for number, label in enumerate(labels) if phrase(label)]
    if not named:
        return None
    chosen = np.sort(np.random.default_rng(SEED).permutation(named)[:n])
    vectors = words.embed(encoder, [phrase(labels[number]) for number in chosen])
    return Question(torch.tensor(vectors), torch.from_numpy(chosen), shown, numbers, real)


def answer(draw: Callable[[Tensor], np.ndarray], question: Question) -> dict[str, dict[str, float]]:
    """Fractions of matches in each trusted encoder, beside those of chance: by label, the nearest (`top1`) and among
    the five nearest (`top5`), and by the group of the nearest picture (`group`).

    `draw` gives premultiplied RGBA uint8 `[N, 4, 72, 72]` for embeddings. Chance is the mean over samples that were
    drawn for others of the phrases.
    """
    drawn = _features(draw(question.vectors))
    of_wanted, of_pictures = question.groups()
    found = {}
    for name in TRUSTED:
        real, fake = standardised(question.real()[name], drawn[name])
        rng = torch.Generator().manual_seed(SEED)
        turns = torch.stack([torch.arange(len(fake)), *(_others(len(fake), rng) for _ in range(TURNS))])
        by_label = ranks(fake, question.wanted[turns], real, question.labels)
        by_group = ranks(fake, of_wanted[turns], real, of_pictures)
        rows = [
            accuracy(one) | {"group": accuracy(group)["top1"]} for one, group in zip(by_label, by_group, strict=True)
        ]
        chance = {f"{key}_chance": sum(row[key] for row in rows[1:]) / TURNS for key in rows[0]}
        found[name] = rows[0] | chance
    return scores.rounded(found)


def _others(n: int, rng: torch.Generator) -> Tensor:
    """For each of `n` another one at random, and each of them once, `[n]`."""
    order = torch.randperm(n, generator=rng)
    return torch.empty_like(order).index_copy_(0, order, order.roll(1))


def evaluate(draw: Callable[[Tensor], np.ndarray], selection: str, encoder_name: str, n: int) -> dict:
    """What a text generator is scored by besides the quality of its pictures: the `answer` to each kind of `questions`,
    the inception score of `n` samples of learned names by the subgroup classifier, and the diversity `within` one
    learned name and `within_unseen`, one unseen name.
    """
    kinds = questions(selection, encoder_name, n)
    result = {kind: answer(draw, question) for kind, question in kinds.items()}
    question, known = kinds["seen"], kinds["seen"].vectors
    result["inception"] = _inception(draw(known[torch.arange(n) % len(known)]))
    real = [int((question.labels == label).nonzero()[0]) for label in question.wanted]
    result["inception_real"] = _inception(question.shown.images[real])
    for key, kind in {"within": "seen", "within_unseen": "unseen concepts"}.items():
        if kind in kinds:
            some = kinds[kind].vectors[: -(-n // EACH)]
            repeated = views(draw(some.repeat_interleave(EACH, 0)), premultiplied=True)
            (of_phrases,) = standardised(features("contrast", repeated)[0])
            result[key] = within(of_phrases, torch.arange(len(some)).repeat_interleave(EACH))
    return scores.rounded(result | {"samples": n, "classifier": encoder(CLASSIFIER)[1]})


def lookup(selection: str, encoder_name: str, n: int) -> dict[str, dict]:
    """The `answer` of who draws nothing: for each phrase the picture of the known caption nearest to it in meaning.

    A row to compare with: a generator under it has added nothing to what the text encoder knows.
    """
    learned = Reference(selection).learned
    captions = words.captions(learned.emoji, encoder_name)
    known, pictures = torch.tensor(captions.vectors), captions.plainest(learned.emoji)
    copy = lambda vectors: learned.images[pictures[(vectors @ known.T).argmax(1)]]  # noqa: E731
    return {kind: answer(copy, question) for kind, question in questions(selection, encoder_name, n).items()}


def _inception(images: np.ndarray) -> float:
    """The inception score of premultiplied RGBA by the subgroup classifier."""
    logits = encode(encoder(CLASSIFIER)[0], views(images, premultiplied=True).white)
    return scores.inception(logits.softmax(1))
