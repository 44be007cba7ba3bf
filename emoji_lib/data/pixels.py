"""Pixels: decoding, premultiplied colour, backgrounds, sizes."""

import io
import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from emoji_lib import BadInput

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def mode_of(channels: int) -> str:
    """Pillow's mode of pictures with that many channels. Raises `BadInput` where there is none."""
    if channels not in MODES:
        raise BadInput(f"channels {channels} is not 1 (gray), 3 (colour over white) or 4 (colour with alpha)")
    return MODES[channels]


def open_image(path: Path) -> Image.Image:
    """A PNG or JPEG as straight (not premultiplied) RGBA, upright. Raises `BadInput` for what is not an image."""
    try:
        with Image.open(path) as image:
            if image.mode[0] in "IF":  # Pillow would clip these to 0..255 without a word
                raise ValueError(f"it has more than 8 bits a channel, mode {image.mode}")
            return ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:  # Pillow's
        raise BadInput(f"{path} is not a readable image ({error}); replace it by a PNG or a JPEG") from error


def decode_all(paths: list[Path], side: int) -> np.ndarray:
    """The images of files, straight RGBA uint8 `[N, 4, side, side]`. Raises `BadInput` for one of another size."""
    images = np.empty((len(paths), 4, side, side), np.uint8)
    for image, path in zip(images, paths, strict=True):
        picture = open_image(path)
        if picture.size != (side, side):
            width, height = picture.size
            raise BadInput(f"{path} is {width}×{height} pixels where {side}×{side} are expected; resize or remove it")
        image[:] = np.asarray(picture).transpose(2, 0, 1)
    return images


def premultiply(images: np.ndarray) -> np.ndarray:
    """Straight to premultiplied colour, uint8 `[N, 4, H, W]`: hidden colours become 0, and blending is linear."""
    product = images[:, :3] * images[:, 3:].astype(np.uint16) + 128
    product = product + (product >> 8) >> 8  # the rounded quotient by 255, without a division
    return np.concatenate((product.astype(np.uint8), images[:, 3:]), axis=1)


def clean(images: np.ndarray) -> np.ndarray:
    """RGBA `[N, 4, H, W]` with alpha below 8 made fully transparent, and no colour under it."""
    return np.where(images[:, 3:] < 8, 0, images).astype(np.uint8)


def unpremultiply(images: np.ndarray) -> np.ndarray:
    """Premultiplied to straight colour, uint8 `[N, 4, H, W]`, with clean transparency."""
    images = clean(images)
    alpha = images[:, 3:].astype(np.uint16)
    colour = np.minimum(255, (images[:, :3] * np.uint16(255) + alpha // 2) // np.maximum(alpha, 1))
    return np.concatenate((colour.astype(np.uint8), images[:, 3:]), axis=1)


def over(images: np.ndarray, background: tuple[int, int, int] = (255, 255, 255), *, premultiplied: bool) -> np.ndarray:
    """RGBA `[N, 4, H, W]` laid over one colour: RGB uint8 `[N, 3, H, W]` (Porter and Duff 1984)."""
    if not premultiplied:
        images = premultiply(images)
    behind = np.asarray(background, np.uint16).reshape(1, 3, 1, 1) * (255 - images[:, 3:])
    return np.minimum(255, images[:, :3] + (behind + 127) // 255).astype(np.uint8)


def in_colour(images: np.ndarray, *, premultiplied: bool) -> np.ndarray:
    """Gray, RGB or RGBA as RGB uint8 `[N, 3, H, W]`, what is transparent over white."""
    return over(images, premultiplied=premultiplied) if images.shape[1] == 4 else images.repeat(3 // images.shape[1], 1)


def resize(images: np.ndarray, side: int) -> np.ndarray:
    """Antialiased; Pillow premultiplies RGBA around its filter, so hidden colours do not bleed into edges."""
    resized = [
        Image.fromarray(image.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BICUBIC) for image in images
    ]
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in resized])


def grayscale(rgb: np.ndarray) -> np.ndarray:
    """ITU-R 601 luma, `[N, 3, H, W]` → `[N, 1, H, W]`."""
    return np.stack([np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L"))[None] for image in rgb])


def median_colour(images: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The median straight colour in 0..255, float64 `[N, 3]`, of premultiplied RGBA uint8 `[N, 4, H, W]` within a box.

    `box` is top, bottom, left and right as fractions of the side.
    """
    top, bottom, left, right = (round(fraction * images.shape[-1]) for fraction in box)
    median = np.median(images[:, :, top:bottom, left:right], (2, 3))
    return (median[:, :3] * 255 / np.maximum(median[:, 3:], 1)).clip(0, 255)


def gif(pictures: Iterable[Image.Image], milliseconds: int, comment: str = "") -> bytes:
    """RGB pictures as the content of a GIF file that loops, 64 colours each."""
    first, *rest = (one.quantize(64, dither=Image.Dither.NONE) for one in pictures)
    content, options = io.BytesIO(), {"duration": milliseconds, "loop": 0, "comment": comment}
    first.save(content, "gif", save_all=True, append_images=rest, **options)
    return content.getvalue()


def png(image: Image.Image) -> bytes:
    """The picture as the content of a PNG file of 256 colours, a third of the full size."""
    content = io.BytesIO()
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(content, "png", optimize=True)
    return content.getvalue()
