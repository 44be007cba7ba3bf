"""Trains the encoders that `features.py` holds frozen; run once, by `python -m emoji_lib encoders`."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_lib.data import emoji
from emoji_lib.measure.features import CLASSIFIER, FOLDER, encode, views
from emoji_lib.nets.emotigan import Classifier
from emoji_lib.nets.encoder import Encoder
from emoji_lib.train import device as machine
from emoji_lib.weights import save_tensors

STEPS, BATCH, LEARNING_RATE = 1500, 128, 2e-3
TEMPERATURE = 0.2  # of the contrast


def train(folder: Path = FOLDER, steps: int = STEPS) -> dict[str, Path]:
    """Train all three encoders and the classifier on the train split, in about half an hour; returns their files.

    In one thread, so that the bytes do not depend on how many cores there are.
    """
    torch.set_num_threads(1)
    learned = emoji.load("all:train")
    folder.mkdir(parents=True, exist_ok=True)
    counts = {kind: len(learned.labels(kind)[0]) for kind in ("group", "subgroup")}
    linear = lambda n: {kind: nn.Linear(n, count) for kind, count in counts.items()}  # noqa: E731
    objectives = {
        "contrast": lambda network: Contrast(network.options["features"]),
        "groups": lambda network: Kinds(learned, linear(network.options["features"])),
        "random": None,
        CLASSIFIER: lambda _: Kinds(learned, {"subgroup": nn.Identity()}),
    }
    files = {}
    for name, objective in objectives.items():
        torch.manual_seed(0)
        network = Classifier(counts["subgroup"]) if name == CLASSIFIER else Encoder()
        if objective:
            _fit(name, network, learned, objective(network), steps)
        if name != CLASSIFIER:
            _standardise(network, learned)
        files[name] = folder / f"{name}.safetensors"
        save_tensors(files[name], network.state_dict())
    return files


def _fit(name: str, network: nn.Module, learned: emoji.EmojiSet, objective: nn.Module, steps: int) -> None:
    colours = torch.from_numpy(np.ascontiguousarray(learned.images))
    optimizer = torch.optim.AdamW([*network.parameters(), *objective.parameters()], LEARNING_RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, max(2, steps))
    rng, said = torch.Generator().manual_seed(0), time.monotonic()
    network.to(memory_format=torch.channels_last)
    for step in range(1, steps + 1):
        chosen = torch.randint(len(colours), (BATCH,), generator=rng)
        with machine.autocast(colours.device):
            loss = objective(lambda chosen=chosen: network(distort(colours[chosen], rng)).float(), chosen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step == steps or time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"{name}: step {step:,}/{steps:,}  loss {loss.item():.3f}", flush=True)


def distort(images: Tensor, rng: torch.Generator) -> Tensor:
    """Premultiplied RGBA uint8 `[N, 4, H, W]` → RGB −1..1, moved, zoomed, mirrored, recoloured, over any grey.

    Features should not depend on position, size, side, a little brightness and hue, and the background. One in eight
    shows its alpha alone, since that is measured too.
    """
    n = len(images)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=rng)

    affine = torch.zeros(n, 2, 3)
    zoom = 0.85 + 0.4 * uniform(n)
    affine[:, 0, 0] = zoom * torch.where(uniform(n) < 0.5, 1.0, -1.0)
    affine[:, 1, 1] = zoom
    affine[:, :, 2] = 0.3 * (uniform(n, 2) - 0.5)
    grid = F.affine_grid(affine, [n, 4, 72, 72], align_corners=False)
    moved = F.grid_sample(images.float() / 255, grid, align_corners=False)
    colour, alpha = moved[:, :3], moved[:, 3:]
    colour = colour * (0.75 + 0.5 * uniform(n, 3, 1, 1)).clamp(max=1.2)
    ground = (uniform(n, 1, 1, 1) * 3 - 1).clamp(0, 1)  # a third each of black, white and the greys between
    shown = torch.where(uniform(n, 1, 1, 1) < 1 / 8, alpha, colour + (1 - alpha) * ground)
    return (shown.clamp(0, 1) * 2 - 1).contiguous(memory_format=torch.channels_last)


class Contrast(nn.Module):
    """SimCLR (Chen et al. 2020, eq. 1): each view is matched with its picture's other view in the batch."""

    def __init__(self, features: int):
        super().__init__()
        self.head = nn.Sequential(nn.Linear(features, 128), nn.GELU(), nn.Linear(128, 64))

    def forward(self, view: Callable[[], Tensor], chosen: Tensor) -> Tensor:
        seen = F.normalize(torch.cat([self.head(view()), self.head(view())]).float(), dim=1)
        same = chosen.repeat(2)[:, None] == chosen.repeat(2)  # a picture may be in a batch twice
        logits = (seen @ seen.T / TEMPERATURE).masked_fill(torch.eye(len(seen), dtype=torch.bool), -1e9)
        partner = torch.arange(len(seen)).roll(len(chosen))
        others = same.clone()
        others[torch.arange(len(seen)), partner] = False
        return F.cross_entropy(logits.masked_fill(others, -1e9), partner)


class Kinds(nn.Module):
    """Cross entropy of kinds of emoji, from what the network puts out, by a head for each kind."""

    def __init__(self, learned: emoji.EmojiSet, heads: dict[str, nn.Module]):
        super().__init__()
        self.heads = nn.ModuleDict(heads)
        self.kinds = {kind: torch.from_numpy(learned.labels(kind)[1]) for kind in heads}

    def forward(self, view: Callable[[], Tensor], chosen: Tensor) -> Tensor:
        seen = view()
        return sum(F.cross_entropy(head(seen).float(), self.kinds[kind][chosen]) for kind, head in self.heads.items())


def _standardise(network: Encoder, learned: emoji.EmojiSet) -> None:
    """Mean 0 and variance 1 of each feature over the training pictures on white and on black."""
    network.eval().float().to(memory_format=torch.contiguous_format)
    seen = views(learned.images, premultiplied=True)
    both = torch.cat([encode(network, seen.white), encode(network, seen.black)])
    network.mean.copy_(both.mean(0))
    network.scale.copy_(both.std(0).clamp(min=1e-3))
