"""Pictures from kept weights: drawn, saved as PNGs and GIFs, and evaluated."""

import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.data import emoji, faces, pixels
from emoji_lib.data.batches import in_parts
from emoji_lib.files import home, write_text, write_whole
from emoji_lib.measure import protocol, scores, translation
from emoji_lib.measure.features import Views, views
from emoji_lib.nets import layered, name_of
from emoji_lib.nets.cyclegan import TRANSLATORS
from emoji_lib.runs.experiments import LIMITS
from emoji_lib.runs.record import differences, find_run, read_record
from emoji_lib.runs.run import Run
from emoji_lib.show import plots, vector
from emoji_lib.train.checkpoint import load_weights

WEIGHTS = "generator.safetensors"
SIDES = (16, 2048)  # pixels a side that layers can be drawn at
BETWEEN, WALKED = 12, 100  # pictures of a walk from one latent to the next, and latents of a walk at most
FRAME = 80  # milliseconds a picture of a GIF
TRANSLATES = "07-long"  # the experiment that the command `translate` uses where no run is named


def check(n: int, seed: int) -> None:
    """Raises `BadInput` for a number of pictures or a seed that cannot be used."""
    if not 1 <= n <= LIMITS["eval_samples"]:
        raise BadInput(f"--n {n} is not between 1 and {LIMITS['eval_samples']:,}")
    if not 0 <= seed <= LIMITS["seed"]:
        raise BadInput(f"--seed {seed} is not between 0 and {LIMITS['seed']:,}")


def load(run: Path) -> tuple[nn.Module, dict]:
    """The network that a run keeps and the facts of its images. Raises `BadInput` where it keeps none."""
    if not (run / WEIGHTS).is_file():
        raise BadInput(f"{run} keeps no {WEIGHTS}; run its experiment again to have one")
    return load_weights(run / WEIGHTS)


def start(name: str, generator: nn.Module, discriminator: nn.Module) -> str:
    """Load the weights that a run keeps into networks, and say which; few runs keep a discriminator.

    Raises `BadInput` where a kept network has another class or other options.
    """
    folder, networks = find_run(name, WEIGHTS), {"generator": generator}
    if (folder / "discriminator.safetensors").is_file():
        networks["discriminator"] = discriminator
    for which, network in networks.items():
        kept, _ = load_weights(folder / f"{which}.safetensors")
        classes = ({"class": name_of(one)} for one in (kept, network))
        if apart := differences(*classes) or differences(kept.options, network.options):
            raise BadInput(f"start {name}: the {which} of {folder.name} is another one: {apart}")
        network.load_state_dict(kept.state_dict())
    return f"{' and '.join(networks)} of {folder.name}"


def _generator(run: Path) -> tuple[nn.Module, dict]:
    generator, facts = load(run)
    if not hasattr(generator, "latents"):
        raise BadInput(f"{run.name} has no latents: it translates pictures, by `python -m emoji_lib translate`")
    return generator, facts


def draw(run: Path, n: int, seed: int) -> np.ndarray:
    """`n` pictures by a run's generator, uint8 `[N, C, H, W]` with straight colour."""
    check(n, seed)
    generator, facts = _generator(run)
    return straight(generator, generator.latents(n, seed), facts)


def sample(
    run: Path, n: int, seed: int, out: Path, size: int | None = None, *, svg: bool = False, gif: bool = False
) -> str:
    """Save `n` samples as PNGs in a folder, and say what was saved.

    `size` is in pixels a side, and `svg` adds a file of outlines for each; both need a layered generator. `gif` adds
    `walk.gif`, which goes from each picture to the next.
    """
    check(n, seed)
    generator, facts = _generator(run)
    latents, source = generator.latents(n, seed), origin(run, seed)
    own = straight(generator, latents[:1], facts).shape[-1]
    check_size(size, svg, generator, own)
    if gif and not 2 <= n <= WALKED:
        raise BadInput(f"--gif goes from picture to picture: --n {n} is not between 2 and {WALKED}")
    names = [f"{index:04d}" for index in range(n)]
    (out / "walk.gif").unlink(missing_ok=True)  # of other samples
    write(generator, facts, latents, out, source, names, size, svg=svg)
    made = [f"{n} {facts['mode']} PNGs of {size or own}×{size or own}"]
    made += ["as many SVGs"] if svg else []
    if gif:
        frames = (straight(generator, one[None], facts, size) for one in walk(latents))
        save_gif(out / "walk.gif", frames, source)
        made += ["walk.gif"]
    return f"{', '.join(made)} in {out}/"


def write(
    generator: nn.Module,
    facts: dict,
    latents: Tensor,
    out: Path,
    source: dict,
    names: list[str],
    size: int | None = None,
    *,
    svg: bool = False,
) -> list[Path]:
    """Save the pictures of latents as PNGs of these names, with `svg` as outlines too; returns the PNGs' paths."""
    paths = []
    for part in latents.split(most_at_once(size)):
        first = len(paths)
        called = names[first : first + len(part)]
        paths += save(straight(generator, part, facts, size), out, source, called, first)
        for name in called:
            (out / f"{name}.svg").unlink(missing_ok=True)  # of other samples
        for name, text in zip(called, vector.svgs(generator, part, source, first) if svg else (), strict=False):
            write_text(out / f"{name}.svg", text)
    return paths


def most_at_once(size: int | None) -> int:
    """How many pictures of a size are drawn at a time, since masks take much memory."""
    return max(1, 64 * layered.NATIVE**2 // max(layered.NATIVE, size or 0) ** 2)


def check_size(size: int | None, svg: bool, generator: nn.Module, own: int) -> None:
    """Raises `BadInput` for a size or for outlines that a generator cannot be drawn with; `own` is its own size."""
    low, high = SIDES
    if size is not None and not low <= size <= high:
        raise BadInput(f"--size {size} is not between {low} and {high:,} pixels")
    if (size not in (None, own) or svg) and not isinstance(generator, layered.Generator):
        wanted = "--svg" if svg else f"--size {size}"
        raise BadInput(
            f"{wanted} needs a generator that draws in layers, such as 08-quick; this one draws {own}×{own} pixels"
        )


@torch.no_grad()
def straight(generator: nn.Module, latents: Tensor, facts: dict, size: int | None = None) -> np.ndarray:
    """The pictures of latents `[N, …]`, uint8 `[N, C, H, W]` with straight colour; layered ones at any `size`."""
    unit, given = facts.get("range") == "0..1", (size,) if isinstance(generator, layered.Generator) and size else ()
    signed = lambda images: images * 2 - 1 if unit else images  # noqa: E731
    images = in_parts(lambda some: signed(generator(some, *given)), latents, most_at_once(size))
    if facts["mode"] == "RGBA":
        images = pixels.unpremultiply(images) if facts.get("premultiplied", True) else pixels.clean(images)
    return images


@torch.no_grad()
def translate(run: Path, paths: list[Path]) -> np.ndarray:
    """The cartoons of image files, straight RGBA uint8 `[N, 4, H, W]`, by a run's translator."""
    network, facts = load(run)
    if type(network) not in TRANSLATORS.values():
        raise BadInput(f"{run.name} translates no faces; give a run of notebook 07, such as {TRANSLATES}")
    given = np.concatenate([faces.prepared(path, facts.get("size", emoji.NATIVE)) for path in paths])
    return pixels.unpremultiply(translation.through(network, given))


def origin(run: Path, seed: int | None = None) -> dict[str, str | int]:
    """Where a run's pictures come from: run, commit, and the seed of the samples, or else that of the run."""
    record = read_record(run)
    return {"run": run.resolve().name, "commit": record["commit"], "seed": record["seed"] if seed is None else seed}


def save(images: np.ndarray, out: Path, facts: dict, names: list[str] | None = None, first: int = 0) -> list[Path]:
    """Save each picture, uint8 `[N, C, H, W]`, as a PNG: `0000.png`, `0001.png`, … unless there are names.

    `first` is the index of the first.
    """
    names = names or [f"{index:04d}" for index in range(len(images))]
    if len(set(names)) < len(names):
        names = [f"{index:04d}-{name}" for index, name in enumerate(names)]
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{name}.png" for name in names]
    for index, (path, image) in enumerate(zip(paths, images, strict=True), first):
        save_png(path, Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)), facts, index)
    return paths


def save_png(path: Path, picture: Image.Image, facts: dict, index: int | str) -> None:
    """A PNG whose text chunks say where it comes from: the facts of `origin`, and which of these pictures it is."""
    info = PngInfo()
    for key, value in {**facts, "index": index}.items():
        info.add_text(key, str(value))
    content = io.BytesIO()
    picture.save(content, "png", pnginfo=info)
    write_whole(path, content.getbuffer())


def walk(latents: Tensor, between: int = BETWEEN) -> Tensor:
    """Latents `[N · between, …]` on the way from each to the next and from the last to the first.

    Normal latents go along the sphere that they lie near (White 2016), uniform ones straight.
    """
    way = torch.arange(between)[None, :, None] / between
    if latents.abs().max() <= 1:
        return torch.lerp(latents[:, None], latents.roll(-1, 0)[:, None], way).flatten(0, 1)
    lengths, unit = latents.norm(dim=1)[:, None, None], F.normalize(latents)
    angle = (unit * unit.roll(-1, 0)).sum(1).clamp(-0.9999, 0.9999).acos()[:, None, None]
    ends = ((1 - way) * angle).sin() * unit[:, None] + (way * angle).sin() * unit.roll(-1, 0)[:, None]
    return (torch.lerp(lengths, lengths.roll(-1, 0), way) * ends / angle.sin()).flatten(0, 1)


def save_gif(path: Path, pictures: Iterable[np.ndarray], facts: dict) -> None:
    """Save pictures with straight colour, each uint8 `[1, C, H, W]`, as a GIF over white that loops."""
    comment = ", ".join(f"{key} {value}" for key, value in facts.items())
    colour = (pixels.in_colour(one, premultiplied=False)[0] for one in pictures)
    frames = (Image.fromarray(one.transpose(1, 2, 0)) for one in colour)
    write_whole(path, pixels.gif(frames, FRAME, comment))


def target(name: str, n: int, seed: int, reference: str = "") -> tuple[Views, protocol.Reference, Path | None]:
    """What is evaluated: a run's samples, or up to `n` PNGs of a folder; what it is compared with; and the run.

    Without a `reference` that is the selection a run learned from, and for a folder the train part of all emoji.
    """
    check(n, seed)
    folder = home(name)
    if folder.is_dir() and not (folder / "record.json").is_file():
        images = emoji.open_library(folder).images
        if len(images) > n:
            images = images[np.sort(np.random.default_rng(seed).choice(len(images), n, replace=False))]
        return *_against(_without_idle_channels(images), reference or "all:train"), None
    run = find_run(name, WEIGHTS)
    return *_against(draw(run, n, seed), reference or read_record(run)["parameters"]["selection"]), run


def _against(images: np.ndarray, selection: str) -> tuple[Views, protocol.Reference]:
    mode = pixels.mode_of(images.shape[1])
    real = protocol.Reference(selection, mode, min(images.shape[-1], emoji.NATIVE))
    return views(images, premultiplied=False), _shared(real, real.learned.sha256)


@cache
def _shared(real: protocol.Reference, sha256: str) -> protocol.Reference:
    """One object for references with equal pictures, so that features are computed once."""
    return real


def _without_idle_channels(images: np.ndarray) -> np.ndarray:
    """Straight RGBA as it is where anything is transparent, else as RGB, or as L where all is grey."""
    if (images[:, 3] < 255).any():
        return images
    return images[:, :1] if (images[:, :1] == images[:, 1:3]).all() else images[:, :3]


def evaluate_run(run: Run, n: int) -> dict | None:
    """Scores of `n` samples by the kept weights, also put into the record; none where `n` is 0."""
    if not n:
        return None
    shown, reference, _ = target(str(run.folder), n, protocol.SEED)
    found = protocol.evaluate(shown, reference) | {"seed": protocol.SEED}
    run.note(scores=found)
    return found


def evaluate_images(images: np.ndarray, selection: str) -> dict:
    """Scores of pictures with straight colour, uint8 `[N, C, H, W]`, against a selection."""
    return protocol.evaluate(*_against(images, selection))


def nearest_panel(shown: Views, reference: protocol.Reference, n: int = 16) -> Image.Image:
    """The `n` samples nearest to a training picture, nearest first, each above that picture."""
    distances, which = scores.nearest(protocol.thumbnails(shown), reference.thumbnails)
    closest = distances.argsort()[:n].numpy()
    training = reference.views_of(reference.learned.images).white
    halves = [some for some in np.array_split(closest, 2) if len(some)]
    return plots.grid(
        [plots.tile(np.concatenate((shown.white[some], training[which[some]])), len(some)) for some in halves]
    )
