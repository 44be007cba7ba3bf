"""The text GAN: both networks are given the embedding of a caption, and the discriminator meets wrong ones too."""

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from emoji_lib import BadInput
from emoji_lib.train import losses
from emoji_lib.train.gan import GAN, detached
from emoji_lib.train.system import refuse_negative


class TextGAN(GAN):
    """A GAN of images and captions: `step` takes real images and embeddings `[N, E]`, of length 1, of their captions.

    Each addition is off by default. `input_noise`: standard deviation of Gaussian noise on the discriminator's input
    (Sønderby et al. 2017), which fades to nothing within the first `input_noise_steps`. `embedding_noise`: length of
    the noise on an embedding, so that what is near a caption is learned too. `mismatched_captions`: real images with
    any known caption count as fake (matching-aware, Reed et al. 2016). `caption_dropout`: fraction of examples without
    a caption, an embedding of zeros (classifier-free, Ho and Salimans 2022). `l1_weight`: weight of the L1 distance
    from a fake to the real image of its caption (pix2pix, Isola et al. 2017, eq. 3).
    """

    distributable = False

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        input_noise: float = 0.0,
        input_noise_steps: int = 1,
        embedding_noise: float = 0.0,
        mismatched_captions: bool = False,
        caption_dropout: float = 0.0,
        l1_weight: float = 0.0,
        **settings,
    ):
        super().__init__(generator, discriminator, **settings)
        refuse_negative(input_noise=input_noise, embedding_noise=embedding_noise, l1_weight=l1_weight)
        if not 0 <= caption_dropout <= 1:
            raise BadInput(f"caption_dropout {caption_dropout} is not a probability in 0..1")
        if self.loss.paired and mismatched_captions:
            raise BadInput("mismatched_captions bring more fakes than reals, and this loss needs as many: take another")
        self.input_noise, self.input_noise_steps = input_noise, input_noise_steps
        self.embedding_noise, self.caption_dropout = embedding_noise, caption_dropout
        self.mismatched_captions, self.l1_weight = mismatched_captions, l1_weight

    def step(self, real: Tensor, captions: Tensor) -> dict[str, Tensor]:
        """One update of both networks on real images, float32 `[N, C, H, W]` in −1..1, and their captions `[N, E]`.

        Returns the losses and the mean logits of real and fake images, detached.
        """
        captions = self.drop_captions(self.perturb(captions))
        with record_function("fakes"), self.forward():
            fake = self.generator(self.generator.about(captions, self.rng))
        distance = losses.l1(fake, real) if self.l1_weight else 0.0
        real, fake = self.discriminator_input(real), self.discriminator_input(fake)
        loss_d, on_real, on_fake = self.discriminator_turn(real, fake, captions)
        loss_g = self.generator_turn(real, fake, on_real, on_fake, captions, extra=self.l1_weight * distance)
        self.update_average()
        self.steps_taken += 1
        return detached(loss_g=loss_g, loss_d=loss_d, real=on_real.mean(), fake=on_fake.mean())

    @record_function("D step")
    def discriminator_turn(self, real: Tensor, fake: Tensor, captions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Its loss on real images against fakes and mismatched captions, and its logits on real and fake."""
        simultaneous = self.loss.simultaneous
        with self.forward():
            on_real = self.logits(real, captions)
            on_fake = self.logits(fake if simultaneous else fake.detach(), captions)
            rejected = on_fake
            if self.mismatched_captions:
                rejected = torch.cat((on_fake, self.logits(real, self.any_captions(len(real)))))
        loss = self.loss.discriminator(on_real, rejected)
        self.gradients(loss, "discriminator", retain_graph=simultaneous)
        if not simultaneous:
            self.optimizers["discriminator"].step()
        return loss, on_real, on_fake

    def perturb(self, embeddings: Tensor) -> Tensor:
        """Embeddings `[N, E]` with Gaussian noise of root mean square length `embedding_noise`."""
        if not self.embedding_noise:
            return embeddings
        noise = torch.randn(embeddings.shape, generator=self.rng, device=self.device)
        return embeddings + self.embedding_noise / embeddings.shape[1] ** 0.5 * noise

    def drop_captions(self, embeddings: Tensor) -> Tensor:
        """Embeddings `[N, E]`, a fraction `caption_dropout` of them zero."""
        if not self.caption_dropout:
            return embeddings
        return embeddings * (
            torch.rand(len(embeddings), 1, generator=self.rng, device=self.device) >= self.caption_dropout
        )

    def any_captions(self, n: int) -> Tensor:
        """`n` of the known captions at random, perturbed, `[N, E]`."""
        known = self.generator.phrases
        chosen = torch.randint(len(known), (n,), generator=self.rng, device=self.device)
        return self.perturb(known[chosen])

    def discriminator_input(self, images: Tensor) -> Tensor:
        """Images `[N, C, H, W]` augmented, under what is left of the noise."""
        images = self.augment(images, self.rng)
        if not self.input_noise:
            return images
        left = (1 - self.steps_taken / self.input_noise_steps).clamp(min=0)
        return images + self.input_noise * left * torch.randn(images.shape, generator=self.rng, device=self.device)
