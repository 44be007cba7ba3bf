"""Losses and penalties: logits or images in, scalars out. They never see a network, a device or a file."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.nets.layers import choose


class Loss(NamedTuple):
    """An adversarial loss: both sides as functions of (real logits `[N]`, fake logits `[M]`), and what it needs.

    `simultaneous`: both networks update from the same logits; else the discriminator updates first, and the generator's
    loss is taken from the updated one. `whole_batch`: logits are compared with each other, so an image needs just one.
    `paired`: there are as many fake as real ones.
    """

    generator: Callable[[Tensor, Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    simultaneous: bool = False
    whole_batch: bool = False
    paired: bool = False


def bce_generator(real: Tensor, fake: Tensor) -> Tensor:
    """−mean log σ(fake): the non-saturating loss (Goodfellow et al. 2014, section 3). `real` plays no part."""
    return F.softplus(-fake).mean()


def bce_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−mean log σ(real) − mean log(1 − σ(fake)) (Goodfellow et al. 2014, eq. 1), summed and not halved."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def smoothed(fraction: float) -> Loss:
    """The `bce` loss with one-sided label smoothing: the target of real images is 1 − `fraction` (Salimans et al. 2016,
    section 3.4).
    """
    if not 0 <= fraction < 1:
        raise BadInput(f"label smoothing {fraction} is not in 0..1 (0.1 is usual)")

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return bce_discriminator(real, fake) + fraction * (F.softplus(real) - F.softplus(-real)).mean()

    return Loss(bce_generator, discriminator)


def noisy(width: float) -> Loss:
    """The `bce` loss with noisy labels: the target of a real image is 1 − u and of a fake u, each u uniform in
    0..`width` (EmotiGAN, section V: targets are not always exactly 1 and 0).
    """
    if not 0 <= width < 0.5:
        raise BadInput(f"label noise {width} is not in 0..0.5 (0.2 is usual)")

    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        # The cross entropy to a target of u is softplus(x) − u x.
        u_real, u_fake = (width * torch.rand_like(logits) for logits in (real, fake))
        return bce_discriminator(real, fake) + (u_real * real).mean() - (u_fake * fake).mean()

    return Loss(bce_generator, discriminator)


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


def pairing_generator(real: Tensor, fake: Tensor) -> Tensor:
    """mean log(1 + exp(real − fake)), each fake beside one real image (R3GAN, Huang et al. 2024, eq. 2)."""
    return F.softplus(real - fake).mean()


def pairing_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """mean log(1 + exp(fake − real)), as `pairing_generator` (R3GAN, Huang et al. 2024, eq. 2)."""
    return F.softplus(fake - real).mean()


LOSSES = {
    "bce": Loss(bce_generator, bce_discriminator),
    "least_squares": Loss(least_squares_generator, least_squares_discriminator),
    "softmax": Loss(softmax_generator, softmax_discriminator, simultaneous=True, whole_batch=True),
    "pairing": Loss(pairing_generator, pairing_discriminator, whole_batch=True, paired=True),
}


def named(loss: str | Loss) -> Loss:
    """The loss of a name, or the loss itself. Raises `BadInput` for an unknown name."""
    return loss if isinstance(loss, Loss) else choose(LOSSES, "loss", loss)


def l1(images: Tensor, targets: Tensor) -> Tensor:
    """Mean |images − targets| of `[N, C, H, W]` (pix2pix, Isola et al. 2017, eq. 3)."""
    return (images.float() - targets).abs().mean()


def cycle(images: Tensor, there_and_back: Tensor) -> Tensor:
    """‖F(G(x)) − x‖₁, a mean over pixels (CycleGAN, Zhu et al. 2017, eq. 2)."""
    return l1(there_and_back, images)


def identity(images: Tensor, translated: Tensor) -> Tensor:
    """‖G(y) − y‖₁, a mean over pixels, for images of the domain that G translates to (Zhu et al. 2017, section 5.2)."""
    return l1(translated, images)


def mixing(masks: Tensor) -> Tensor:
    """mean (1 − Σₖ mₖ²) of masks `[N, K, H, W]` that sum to 1: 0 where every pixel is of one layer alone."""
    return 1 - masks.square().sum(1).mean()


def r1(on_real: Tensor, real: Tensor) -> Tensor:
    """½ E‖∇D(x)‖² on real images `[N, C, H, W]` that require gradients (Mescheder et al. 2018, eq. 9, with γ = 1).

    Where the discriminator answers by patches, D is their sum.
    """
    (gradient,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean() / 2


def r2(on_fake: Tensor, fake: Tensor) -> Tensor:
    """½ E‖∇D(G(z))‖² on fake images, as `r1` on real ones (Mescheder et al. 2018, eq. 10, with γ = 1)."""
    return r1(on_fake, fake)
