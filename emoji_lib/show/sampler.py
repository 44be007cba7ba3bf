"""The one sampler: kept weights to pictures, pictures to PNGs, and pictures to their scores."""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.data import emoji, faces, pixels
from emoji_lib.data.batches import in_parts
from emoji_lib.files import write_whole
from emoji_lib.measure import protocol, scores, translation
from emoji_lib.measure.features import Views, views
from emoji_lib.nets.cyclegan import TRANSLATORS
from emoji_lib.runs.record import find_run, read_record
from emoji_lib.runs.run import Run
from emoji_lib.show import plots
from emoji_lib.train.checkpoint import load_weights

WEIGHTS = "generator.safetensors"
TRANSLATES = "07-long"  # the experiment that the command `translate` uses where no run is named
MOST = 100_000  # pictures in one go


def check(n: int, seed: int) -> None:
    """Raises `BadInput` for a number of pictures or a seed that cannot be used."""
    if not 1 <= n <= MOST:
        raise BadInput(f"--n {n} is not between 1 and {MOST:,}")
    if not 0 <= seed < 2**32:  # a CPU's random numbers take no other seed, or the same as for a smaller one
        raise BadInput(f"--seed {seed} is not between 0 and 2**32 - 1")


def load(run: Path) -> tuple[nn.Module, dict]:
    """The network that a run keeps and the facts of its images. Raises `BadInput` where it keeps none."""
    if not (run / WEIGHTS).is_file():
        raise BadInput(f"{run} keeps no {WEIGHTS}; run its experiment again to have one")
    return load_weights(run / WEIGHTS)


def draw(run: Path, n: int, seed: int) -> tuple[np.ndarray, dict]:
    """`n` pictures by a run's generator, uint8 `[N, C, H, W]` with straight colour, and the facts of its weights."""
    check(n, seed)
    generator, facts = load(run)
    if not hasattr(generator, "latents"):
        raise BadInput(f"{run.name} has no latents: it translates pictures, by `python -m emoji_lib translate`")
    return straight(generator, generator.latents(n, seed), facts), facts


@torch.no_grad()
def straight(generator: nn.Module, latents: Tensor, facts: dict) -> np.ndarray:
    """The pictures of latents `[N, …]`, uint8 `[N, C, H, W]` with straight colour."""
    unit = facts.get("range") == "0..1"
    images = in_parts(lambda some: generator(some) * 2 - 1 if unit else generator(some), latents)
    if facts["mode"] == "RGBA":
        images = pixels.unpremultiply(images) if facts["premultiplied"] else pixels.clean(images)
    return images


@torch.no_grad()
def translate(run: Path, paths: list[Path]) -> np.ndarray:
    """The cartoons of image files, straight RGBA uint8 `[N, 4, H, W]`, by a run's translator."""
    network, facts = load(run)
    if type(network) not in TRANSLATORS.values():
        raise BadInput(f"{run.name} translates no faces; give a run of notebook 07, such as {TRANSLATES}")
    given = np.concatenate([faces.prepared(path, facts["size"]) for path in paths])
    return pixels.unpremultiply(translation.through(network, given))


def origin(run: Path, seed: int | None = None) -> dict[str, str | int]:
    """Where a run's pictures come from: run, commit, and the seed of the samples, or else that of the run."""
    record = read_record(run)
    return {"run": run.resolve().name, "commit": record["commit"], "seed": record["seed"] if seed is None else seed}


def save(images: np.ndarray, out: Path, facts: dict, names: list[str] | None = None) -> list[Path]:
    """Each picture, uint8 `[N, C, H, W]`, as a PNG of its own: `0000.png`, `0001.png`, … unless there are names."""
    names = names or [f"{index:04d}" for index in range(len(images))]
    if len(set(names)) < len(names):
        names = [f"{index:04d}-{name}" for index, name in enumerate(names)]
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{name}.png" for name in names]
    for index, (path, image) in enumerate(zip(paths, images, strict=True)):
        save_png(path, Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)), facts, index)
    return paths


def save_png(path: Path, picture: Image.Image, facts: dict, index: int | str) -> None:
    """A PNG whose text chunks say where it comes from: the facts of `origin`, and which of these pictures it is."""
    info = PngInfo()
    for key, value in {**facts, "index": index}.items():
        info.add_text(key, str(value))
    write_whole(path, lambda partial: picture.save(partial, "png", pnginfo=info))


def target(name: str, n: int, seed: int, reference: str = "") -> tuple[Views, protocol.Reference, Path | None]:
    """What is evaluated: a run's samples, or up to `n` PNGs of a folder; what it is compared with; and the run.

    Without a `reference` that is the selection a run learned from, and for a folder the train part of all emoji.
    """
    check(n, seed)
    folder = Path(name).expanduser()
    if folder.is_dir() and not (folder / "record.json").is_file():
        images = emoji.open_library(folder).images
        if len(images) > n:
            images = images[np.sort(np.random.default_rng(seed).choice(len(images), n, replace=False))]
        return *_against(_without_idle_channels(images), reference or "all:train"), None
    run = find_run(name, WEIGHTS)
    return *_against(draw(run, n, seed)[0], reference or read_record(run)["parameters"]["selection"]), run


def _against(images: np.ndarray, selection: str) -> tuple[Views, protocol.Reference]:
    mode = pixels.mode_of(images.shape[1])
    return views(images, premultiplied=False), protocol.Reference(selection, mode, min(images.shape[-1], 72))


def _without_idle_channels(images: np.ndarray) -> np.ndarray:
    """RGBA, less an alpha that is opaque throughout, and less two colours where all are grey."""
    if (images[:, 3] < 255).any():
        return images
    return images[:, :1] if (images[:, :1] == images[:, 1:3]).all() else images[:, :3]


def evaluate_run(run: Run, n: int = protocol.SAMPLES) -> dict | None:
    """Scores of `n` samples by the kept weights, as `evaluate` takes them; put into the record. None for `n` 0."""
    if not n:
        return None
    shown, reference, _ = target(str(run.folder), n, protocol.SEED)
    found = protocol.evaluate(shown, reference) | {"seed": protocol.SEED}
    run.note(scores=found)
    return found


def evaluate_images(images: np.ndarray, selection: str) -> dict:
    """Scores of pictures with straight colour, uint8 `[N, C, H, W]`, against a selection."""
    return protocol.evaluate(*_against(images, selection))


def psnr(images: Tensor, wanted: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images `[N, C, H, W]` in −1..1 against one `[1, C, H, W]`."""
    return -10 * math.log10((images.cpu() - wanted.cpu()).div(2).square().mean().item())


def nearest_panel(shown: Views, reference: protocol.Reference, n: int = 16) -> Image.Image:
    """The `n` samples nearest to a training picture, nearest first, each above that picture."""
    distances, which = scores.nearest(protocol.thumbnails(shown), reference.thumbnails)
    closest = distances.argsort()[:n].numpy()
    training = reference.seen(reference.learned.images).white
    halves = [some for some in np.array_split(closest, 2) if len(some)]
    return plots.stack(
        *(plots.tile(np.concatenate((shown.white[some], training[which[some]])), len(some)) for some in halves)
    )
