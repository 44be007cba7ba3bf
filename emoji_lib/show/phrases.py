"""Emoji for phrases, by the kept generators of notebook 06."""

import contextlib
import html
import math
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.data import encoders, pixels, words
from emoji_lib.measure import text_match
from emoji_lib.nets.emotigan import PHRASES, ForPhrases
from emoji_lib.nets.layers import seeded
from emoji_lib.runs.record import scores_of
from emoji_lib.show import notebook, plots, sampler

DRAWS = "06-phrases"  # the experiment that `draw` uses where no run is named
STRONGEST = 10  # guidance at most
RETRIEVAL, TEMPERATURE = 0.7, 0.03  # chosen in a few trials with 06-phrases; notebook 06 measures them
AT_ONCE = 1024  # phrases that are compared with all known ones at a time, to save memory
STRANGE = 0.6  # below this cosine to the nearest known phrase, expect no likeness


def read(phrase: str) -> str:
    """The phrase as encoders read it. Raises `BadInput` for one without words; a long one is cut, with a message."""
    plain = words.plain(phrase)
    if len(plain) > words.LONGEST:
        print(f"only the first {words.LONGEST} of {len(plain):,} characters are read", file=sys.stderr)
    return plain[: words.LONGEST]


def file_name(phrase: str) -> str:
    """`happy cat` → `happy-cat`, for files: letters, digits and hyphens, at most 40."""
    return re.sub(r"[\W_]+", "-", phrase)[:40].strip("-") or "phrase"


class PhraseSampler:
    """A text generator with the encoder it was trained with, and the phrases it learned.

    It draws those well, and little of what lies between. So each picture of a phrase e is drawn for
    e + `retrieval` · (k − e), where k is a known phrase, chosen with a probability proportional to
    exp(cosine(e, k) / `TEMPERATURE`): a neighbour, as in instance-conditioned GANs (Casanova et al. 2021; differs:
    neighbours are phrases, and training does not use them). With a `retrieval` of 0, e itself is drawn.
    """

    retrieval = RETRIEVAL

    def __init__(self, run: Path):
        self.generator, self.facts = sampler.load(run)
        if not isinstance(self.generator, ForPhrases) or not {"encoder", "phrases"} <= self.facts.keys():
            raise BadInput(f"{run.name} draws no phrases; give a run of notebook 06, such as {DRAWS}")
        self.encoder, size = encoders.encoder(self.facts["encoder"]), self.generator.options["embedding"]
        if self.encoder.size != size:
            given = f"{self.encoder.name} gives {self.encoder.size}"
            raise BadInput(f"{run.name} takes embeddings of {size} numbers, {given}")

    def latents(self, phrase: str, n: int, seed: int = 0, truncation: float = 1.0) -> Tensor:
        """`n` latents of a phrase, `[N, latent + E]`; `truncation` scales the noise and the temperature."""
        sampler.check(n, seed)
        if not (0 <= truncation < math.inf):
            raise BadInput(
                f"--truncation {truncation} is negative or not finite; 1 is as trained, 0 the typical picture"
            )
        return self._about(self._embedded(phrase).repeat(n, 1), seed, truncation)

    def draw(self, phrase: str, n: int, seed: int = 0, truncation: float = 1.0) -> np.ndarray:
        """`n` pictures of a phrase, uint8 `[N, 4, 72, 72]` with straight colour."""
        return sampler.straight(self.generator, self.latents(phrase, n, seed, truncation), self.facts)

    def of(self, embeddings: Tensor) -> np.ndarray:
        """A picture of each embedding `[N, E]`, uint8 `[N, 4, 72, 72]` with straight colour."""
        return sampler.straight(self.generator, self._about(embeddings, seed=0), self.facts)

    def _embedded(self, phrase: str) -> Tensor:
        return torch.from_numpy(self.encoder.encode([phrase]))

    def _about(self, embeddings: Tensor, seed: int, truncation: float = 1.0) -> Tensor:
        n = len(embeddings)
        # Whole sixteens of numbers, so that the first pictures are the same for any n.
        whole = F.pad(embeddings, (0, 0, 0, self.generator.whole(n) - n))
        known = self.generator.phrases[self.chosen(whole, seed, truncation)]
        latents = self.generator.about(torch.lerp(whole, known, self.retrieval), seeded(seed))[:n]
        latents[:, : self.generator.options["latent"]] *= truncation
        return latents

    def chosen(self, embeddings: Tensor, seed: int, truncation: float = 1.0) -> Tensor:
        """The number of the known phrase that each embedding `[N, E]` is moved towards, `[N]`."""
        known, rng = F.normalize(self.generator.phrases), seeded(seed, apart=PHRASES)
        chosen = []
        for some in F.normalize(embeddings).split(AT_ONCE):
            chances = (some @ known.T / max(TEMPERATURE * truncation, 1e-6)).softmax(1).cumsum(1)
            chosen.append((chances < torch.rand(len(some), 1, generator=rng)).sum(1))
        return torch.cat(chosen).clamp(max=len(known) - 1)

    def guide(self, guidance: float = 1.0, retrieval: float = RETRIEVAL) -> None:
        """Set the weight of classifier-free guidance, and how far embeddings are moved towards known ones."""
        if not 0 <= guidance <= STRONGEST:
            raise BadInput(
                f"--guidance {guidance} is not between 0 and {STRONGEST}; 1 is as trained, 0 ignores the phrase"
            )
        if not 0 <= retrieval <= 1:
            raise BadInput(f"--retrieval {retrieval} is not between 0 (the phrase as it is) and 1 (a known one)")
        self.generator.guidance, self.retrieval = guidance, retrieval

    def near(self, phrase: str) -> list[tuple[str, str, float]]:
        """The three known phrases nearest in meaning, each of another emoji: phrase, emoji and cosine."""
        cosines = torch.cosine_similarity(self.generator.phrases, self._embedded(phrase))
        nearest: dict[str, tuple[str, str, float]] = {}
        for index in cosines.argsort(descending=True).tolist():
            known, emoji = self.facts["phrases"][index]
            nearest.setdefault(emoji, (known, emoji, round(cosines[index].item(), 3)))
        return list(nearest.values())[:3]

    def account(self, phrase: str, n: int, seed: int, truncation: float) -> tuple[dict, list[str]]:
        """The known phrases near a phrase, and those its `n` pictures are moved towards: facts, and lines to print."""
        near, unknown = self.near(phrase), self.encoder.unknown(phrase)
        lines = [f"not known to the text encoder, and left out: {', '.join(unknown)}"] if unknown else []
        lines.append("nearest known: " + ", ".join(f"{emoji} {known} ({cosine:.2f})" for known, emoji, cosine in near))
        if near[0][2] < STRANGE:
            lines.append(f"this run has learned nothing near {phrase!r}: expect no likeness, or try plainer words")
        chosen = self.chosen(self._embedded(phrase).expand(n, -1), seed, truncation).tolist() if self.retrieval else []
        towards = [self.facts["phrases"][index] for index in chosen]
        times = Counter(f"{emoji} {known}" for known, emoji in towards).most_common()
        lines += ["moved towards: " + ", ".join(f"{known} ×{count}" for known, count in times)] if times else []
        nearest = [{"phrase": known, "emoji": emoji, "cosine": cosine} for known, emoji, cosine in near]
        return {"unknown": unknown, "nearest": nearest, "towards": [known for known, _ in towards]}, lines


def evaluate(artist: PhraseSampler, selection: str, n: int, *, guidance: float = 1.0, retrieval: float = 0.0) -> dict:
    """`text_match.evaluate` of `n` samples of each kind of phrase; `artist` keeps this guidance and retrieval."""
    artist.guide(guidance, retrieval)
    draw = lambda embeddings: pixels.premultiply(artist.of(embeddings))  # noqa: E731
    return text_match.evaluate(draw, selection, artist.facts["encoder"], n)


def kept() -> dict[str, list[dict]]:
    """The results of `evaluate` of every kept run of notebook 06, by experiment."""
    runs = scores_of("06_text_to_emoji").items()
    found = {name: [one["phrases"] for one in scores if "phrases" in one] for name, scores in runs}
    return {name: scores for name, scores in found.items() if scores}


def sheet(
    artist: PhraseSampler, phrases: list[str], n: int, seed: int = 0, *, columns: int = 2, truncation: float = 1.0
) -> Image.Image:
    """`n` samples of each phrase over white, with the phrase at their left, in `columns` columns of phrases."""
    drawn = [pixels.over(artist.draw(phrase, n, seed, truncation), premultiplied=False) for phrase in phrases]
    return plots.sheet(drawn, phrases, columns=columns, margin=150)


def box(artist: PhraseSampler) -> None:
    """Widgets that redraw a typed phrase and say which known ones are near, and a still picture for pages without."""
    import ipywidgets

    text, seed = ipywidgets.Text("happy cat", description="phrase"), ipywidgets.IntText(0, description="seed")
    reach = ipywidgets.FloatSlider(1.0, min=0, max=2, step=0.1, description="truncation")
    lean = ipywidgets.FloatSlider(1.0, min=0, max=4, step=0.1, description="guidance")
    near = ipywidgets.FloatSlider(RETRIEVAL, min=0, max=1, step=0.1, description="retrieval")
    picture, said = ipywidgets.Image(), ipywidgets.HTML()

    def redraw(_) -> None:
        with contextlib.suppress(BadInput):  # an empty box is not an error while someone types
            typed = read(text.value)
            artist.guide(lean.value, near.value)
            picture.value = pixels.png(sheet(artist, [typed], 8, abs(seed.value), columns=1, truncation=reach.value))
            _, lines = artist.account(typed, 8, abs(seed.value), reach.value)
            said.value = "<br>".join(map(html.escape, lines))

    for widget in (text, seed, reach, lean, near):
        widget.observe(redraw, "value")
    redraw(None)
    notebook.display(ipywidgets.VBox([text, seed, reach, lean, near, picture, said]))
    notebook.pictures(sheet(artist, [text.value], 8, columns=1))
