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
AT_LEAST = 50  # samples for a kernel distance
LEARNED = 20  # real pictures for any distance to them
HELD_OUT = 20  # held-out pictures for a yardstick of memorisation
THUMBNAIL = 24  # pixels a side of the pictures that memorisation is measured in
PENALTY = 1e-4  # on the squared weights of the logistic regression, beside the mean cross entropy
SIZED = ("frechet", "precision", "recall", "density", "coverage", "vendi", "spread")


@dataclass(frozen=True)
class Reference:
    """The real pictures of a selection that samples are compared with, and those held out from it.

    `selection` is what the evaluated model learned from. Where that is all parts of a selection, the pictures held out
    from its train part still say how far apart different emoji are.
    """

    selection: str
    mode: str = "RGBA"  # RGBA, RGB or L, that of the evaluated pictures: real ones are compared in it
    size: int = emoji.NATIVE  # and at their size

    @cached_property
    def learned(self) -> emoji.EmojiSet:
        return emoji.load(self.selection)

    def part(self, *parts: str) -> emoji.EmojiSet | None:
        """Pictures of the selection in these parts of the split, or nothing where there are none."""
        whole = emoji.load(_with_part(self.selection, ""))
        chosen = [index for index, one in enumerate(whole.emoji) if split.part_of(one) in parts]
        if not chosen:
            return None
        return replace(whole, images=whole.images[chosen], emoji=tuple(whole.emoji[index] for index in chosen))

    def seen(self, images: np.ndarray) -> Views:
        """Premultiplied RGBA in the mode and at the size of the evaluated pictures."""
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
        shown = self.seen(self.learned.images)
        return {name: features(name, shown) for name in ENCODERS}

    @cached_property
    def thumbnails(self) -> Tensor:
        return thumbnails(self.seen(self.learned.images))

    @cached_property
    def yardstick(self) -> Tensor:
        """How far held-out pictures are from the nearest picture of the train part.

        Where the selection holds out fewer than `HELD_OUT`, those of all emoji from as many of all emoji as it has: the
        nearest of many is nearer than the nearest of few.
        """
        held, learned = self.part("validation", "test"), self.part("train")
        if held is None or learned is None or len(held) < HELD_OUT:
            held, learned = (emoji.load(f"all:{part}") for part in ("test", "train"))
            some = np.random.default_rng(SEED).permutation(len(learned))[: len(self.learned)]
            mine, known = held.images, learned.images[some]
        else:
            mine, known = held.images, learned.images
        return scores.nearest(thumbnails(self.seen(mine)), thumbnails(self.seen(known)))[0]


def _with_part(selection: str, part: str) -> str:
    """The selection with `part` (`:train` or nothing) behind each term in place of `:train`; without held-out terms."""
    terms = [term for term in emoji.terms(selection) if not (part and term.endswith((":validation", ":test")))]
    return "+".join(term.removesuffix(":train") + part for term in terms)


def thumbnails(shown: Views) -> Tensor:
    """Over white, float32 −1..1 `[N, 3, 24, 24]`, each pixel a mean."""
    return F.adaptive_avg_pool2d(scale(torch.from_numpy(np.ascontiguousarray(shown.white))), THUMBNAIL)


def evaluate(shown: Views, reference: Reference) -> dict:
    """Every score of these pictures. What they are too few for is left out, with the reason under `left_out`."""
    n, known = len(shown), len(reference.learned)
    result = {"samples": n, "reference": reference.selection, "reference_images": known}
    left_out = {}
    if n < AT_LEAST:
        left_out["kid"] = f"needs {AT_LEAST} samples, there are {n}"
    elif known < LEARNED:
        left_out["kid"] = f"needs {LEARNED} real pictures, there are {known}"
    if n < DRAWN:
        left_out |= dict.fromkeys((*SIZED, "inception"), f"needs {DRAWN} samples, there are {n}")
    elif known < LEARNED:
        left_out |= dict.fromkeys(SIZED, f"needs {LEARNED} real pictures, there are {known}")
    for name, (real, real_alpha) in reference.features.items():
        fake, fake_alpha = features(name, shown)
        one = {}
        if "kid" not in left_out:
            one |= kid(*standardised(real, fake))
            if fake_alpha is not None:
                one |= kid(*standardised(real_alpha, fake_alpha), name="kid_alpha")
        if "vendi" not in left_out:
            one |= _sized(*standardised(real, fake))
        if "inception" not in left_out and name == "groups":
            odds = _group_classifier().predict_proba(_with_bias(fake))
            result["inception"] = scores.inception(torch.from_numpy(odds))
        result[name] = one
    distances, _ = scores.nearest(thumbnails(shown), reference.thumbnails)
    result["held_out"] = len(reference.yardstick)
    result["memorised"] = scores.memorised(distances, reference.yardstick)
    hashes = {name: encoder(name)[1] for name in ENCODERS} | {"split": split.stored()[1]}
    return scores.rounded(result) | {"left_out": left_out, "sha256": hashes}


def kid(real: Tensor, fake: Tensor, name: str = "kid") -> dict[str, float]:
    """`scores.kid` as a record has it: the value and the ends of its interval."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), scores.kid(real, fake), strict=True))


def _sized(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Means over seeded draws of `DRAWN` samples and as many reals; the Fréchet distance takes all reals."""
    rng, found = torch.Generator().manual_seed(SEED), []
    for _ in range(DRAWS):
        some_real = real[torch.randperm(len(real), generator=rng)[:DRAWN]]
        some = fake[torch.randperm(len(fake), generator=rng)[:DRAWN]]
        one = {"frechet": scores.frechet(real, some)} | scores.manifold(some_real, some)
        found.append(one | {"vendi": scores.vendi(some), "spread": scores.spread(some)})
    return {name: sum(one[name] for one in found) / DRAWS for name in SIZED}


@cache
def _group_classifier():
    """Logistic regression of the group on the `groups` encoder's features of the train split; its bias is penalised."""
    from sklearn.linear_model import LogisticRegression  # here, or whoever draws would wait for it

    learned = emoji.load("all:train")
    known, _ = features("groups", views(learned.images, premultiplied=True))
    regression = LogisticRegression(C=1 / (2 * PENALTY * len(known)), fit_intercept=False, tol=1e-6, max_iter=1000)
    return regression.fit(_with_bias(known), learned.labels("group")[1])


def _with_bias(inputs: Tensor) -> np.ndarray:
    """Features `[N, F]` with a 1 behind each row, `[N, F + 1]`."""
    return F.pad(inputs, (0, 1), value=1.0).numpy()


@cache
def reference_rows(reference: Reference) -> dict[str, dict]:
    """Scores of pictures of known quality, to read others by; only of what the selection has enough of."""
    held, learned = reference.part("validation", "test"), reference.part("train")
    rng, rows = np.random.default_rng(SEED), {}
    if held is not None and learned is not None:
        train = _with_part(reference.selection, ":train")
        floor = reference if train == reference.selection else Reference(train, reference.mode, reference.size)
        rows["held-out real"] = evaluate(floor.seen(held.images), floor)
    copies = reference.learned.images[rng.integers(len(reference.learned), size=DRAWN)]
    noise = rng.integers(256, size=(DRAWN, 4, 72, 72), dtype=np.uint8)
    made = {"training copies": copies, "blurred copies": blurred(copies)}
    if learned is not None:
        made["half the concepts"] = split.draw_from_concepts(learned, DRAWN, rng, lambda names: names[::2])
    made["noise"] = np.minimum(noise, noise[:, 3:])
    return rows | {name: evaluate(reference.seen(images), reference) for name, images in made.items()}


def blurred(images: np.ndarray, radius: float = 2.0) -> np.ndarray:
    """Premultiplied RGBA `[N, 4, H, W]` under a Gaussian of `radius` pixels."""
    each = [[Image.fromarray(channel).filter(ImageFilter.GaussianBlur(radius)) for channel in one] for one in images]
    return np.array([[np.asarray(channel) for channel in one] for one in each])
