"""Figures: loss curves, contact sheets, samples through time."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from PIL import Image, ImageDraw, ImageFont

from emoji_lib.data import pixels
from emoji_lib.data.faces import Colours

WHITE, DARK = (255, 255, 255), (40, 44, 52)
BLUE, ORANGE = "#2f6fb3", "#d9711c"
COLUMNS = 8


def loss_curves(rows: list[dict]) -> Image.Image:
    """Both losses against the step."""
    return curves(rows, "loss", {"loss_d": "discriminator", "loss_g": "generator"})


def logit_curves(rows: list[dict], label: str = "mean logit") -> Image.Image:
    """What the discriminator says of real and of fake images, on average, against the step."""
    return curves(rows, label, {"real": "real", "fake": "fake"})


def collapse_curves(trace: list[dict]) -> Image.Image:
    """Coverage of the real pictures and diversity of the samples against the step, each of its own scale."""
    figure = Figure(figsize=(5.2, 3.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    steps = [look["step"] for look in trace]
    _axis(axes, steps, [look["coverage"] for look in trace], "coverage", BLUE)
    _axis(axes.twinx(), steps, [look["diversity"] for look in trace], "diversity (Vendi)", ORANGE)
    axes.set(xlabel="step")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return _picture(figure)


def scatter(points: dict[str, tuple[float, float]], x: str = "contrast", y: str = "groups") -> Image.Image:
    """Named points by their kernel distance in two encoders, on scales that show both small and large ones."""
    figure = Figure(figsize=(5.2, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.axline((0, 0), slope=1, color="#e6e8eb", linewidth=0.8)
    for name, point in points.items():
        axes.plot(*point, "o", color=BLUE, markersize=5)
        axes.annotate(name, point, xytext=(6, 4), textcoords="offset points", fontsize=9)
    for scale, label in ((axes.set_xscale, axes.set_xlabel), (axes.set_yscale, axes.set_ylabel)):
        scale("symlog", linthresh=0.1)
        label(f"KID, encoder {x if label == axes.set_xlabel else y}")
    axes.margins(0.2)
    axes.spines[["top", "right"]].set_visible(False)
    return _picture(figure)


def parallel(axes: dict[str, list[float]], good: list[float]) -> Image.Image:
    """Parallel coordinates: a line for each run through its value on every axis, the darker the better it is."""
    figure = Figure(figsize=(7.2, 3.4), dpi=110, layout="constrained")
    plot = figure.add_subplot()
    heights = [_heights(values) for values in axes.values()]
    for run, share in enumerate(good):
        colour = (0.85 - 0.66 * share, 0.88 - 0.44 * share, 0.92 - 0.22 * share)
        plot.plot(
            range(len(axes)), [column[run] for column in heights], color=colour, linewidth=1 + 2 * share, zorder=share
        )
    for at, (values, column) in enumerate(zip(axes.values(), heights, strict=True)):
        plot.axvline(at, color="#999999", linewidth=0.8)
        shown = dict(zip(values, column, strict=True))
        for value in shown if len(shown) <= 4 else (min(shown), max(shown)):
            label = f"{value:.3g}" if isinstance(value, int | float) else str(value)
            plot.text(at + 0.03, shown[value], label, fontsize=8, va="bottom")
    plot.set_xticks(range(len(axes)), [name.replace("_", "\n", 1).replace(", ", "\n") for name in axes], fontsize=8)
    plot.set_yticks([])
    plot.spines[["top", "right", "left", "bottom"]].set_visible(False)
    plot.set_xlim(-0.1, len(axes) - 0.7)
    return _picture(figure)


def _heights(values: list[float]) -> list[float]:
    """0 to 1, evenly where there are few different values, else in proportion."""
    levels = sorted(set(values), key=lambda value: (str(type(value)), value))
    if len(levels) <= 4 or not all(isinstance(value, int | float) for value in levels):
        return [levels.index(value) / max(1, len(levels) - 1) for value in values]
    return [(value - levels[0]) / (levels[-1] - levels[0]) for value in values]


def thumbnails(pictures: list[tuple[str, Path]], width: int = 280, columns: int = 3) -> Image.Image:
    """Picture files side by side, each with a caption."""
    opened = [(caption, Image.open(path).convert("RGB")) for caption, path in pictures]
    height = max(picture.height * width // picture.width for _, picture in opened)
    rows = -(-len(opened) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (height + 20)), WHITE)
    draw = ImageDraw.Draw(sheet)
    for index, (caption, picture) in enumerate(opened):
        row, column = divmod(index, columns)
        small = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
        sheet.paste(small, (column * width, row * (height + 20) + 20))
        place = (column * width + 8, row * (height + 20) + 3)
        draw.text(place, caption, fill="#444444", font=ImageFont.load_default(13))
    return sheet


def _axis(axes, steps: list[int], values: list[float], label: str, colour: str) -> None:
    axes.plot(steps, values, color=colour, linewidth=1.6, marker="o", markersize=2.5)
    axes.set_ylabel(label, color=colour)
    axes.tick_params(axis="y", labelcolor=colour)
    axes.set_ylim(bottom=0)
    axes.spines["top"].set_visible(False)


def curves(rows: list[dict], label: str, series: dict[str, str]) -> Image.Image:
    """Up to two series of the metrics, by key and name, each thin as it was logged and bold as its running mean."""
    figure = Figure(figsize=(5.2, 3.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    steps = [row["step"] for row in rows]
    for (key, name), colour in zip(series.items(), (BLUE, ORANGE), strict=False):
        values = np.array([row[key] for row in rows])
        axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(steps, _smooth(values), color=colour, linewidth=1.6, label=name)
    axes.legend(frameon=False, loc="best")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.margins(x=0.01)
    axes.set(xlabel="step", ylabel=label)
    return _picture(figure)


def _smooth(values: np.ndarray, share: float = 0.05) -> np.ndarray:
    """A centred running mean over `share` of the row, narrower at its ends."""
    reach = int(len(values) * share / 2)
    total = np.concatenate(([0.0], np.cumsum(values)))
    index = np.arange(len(values))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def _picture(figure: Figure) -> Image.Image:
    """Drawn without pyplot, so that it shows in any notebook and saves anywhere."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def tile(images: np.ndarray, columns: int = COLUMNS, colour: tuple[int, int, int] = WHITE, gap: int = 4) -> Image.Image:
    """RGB uint8 `[N, 3, H, W]` in rows of `columns`, on a ground of `colour`."""
    _, _, height, width = images.shape
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), colour)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        sheet.paste(
            Image.fromarray(image.transpose(1, 2, 0)), (gap + column * (width + gap), gap + row * (height + gap))
        )
    return sheet


def stack(*sheets: Image.Image) -> Image.Image:
    """Sheets one above the other."""
    whole = Image.new("RGB", (max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)), WHITE)
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return whole


def contact_sheet(images: np.ndarray, premultiplied: bool, columns: int = COLUMNS) -> Image.Image:
    """uint8 `[N, C, H, W]`: RGBA two thirds over white and the rest over a dark ground, others as they are."""
    if images.shape[1] != 4:
        return tile(np.repeat(images, 3, 1) if images.shape[1] == 1 else images, columns)
    light = -(-len(images) * 2 // 3 // columns) * columns
    parts = [(images[:light], WHITE), (images[light:], DARK)]
    sheets = [
        tile(pixels.over(part, ground, premultiplied=premultiplied), columns, ground)
        for part, ground in parts
        if len(part)
    ]
    return stack(*sheets)


def through_time(shown: list[tuple[int, np.ndarray]], premultiplied: bool, columns: int = COLUMNS) -> Image.Image:
    """One row of the same latents for each moment, labelled with its step."""
    rows = stack(*(contact_sheet(images[:columns], premultiplied, columns) for _, images in shown))
    whole = Image.new("RGB", (rows.width + 80, rows.height), WHITE)
    whole.paste(rows, (80, 0))
    draw = ImageDraw.Draw(whole)
    for index, (step, _) in enumerate(shown):
        middle = (index + 0.5) * rows.height / len(shown)
        draw.text((70, middle), f"{step:,}", fill="#444444", font=ImageFont.load_default(15), anchor="rm")
    return whole


def strip(*rows: np.ndarray) -> Image.Image:
    """Premultiplied RGBA uint8 `[N, 4, H, W]` over white, one row for each."""
    return stack(*(tile(pixels.over(row, premultiplied=True), len(row)) for row in rows))


def swatches(images: np.ndarray, given: Colours) -> Image.Image:
    """Premultiplied RGBA uint8 `[N, 4, H, W]` over white, and under each its skin and its hair; black where unknown."""
    n, _, _, side = images.shape
    bars = [
        np.nan_to_num(colour)[:, :, None, None].repeat(side // 5, 2).repeat(side, 3) for colour in vars(given).values()
    ]
    return stack(strip(images), *(tile(bar.astype(np.uint8), n) for bar in bars))
