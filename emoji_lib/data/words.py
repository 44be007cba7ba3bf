"""Text: what each emoji is called, and how a phrase is read."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from emojis.db.db import EMOJI_DB

from emoji_lib import BadInput
from emoji_lib.data import split
from emoji_lib.data.encoders import embed, encoder
from emoji_lib.data.unicode import TONELESS, Emoji, bare, spell_out

LONGEST = 500  # characters of a phrase that are read


@dataclass(frozen=True)
class Label:
    """One emoji in all its skin tones: `pictures` are indices into the list it was made from.

    `phrases` are its names, Unicode's first; `paraphrase` is one more that belongs to no other emoji and is held out
    from training, or nothing. `variants` are `pictures`, or for a single picture all of its concept (other genders,
    hair and directions).
    """

    name: str
    phrases: tuple[str, ...]
    paraphrase: str
    pictures: tuple[int, ...]
    variants: tuple[int, ...]


@cache
def _nicknames() -> dict[str, tuple[str, ...]]:
    """Short names and keywords by emoji, from GitHub's list in the package `emojis`."""
    return {bare(one.emoji): (*one.aliases, *one.tags) for one in EMOJI_DB}


def plain(phrase: str) -> str:
    """Lower case, single spaces; underscores, colons and emoji characters spelled out as words.

    Raises `BadInput` for a phrase that leaves nothing.
    """
    phrase = phrase.encode("utf-8", "ignore").decode()  # without the bytes that a shell could not decode
    spelled = re.sub(r"[_:\s]+", " ", spell_out(phrase)).strip().casefold()
    if not spelled:
        raise BadInput(f"the phrase {phrase!r} has no words; give one such as 'happy cat'")
    return spelled


def labels(emoji: Sequence[Emoji]) -> list[Label]:
    """The labels of these pictures, in order of first appearance."""
    pictures, concepts = defaultdict(list), defaultdict(list)
    for index, one in enumerate(emoji):
        pictures[_untoned(one.name)].append(index)
        concepts[_figure(one)].append(index)
    called = {}
    for name, indices in pictures.items():
        nicknames = (_nicknames().get(bare(emoji[index].character).translate(TONELESS), ()) for index in indices)
        phrases = (name, *itertools.chain.from_iterable(nicknames))
        called[name] = tuple(dict.fromkeys(plain(phrase.replace("-", " ")) for phrase in phrases))
    uses = Counter(phrase for phrases in called.values() for phrase in phrases)
    found = []
    for name, indices in pictures.items():
        others = called[name][1:]
        own = [phrase for phrase in others if uses[phrase] == 1 and _words(phrase) != _words(name)]
        paraphrase = own[-1] if own and len(others) > 1 else ""
        phrases = tuple(phrase for phrase in called[name] if phrase != paraphrase)
        variants = indices if len(indices) > 1 else concepts[_figure(emoji[indices[0]])]
        found.append(Label(name, phrases, paraphrase, tuple(indices), tuple(variants)))
    return found


def _figure(one: Emoji) -> tuple[str, str]:
    """What variants share: the concept, and the subgroup, since a firefighter and a fire engine are one concept."""
    return split.concept(one), one.subgroup


def _words(phrase: str) -> set[str]:
    """Its words without punctuation or order: `mage man` is no paraphrase of `man mage`."""
    return set(re.findall(r"\w+", phrase))


def _untoned(name: str) -> str:
    """`waving hand: light skin tone` → `waving hand`."""
    head, _, qualities = name.partition(": ")
    kept = [quality for quality in qualities.split(", ") if quality and "skin tone" not in quality]
    return plain(f"{head} {', '.join(kept)}")


@dataclass(frozen=True)
class Captions:
    """Labels with their phrases embedded: `vectors` `[P, E]` of `phrases`, and in `of` the indices of each label's."""

    labels: list[Label]
    phrases: list[str]
    of: list[np.ndarray]
    vectors: np.ndarray

    def plainest(self, emoji: Sequence[Emoji]) -> np.ndarray:
        """The index of a picture of each phrase: of the first label that has it, without a skin tone if possible."""
        found = np.full(len(self.phrases), -1)
        for label, phrases in zip(self.labels, self.of, strict=True):
            picture = min(label.pictures, key=lambda index: emoji[index].tone)
            found[phrases[found[phrases] < 0]] = picture
        return found

    def owners(self, emoji: Sequence[Emoji]) -> list[str]:
        """The emoji character of each phrase."""
        return [emoji[index].character for index in self.plainest(emoji)]


def captions(emoji: Sequence[Emoji], encoder_name: str) -> Captions:
    """The labels of these pictures and their phrases, embedded by an encoder; a phrase of several labels once.

    Phrases of which the encoder knows no word are left out, and so are labels that then have none.
    """
    found = [label for label in readable(labels(emoji), encoder_name) if label.phrases]
    if not found:
        raise BadInput(f"{encoder_name} knows no word of any label; choose another encoder or other pictures")
    phrases = sorted({phrase for label in found for phrase in label.phrases})
    place = {phrase: index for index, phrase in enumerate(phrases)}
    of = [np.array([place[phrase] for phrase in label.phrases]) for label in found]
    return Captions(found, phrases, of, embed(encoder_name, phrases))


def readable(found: list[Label], encoder_name: str) -> list[Label]:
    """The labels with only those phrases of which an encoder knows a word."""
    unknown = encoder(encoder_name).unknown
    reads = lambda phrase: len(unknown(phrase)) < len(phrase.split())  # noqa: E731
    return [
        replace(
            label,
            phrases=tuple(filter(reads, label.phrases)),
            paraphrase=label.paraphrase if reads(label.paraphrase) else "",
        )
        for label in found
    ]
