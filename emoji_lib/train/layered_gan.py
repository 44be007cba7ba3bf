"""The layered GAN: a generator that draws in layers is kept from mixing them."""

from torch import Tensor, nn
from torch.profiler import record_function

from emoji_lib import BadInput
from emoji_lib.train import losses
from emoji_lib.train.gan import GAN, detached
from emoji_lib.train.system import refuse_negative

PENALISED_EVERY = 4  # steps: lazy regularisation (Karras et al. 2020, appendix B)


class LayeredGAN(GAN):
    """A GAN whose generator gives masks with its pictures (`nets/layered.py`).

    `mixing_weight`: of `losses.mixing` in the generator's loss, so that a pixel belongs to one layer. `gamma`: of R1 on
    real and R2 on fake images (Mescheder et al. 2018), every fourth step, for losses that need them (`pairing`).
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        mixing_weight: float = 0.0,
        gamma: float = 0.0,
        **settings,
    ):
        self.capturable = self.distributable = not gamma  # a penalised step is another one
        super().__init__(generator, discriminator, **settings)
        refuse_negative(mixing_weight=mixing_weight, gamma=gamma)
        if gamma and self.loss.simultaneous:
            raise BadInput("gamma needs a loss with updates in turn, such as pairing or bce")
        self.mixing_weight, self.gamma = mixing_weight, gamma

    def step(self, real: Tensor) -> dict[str, Tensor]:
        """One update of both networks on real images, float32 `[N, 4, 72, 72]` in −1..1.

        Returns the losses, the mean logits of real and fake images, and how much layers mix, detached.
        """
        with record_function("fakes"), self.forward():
            fake, masks = self.generator.draw(self.generator.noise(len(real), self.rng))
        mixing = losses.mixing(masks)
        real, fake = self.augment(real, self.rng), self.augment(fake, self.rng)
        loss_d, on_real, on_fake = self.discriminator_turn(real, fake)
        loss_g = self.generator_turn(real, fake, on_real, on_fake, extra=self.mixing_weight * mixing)
        self.update_average()
        self.steps_taken += 1
        return detached(loss_g=loss_g, loss_d=loss_d, real=on_real.mean(), fake=on_fake.mean(), mixing=mixing)

    def discriminator_turn(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As the GAN's; every fourth step with γ (R1 + R2), for those between as well, in float32 throughout."""
        if not (self.gamma and self.steps_taken % PENALISED_EVERY == 0):
            return super().discriminator_turn(real, fake)
        real, fake = (images.detach().float().requires_grad_() for images in (real, fake))
        on_real, on_fake = self.logits(real), self.logits(fake)
        loss = self.loss.discriminator(on_real, on_fake)
        penalty = losses.r1(on_real, real) + losses.r2(on_fake, fake)
        self.gradients(loss + PENALISED_EVERY * self.gamma * penalty, "discriminator")
        self.optimizers["discriminator"].step()
        return loss, on_real, on_fake
