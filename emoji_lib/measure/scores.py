"""Scores as functions of features, float64 `[N, F]`, or of images; they never see a network, a device or a file."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCKS = 20  # parts of the jackknife
NEAREST = 5  # the k of nearest neighbours


def rounded(found):
    """`found` with every float in it, in nested dicts too, to four digits."""
    if isinstance(found, dict):
        return {name: rounded(one) for name, one in found.items()}
    return float(f"{found:.4g}") if isinstance(found, float) else found


def kid(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Kernel distance: the unbiased squared MMD under k(x, y) = (x·y / F + 1)³ (Bińkowski et al. 2018, eq. 4).

    Differs: all samples at once, also of different numbers, rather than a mean over random subsets. The 95% interval
    is normal, with the variance of a jackknife that leaves out each of `BLOCKS` parts of either side in turn. A part is
    every twentieth picture, which spreads near copies, as they are neighbours, over all parts: the interval holds for
    other pictures of these concepts, not for other concepts.
    """
    kernel = lambda one, other: (one @ other.T / one.shape[1] + 1) ** 3  # noqa: E731
    within_real, within_fake = kernel(real, real).fill_diagonal_(0), kernel(fake, fake).fill_diagonal_(0)
    of_real, of_fake = _membership(len(real)), _membership(len(fake))
    rr, ff = of_real @ within_real @ of_real.T, of_fake @ within_fake @ of_fake.T
    rf = of_real @ kernel(real, fake) @ of_fake.T
    sizes_r, sizes_f = of_real.sum(1), of_fake.sum(1)

    def mmd(keep_r: Tensor, keep_f: Tensor) -> Tensor:
        m, n = keep_r @ sizes_r, keep_f @ sizes_f
        pairs_r, pairs_f = keep_r @ rr @ keep_r / (m * (m - 1)), keep_f @ ff @ keep_f / (n * (n - 1))
        return pairs_r + pairs_f - 2 * (keep_r @ rf @ keep_f) / (m * n)

    all_r, all_f = torch.ones(len(rr), dtype=rr.dtype), torch.ones(len(ff), dtype=ff.dtype)
    value = mmd(all_r, all_f).item()
    without_r = torch.stack([mmd(all_r - one, all_f) for one in torch.eye(len(rr), dtype=rr.dtype)])
    without_f = torch.stack([mmd(all_r, all_f - one) for one in torch.eye(len(ff), dtype=ff.dtype)])
    variance = sum((len(left) - 1) * left.var(correction=0) for left in (without_r, without_f)).item()
    reach = 1.96 * math.sqrt(variance)
    return {"kid": value, "kid_low": value - reach, "kid_high": value + reach}


def _membership(n: int) -> Tensor:
    """The jackknife's parts of `n` samples: one row a part, 1 where a sample belongs to it."""
    return F.one_hot(torch.arange(n) % min(BLOCKS, n // 2), min(BLOCKS, n // 2)).T.double()


def frechet(real: Tensor, fake: Tensor) -> float:
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½) (Heusel et al. 2017, eq. 6). Biased: compare at one number of samples."""
    apart = (real.mean(0) - fake.mean(0)).square().sum()
    one, other = torch.cov(real.T), torch.cov(fake.T)
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # The eigenvalues of Σ₁Σ₂ are those of the symmetric Σ₁^½ Σ₂ Σ₁^½.
    cross = torch.linalg.eigvalsh(root @ other @ root).clamp(min=0).sqrt().sum()
    return (apart + one.trace() + other.trace() - 2 * cross).item()


def manifold(real: Tensor, fake: Tensor, k: int = NEAREST) -> dict[str, float]:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 2), density and coverage (Naeem et al. 2020, eqs. 3 and 4).

    A ball around each sample reaches to its k-th nearest neighbour of the same kind, itself not counted. Precision:
    fraction of fakes inside a real ball; recall: of reals inside a fake ball; coverage: of real balls with a fake
    inside; density: real balls a fake lies in, over k.
    """
    between = torch.cdist(real, fake)
    reach_real = torch.cdist(real, real).kthvalue(k + 1, 1).values  # the nearest of all is the sample itself
    reach_fake = torch.cdist(fake, fake).kthvalue(k + 1, 1).values
    inside = between <= reach_real[:, None]
    return {
        "precision": inside.any(0).double().mean().item(),
        "recall": (between <= reach_fake).any(1).double().mean().item(),
        "density": (inside.double().sum(0).mean() / k).item(),
        "coverage": inside.any(1).double().mean().item(),
    }


def inception(probabilities: Tensor) -> float:
    """exp E KL(p(y|x) ‖ p(y)) from `[N, classes]` (Salimans et al. 2016, section 4), between 1 and the classes.

    Differs: the classifier knows groups or subgroups of emoji, not ImageNet's classes.
    """
    marginal = probabilities.mean(0, keepdim=True).clamp(min=torch.finfo(probabilities.dtype).tiny)
    return torch.special.xlogy(probabilities, probabilities / marginal).sum(1).mean().exp().item()


def vendi(features: Tensor) -> float:
    """The effective number of different samples, between 1 and F: exp of the entropy of the eigenvalues of the cosine
    similarities over N (Friedman and Dieng 2023, eq. 2). It counts directions; how far from 0 a sample lies is lost.
    """
    unit = F.normalize(features, dim=1)
    values = torch.linalg.eigvalsh(unit.T @ unit / len(unit)).clamp(min=0)
    return torch.special.entr(values).sum().exp().item()


def memorised(fake: Tensor, held_out: Tensor, fraction: float = 0.05) -> float:
    """Fraction of samples nearer to a training picture than all but `fraction` of held-out pictures are.

    Both are distances to the nearest training picture, `[N]` and `[M]` (cf. Meehan et al. 2020). Copies score 1; the
    held-out pictures themselves `fraction`, by construction.
    """
    return (fake < held_out.quantile(fraction)).double().mean().item()


def nearest(pictures: Tensor, training: Tensor, shift: int = 2) -> tuple[Tensor, Tensor]:
    """Root mean square distance of each picture to the nearest training one, and which that is; −1..1 `[N, C, H, W]`.

    Pictures may be mirrored and moved by up to `shift` pixels either way, their edges repeated.
    """
    known = training.flatten(1)
    squares = known.square().sum(1)
    best = torch.full((len(pictures),), torch.inf, dtype=pictures.dtype)
    which = torch.zeros(len(pictures), dtype=torch.long)
    height, width = pictures.shape[2:]
    padded = F.pad(pictures, (shift,) * 4, mode="replicate")
    for mirrored in (padded, padded.flip(3)):
        for top in range(2 * shift + 1):
            for left in range(2 * shift + 1):
                moved = mirrored[:, :, top : top + height, left : left + width].flatten(1)
                apart = squares - 2 * moved @ known.T + moved.square().sum(1, keepdim=True)
                low, index = apart.min(1)
                which = torch.where(low < best, index, which)
                best = torch.minimum(low, best)
    return (best.clamp(min=0) / known.shape[1]).sqrt(), which


def psnr(images: Tensor, wanted: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images `[N, C, H, W]` in −1..1 against one `[1, C, H, W]`."""
    return -10 * math.log10((images.cpu() - wanted.cpu()).div(2).square().mean().item())
