"""The latents of a layered generator: seeds, directions, recolouring, projection of a picture, and sliders for all."""

import itertools
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.data import emoji, pixels
from emoji_lib.data.batches import in_parts, scale
from emoji_lib.files import write_text
from emoji_lib.nets.layered import NATIVE, Generator
from emoji_lib.show import notebook, plots, sampler, vector

COMPONENTS, REACH = 5, 3.0  # directions, and how many standard deviations a slider goes along each
STEPS = 20  # of a walk from one latent to another
CELL = 4  # pixels a side that are averaged before principal components are taken
CANDIDATES, STARTS = 256, 4  # random latents, and the nearest of them that the descent starts from
RATE, PRIOR = 0.2, 0.5  # Adam's first learning rate, and the weight of the distance to the sphere
SOFT = 0.2  # fraction of their sharpness that edges have in the first step of the descent
SHOWN, GROUNDS = 288, (plots.WHITE, plots.DARK)  # pixels a side, and backgrounds, of the picture beside the sliders


def load(run: Path) -> Generator:
    """The layered generator that a run keeps. Raises `BadInput` for a run with another one, or with none."""
    generator, _ = sampler.load(run)
    if not isinstance(generator, Generator):
        raise BadInput(f"{run.name} has a generator without layers; give a run of notebook 08, such as 08-quick")
    return generator.requires_grad_(False)


def latents_of(generator: Generator, *seeds: int) -> Tensor:
    """The latent of each seed, `[N, latent]`, as `sample --n 1` draws it."""
    return torch.cat([generator.latents(1, seed) for seed in seeds])


@torch.no_grad()
def draw(generator: Generator, latents: Tensor, size: int = NATIVE, colours: Tensor | None = None) -> np.ndarray:
    """The pictures of latents `[N, latent]`, uint8 `[N, 4, size, size]` with straight colour.

    With `colours`, latents too, these give the colours and `latents` the shapes; either may be one for all.
    """
    both = torch.stack(torch.broadcast_tensors(latents, latents if colours is None else colours), 1)
    pictures = in_parts(lambda some: generator(some[:, 0], size, some[:, 1]), both, sampler.most_at_once(size))
    return pixels.unpremultiply(pictures)


def sheet(rows: list[np.ndarray], labels: list[str] | None = None) -> Image.Image:
    """Straight RGBA uint8 `[N, 4, H, W]` over white, one row for each."""
    return plots.sheet([pixels.over(row, premultiplied=False) for row in rows], labels, margin=110)


@torch.no_grad()
def directions(generator: Generator, n: int = 1000, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Principal components of `n` pictures as steps of latents `[COMPONENTS, latent]`, one standard deviation each, and
    the part of the pictures' variance that each stands for (GANSpace, Härkönen et al. 2020).

    differs: the components are those of the pictures themselves, averaged over cells, and not of the first layer, which
    knows nothing of the colours. To the right is brighter or more opaque, since a component's sign is arbitrary.
    """
    if n <= COMPONENTS:
        raise BadInput(f"pca_samples {n} are too few for {COMPONENTS} directions; give 100 or more")
    latents = generator.latents(n, seed)
    pictures = torch.cat([F.avg_pool2d(generator(some), CELL).flatten(1) for some in latents.split(64)])
    left, deviations, components = torch.linalg.svd(pictures - pictures.mean(0), full_matrices=False)
    coordinates = left * components.sum(1).sign() * n**0.5  # of each picture, in standard deviations
    steps = torch.linalg.lstsq(coordinates[:, :COMPONENTS], latents).solution
    return steps, (deviations.square() / deviations.square().sum())[:COMPONENTS]


def read(picture: str) -> np.ndarray:
    """An image file, padded to a square, or an emoji by character or name: premultiplied RGBA `[1, 4, 72, 72]`."""
    path = emoji.locate(picture)
    if path.is_file():
        image = pixels.open_image(path)
        if max(image.size) > NATIVE * min(image.size):
            raise BadInput(f"{path} is {image.width}×{image.height} pixels, too narrow to be seen at {NATIVE}; crop it")
        square = ImageOps.pad(image, (NATIVE, NATIVE), Image.Resampling.BICUBIC, color=(0, 0, 0, 0))
        return pixels.premultiply(np.asarray(square).transpose(2, 0, 1)[None])
    if "/" in picture or path.suffix.lower() in (".png", ".jpg", ".jpeg"):
        raise BadInput(f"there is no file {picture}; give the path of a PNG, or an emoji by character or name")
    found = emoji.load(picture)
    if len(found) != 1:
        raise BadInput(f"picture {picture!r} is {len(found)} pictures; give one emoji by character or name, or a PNG")
    return found.images


def project(generator: Generator, wanted: np.ndarray, steps: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The latent `[1, latent]` nearest to a picture, premultiplied uint8 `[1, 4, 72, 72]`, among random ones, and that
    which Adam reaches in `steps` from the nearest of them: the least mean (G(z) − x)² + PRIOR (‖z‖ / √latent − 1)².

    The second term keeps z near the sphere on which normal latents of many numbers lie. Edges are soft at
    first: under sharp ones, a layer that does not win a pixel has hardly a gradient there.
    """
    if steps < 1:
        raise BadInput(f"projection_steps {steps} is not positive; some hundred are enough")
    x = scale(torch.from_numpy(wanted))

    def error(some: Tensor, soft: float = 1.0) -> Tensor:
        masks = generator.masks(soft * generator.fields(some))
        return (generator.compose(masks, generator.colours(some)) - x).square().mean((1, 2, 3))

    random = generator.latents(CANDIDATES, seed)
    nearest = random[torch.cat([error(some) for some in random.split(64)]).argsort()[:STARTS]]
    latents = nearest.clone().requires_grad_()
    optimizer = torch.optim.Adam([latents], RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for step in range(steps):
        optimizer.zero_grad()
        soft = SOFT + (1 - SOFT) * step / steps
        away = latents.norm(dim=1) / latents.shape[1] ** 0.5 - 1
        (error(latents, soft) + PRIOR * away.square()).sum().backward()  # a sum: each start goes its own way
        optimizer.step()
        schedule.step()
    best = error(latents.detach()).argmin()
    return nearest[:1], latents.detach()[best, None]


@dataclass(frozen=True)
class Recipe:
    """The sliders' values: how the latent of shape is made, and which latent gives the colours."""

    own: str = ""  # start from this projected picture instead of `seed`
    seed: int = 0
    towards: int = 0  # the seed at the other end of the walk
    way: float = 0.0  # the position on the walk: 0 is the start, 1 the other end
    truncation: float = 1.0  # scale of the latent; 0 is the mean one
    directions: tuple[float, ...] = ()  # standard deviations along each
    colours: int | None = None  # the seed of the colours; none: those of the shape's latent

    def follow(self, generator: Generator, steps: Tensor, projected: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The latents `[1, latent]` of shape and of colours; `steps` are those of `directions`."""
        first = projected[self.own] if self.own else latents_of(generator, self.seed)
        ends = torch.cat((first, latents_of(generator, self.towards)))
        latent = sampler.walk(ends, STEPS)[round(self.way * STEPS), None] * self.truncation
        latent = latent + torch.tensor(self.directions) @ steps[: len(self.directions)]
        return latent, latent if self.colours is None else latents_of(generator, self.colours)


def save(path: Path, generator: Generator, latents: tuple[Tensor, Tensor], facts: dict, size: int = NATIVE) -> Path:
    """Save the picture of latents of shape and of colours with its `facts`: as outlines where the file's name ends in
    .svg, else as a PNG of `size` pixels a side.
    """
    sampler.check_size(size, path.suffix == ".svg", generator, NATIVE)
    shape, colours = latents
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".svg":
        write_text(path, vector.svgs(generator, shape, facts, colours=colours)[0])
    else:
        sampler.save(draw(generator, shape, size, colours), path.parent, facts, [path.stem])
    return path


def box(run: Path, generator: Generator, steps: Tensor, projected: dict[str, Tensor], out: Path) -> None:
    """Show sliders for the fields of a `Recipe`, the picture it makes, and buttons that save it into `out`.

    `steps` are those of `directions`, and `projected` the latents of projected pictures, by name.
    """
    import ipywidgets

    sliders, along, size = _sliders(len(steps), projected)
    picture, said = ipywidgets.Image(), ipywidgets.Label()
    buttons = [ipywidgets.Button(description=f"save {kind}") for kind in ("PNG", "SVG")]

    def value_of(slider):
        return round(slider.value, 2) if isinstance(slider.value, float) else slider.value  # 2.0, not 2.000000000000001

    def recipe() -> Recipe:
        values = {name: value_of(slider) for name, slider in sliders.items()}
        if not values.pop("recolour"):
            values["colours"] = None
        return Recipe(**values, directions=tuple(map(value_of, along)))

    def redraw(_) -> None:
        shape, colours = recipe().follow(generator, steps, projected)
        drawn = draw(generator, shape, SHOWN, colours)
        grounds = [plots.tile(pixels.over(drawn, ground, premultiplied=False), 1, ground) for ground in GROUNDS]
        picture.value = pixels.png(plots.grid(grounds, 2))

    def keep(button) -> None:
        kind, facts = button.description.split()[1].lower(), sampler.origin(run) | asdict(recipe())
        free = (out / f"favourite-{number}.{kind}" for number in itertools.count(1))
        path = next(path for path in free if not path.exists())
        said.value = f"{save(path, generator, recipe().follow(generator, steps, projected), facts, size.value)}"

    for slider in (*sliders.values(), *along):
        slider.observe(redraw, "value")
    for button in buttons:
        button.on_click(keep)
    redraw(None)
    sides = [[*sliders.values(), *along], [picture, size, ipywidgets.HBox(buttons), said]]
    notebook.display(ipywidgets.HBox([*map(ipywidgets.VBox, sides)], layout={"flex_flow": "row wrap"}))


def _sliders(count: int, projected: dict[str, Tensor]) -> tuple[dict, list, object]:
    """Sliders by field of `Recipe`, one for each of `count` directions, and one for the size of saved PNGs."""
    from ipywidgets import Checkbox, Dropdown, FloatSlider, IntSlider

    sliders = {
        "own": Dropdown(options=[("the seed", ""), *zip(projected, projected, strict=True)], description="begin with"),
        "seed": IntSlider(0, max=199, description="seed"),
        "truncation": FloatSlider(1, min=0, max=1.5, step=0.05, description="truncation"),
        "towards": IntSlider(1, max=199, description="towards seed"),
        "way": FloatSlider(0, min=0, max=1, step=1 / STEPS, description="way"),
        "recolour": Checkbox(description="other colours"),
        "colours": IntSlider(1, max=199, description="colours of seed"),
    }
    reach = {"min": -REACH, "max": REACH, "step": 0.1}
    along = [FloatSlider(0, **reach, description=f"direction {number}") for number in range(1, count + 1)]
    size = IntSlider(512, min=NATIVE, max=1024, step=8, description="PNG pixels")
    for widget in (*sliders.values(), *along, size):
        widget.style.description_width, widget.layout.width = "120px", "380px"
    return sliders, along, size
