"""Samples of kept generators, and how they are judged."""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.data import emoji, faces, pixels
from emoji_lib.data.batches import scale, to_uint8
from emoji_lib.files import write_whole
from emoji_lib.measure import protocol, scores
from emoji_lib.measure.features import Views, views
from emoji_lib.nets.cyclegan import TRANSLATORS
from emoji_lib.runs.record import find_run, read_record
from emoji_lib.runs.run import Run
from emoji_lib.show import plots
from emoji_lib.train.checkpoint import load_weights

WEIGHTS = "generator.safetensors"
TRANSLATES = "07-long"  # the experiment that `translate` uses unless told otherwise


def check_seed(seed: int) -> None:
    """Raises `BadInput` for a seed that a CPU's random numbers would not tell from another."""
    if not 0 <= seed < 2**32:
        raise BadInput(f"--seed {seed} is not between 0 and 2**32 - 1")


def draw(run: Path, n: int, seed: int) -> tuple[np.ndarray, dict]:
    """`n` pictures by a run's generator, uint8 `[N, C, H, W]` with straight colour, and the facts of its weights."""
    if n < 1:
        raise BadInput(f"--n {n} is not positive")
    check_seed(seed)
    if not (run / WEIGHTS).is_file():
        raise BadInput(f"{run} keeps no {WEIGHTS}; run its experiment again to have one")
    generator, facts = load_weights(run / WEIGHTS)
    if not hasattr(generator, "latents"):
        raise BadInput(
            f"{run.name} draws nothing of its own: it translates pictures, by `python -m emoji_lib translate`"
        )
    return straight(generator, generator.latents(n, seed), facts), facts


@torch.no_grad()
def straight(generator: nn.Module, latents: Tensor, facts: dict) -> np.ndarray:
    """What a kept generator draws of latents `[N, …]`, uint8 `[N, C, H, W]` with straight colour."""
    drawn = torch.cat([generator(some) for some in latents.split(64)])
    images = to_uint8(drawn * 2 - 1 if facts.get("range") == "0..1" else drawn)
    if facts["mode"] == "RGBA":
        images = pixels.unpremultiply(images) if facts["premultiplied"] else pixels.clean(images)
    return images


def save(images: np.ndarray, mode: str, out: Path, names: list[str] | None = None) -> list[Path]:
    """Each picture, uint8 `[N, C, H, W]`, as a PNG of its own: `0000.png`, `0001.png`, … unless there are names."""
    names = names or [f"{index:04d}" for index in range(len(images))]
    if len(set(names)) < len(names):
        names = [f"{index:04d}-{name}" for index, name in enumerate(names)]
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{name}.png" for name in names]
    for path, image in zip(paths, images, strict=True):
        picture = Image.fromarray(image[0] if mode == "L" else image.transpose(1, 2, 0))
        write_whole(path, lambda partial, picture=picture: picture.save(partial, "png"))
    return paths


def target(name: str, n: int, seed: int, reference: str = "") -> tuple[Views, protocol.Reference, Path | None]:
    """What is to be judged: a run's samples, or up to `n` PNGs of a folder, and against what.

    Without a `reference` a run is judged by the selection it learned from, a folder by the train part of all emoji.
    """
    if n < 1:
        raise BadInput(f"--n {n} is not positive")
    check_seed(seed)
    folder = Path(name).expanduser()
    if folder.is_dir() and not (folder / "record.json").is_file():
        images = emoji.open_library(folder).images
        if len(images) > n:
            images = images[np.sort(np.random.default_rng(seed).choice(len(images), n, replace=False))]
        images = _without_idle_channels(images)
        return _against(images, reference or "all:train", None)
    run = find_run(name, WEIGHTS)
    images, _ = draw(run, n, seed)
    return _against(images, reference or read_record(run)["parameters"]["selection"], run)


def _against(images: np.ndarray, reference: str, run: Path | None) -> tuple[Views, protocol.Reference, Path | None]:
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[images.shape[1]]
    return views(images, premultiplied=False), protocol.Reference(reference, mode, min(images.shape[-1], 72)), run


def _without_idle_channels(images: np.ndarray) -> np.ndarray:
    """RGBA, less an alpha that is opaque throughout, and less two colours where all are grey."""
    if (images[:, 3] < 255).any():
        return images
    grey = (images[:, 0] == images[:, 1]).all() and (images[:, 1] == images[:, 2]).all()
    return images[:, :1] if grey else images[:, :3]


def psnr(images: Tensor, wanted: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images `[N, C, H, W]` in −1..1 against one `[1, C, H, W]`."""
    return -10 * math.log10((images.cpu() - wanted.cpu()).div(2).square().mean().item())


def evaluate_images(images: np.ndarray, selection: str) -> dict:
    """Scores of pictures with straight colour, uint8 `[N, C, H, W]`, against a selection."""
    seen, reference, _ = _against(images, selection, None)
    return protocol.evaluate(seen, reference)


def nearest_panel(seen: Views, reference: protocol.Reference, n: int = 16) -> Image.Image:
    """Samples, each above the training picture that is nearest to it; first those that are nearest of all."""
    distances, which = scores.nearest(protocol.thumbnails(seen), reference.thumbnails)
    closest = distances.argsort()[:n].numpy()
    training = reference.seen(reference.learned.images).white
    rows = [
        plots.tile(np.concatenate((seen.white[some], training[which[some]])), columns=len(some))
        for some in np.array_split(closest, 2)
        if len(some)
    ]
    return plots.stack(*rows)


def translate(run: Path, paths: list[Path]) -> np.ndarray:
    """The cartoons of image files, straight RGBA uint8 `[N, 4, H, W]`, by a run's translator."""
    network, facts = load_weights(run / WEIGHTS)
    if type(network) not in TRANSLATORS.values():
        raise BadInput(f"{run.name} translates no faces; give a run of notebook 07, such as {TRANSLATES}")
    given = np.concatenate([faces.prepared(path, facts["size"]) for path in paths])
    with torch.no_grad():
        drawn = torch.cat([network(one) for one in scale(torch.from_numpy(given)).split(16)])
    return pixels.unpremultiply(to_uint8(drawn))


def evaluate_run(run: Run, n: int = protocol.SAMPLES) -> dict | None:
    """Scores of `n` samples by the kept weights, as `evaluate` takes them; put into the record. None for `n` 0."""
    if not n:
        return None
    shown, reference, _ = target(str(run.folder), n, protocol.SEED)
    found = protocol.evaluate(shown, reference) | {"seed": protocol.SEED}
    run.note(scores=found)
    return found
