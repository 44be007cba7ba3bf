"""Faces and cartoons to translate between, with the skin and hair colours that are known of them."""

import hashlib
import importlib.metadata
import io
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageOps

from emoji_lib import BadInput
from emoji_lib.data import emoji, pixels
from emoji_lib.data.cache import cached
from emoji_lib.data.emoji import EmojiSet, Source
from emoji_lib.data.unicode import Emoji

SIZE = 64  # pixels a side
PREPARED = 475  # pixels a side that photographs are padded and cartoons are cropped to (the memoji page)
AVATARS = 1500  # drawn unless another number is given
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")

# Twemoji's skins from light to dark, and the yellow of no tone; colours as its SVGs have them.
SKINS = {
    "light": "#F7DECE",
    "medium-light": "#F3D2A2",
    "medium": "#D5AB88",
    "medium-dark": "#AF7E57",
    "dark": "#7C533E",
    "": "#FFDC5D",
}
# The features that avatars are drawn with; those that hide the hair or the skin are left out.
PLAIN = {
    "eyes": ("closed", "default", "happy", "side", "squint", "surprised", "wink"),
    "mouth": ("concerned", "default", "serious", "smile", "twinkle", "big_smile", "sad"),
    "top": (
        *("bob", "bun", "caesar_side_part", "caesar", "curly", "curvy", "fro", "long_not_too_long", "mia_wallace"),
        *("shaggy", "short_curly", "short_flat", "short_round", "short_waved", "straight_1", "straight_2", "pixie"),
        *("straight_strand", "quiff", "pompadour", "big_hair", "no_hair"),
    ),
}
HEAD = (42, 20, 222, 200)  # left, top, right, bottom of an avatar's head in its drawing of 264×280


@dataclass(frozen=True)
class Colours:
    """Skin and hair of each picture, straight RGB in 0..255, float32 `[N, 3]`; NaN where unknown or bald."""

    skin: np.ndarray
    hair: np.ndarray

    def __getitem__(self, chosen) -> "Colours":
        return Colours(self.skin[chosen], self.hair[chosen])


def load(name: str, size: int = SIZE, limit: int = 0) -> tuple[EmojiSet, Colours]:
    """The pictures of a domain as premultiplied RGBA `[N, 4, size, size]`, and their colours.

    `name` is `twemoji` (heads in every tone and hair colour), `avatars` (drawn at random; `avatars:3000` so many),
    `celeba:ROOT` (torchvision's layout), `cartoonset:ROOT` (10k or 100k as unpacked), or a folder of PNGs and JPEGs
    (with a `/`). At most `limit` files where it is not 0. Raises `BadInput` for what is missing or not an image.
    """
    if not 16 <= size <= 512:
        raise BadInput(f"size {size} is not between 16 and 512 pixels")
    if limit < 0:
        raise BadInput(f"limit {limit} is negative; 0 takes all files")
    kind, _, rest = name.partition(":")
    if name == "twemoji":
        return _twemoji(size)
    if kind == "avatars":
        if rest and (not rest.isdecimal() or int(rest) < 1):
            raise BadInput(f"avatars:{rest} is no number of avatars; avatars:{AVATARS} is usual")
        return _avatars(int(rest or AVATARS), size)
    if kind in ("celeba", "cartoonset") and rest:
        return (_celeba if kind == "celeba" else _cartoonset)(emoji.locate(rest), size, limit)
    if "/" in name:
        folder = emoji.locate(name)
        paths = sorted(path for path in folder.glob("**/*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise BadInput(f"no PNGs or JPEGs in {folder}")
        return _files(paths[: limit or None], name, padded, size)
    raise BadInput(
        f"unknown domain {name!r}: twemoji, avatars, celeba:ROOT (where celeba/img_align_celeba/ lies), "
        "cartoonset:ROOT (its cs*.png and cs*.csv), or a folder of photographs such as ./faces"
    )


def rgb(colour: str) -> np.ndarray:
    """`#RRGGBB` as float32 `[3]` in 0..255."""
    return np.array(ImageColor.getrgb(colour), np.float32)


def _twemoji(size: int) -> tuple[EmojiSet, Colours]:
    """The heads of the subgroup `person`; hair is the commonest opaque colour of the upper half other than skin."""
    library = emoji.open_library()
    chosen = [
        index for index, one in enumerate(library.emoji) if one.subgroup == "person" and "🎄" not in one.character
    ]
    heads = tuple(library.emoji[index] for index in chosen)
    images = pixels.premultiply(library.images[chosen])
    skin = np.stack([rgb(SKINS[one.tone]) for one in heads])
    hair = np.stack([_hair(image, own) for image, own in zip(images, skin, strict=True)])
    if size != emoji.NATIVE:
        images = pixels.premultiply(pixels.resize(pixels.unpremultiply(images), size))
    digest = library.sha256(chosen)
    return EmojiSet(images, heads, "twemoji", "RGBA", True, library.source, digest), Colours(skin, hair)


def _hair(image: np.ndarray, skin: np.ndarray) -> np.ndarray:
    top = image[:, : image.shape[1] // 2].reshape(4, -1).T
    colours, counts = np.unique(top[top[:, 3] == 255][:, :3], axis=0, return_counts=True)
    counts[np.abs(colours - skin).max(1) < 24] = 0
    if counts.max(initial=0) < 0.1 * top.shape[0]:
        return np.full(3, np.nan, np.float32)  # bald
    return colours[counts.argmax()].astype(np.float32)


def _avatars(n: int, size: int) -> tuple[EmojiSet, Colours]:
    """Avatars drawn at random, always the same ones, by python_avatars (after Pablo Stanley's Avataaars)."""
    import python_avatars as drawing

    version = importlib.metadata.version("python_avatars")
    rng = random.Random("avatars")
    avatars = [_avatar(rng, drawing) for _ in range(n)]
    skin = np.stack([rgb(one.skin_color.value) for one in avatars])
    hair = np.stack([rgb(one.hair_color.value) for one in avatars])
    hair[[one.top == drawing.HairType.NONE for one in avatars]] = np.nan
    key = f"avatars {version} {n} {size} {PLAIN} {HEAD}"
    images = cached(key, lambda: np.stack([_drawn(one, size) for one in avatars]))
    names = [(f"avatar-{index:05d}", f"avatar {index}") for index in range(n)]
    source = Source(Path("python_avatars"), "package python_avatars", version)
    return _domain(images, names, f"avatars:{n}", source), Colours(skin, hair)


def _avatar(rng: random.Random, drawing):
    """One of `drawing`'s avatars at random; another order of the draws would give other avatars."""
    skin, hair = rng.choice(list(drawing.SkinColor)), rng.choice(list(drawing.HairColor))
    parts = {key: rng.choice(names) for key, names in PLAIN.items()}
    return drawing.Avatar(
        style=drawing.AvatarStyle.TRANSPARENT,
        top=drawing.HairType(parts["top"]),
        eyes=drawing.EyeType(parts["eyes"]),
        mouth=drawing.MouthType(parts["mouth"]),
        skin_color=skin,
        hair_color=hair,
        facial_hair_color=hair,
        clothing=rng.choice(list(drawing.ClothingType)),
        clothing_color=rng.choice(list(drawing.ClothingColor)),
        facial_hair=drawing.FacialHairType(rng.choice(("", "", "", "beard_light", "beard_medium"))),
    )


def _drawn(avatar, size: int) -> np.ndarray:
    """One avatar's head, premultiplied RGBA `[4, size, size]`."""
    import resvg_py

    with Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=avatar.render())))) as picture:
        return _array(picture.crop(HEAD), size)


def _celeba(root: Path, size: int, limit: int) -> tuple[EmojiSet, Colours]:
    """All of `torchvision.datasets.CelebA`; its skin and hair colours are not known."""
    from torchvision.datasets import CelebA

    base = root if root.name == "celeba" else root / "celeba"
    try:
        listed = CelebA(str(base.parent), split="all", download=False).filename
    except (RuntimeError, FileNotFoundError) as error:
        raise BadInput(
            f"{root} holds no CelebA as torchvision lays it out: {root}/celeba/ with img_align_celeba/, the list_*.txt "
            f"and identity_CelebA.txt, from https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html ({error})"
        ) from error
    paths = [base / "img_align_celeba" / name for name in listed]
    return _files(paths[: limit or None], f"celeba:{root}", padded, size)


def _cartoonset(root: Path, size: int, limit: int) -> tuple[EmojiSet, Colours]:
    """Google's Cartoonset 10k or 100k: PNGs, each with a CSV of `"attribute", value, number of values`.

    Skin and hair are given as palette indices; the colour of an index is the median, where skin or hair shows, of all
    pictures with that index.
    """
    paths = sorted(root.glob("**/cs*.png"))[: limit or None]
    if not paths:
        raise BadInput(
            f"{root} holds no cs*.png; unpack cartoonset10k.tgz or cartoonset100k.tgz from "
            "https://google.github.io/cartoonset/download.html there"
        )
    found, _ = _files(paths, f"cartoonset:{root}", cropped, size)
    numbers = [attributes(path.with_suffix(".csv")) for path in paths]
    skin = _of_index(found.images, (0.45, 0.62, 0.4, 0.6), [one["face_color"] for one in numbers])
    hair = _of_index(found.images, (0.1, 0.25, 0.35, 0.65), [one["hair_color"] for one in numbers])
    return found, Colours(skin, hair)


def attributes(path: Path) -> dict[str, int]:
    """The attributes of one Cartoonset picture. Raises `BadInput` for a file that is missing or lacks a colour."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        found = {match[1]: int(match[2]) for line in lines if (match := re.match(r'"(\w+)",\s*(\d+)', line))}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error}); each cs*.png needs its cs*.csv") from error
    if not {"face_color", "hair_color"} <= found.keys():
        raise BadInput(f"{path} has no face_color and hair_color; is it Cartoonset's?")
    return found


def _of_index(images: np.ndarray, box: tuple[float, float, float, float], indices: list[int]) -> np.ndarray:
    """For each picture the median colour within `box`, `[N, 3]`, of all pictures with its palette index."""
    colours = pixels.median_colour(images, box).astype(np.float32)
    found, places = np.unique(indices, return_inverse=True)
    return np.stack([np.median(colours[places == place], 0) for place in range(len(found))])[places]


def _files(
    paths: list[Path], name: str, prepare: Callable[[Image.Image], Image.Image], size: int
) -> tuple[EmojiSet, Colours]:
    """Pictures read from files, whose skin and hair colours are not known."""
    if missing := next((path for path in paths if not path.is_file()), None):
        raise BadInput(f"{missing} is missing, though the set's list names it")
    stamps = "".join(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}\n" for path in paths)
    read = lambda path: _array(prepare(pixels.open_image(path)), size)  # noqa: E731
    key = f"{name} {size} {prepare.__name__}\n{stamps}"
    images = cached(key, lambda: np.stack([read(path) for path in paths]))
    unknown = np.full((len(paths), 3), np.nan, np.float32)
    folder = Source(paths[0].parent, "folder", "unversioned")
    return _domain(images, [(path.stem, path.stem) for path in paths], name, folder), Colours(unknown, unknown)


def _domain(images: np.ndarray, names: list[tuple[str, str]], name: str, source: Source) -> EmojiSet:
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    return EmojiSet(images, tuple(Emoji(*one) for one in names), name, "RGBA", True, source, digest)


def prepared(path: Path, size: int) -> np.ndarray:
    """One photograph or drawing of any size, padded to a square: premultiplied RGBA `[1, 4, size, size]`."""
    return _array(padded(pixels.open_image(path)), size)[None]


def padded(image: Image.Image) -> Image.Image:
    """Photographs as the memoji page prepares them: the longer side to 475, then padded to a square, transparent."""
    return ImageOps.pad(image, (PREPARED, PREPARED), Image.Resampling.BICUBIC, color=(0, 0, 0, 0))


def cropped(image: Image.Image) -> Image.Image:
    """Cartoons as the memoji page prepares them: the middle 475×475."""
    left, top = (image.width - PREPARED) // 2, (image.height - PREPARED) // 2
    return image.crop((left, top, left + PREPARED, top + PREPARED))


def _array(image: Image.Image, size: int) -> np.ndarray:
    """Straight RGBA of any size → premultiplied `[4, size, size]`."""
    small = image.convert("RGBA").resize((size, size), Image.Resampling.BICUBIC)
    return pixels.premultiply(np.asarray(small).transpose(2, 0, 1)[None])[0]
