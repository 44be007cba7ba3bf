"""Adversarial losses: the discriminator's logits `[N]` in, scalars out. They never see a network, device or file."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from emoji_lib import BadInput


class Loss(NamedTuple):
    """The two sides of a game, each a function of (real logits `[N]`, fake logits `[M]`).

    `at_once` says whose turn it is: both sides learn from the same logits, or the discriminator moves first and the
    generator answers the moved one.
    """

    generator: Callable[[Tensor, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    at_once: bool


def bce_generator(real: Tensor, fake: Tensor) -> Tensor:
    """−mean log σ(fake): the non-saturating loss (Goodfellow et al. 2014, section 3). `real` plays no part."""
    return F.softplus(-fake).mean()


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−mean log σ(real) − mean log(1 − σ(fake)) (Goodfellow et al. 2014, eq. 1), summed and not halved."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def smoothed(share: float) -> Loss:
    """The `bce` game with one-sided label smoothing: real pictures count as real only by 1 − `share` (Salimans et al.
    2016, section 3.4).
    """
    if not 0 <= share < 1:
        raise BadInput(f"label smoothing {share} is not in 0..1 (0.1 is usual)")

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return bce_discriminator(real, fake) + share * (F.softplus(real) - F.softplus(-real)).mean()

    return Loss(bce_generator, discriminator, at_once=False)


def uncertain(share: float) -> Loss:
    """The `bce` game with noisy labels: real pictures count as real by 1 − u and fakes by u, each u uniform in
    0..`share` (EmotiGAN, section V: targets are not always exactly 1 and 0).
    """
    if not 0 <= share < 0.5:
        raise BadInput(f"label noise {share} is not in 0..0.5 (0.2 is usual)")

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        # The cross entropy to a target of u is softplus(x) − u x.
        doubt_real, doubt_fake = (share * torch.rand_like(logits) for logits in (real, fake))
        return bce_discriminator(real, fake) + (doubt_real * real).mean() - (doubt_fake * fake).mean()

    return Loss(bce_generator, discriminator, at_once=False)


def least_squares_generator(real: Tensor, fake: Tensor) -> Tensor:
    """mean (fake − 1)² (LSGAN, Mao et al. 2017, eq. 9, without the ½). `real` plays no part."""
    return (fake - 1).square().mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """mean (real − 1)² + mean fake² (LSGAN, Mao et al. 2017, eq. 9, without the ½)."""
    return (real - 1).square().mean() + fake.square().mean()


def centred(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits less the mean of the two batch means, and the log of the partition Σ exp(−centred) over both."""
    mean = (real.mean() + fake.mean()) / 2
    real, fake = real - mean, fake - mean
    return real, fake, torch.logsumexp(-torch.cat((real, fake)), 0)


def softmax_generator(real: Tensor, fake: Tensor) -> Tensor:
    """Softmax cross entropy to the uniform distribution over both batches (Lin 2017), logits recentred.

    Each sample has probability exp(−logit) / partition, so high odds are low logits. With batches of one size the
    first term is zero by construction. Differs: the recentring is that of a relativistic average (Jolicoeur-Martineau
    2018) taken over both batches.
    """
    real, fake, log_partition = centred(real, fake)
    return (real.sum() + fake.sum()) / (len(real) + len(fake)) + log_partition


def softmax_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """Softmax cross entropy to the uniform distribution over the real batch alone (Lin 2017), logits recentred."""
    real, fake, log_partition = centred(real, fake)
    return real.mean() + log_partition


LOSSES = {
    "bce": Loss(bce_generator, bce_discriminator, at_once=False),
    "least_squares": Loss(least_squares_generator, least_squares_discriminator, at_once=False),
    "softmax": Loss(softmax_generator, softmax_discriminator, at_once=True),
}
