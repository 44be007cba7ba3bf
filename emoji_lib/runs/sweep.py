"""Sweeps: experiments that differ in a few parameters, run side by side, and how long that takes."""

from collections.abc import Iterator
from pathlib import Path

from emoji_lib import BadInput
from emoji_lib.data import emoji
from emoji_lib.runs import experiments, frame
from emoji_lib.runs.missing import waiting
from emoji_lib.runs.record import GOOD, RESULTS, RUNS, newest, runs_in


def states(name: str, out: Path = RESULTS) -> Iterator[tuple[experiments.Experiment, str, float | None]]:
    """Each row of a sweep with its state in `out` and, for one that will run, about how many seconds it takes.

    The time is what the newest good run of the same notebook took for an image, starts and scores included, times the
    images this row sees; nothing where there is no such run.
    """
    runs, known = runs_in(out), frame(RESULTS, RUNS, out)
    known = known[known["status"].isin(GOOD) & (known["images_seen"] > 0)]
    an_image = (known["seconds"] / known["images_seen"]).groupby(known["notebook"]).last()
    lacking = {one for one, _ in waiting(out, [row.name for row in experiments.sweep(name)])}
    for row in experiments.sweep(name):
        found, seconds = newest(row.name, runs), None
        if row.name in lacking and row.notebook in an_image:
            images = _images(experiments.plan(row.name, {}).parameters)
            seconds = images and float(images * an_image[row.notebook])
        yield row, found[1]["status"] if found else "not run", seconds


def _images(parameters: dict) -> float | None:
    """How many images training sees: passes over the set, or batches where these are larger, up to the cap of steps."""
    try:
        size, batch = len(emoji.load(parameters["selection"])), parameters["batch_size"]
        images = parameters["epochs"] * max(size, batch)
        return min(images, parameters["steps"] * batch) if parameters["steps"] else images
    except (BadInput, KeyError):  # the set is not there, or the notebook counts otherwise
        return None


def table(name: str, out: Path = RESULTS) -> list[tuple[experiments.Experiment, Path | None, dict | None]]:
    """Each row of a sweep with the folder and the record of its newest run in `out`."""
    runs = runs_in(out)
    return [(row, *(newest(row.name, runs) or (None, None))) for row in experiments.sweep(name)]
