"""The frozen protocol: what is compared with what, on how many pictures, and the rows to read a score by."""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from emoji_lib.data import emoji, pixels, split
from emoji_lib.data.batches import scale
from emoji_lib.measure import scores
from emoji_lib.measure.features import ENCODERS, Views, encoder, features, standardised, views

SAMPLES, SEED = 2000, 0
DRAWN, DRAWS = 300, 5  # scores whose value depends on the number of samples: means over 5 draws of 300
MIN_SAMPLES = 50  # samples for a kernel distance
MIN_REAL = 20  # real pictures for any distance to them
MIN_HELD_OUT = 20  # held-out pictures for a yardstick of memorisation
THUMBNAIL = 24  # pixels a side of the pictures that memorisation is measured in
PENALTY = 1e-4  # on the squared weights of the logistic regression, beside the mean cross entropy
SIZED = ("frechet", "precision", "recall", "density", "coverage", "vendi", "spread")


@dataclass(frozen=True)
class Reference:
    """The real pictures of a selection that samples are compared with, and those held out from it.

    `selection` is what the evaluated model learned from. Even if that includes the validation and test parts, these
    still tell how far different emoji are from each other.
    """

    selection: str
    mode: str = "RGBA"  # RGBA, RGB or L: that of the evaluated pictures, to which real ones are converted
    size: int = emoji.NATIVE  # likewise

    @cached_property
    def learned(self) -> emoji.EmojiSet:
        return emoji.load(self.selection)

    def part(self, *parts: str) -> emoji.EmojiSet:
        """Pictures of the selection in these parts of the split, whether they were learned or not; maybe none."""
        whole = emoji.load("+".join(term.removesuffix(":train") for term in emoji.terms(self.selection)))
        chosen = [index for index, one in enumerate(whole.emoji) if split.part_of(one) in parts]
        return replace(whole, images=whole.images[chosen], emoji=tuple(whole.emoji[index] for index in chosen))

    def views_of(self, images: np.ndarray) -> Views:
        """Views of premultiplied RGBA in the mode and at the size of the evaluated pictures."""
        premultiplied = self.mode == "RGBA"
        if not premultiplied:
            images = pixels.over(images, premultiplied=True)
        if self.mode == "L":
            images = np.repeat(pixels.grayscale(images), 3, 1)
        if self.size < emoji.NATIVE:
            images = pixels.resize(pixels.unpremultiply(images) if premultiplied else images, self.size)
            premultiplied = False
        return views(images, premultiplied=premultiplied)

    @cached_property
    def features(self) -> dict[str, tuple[Tensor, Tensor | None]]:
        shown = self.views_of(self.learned.images)
        return {name: features(name, shown) for name in ENCODERS}

    @cached_property
    def thumbnails(self) -> Tensor:
        return thumbnails(self.views_of(self.learned.images))

    @cached_property
    def yardstick(self) -> Tensor:
        """Distances of held-out pictures to the nearest picture of the train part, `[N]`.

        A selection that holds out fewer than `MIN_HELD_OUT` takes those of all emoji, and of their train part as many
        as it has pictures itself: among more there would be nearer ones.
        """
        held, learned = self.part("validation", "test").images, self.part("train").images
        if len(held) < MIN_HELD_OUT or not len(learned):
            held, learned = emoji.load("all:test").images, emoji.load("all:train").images
            learned = learned[np.random.default_rng(SEED).permutation(len(learned))[: len(self.learned)]]
        return scores.nearest(thumbnails(self.views_of(held)), thumbnails(self.views_of(learned)))[0]


def thumbnails(shown: Views) -> Tensor:
    """The pictures over white as means of pixels, float32 −1..1 `[N, 3, 24, 24]`."""
    return F.adaptive_avg_pool2d(scale(torch.from_numpy(np.ascontiguousarray(shown.white))), THUMBNAIL)


def evaluate(shown: Views, reference: Reference) -> dict:
    """Every score of these pictures; those that need more of them are left out, with the reason under `left_out`."""
    n, known = len(shown), len(reference.learned)
    result = {"samples": n, "reference": reference.selection, "reference_images": known}
    left_out = {}
    if n < MIN_SAMPLES:
        left_out["kid"] = f"needs {MIN_SAMPLES} samples, there are {n}"
    elif known < MIN_REAL:
        left_out["kid"] = f"needs {MIN_REAL} real pictures, there are {known}"
    if n < DRAWN:
        left_out |= dict.fromkeys((*SIZED, "inception"), f"needs {DRAWN} samples, there are {n}")
    elif known < MIN_REAL:
        left_out |= dict.fromkeys(SIZED, f"needs {MIN_REAL} real pictures, there are {known}")
    for name, (real, real_alpha) in reference.features.items():
        fake, fake_alpha = features(name, shown)
        one, standard = {}, standardised(real, fake)
        if "kid" not in left_out:
            one |= scores.kid(*standard)
            if fake_alpha is not None:
                alpha = scores.kid(*standardised(real_alpha, fake_alpha))
                one |= {key.replace("kid", "kid_alpha"): value for key, value in alpha.items()}
        if "vendi" not in left_out:
            one |= _sized(*standard)
        if "kid" not in left_out and name == "groups":
            result["mixture"] = _mixture(reference.learned, *standard)
        if "inception" not in left_out and name == "groups":
            odds = _group_classifier().predict_proba(_with_bias(fake))
            result["inception"] = scores.inception(torch.from_numpy(odds))
        result[name] = one
    distances, _ = scores.nearest(thumbnails(shown), reference.thumbnails)
    result["held_out"] = len(reference.yardstick)
    result["memorised"] = scores.memorised(distances, reference.yardstick)
    hashes = {name: encoder(name)[1] for name in ENCODERS} | {"split": split.stored()[1]}
    return scores.rounded(result) | {"left_out": left_out, "sha256": hashes}


def _sized(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Means over seeded draws of `DRAWN` samples and as many reals; the Fréchet distance takes all reals."""
    rng, found = torch.Generator().manual_seed(SEED), []
    for _ in range(DRAWS):
        some_real = real[torch.randperm(len(real), generator=rng)[:DRAWN]]
        some = fake[torch.randperm(len(fake), generator=rng)[:DRAWN]]
        one = {"frechet": scores.frechet(real, some), "vendi": scores.vendi(some)} | scores.manifold(some_real, some)
        found.append(one | {"spread": torch.pdist(some).mean().item()})  # the mean distance of two samples
    return {name: sum(one[name] for one in found) / DRAWS for name in SIZED}


def _mixture(learned: emoji.EmojiSet, real: Tensor, fake: Tensor) -> dict[str, dict[str, float]]:
    """The fraction of `samples` whose nearest real picture is of each group, and of `real` ones; or of subgroups."""
    kind = "group" if len(learned.labels("group")[0]) > 1 else "subgroup"
    names, labels = learned.labels(kind)
    sides = {"samples": labels[torch.cdist(fake, real).argmin(1)], "real": labels}
    return {key: {name: (of == k).mean().item() for k, name in enumerate(names)} for key, of in sides.items()}


@cache
def _group_classifier():
    """Logistic regression of the group on the `groups` encoder's features of the train split; its bias is penalised."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and not needed to draw

    learned = emoji.load("all:train")
    known, _ = features("groups", views(learned.images, premultiplied=True))
    regression = LogisticRegression(C=1 / (2 * PENALTY * len(known)), fit_intercept=False, tol=1e-6, max_iter=1000)
    return regression.fit(_with_bias(known), learned.labels("group")[1])


def _with_bias(inputs: Tensor) -> np.ndarray:
    """Features `[N, F]` with a column of ones, `[N, F + 1]`."""
    return F.pad(inputs, (0, 1), value=1.0).numpy()


@cache
def reference_rows(reference: Reference) -> dict[str, dict]:
    """Scores of pictures of known quality, to compare others with, as far as the selection has such pictures."""
    held, learned = reference.part("validation", "test"), reference.part("train")
    rng, rows = np.random.default_rng(SEED), {}
    if len(held) and len(learned):
        terms = [term for term in emoji.terms(reference.selection) if not term.endswith((":validation", ":test"))]
        train = "+".join(f"{term.removesuffix(':train')}:train" for term in terms)
        floor = reference if train == reference.selection else replace(reference, selection=train)
        rows["held-out real"] = evaluate(floor.views_of(held.images), floor)
    copies = reference.learned.images[rng.integers(len(reference.learned), size=DRAWN)]
    noise = rng.integers(256, size=(DRAWN, 4, 72, 72), dtype=np.uint8)
    made = {"training copies": copies, "blurred copies": blurred(copies)}
    if len(learned):
        made["half the concepts"] = split.draw_from_concepts(learned, DRAWN, rng, lambda names: names[::2])
    made["noise"] = np.minimum(noise, noise[:, 3:])
    return rows | {name: evaluate(reference.views_of(images), reference) for name, images in made.items()}


def blurred(images: np.ndarray, radius: float = 2.0) -> np.ndarray:
    """Premultiplied RGBA `[N, 4, H, W]` after a Gaussian blur of `radius` pixels."""
    pictures = (Image.fromarray(image.transpose(1, 2, 0)) for image in images)
    blurs = [np.asarray(picture.filter(ImageFilter.GaussianBlur(radius))) for picture in pictures]
    return np.stack(blurs).transpose(0, 3, 1, 2)
