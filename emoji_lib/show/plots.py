"""Figures, and grids of pictures: contact sheets, samples through time, captioned files."""

import warnings
from itertools import accumulate, product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image, ImageDraw, ImageFont

from emoji_lib.data import pixels
from emoji_lib.data.faces import Colours
from emoji_lib.measure.features import TRUSTED

WHITE, DARK = (255, 255, 255), (40, 44, 52)
BLUE, ORANGE, GREY = "#2f6fb3", "#d9711c", "#e6e8eb"
COLUMNS = 8
OPAQUE = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # a box that hides lines behind a label


def _axes(width: float = 5.2, height: float = 3.2) -> Axes:
    """The axes of a new figure without pyplot, which shows in any notebook and saves anywhere."""
    axes = Figure(figsize=(width, height), dpi=110, layout="constrained").add_subplot()
    FigureCanvasAgg(axes.figure)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _steps(axes: Axes) -> None:
    """The x axis counts steps; ticks are few enough that the labels of long runs do not touch."""
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("step")


def _picture(axes: Axes) -> Image.Image:
    """The figure of these axes, drawn."""
    axes.figure.canvas.draw()
    return Image.fromarray(np.asarray(axes.figure.canvas.buffer_rgba())).convert("RGB")


def loss_curves(rows: list[dict]) -> Image.Image:
    """Both losses against the step."""
    return curves(rows, "loss", {"loss_d": "discriminator", "loss_g": "generator"})


def logit_curves(rows: list[dict], label: str = "mean logit") -> Image.Image:
    """The discriminator's mean output for real and for fake images against the step."""
    return curves(rows, label, {"real": "real", "fake": "fake"})


def curves(rows: list[dict], label: str, series: dict[str, str]) -> Image.Image:
    """Up to two metrics, by key and label, against the step: as logged (thin) and their running means (bold)."""
    axes, steps = _axes(), [row["step"] for row in rows]
    for (key, name), colour in zip(series.items(), (BLUE, ORANGE), strict=False):
        values = pd.Series([row[key] for row in rows])
        mean = values.rolling(1 + 2 * (len(values) // 40), center=True, min_periods=1).mean()
        axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.35)
        axes.plot(steps, mean, color=colour, linewidth=1.6, label=name)
    axes.legend(frameon=False, loc="best")
    axes.grid(axis="y", color=GREY, linewidth=0.8)
    _steps(axes)
    axes.margins(x=0.01)
    axes.set(ylabel=label)
    return _picture(axes)


def collapse_curves(trace: list[dict]) -> Image.Image:
    """Coverage of the real pictures and diversity of the samples against the step, each on its own scale."""
    left = _axes()
    _steps(left)
    sides = ((left, "coverage", "coverage", BLUE), (left.twinx(), "diversity", "diversity (Vendi)", ORANGE))
    for axes, key, label, colour in sides:
        steps, values = [row["step"] for row in trace], [row[key] for row in trace]
        axes.plot(steps, values, color=colour, linewidth=1.6, marker="o", markersize=2.5)
        axes.set_ylabel(label, color=colour)
        axes.tick_params(axis="y", labelcolor=colour)
        axes.set_ylim(bottom=0)
        axes.spines["top"].set_visible(False)
    return _picture(left)


def traces(groups: dict[str, list[tuple[list[dict], bool]]], key: str = "coverage") -> Image.Image:
    """A line for each run's evaluations in training, a colour for each group, and a dot where a collapse ended it.

    `groups` gives the trace of each run, and whether it collapsed.
    """
    axes = _axes(7.2, 3.2)
    for (name, runs), colour in zip(groups.items(), (BLUE, ORANGE), strict=False):
        for trace, collapsed in runs:
            steps, values = [row["step"] for row in trace], [row[key] for row in trace]
            axes.plot(steps, values, color=colour, linewidth=1, alpha=0.5)
            if collapsed:
                axes.plot(steps[-1], values[-1], "o", color=colour, markersize=5)
        axes.plot([], color=colour, label=name)
    axes.legend(frameon=False, loc="upper left")
    axes.grid(axis="y", color=GREY, linewidth=0.8)
    _steps(axes)
    axes.set(ylabel=key, ylim=(0, None), xlim=(0, None))
    return _picture(axes)


def survival(groups: dict[str, tuple[list[int], list[bool]]]) -> Image.Image:
    """The fraction of runs not collapsed by each step (Kaplan and Meier 1958), with its 95% interval.

    `groups` gives the steps at which runs ended, and whether each collapsed there; the others are censored.
    """
    from scipy import stats  # slow to import, and needed here alone

    axes = _axes(7.2, 3.2)
    for (name, (steps, ended)), colour in zip(groups.items(), (BLUE, ORANGE), strict=False):
        steps, ended = np.asarray(steps, float), np.asarray(ended, bool)
        curve = stats.ecdf(stats.CensoredData(steps[ended], right=steps[~ended])).sf
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # there is no interval at 0 and at 1
            interval = curve.confidence_interval(method="log-log")
        times = [0, *curve.quantiles, steps.max()]
        low, middle, high = (
            np.array([1, *one.probabilities, one.probabilities[-1]]) for one in (interval.low, curve, interval.high)
        )
        told = f"{name}: {ended.sum()} of {len(steps)} collapsed"
        axes.step(times, middle, where="post", color=colour, linewidth=1.8, label=told)
        axes.fill_between(times, low, high, where=~np.isnan(low), step="post", color=colour, alpha=0.12, linewidth=0)
    axes.legend(frameon=False, loc="lower left")
    _steps(axes)
    axes.set(ylabel="not collapsed", ylim=(0, 1.03), xlim=(0, None))
    return _picture(axes)


def dots(groups: dict[str, list[float]], label: str, *, log: bool = False) -> Image.Image:
    """A line of dots for each group, one for each of its runs, and a bar at their mean; the first group on top.

    `log` is for values of which a few are many times the others.
    """
    axes = _axes(5.2, 0.6 + 0.28 * len(groups))
    for at, values in enumerate(groups.values()):
        axes.plot(values, [at] * len(values), "o", color=BLUE, markersize=4.5, alpha=0.7, clip_on=False)
        axes.plot([np.mean(values)] * 2, [at - 0.3, at + 0.3], color=ORANGE, linewidth=2)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    if log:
        axes.set_xscale("symlog", linthresh=0.1)
    axes.grid(axis="y", color=GREY, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set(xlabel=label, xlim=(0, None))
    return _picture(axes)


def scatter(points: dict[str, tuple[float, float]]) -> Image.Image:
    """Named points by their KID in the two trusted encoders, on scales that show both small and large ones."""
    axes = _axes(5.2, 4)
    axes.axline((0, 0), slope=1, color=GREY, linewidth=0.8)
    axes.set(xlabel=f"KID, encoder {TRUSTED[0]}", ylabel=f"KID, encoder {TRUSTED[1]}")
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_yscale("symlog", linthresh=0.1)
    axes.margins(0.2)
    axes.plot(*zip(*points.values(), strict=True), "o", color=BLUE, markersize=5, zorder=4)
    axes.figure.draw_without_rendering()  # lays the figure out, so that pixel positions are known
    taken = [Bbox([at - 6, at + 6]) for at in axes.transData.transform(list(points.values()))]
    for name, point in sorted(points.items(), key=lambda named: named[1][1], reverse=True):
        taken.append(_label(axes, name, point, taken))
    return _picture(axes)


def _label(axes: Axes, name: str, point: tuple[float, float], taken: list[Bbox]) -> Bbox:
    """Label a point, as near to it as the label overlaps nothing else; returns the label's box in pixels."""
    near = 4
    options = {"textcoords": "offset points", "fontsize": 9}
    label = axes.annotate(name, point, (0, 0), bbox=OPAQUE, in_layout=False, **options)
    for away, right, up in product((near, 16, 28, 40, 52), (1, -1), (1, -1)):
        label.set(
            position=(right * 6, up * away), ha="left" if right > 0 else "right", va="bottom" if up > 0 else "top"
        )
        box = label.get_window_extent()
        if axes.bbox.count_contains(box.corners()) == 4 and not any(map(box.overlaps, taken)):
            break
    if away > near:
        axes.annotate("", point, label.get_position(), arrowprops={"arrowstyle": "-", "color": "#999999"}, **options)
    return box


def parallel(axes: dict[str, list[float]], good: list[float]) -> Image.Image:
    """Parallel coordinates: a line for each run through its value on every axis, darker for better runs.

    `good` says how good each run is, 0 to 1.
    """
    plot, heights = _axes(7.2, 3.4), [_heights(values) for values in axes.values()]
    for run, rank in enumerate(good):
        colour = (0.85 - 0.66 * rank, 0.88 - 0.44 * rank, 0.92 - 0.22 * rank)
        line = [column[run] for column in heights]
        plot.plot(range(len(axes)), line, color=colour, linewidth=1 + 2 * rank, zorder=rank)
    for at, (values, column) in enumerate(zip(axes.values(), heights, strict=True)):
        plot.plot([at, at], [0, 1], color="#999999", linewidth=0.8)
        shown = dict(zip(values, column, strict=True))
        for value in shown if len(shown) <= 4 else (min(shown, key=shown.get), max(shown, key=shown.get)):
            height, label = shown[value], f"{value:.3g}" if isinstance(value, int | float) else str(value)
            beside = {0: (-4, "top"), 1: (4, "bottom")}.get(height, (0, "center"))  # the ends stand outside all lines
            options = {"textcoords": "offset points", "fontsize": 8, "ha": "center", "va": beside[1], "bbox": OPAQUE}
            plot.annotate(label, (at, height), xytext=(0, beside[0]), **options)
    plot.set_xticks(range(len(axes)), [name.replace("_", "\n", 1).replace(", ", "\n") for name in axes], fontsize=8)
    plot.set_yticks([])
    plot.tick_params(length=0)
    plot.spines[:].set_visible(False)
    plot.set(xlim=(-0.3, len(axes) - 0.7), ylim=(-0.1, 1.1))
    return _picture(plot)


def _heights(values: list) -> list[float]:
    """Settings or scores scaled to 0..1: evenly spaced where they are words or at most four, else in proportion."""
    levels = sorted(set(values), key=lambda value: (0, value) if isinstance(value, int | float) else (1, str(value)))
    if len(levels) <= 4 or not all(isinstance(value, int | float) for value in levels):
        return [levels.index(value) / max(1, len(levels) - 1) for value in values]
    return [(value - levels[0]) / (levels[-1] - levels[0]) for value in values]


def grid(
    pictures: list[Image.Image],
    columns: int = 1,
    *,
    labels: list[str] | None = None,
    captions: list[str] | None = None,
    margin: int = 80,
    ground: tuple[int, int, int] = WHITE,
    gap: int = 0,
) -> Image.Image:
    """Pictures in rows of `columns`, each with a label in a margin at its left, or a caption above it."""
    left, above = margin if labels else 0, 20 if captions else 0
    width = max(picture.width for picture in pictures) + left + gap
    rows = [pictures[at : at + columns] for at in range(0, len(pictures), columns)]
    tops = list(accumulate((max(one.height for one in row) + above + gap for row in rows), initial=0))
    whole = Image.new("RGB", (columns * width + gap, tops[-1] + gap), ground)
    draw = ImageDraw.Draw(whole)
    for index, picture in enumerate(pictures):
        x, y = gap + index % columns * width, gap + tops[index // columns]
        whole.paste(picture, (x + left, y + above))
        if labels:
            place = (x + left - 10, y + picture.height / 2)
            draw.text(place, labels[index], fill="#444444", font=ImageFont.load_default(15), anchor="rm")
        if captions:
            font = ImageFont.load_default(13)
            caption = _shortened(captions[index], picture.width - 16, font)
            draw.text((x + 8, y + 3), caption, fill="#444444", font=font)
    return whole


def _shortened(text: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """The text, or its beginning with an ellipsis where it is wider than so many pixels."""
    fits = (n for n in range(len(text) - 1, 0, -1) if font.getlength(f"{text[:n]}…") <= width)
    return text if font.getlength(text) <= width else f"{text[: next(fits, 0)].rstrip()}…"


def tile(images: np.ndarray, columns: int = COLUMNS, colour: tuple[int, int, int] = WHITE) -> Image.Image:
    """RGB uint8 `[N, 3, H, W]` in rows of `columns`, on a ground of `colour`."""
    return grid([Image.fromarray(image.transpose(1, 2, 0)) for image in images], columns, ground=colour, gap=4)


def contact_sheet(images: np.ndarray, premultiplied: bool, columns: int = COLUMNS) -> Image.Image:
    """uint8 `[N, C, H, W]`: RGBA two thirds over white and the rest over a dark ground, others as they are."""
    if images.shape[1] != 4:
        return tile(pixels.in_colour(images, premultiplied=premultiplied), columns)
    light = -(-len(images) * 2 // 3 // columns) * columns
    parts = [(part, ground) for part, ground in ((images[:light], WHITE), (images[light:], DARK)) if len(part)]
    return grid(
        [tile(pixels.over(part, ground, premultiplied=premultiplied), columns, ground) for part, ground in parts]
    )


def through_time(shown: list[tuple[int, np.ndarray]], premultiplied: bool, columns: int = COLUMNS) -> Image.Image:
    """One row of the same latents for each moment, labelled with its step."""
    rows = [contact_sheet(images[:columns], premultiplied, columns) for _, images in shown]
    return grid(rows, labels=[f"{step:,}" for step, _ in shown])


def sheet(
    rows: list[np.ndarray], labels: list[str] | None = None, *, columns: int = 1, margin: int = 80
) -> Image.Image:
    """RGB uint8 `[N, 3, H, W]`, each a row with its label at the left, in `columns` columns of rows."""
    return grid([tile(row, len(row)) for row in rows], columns, labels=labels, margin=margin)


def strip(*rows: np.ndarray) -> Image.Image:
    """Premultiplied RGBA uint8 `[N, 4, H, W]` over white, one row for each."""
    return sheet([pixels.over(row, premultiplied=True) for row in rows])


def swatches(images: np.ndarray, given: Colours) -> Image.Image:
    """Premultiplied RGBA uint8 `[N, 4, H, W]` over white, and under each its skin and its hair; black where unknown."""
    n, _, _, side = images.shape
    colours = [np.nan_to_num(colour).astype(np.uint8)[:, :, None, None] for colour in (given.skin, given.hair)]
    return grid([strip(images), *(tile(colour.repeat(side // 5, 2).repeat(side, 3), n) for colour in colours)])


def thumbnails(
    pictures: list[tuple[str, Path]], width: int = 280, columns: int = 3, *, top: float = 1.0
) -> Image.Image:
    """Picture files side by side, each with a caption; of each the upper fraction `top`."""
    opened = [Image.open(path).convert("RGB") for _, path in pictures]
    opened = [one.crop((0, 0, one.width, round(one.height * top))) for one in opened]
    small = [one.resize((width, one.height * width // one.width), Image.Resampling.LANCZOS) for one in opened]
    return grid(small, columns, captions=[caption for caption, _ in pictures])
