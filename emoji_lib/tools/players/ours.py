"""Our players: the baseline, the improved GAN and the layered GAN, as their experiments set them."""

import clock
import torch

from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches
from emoji_lib.nets import dcgan, layered
from emoji_lib.show import sampler
from emoji_lib.train import device as machine
from emoji_lib.train.augment import ShiftAndFlip
from emoji_lib.train.gan import GAN
from emoji_lib.train.layered_gan import LayeredGAN
from emoji_lib.train.loop import State
from emoji_lib.train.observers import Rates

FEATURES = 32
SETTINGS = {"loss": "softmax", "learning_rate_g": 4e-4, "learning_rate_d": 4e-4, "ema": 0.998}
DECAY = {"layered": 0.5}  # the last fraction of the time, over which learning rates fall


def system(design: str, seed: int) -> GAN:
    torch.manual_seed(seed)
    if design == "baseline":
        return GAN(dcgan.Generator(FEATURES), dcgan.Discriminator(FEATURES), loss="bce", seed=seed)
    settings = SETTINGS | {"augment": ShiftAndFlip(0.8), "seed": seed}
    if design == "improved":
        networks = dcgan.Generator(FEATURES, **dcgan.IMPROVED), dcgan.Discriminator(FEATURES, **dcgan.IMPROVED)
        return GAN(*networks, **settings)
    discriminator = layered.Discriminator(FEATURES, deviations=16, **dcgan.IMPROVED)
    networks = layered.Generator(FEATURES, fields="smooth"), discriminator
    return LayeredGAN(*networks, **settings | {"learning_rate_g": 8e-4, "mixing_weight": 0.1})


turn = clock.Turn("design")
machine.pick("cpu")
batch = 16 if turn.design == "layered" else 32
batches = Batches(emoji.load(f"{turn.data}/").images, batch, turn.seed)
gan, state = system(turn.design, turn.seed), State()
rates = Rates(gan, 1, DECAY.get(turn.design, 0.0))  # of one step, the whole time
steps = 0
while turn.goes_on():
    if turn.design in DECAY:
        state.step = turn.used()
        rates(state, gan)
    gan.step(batches[steps])
    steps += 1
turn.trained(steps * batch)

generator = gan.average.eval()
parts = iter(generator.latents(turn.n, turn.seed).split(clock.AT_ONCE))
facts = {"mode": "RGBA", "premultiplied": True}
turn.draw(lambda _: sampler.straight(generator, next(parts), facts).transpose(0, 2, 3, 1))
