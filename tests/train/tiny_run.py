"""A tiny training process, for tests that kill it: `python tiny_run.py FOLDER STEPS CHECKPOINT_EVERY`.

A folder that has a record already is taken up again.
"""

import os
import sys
from pathlib import Path

import torch

from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches
from emoji_lib.nets import dcgan
from emoji_lib.runs import record
from emoji_lib.runs.run import Run
from emoji_lib.train.augment import ShiftAndFlip
from emoji_lib.train.gan import GAN
from emoji_lib.train.loop import train


def main(folder: Path, steps: int, checkpoint_every: float) -> None:
    torch.set_num_threads(1)
    if (folder / "record.json").exists():
        record.write_record(folder, record.read_record(folder) | {"resumed": [record.code()]})
    else:
        record.create("tiny", "tiny", "", {"steps": steps}, folder.parent).rename(folder)
    os.environ[record.FOLDER_VARIABLE] = str(folder)
    run = Run("tiny", {})
    faces = emoji.load("faces")
    torch.manual_seed(0)
    generator, discriminator = dcgan.Generator(2, **dcgan.IMPROVED), dcgan.Discriminator(2, **dcgan.IMPROVED)
    system = GAN(generator, discriminator, loss="softmax", ema=0.9, augment=ShiftAndFlip(0.8))
    run.begin(faces, system.networks, torch.device("cpu"))
    print("training", flush=True)
    train(
        system, Batches(faces.images, 4, seed=0), steps, run, generator.latents(8, 0), checkpoint_every=checkpoint_every
    )
    print("finished", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
