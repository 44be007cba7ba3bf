"""The split by concept: near copies stay together, so that nothing held out was learned.

Parts go by the hash of the concept, so that a new concept moves no other one; `tests/data/test_split.py` computes them.

Known gap: emoji that mirror each other (hands, fists, arrows, magnifying glasses, some clocks) and handshakes of two
tones may lie in different parts; they are 48 of the 813 held-out pictures.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np

from emoji_lib.data.unicode import TONES, ZERO_WIDTH_JOINER, Emoji, bare

PARTS = ("train", "validation", "test")
FILE = Path(__file__).with_name("split.json")

# One concept covers any gender, any age of the same figure, any hair and either direction.
ALIKE = {
    **dict.fromkeys("👨👩👱🧔", "🧑"),
    **dict.fromkeys("👦👧", "🧒"),
    **dict.fromkeys("👴👵", "🧓"),
    **dict.fromkeys("🤴👸", "🫅"),
    **dict.fromkeys("🎅🤶", "🎄"),
    **dict.fromkeys("🤵👰", "👰"),
    **dict.fromkeys("👫👬👭", "🤝"),
    **dict.fromkeys("🕺💃", "💃"),
    **dict.fromkeys("💑💏", "💏"),
}
DROPPED = {*TONES, "♀", "♂", "🦰", "🦱", "🦲", "🦳", "➡", "⬛", "🟩", "🟫"}


def concept(one: Emoji) -> str:
    """What a picture shows, apart from skin tone, gender, hair and direction; families and couples are one each."""
    points = [ALIKE.get(point, point) for point in bare(one.character) if point not in DROPPED]
    parts = [part for part in "".join(points).split(ZERO_WIDTH_JOINER) if part]
    if one.subgroup == "family":
        couple = "🤝" in parts or ("🧑" in parts and "❤" in parts) or parts == ["💏"]
        return "couple" if couple else "family"
    people = [part for part in parts if part not in ("🧑", "🎄")]
    return ZERO_WIDTH_JOINER.join(people) or "".join(parts) or one.code


def concepts(emoji: Iterable[Emoji], pictures: Iterable[bytes]) -> list[str]:
    """The concept of each picture; those with the same pixels share one."""
    keys, first = [concept(one) for one in emoji], {}
    name = {key: key for key in keys}
    for key, picture in zip(keys, pictures, strict=True):
        low, high = sorted((name[key], name[first.setdefault(picture, key)]))
        if low != high:
            name = {one: low if old == high else old for one, old in name.items()}
    return [name[key] for key in keys]


def draw_from_concepts(learned, n: int, rng: np.random.Generator, keep: Callable[[list[str]], Iterable[str]]):
    """`n` pictures of an `EmojiSet`, uint8 `[n, C, H, W]`, with replacement, from the concepts that `keep` leaves."""
    keys = concepts(learned.emoji, [image.tobytes() for image in learned.images])
    kept = set(keep(sorted(set(keys))))
    return learned.images[rng.choice([index for index, key in enumerate(keys) if key in kept], size=n)]


@cache
def stored() -> tuple[dict[str, frozenset[str]], str]:
    """The split in use, as `split.json` holds it, and the file's sha256."""
    content = FILE.read_bytes()
    return {part: frozenset(codes) for part, codes in json.loads(content).items()}, hashlib.sha256(content).hexdigest()


def part_of(one: Emoji) -> str:
    """`train`, `validation` or `test`."""
    return next((part for part, codes in stored()[0].items() if one.code in codes), PARTS[0])
