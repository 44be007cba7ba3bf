"""A laboratory for emoji GANs: data, networks, training, the record of every run, and a command line."""

import difflib
import re
from collections.abc import Iterable


class BadInput(ValueError):
    """Something the user gave cannot be used; the message, on one line, names it and what to do."""

    def __init__(self, message: str):
        super().__init__(re.sub(r"\s*\n\s*", " ", message))  # libraries' own messages span several


class RunFailed(RuntimeError):
    """A run that started and failed; its record says so too."""


def did_you_mean(word, words: Iterable[str]) -> str:
    """For error messages: ` (did you mean 'epochs'?)`, or nothing where no word is similar."""
    near = difflib.get_close_matches(str(word).casefold(), list(words), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""
