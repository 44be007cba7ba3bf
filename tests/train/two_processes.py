"""One of several processes that train a tiny system: `torchrun two_processes.py OUT LOSS`."""

import sys
from pathlib import Path

import torch

from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches, Unpaired
from emoji_lib.nets import cyclegan, dcgan
from emoji_lib.train import cyclegan as training
from emoji_lib.train import device, distributed, gan, loop

STEPS, GLOBAL_BATCH = 4, 6


class Nowhere:
    """A recorder that keeps only the last metrics and state."""

    def restore(self):
        return None

    def log(self, step, facts):
        self.facts = facts

    def snapshot(self, step, images): ...

    def checkpoint(self, step, state, best):
        self.state = state

    def trained(self, **facts): ...


def train(loss: str, system=gan.GAN) -> tuple[gan.GAN, Nowhere]:
    torch.manual_seed(distributed.processes().rank)  # weights of rank 0 must win
    options = dcgan.IMPROVED | {"norm": "none"}
    generator, discriminator = dcgan.Generator(4, **options), dcgan.Discriminator(4, **options)
    gan, notes = system(generator, discriminator, loss=loss, ema=0.5, seed=3), Nowhere()
    loop.train(gan, Batches(emoji.load("faces").images, GLOBAL_BATCH, seed=0), STEPS, notes, generator.latents(2, 0))
    return gan, notes


def train_cycle() -> tuple[training.CycleGAN, Nowhere]:
    torch.manual_seed(distributed.processes().rank)
    networks = [cyclegan.Generator(2, 1), cyclegan.ShortcutGenerator(2, 1)]
    networks += [cyclegan.Discriminator(2, 1), cyclegan.Discriminator(2, 1, norm="none")]
    system, notes = training.CycleGAN(*networks, steps=STEPS, pool_size=0, r1_weight=0.1), Nowhere()
    faces, cats = (emoji.load(name, size=32).images for name in ("faces", "activities"))
    loop.train(system, Unpaired(faces, cats, GLOBAL_BATCH, seed=0), STEPS, notes, torch.zeros(1, 4, 32, 32))
    return system, notes


if __name__ == "__main__":
    torch.set_num_threads(1)
    device.number_format = lambda _: "fp32"
    system, notes = train_cycle() if sys.argv[2] == "cycle" else train(sys.argv[2])
    state = {"networks": system.state_dict()["networks"], "facts": notes.facts, "rng": notes.state["system"]["rng"]}
    torch.save(state, Path(sys.argv[1]) / f"{distributed.processes().rank}.pt")
