"""Whether a picture shows its phrase: the label whose real pictures are nearest to it, by a frozen encoder."""

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
    """How many labels are nearer to each sample than the wanted one, by their nearest pictures, int64; 0 is a match.

    `fake` and `real` are features, float64 `[N, F]` and `[M, F]`; `wanted` and `labels` are label numbers, `[N]` or
    `[K, N]` for K labels of each sample, and `[M]`, each wanted one among `labels`. The result is shaped as `wanted`.
    """
    names, place = labels.unique(return_inverse=True)
    nearest = torch.full((len(fake), len(names)), torch.inf, dtype=fake.dtype)
    nearest.scatter_reduce_(1, place.expand(len(fake), -1), torch.cdist(fake, real), "amin")
    own = nearest[torch.arange(len(fake)), torch.searchsorted(names, wanted)]
    return (nearest < own[..., None]).sum(-1)


def accuracy(found: Tensor) -> dict[str, float]:
    """Fractions of samples whose label is the nearest, and among the five nearest, from their `ranks`."""
    return {"top1": (found == 0).double().mean().item(), "top5": (found < 5).double().mean().item()}


def within(features: Tensor, wanted: Tensor) -> float:
    """Diversity within a label: the mean distance of two samples of a label over that of any two; 0 if all equal."""
    apart, same = torch.cdist(features, features), wanted[:, None] == wanted
    different = ~torch.eye(len(features), dtype=torch.bool)
    return (apart[same & different].mean() / apart[different].mean()).nan_to_num(0).item()


@dataclass(frozen=True)
class Question:
    """Embedded phrases `vectors` `[N, E]` and the numbers of their labels, `wanted`.

    They are compared with the real pictures `shown`, of the labels `labels`; `real()` gives their features by encoder.
    """

    vectors: Tensor
    wanted: Tensor
    shown: emoji.EmojiSet
    labels: Tensor
    real: Callable[[], dict[str, Tensor]]


def questions(selection: str, encoder_name: str, n: int) -> dict[str, Question]:
    """Up to `n` phrases of each kind.

    `seen` are learned names, `paraphrases` other words for the same emoji that were not learned. `unseen concepts` are
    names of held-out emoji that no learned emoji has among its phrases; they are compared with held-out pictures alone.
    """
    reference = Reference(selection)
    learned, held = reference.learned, reference.part("validation", "test")
    real = cache(lambda: _features(learned.images))  # computed once, if at all
    found = {
        "seen": _ask(learned, real, encoder_name, n, lambda label: next(iter(label.phrases), "")),
        "paraphrases": _ask(learned, real, encoder_name, n, lambda label: label.paraphrase),
    }
    if all(term.endswith(":train") for term in emoji.terms(selection)):
        known = {phrase for label in words.labels(learned.emoji) for phrase in label.phrases}

        def unseen(label: words.Label) -> str:
            name = words.plain(label.name.replace("-", " "))
            return name if name in label.phrases and name not in known else ""

        found["unseen concepts"] = _ask(held, cache(lambda: _features(held.images)), encoder_name, n, unseen)
    return {kind: question for kind, question in found.items() if question is not None}


def _features(images: np.ndarray) -> dict[str, Tensor]:
    """Features of premultiplied RGBA by each trusted encoder."""
    shown = views(images, premultiplied=True)
    return {name: features(name, shown)[0] for name in TRUSTED}


def _ask(
    shown: emoji.EmojiSet, real: Callable, encoder_name: str, n: int, phrase: Callable[[words.Label], str]
) -> Question | None:
    """A question of up to `n` random labels that have a `phrase`, or None if none has."""
    labels = words.readable(words.labels(shown.emoji), encoder_name)
    numbers = torch.zeros(len(shown), dtype=torch.long)
    for number, label in enumerate(labels):
        numbers[list(label.pictures)] = number
    named = [number for number, label in enumerate(labels) if phrase(label)]
    if not named:
        return None
    chosen = np.sort(np.random.default_rng(SEED).permutation(named)[:n])
    vectors = words.embed(encoder_name, [phrase(labels[number]) for number in chosen])
    return Question(torch.tensor(vectors), torch.from_numpy(chosen), shown, numbers, real)


def answer(draw: Callable[[Tensor], np.ndarray], question: Question) -> dict[str, dict[str, float]]:
    """Fractions of samples that match their phrase, by each trusted encoder, and the same of chance.

    The wanted label is the nearest (`top1`) or among the five nearest (`top5`); the nearest picture is of its group
    (`group`). `draw` gives premultiplied RGBA uint8 `[N, 4, 72, 72]` for embeddings. For chance each sample is compared
    with another sample's phrase.
    """
    drawn = _features(draw(question.vectors))
    of_pictures = torch.from_numpy(question.shown.labels("group")[1])
    of_label = torch.zeros(int(question.labels.max()) + 1, dtype=torch.long)
    of_wanted = of_label.scatter_(0, question.labels, of_pictures)[question.wanted]
    found = {}
    for name in TRUSTED:
        real, fake = standardised(question.real()[name], drawn[name])
        rng = torch.Generator().manual_seed(SEED)
        turns = torch.stack([torch.arange(len(fake)), *(_others(len(fake), rng) for _ in range(TURNS))])
        by_label = map(accuracy, ranks(fake, question.wanted[turns], real, question.labels))
        by_group = map(accuracy, ranks(fake, of_wanted[turns], real, of_pictures))
        rows = [label | {"group": group["top1"]} for label, group in zip(by_label, by_group, strict=True)]
        chance = {f"{key}_chance": sum(row[key] for row in rows[1:]) / TURNS for key in rows[0]}
        found[name] = rows[0] | chance
    return scores.rounded(found)


def _others(n: int, rng: torch.Generator) -> Tensor:
    """A random permutation of `n` that leaves none in its place, `[n]`."""
    order = torch.randperm(n, generator=rng)
    return torch.empty_like(order).index_copy_(0, order, order.roll(1))


def evaluate(draw: Callable[[Tensor], np.ndarray], selection: str, encoder_name: str, n: int) -> dict:
    """Scores of a text generator besides the quality of its pictures.

    The `answer` to each kind of `questions`, the inception score of `n` samples of learned names by the subgroup
    classifier, and the diversity `within` a learned name and `within_unseen`, an unseen one.
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
    """The `answer` without a generator: each phrase gets the picture of the known caption nearest to it in meaning.

    A baseline: a generator below it adds nothing to what the text encoder knows.
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
