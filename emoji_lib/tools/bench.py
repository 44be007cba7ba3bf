"""Training speed beside a plain loop: both in one process, in turns, same networks, same batch."""

import itertools
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.benchmark import Timer
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms
from torchvision.datasets import ImageFolder

from emoji_lib import BadInput
from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches
from emoji_lib.nets import dcgan
from emoji_lib.train import device as machine
from emoji_lib.train.gan import GAN
from emoji_lib.train.graphs import stepper
from emoji_lib.train.loop import State

PARTS = ("data", "fakes", "D step", "G step", "logging")
LOG_EVERY = 100  # steps between two waits for the losses, as in a run of 40,000
ROUNDS = 5  # timed turns of each side; the ratio is the median of theirs


def reference_loop(folder: Path, batch: int, features: int, device: torch.device) -> Iterator[None]:
    """The DCGAN tutorial's loop, a step for each `next`: files decoded every epoch, fp32, the optimizers' defaults."""
    to_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5] * 4, [0.5] * 4)])
    files = ImageFolder(str(folder), to_tensor, loader=lambda path: Image.open(path).convert("RGBA"))
    loader = DataLoader(files, batch, shuffle=True, drop_last=True)
    generator, discriminator = dcgan.Generator(features).to(device), dcgan.Discriminator(features).to(device)
    criterion = nn.BCEWithLogitsLoss()
    optimizer_g = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    optimizer_d = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    while True:
        for real, _ in loader:
            discriminator.zero_grad()
            real = real.to(device)
            label = torch.full((batch,), 1.0, device=device)
            error_real = criterion(discriminator(real), label)
            error_real.backward()
            fake = generator(torch.randn(batch, 100, device=device))
            label.fill_(0.0)
            error_fake = criterion(discriminator(fake.detach()), label)
            error_fake.backward()
            optimizer_d.step()
            generator.zero_grad()
            label.fill_(1.0)
            error_g = criterion(discriminator(fake), label)
            error_g.backward()
            optimizer_g.step()
            error_g.item(), error_real.item(), error_fake.item()  # the tutorial prints them
            yield


def our_loop(
    images: np.ndarray, batch: int, features: int, device: torch.device, *, captured: bool = True
) -> Iterator[None]:
    """The same networks and loss by this project's system, a step for each `next`; on a GPU `captured` as a graph."""
    system = GAN(dcgan.Generator(features), dcgan.Discriminator(features), loss="bce", device=device)
    batches, take, state = Batches(images, batch, 0, device), stepper(system) if captured else system.step, State()
    for step in itertools.count():
        with record_function("data"):
            real = batches[step]
        metrics = take(real)
        with record_function("logging"):
            state.add(metrics)
        if state.since == LOG_EVERY:
            state.means()
        yield


def cost_split(images: np.ndarray, batch: int, features: int, device: torch.device) -> dict[str, float]:
    """Fractions of our loop's time by torch's profiler: data, fakes, D step, G step, logging, and the rest.

    On a GPU it is the time of kernels, in a step that is not captured as a graph.
    """
    steps = our_loop(images, batch, features, device, captured=False)
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device.type == "cuda")
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # no warning that there is no GPU
    list(itertools.islice(steps, 3))
    with profile(activities=kinds) as profiled, record_function("loop"):
        list(itertools.islice(steps, 10))
    spent = {}
    for event in profiled.key_averages():
        if event.key in ("loop", *PARTS):
            spent[event.key] = max(spent.get(event.key, 0), event.device_time_total or event.cpu_time_total)
    fractions = {part: round(spent[part] / spent["loop"], 3) for part in PARTS}
    return fractions | {"rest": round(1 - sum(fractions.values()), 3)}


def _seconds(statement: str, times: int, **names) -> float:
    """Mean seconds of a statement about `names`, run so many times; the GPU is synchronised."""
    return Timer(statement, globals=names, num_threads=torch.get_num_threads()).timeit(times).mean


def peak(device: torch.device) -> float:
    """Floating-point operations a second of a matrix product in the number format that training uses here."""
    size, count = (8192, 30) if device.type == "cuda" else (2048, 3)  # a GPU needs more to be busy
    kind = torch.bfloat16 if machine.number_format(device) == "bf16" else torch.float32
    left, right = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    return max(2 * size**3 / _seconds("left @ right", count, left=left, right=right) for _ in range(5))


def operations(features: int) -> int:
    """Floating-point operations of one image in a step of `GAN`, as torch counts its convolutions, backwards too."""
    system = GAN(dcgan.Generator(features), dcgan.Discriminator(features))
    with FlopCounterMode(display=False) as counter:
        system.step(torch.zeros(1, 4, 72, 72))
    return counter.get_total_flops()


def bench(batches: Sequence[int], features: int, device: torch.device, seconds: float = 3.0) -> Iterator[dict]:
    """A row for each batch size, from `ROUNDS` turns of about `seconds` a side: medians, and the median of ratios."""
    images = emoji.load("all").images
    if wrong := [batch for batch in batches if not 1 <= batch <= len(images)]:
        raise BadInput(f"--batch {wrong[0]}: there are {len(images):,} pictures, so give 1 to {len(images)}")
    top, cost = peak(device), operations(features)
    with tempfile.TemporaryDirectory(prefix="emoji-") as place:
        (Path(place) / "all").symlink_to(emoji.find_twemoji().folder.resolve())
        for batch in batches:
            sides = (reference_loop(Path(place), batch, features, device), our_loop(images, batch, features, device))
            for side in sides:
                _seconds("next(side)", 3, side=side)  # warm-up: graphs are captured and kernels are chosen
            steps = [max(1, round(seconds / _seconds("next(side)", 3, side=side))) for side in sides]
            turns = [
                [batch / _seconds("next(side)", count, side=side) for side, count in zip(sides, steps, strict=True)]
                for _ in range(ROUNDS)
            ]
            reference, ours = (statistics.median(speeds) for speeds in zip(*turns, strict=True))
            yield {
                "device": machine.describe(device),
                "batch": batch,
                "features": features,
                "reference_images_per_second": round(reference, 1),
                "images_per_second": round(ours, 1),
                "ratio": round(statistics.median(mine / plain for plain, mine in turns), 2),
                "peak_share": round(ours * cost / top, 3),
                "split": cost_split(images, batch, features, device),
            }
