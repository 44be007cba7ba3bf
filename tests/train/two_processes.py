"""One of several processes that train tiny systems, one after another: `torchrun two_processes.py OUT`."""

import sys
from pathlib import Path

import torch

from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches, Unpaired
from emoji_lib.nets import cyclegan, dcgan
from emoji_lib.train import cyclegan as training
from emoji_lib.train import device, distributed, gan, loop

STEPS, GLOBAL_BATCH = 4, 6
KINDS = ("bce", "softmax", "cycle", "batch norm")


class Nowhere:
    """A recorder that keeps only the last metrics and state."""

    def restore(self):
        return None

    def log(self, step, facts):
        self.facts = facts

    def snapshot(self, step, images): ...

    def frame(self, step, images): ...

    def checkpoint(self, step, state):
        self.state = state

    def note(self, **facts): ...


def train(kind: str, system=gan.GAN) -> tuple[gan.GAN, Nowhere]:
    torch.manual_seed(distributed.processes().rank)  # weights of rank 0 must win
    if kind == "cycle":
        return train_cycle()
    settings = {"loss": "softmax" if kind == "softmax" else "bce", "ema": 0.5, "seed": 3}
    options = dcgan.IMPROVED | {"norm": "none"}
    if kind == "batch norm":  # weights that stay, so that running statistics are all that changes
        options, settings = {}, settings | {"learning_rate_g": 0.0, "learning_rate_d": 0.0}
    generator, discriminator = dcgan.Generator(4, **options), dcgan.Discriminator(4, **options)
    gan, notes = system(generator, discriminator, **settings), Nowhere()
    loop.train(gan, Batches(emoji.load("faces").images, GLOBAL_BATCH, seed=0), STEPS, notes, generator.latents(2, 0))
    return gan, notes


def train_cycle() -> tuple[training.CycleGAN, Nowhere]:
    networks = [cyclegan.Generator(2, 1), cyclegan.ShortcutGenerator(2, 1)]
    networks += [cyclegan.Discriminator(2, 1), cyclegan.Discriminator(2, 1, norm="none")]
    system, notes = training.CycleGAN(*networks, steps=STEPS, pool_size=0, r1_weight=0.1), Nowhere()
    faces, cats = (emoji.load(name, size=32).images for name in ("faces", "activities"))
    loop.train(system, Unpaired(faces, cats, GLOBAL_BATCH, seed=0), STEPS, notes, torch.zeros(1, 4, 32, 32))
    return system, notes


if __name__ == "__main__":
    torch.set_num_threads(1)
    device.number_format = lambda _: "fp32"
    found = {}
    for kind in KINDS:
        system, notes = train(kind)
        found[kind] = {"facts": notes.facts, "rng": notes.state["system"]["rng"]}
        found[kind]["networks"] = system.state_dict()["networks"]
    torch.save(found, Path(sys.argv[1]) / f"{distributed.processes().rank}.pt")
