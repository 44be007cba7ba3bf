"""One of several processes that train a tiny system: `torchrun two_processes.py OUT LOSS`."""

import sys
from pathlib import Path

import torch

from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches
from emoji_lib.nets import dcgan
from emoji_lib.train import device, loop, parallel, systems

STEPS, GLOBAL_BATCH = 4, 6


class Nowhere:
    """A recorder that keeps only the last metrics and state."""

    def restore(self):
        return None

    def log(self, step, facts):
        self.facts = facts

    def show(self, step, images): ...

    def keep(self, step, state, best):
        self.state = state

    def trained(self, **facts): ...


def train(loss: str, system=systems.GAN) -> tuple[systems.GAN, Nowhere]:
    torch.manual_seed(parallel.peers().rank)  # weights of rank 0 must win
    options = dcgan.IMPROVED | {"norm": "none"}
    generator, discriminator = dcgan.Generator(4, **options), dcgan.Discriminator(4, **options)
    gan, notes = system(generator, discriminator, loss=loss, ema=0.5, seed=3), Nowhere()
    loop.train(gan, Batches(emoji.load("faces").images, GLOBAL_BATCH, seed=0), STEPS, notes, generator.latents(2, 0))
    return gan, notes


if __name__ == "__main__":
    torch.set_num_threads(1)
    device.number_format = lambda _: "fp32"
    gan, notes = train(sys.argv[2])
    state = {"networks": gan.state_dict()["networks"], "facts": notes.facts, "rng": notes.state["system"]["rng"]}
    torch.save(state, Path(sys.argv[1]) / f"{parallel.peers().rank}.pt")
