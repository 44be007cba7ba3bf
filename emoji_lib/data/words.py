"""Text: what each emoji is called, and how a phrase is read."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from emoji_lib import BadInput
from emoji_lib.data import split
from emoji_lib.data.encoders import embed, encoder
from emoji_lib.data.unicode import TONES, Emoji, bare, listed_name

LONGEST = 500  # characters of a phrase that are read


@dataclass(frozen=True)
class Label:
    """One emoji in all its skin tones: `pictures` are indices into the list it was made from.

    `phrases` are what it is called, its Unicode name first; `paraphrase` is one more that belongs to no other emoji and
    is held out from training, or nothing. `variants` stand in for a label with a single picture: those of its concept
    (the other genders, hair, directions).
    """

    name: str
    phrases: tuple[str, ...]
    paraphrase: str
    pictures: tuple[int, ...]
    variants: tuple[int, ...]


@cache
def _nicknames() -> dict[str, tuple[str, ...]]:
    """Short names and keywords by emoji, from GitHub's list in the package `emojis`."""
    try:
        from emojis.db.db import EMOJI_DB
    except ImportError as error:
        raise BadInput("the package emojis is missing: `pip install -r requirements.txt`") from error
    return {bare(one.emoji): (*one.aliases, *one.tags) for one in EMOJI_DB}


def plain(phrase: str) -> str:
    """Lower case, single spaces; underscores, colons and emoji characters spelled out as words.

    Raises `BadInput` for a phrase that leaves nothing.
    """
    phrase = phrase.encode("utf-8", "ignore").decode()  # what a shell could not decode is no word
    spelled = re.sub(r"[_:\s]+", " ", _spell_out(phrase)).strip().casefold()
    if not spelled:
        raise BadInput(f"the phrase {phrase!r} has no words; give one such as 'happy cat'")
    return spelled


def _spell_out(phrase: str) -> str:
    """Emoji characters by their names, the longest known sequence first; what is not one stays."""
    text, out, at = bare(phrase), [], 0
    while at < len(text):
        for end in range(min(len(text), at + 12), at, -1):
            if name := listed_name(text[at:end]):
                out.append(f" {name} ")
                at = end
                break
        else:
            out.append(text[at])
            at += 1
    return "".join(out)


def labels(emoji: Sequence[Emoji]) -> list[Label]:
    """The labels of these pictures, in order of first appearance."""
    pictures, concepts = defaultdict(list), defaultdict(list)
    for index, one in enumerate(emoji):
        pictures[_untoned(one.name)].append(index)
        concepts[_figure(one)].append(index)
    called = {}
    for name, indices in pictures.items():
        nicknames = (_nicknames().get(_toneless(emoji[index]), ()) for index in indices)
        called[name] = _distinct((name, *itertools.chain.from_iterable(nicknames)))
    claims = Counter(phrase for phrases in called.values() for phrase in phrases)
    found = []
    for name, indices in pictures.items():
        others = called[name][1:]
        known = {_letters(name)}
        own = [phrase for phrase in others if claims[phrase] == 1 and _letters(phrase) not in known]
        paraphrase = own[-1] if own and len(others) > 1 else ""
        phrases = tuple(phrase for phrase in called[name] if phrase != paraphrase)
        variants = indices if len(indices) > 1 else concepts[_figure(emoji[indices[0]])]
        found.append(Label(name, phrases, paraphrase, tuple(indices), tuple(variants)))
    return found


def _toneless(one: Emoji) -> str:
    return "".join(point for point in bare(one.character) if point not in TONES)


def _figure(one: Emoji) -> tuple[str, str]:
    """What its variants share; the subgroup tells a fire engine from a fire fighter, who is one concept with it."""
    return split.concept(one), one.subgroup


def _letters(phrase: str) -> frozenset[str]:
    """Its words without punctuation or order: `mage man` is no paraphrase of `man mage`."""
    return frozenset(re.findall(r"\w+", phrase))


def _untoned(name: str) -> str:
    """`waving hand: light skin tone` → `waving hand`."""
    head, _, qualities = name.partition(": ")
    kept = [quality for quality in qualities.split(", ") if quality and "skin tone" not in quality]
    return plain(f"{head} {', '.join(kept)}")


def _distinct(phrases: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plain(phrase.replace("-", " ")) for phrase in phrases))


@dataclass(frozen=True)
class Captions:
    """Labels with their phrases embedded: `vectors` `[P, E]` are of `phrases`, and `of` says which each label has."""

    labels: list[Label]
    phrases: list[str]
    of: list[np.ndarray]
    vectors: np.ndarray

    def plainest(self, emoji: Sequence[Emoji]) -> np.ndarray:
        """The picture of each phrase, as an index: that of the first label which has it, without a tone if it can."""
        found = np.full(len(self.phrases), -1)
        for label, phrases in zip(self.labels, self.of, strict=True):
            picture = min(label.pictures, key=lambda index: emoji[index].tone)
            found[phrases[found[phrases] < 0]] = picture
        return found

    def owners(self, emoji: Sequence[Emoji]) -> list[str]:
        """The emoji of each phrase."""
        return [emoji[index].character for index in self.plainest(emoji)]


def captions(emoji: Sequence[Emoji], encoder: str) -> Captions:
    """What these pictures are called, embedded by `encoder`; labels that share a phrase share its vector.

    Phrases of which the encoder knows no word are left out, and so are labels that then have none.
    """
    found = [label for label in readable(labels(emoji), encoder) if label.phrases]
    if not found:
        raise BadInput(f"{encoder} knows no word of any label; choose another encoder or other pictures")
    phrases = sorted({phrase for label in found for phrase in label.phrases})
    place = {phrase: index for index, phrase in enumerate(phrases)}
    of = [np.array([place[phrase] for phrase in label.phrases]) for label in found]
    return Captions(found, phrases, of, embed(encoder, phrases))


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
