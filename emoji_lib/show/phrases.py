"""Emoji for phrases, by the kept generators of notebook 06, and how these are judged."""

import contextlib
import math
import re
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from emoji_lib import BadInput
from emoji_lib.data import encoders, pixels, words
from emoji_lib.measure import text_match
from emoji_lib.nets.emotigan import Generator
from emoji_lib.runs.record import RESULTS, scores_of
from emoji_lib.show import notebook, plots, sampler
from emoji_lib.train.checkpoint import load_weights

NOTEBOOK = "06_text_to_emoji"
DRAWS = "06-phrases"  # the experiment that `draw` uses unless told otherwise
MOST = 10_000  # pictures in one go
STRANGE = 0.6  # cosine to the nearest known phrase under which a phrase means nothing to a generator


def read(phrase: str) -> str:
    """The phrase as encoders take it in. Raises `BadInput` for one without words, and says when it is cut."""
    plain = words.plain(phrase)
    if len(plain) > words.LONGEST:
        print(f"only the first {words.LONGEST} of {len(plain):,} characters are read", file=sys.stderr)
    return plain[: words.LONGEST]


def file_name(phrase: str) -> str:
    """`happy cat` → `happy-cat`, for files: letters, digits and hyphens, not too long."""
    return re.sub(r"[\W_]+", "-", phrase)[:40].strip("-") or "phrase"


class PhraseSampler:
    """A text generator with the encoder it was trained with, and the phrases it was taught."""

    def __init__(self, run: Path):
        self.generator, self.facts = load_weights(run / sampler.WEIGHTS)
        if not isinstance(self.generator, Generator) or not {"encoder", "phrases"} <= self.facts.keys():
            raise BadInput(f"{run.name} draws no phrases; give a run of notebook 06, such as {DRAWS}")
        self.encoder = encoders.encoder(self.facts["encoder"])
        if self.encoder.size != self.generator.options["embedding"]:
            size = self.generator.options["embedding"]
            raise BadInput(
                f"{run.name} takes embeddings of {size} numbers, {self.encoder.name} gives {self.encoder.size}"
            )

    def draw(self, phrase: str, n: int, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
        """`n` pictures of a phrase, uint8 `[N, 4, 72, 72]` with straight colour; `truncation` scales the noise."""
        if not 1 <= n <= MOST:
            raise BadInput(f"--n {n} is not between 1 and {MOST:,}")
        sampler.check_seed(seed)
        if not (0 <= truncation < math.inf):
            raise BadInput(
                f"--truncation {truncation} is negative or not finite; 1 is as trained, 0 the typical picture"
            )
        return self.of(torch.from_numpy(self.encoder.encode([phrase])).repeat(n, 1), seed, truncation)

    def of(self, embeddings: Tensor, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
        """A picture of each embedding `[N, E]`, uint8 `[N, 4, 72, 72]` with straight colour."""
        latents = self.generator.about(embeddings, torch.Generator().manual_seed(seed))
        latents[:, : self.generator.options["latent"]] *= truncation
        return sampler.straight(self.generator, latents, self.facts)

    def near(self, phrase: str, k: int = 3) -> list[tuple[str, str, float]]:
        """The known phrases nearest in meaning, each of another emoji: phrase, emoji and cosine."""
        (told,) = torch.from_numpy(self.encoder.encode([phrase]))
        cosines = torch.cosine_similarity(self.generator.phrases, told[None])
        found: dict[str, tuple[str, str, float]] = {}
        for index in cosines.argsort(descending=True).tolist():
            known, emoji = self.facts["phrases"][index]
            found.setdefault(emoji, (known, emoji, round(cosines[index].item(), 3)))
            if len(found) == k:
                break
        return list(found.values())

    def unknown(self, phrase: str) -> list[str]:
        """The words that the encoder does not know."""
        return self.encoder.unknown(phrase)


def evaluate(artist: PhraseSampler, selection: str, n: int) -> dict:
    """Inception score, matches and diversity within a caption, of `n` samples each; see `measure/matching.py`."""
    draw = lambda embeddings: pixels.premultiply(artist.of(embeddings))  # noqa: E731
    return text_match.evaluate(draw, selection, artist.facts["encoder"], n)


def kept(out: Path = RESULTS) -> dict[str, list[dict]]:
    """What `judge` found of every kept run of notebook 06, by experiment."""
    judged = {name: [one["phrases"] for one in of if "phrases" in one] for name, of in scores_of(NOTEBOOK, out).items()}
    return {name: of for name, of in judged.items() if of}


def sheet(
    artist: PhraseSampler, phrases: list[str], n: int, seed: int = 0, *, columns: int = 2, truncation: float = 1.0
) -> Image.Image:
    """`n` samples of each phrase over white, beside the phrase, in so many columns of phrases."""
    tiles = [pixels.over(artist.draw(phrase, n, seed, truncation), premultiplied=False) for phrase in phrases]
    rows = [plots.tile(images, n) for images in tiles]
    margin, (width, height) = 150, rows[0].size
    whole = Image.new("RGB", (columns * (width + margin), -(-len(rows) // columns) * height), plots.WHITE)
    draw = ImageDraw.Draw(whole)
    for index, (phrase, row) in enumerate(zip(phrases, rows, strict=True)):
        left, top = index % columns * (width + margin), index // columns * height
        whole.paste(row, (left + margin, top))
        place = (left + margin - 10, top + height / 2)
        draw.text(place, phrase, fill="#444444", font=ImageFont.load_default(15), anchor="rm")
    return whole


def box(artist: PhraseSampler, phrase: str = "happy cat") -> None:
    """A text box, a seed and a truncation that draw at once, where there is a kernel; and a picture for elsewhere."""
    import ipywidgets

    text, seed = ipywidgets.Text(phrase, description="phrase"), ipywidgets.IntText(0, description="seed")
    reach = ipywidgets.FloatSlider(1.0, min=0, max=2, step=0.1, description="truncation")
    picture = ipywidgets.Image()

    def redraw(_) -> None:
        with contextlib.suppress(BadInput):  # an empty box is not an error while someone types
            told = read(text.value)
            picture.value = pixels.png(sheet(artist, [told], 8, abs(seed.value), columns=1, truncation=reach.value))

    for widget in (text, seed, reach):
        widget.observe(redraw, "value")
    redraw(None)
    notebook.display(ipywidgets.VBox([text, seed, reach, picture]))
    notebook.pictures(sheet(artist, [phrase], 8, columns=1))
