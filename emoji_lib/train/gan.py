"""The GAN: a generator and a discriminator, and one training step for both (Goodfellow et al. 2014, algorithm 1)."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from emoji_lib import BadInput
from emoji_lib.train import device as machine
from emoji_lib.train import losses
from emoji_lib.train.system import System


class GAN(System):
    """A generator, a discriminator, their optimizers, and a moving average of the generator.

    `sample` draws from the moving average (decay `ema` a step; 0 means the generator itself). `augment` is what happens
    to images, real or fake, before the discriminator sees them. All randomness of a step comes from `rng`, or from
    torch's own where it is dropout's or noisy labels'. Distributed processes each take their part of a batch, and
    losses see the logits of all of them.
    """

    distributable = True

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        loss: str | losses.Loss = "bce",
        learning_rate_g: float = 2e-4,
        learning_rate_d: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        ema: float = 0.0,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        if not 0 <= ema < 1:
            raise BadInput(f"ema {ema} is not a decay in 0..1 (0.998 is usual, 0 turns the average off)")
        self.generator = machine.place(generator, device)
        self.discriminator = machine.place(discriminator, device)
        self.ema = ema
        self.average = copy.deepcopy(generator).requires_grad_(False).eval() if ema else generator
        self.loss = losses.named(loss)
        self.augment = augment or (lambda images, rng: images)
        super().__init__(
            {"generator": generator, "discriminator": discriminator},
            {
                "generator": machine.adam(generator, learning_rate_g, (beta1, beta2)),
                "discriminator": machine.adam(discriminator, learning_rate_d, (beta1, beta2)),
            },
            device=device,
            seed=seed,
        )

    def step(self, real: Tensor) -> dict[str, Tensor]:
        """One update of both networks on real images, float32 `[N, C, H, W]` in −1..1.

        Returns the losses and the mean logits of real and fake images, detached.
        """
        with record_function("fakes"), self.forward():
            fake = self.generator(self.generator.noise(len(real), self.rng))
        real, fake = self.augment(real, self.rng), self.augment(fake, self.rng)
        loss_d, on_real, on_fake = self.discriminator_turn(real, fake)
        loss_g = self.generator_turn(real, fake, on_real, on_fake)
        self.update_average()
        return detached(loss_g=loss_g, loss_d=loss_d, real=on_real.mean(), fake=on_fake.mean())

    @record_function("D step")
    def discriminator_turn(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Its loss and its logits on real and fake images; with simultaneous updates its weights wait for G's turn."""
        simultaneous = self.loss.simultaneous
        with self.forward():
            on_real = self.logits(real)
            on_fake = self.logits(fake if simultaneous else fake.detach())
        loss = self.loss.discriminator(on_real, on_fake)
        self.gradients(loss, "discriminator", retain_graph=simultaneous)
        if not simultaneous:
            self.optimizers["discriminator"].step()
        return loss, on_real, on_fake

    @record_function("G step")
    def generator_turn(
        self, real: Tensor, fake: Tensor, on_real: Tensor, on_fake: Tensor, *captions: Tensor, extra: Tensor | float = 0
    ) -> Tensor:
        """Its loss by the updated discriminator, or by the same logits (simultaneous); `extra` is minimised with it."""
        if not self.loss.simultaneous:
            with self.forward():
                on_fake = self.logits(fake, *captions)
                on_real = self.logits(real, *captions) if self.loss.paired else on_real
        loss = self.loss.generator(on_real.detach(), on_fake)
        self.gradients(loss + extra, "generator")
        if self.loss.simultaneous:
            self.optimizers["discriminator"].step()
        self.optimizers["generator"].step()
        return loss

    def logits(self, images: Tensor, *captions: Tensor) -> Tensor:
        """The discriminator's answers to this process's images, gathered from all processes, `[N]`."""
        images = images.contiguous(memory_format=torch.channels_last)
        return self.processes.gather(self.discriminator(images, *captions))

    @torch.no_grad()
    def update_average(self) -> None:
        """θ̄ ← `ema` θ̄ + (1 − `ema`) θ for the generator's parameters; running statistics are copied.

        First these are averaged, as the batch norm of each process knows its own part of the batch alone.
        """
        self.processes.average(list(self.generator.buffers()))
        if self.ema:
            torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - self.ema)
            for mine, other in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                mine.copy_(other)

    @torch.no_grad()
    def sample(self, latents: Tensor) -> Tensor:
        """Images `[N, C, H, W]` in −1..1 by the moving average, batch norm with its running statistics."""
        training = self.average.training
        with self.forward():
            images = self.average.eval()(latents.to(self.device))
        self.average.train(training)
        return images.float()

    def modules(self) -> dict[str, nn.Module]:
        return self.networks | ({"average": self.average} if self.ema else {})


def detached(**metrics: Tensor) -> dict[str, Tensor]:
    """Scalars to log, without their graphs."""
    return {name: value.detach() for name, value in metrics.items()}
