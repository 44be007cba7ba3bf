"""Sweeps: experiments that differ in a few parameters, run side by side, and how long that takes."""

from collections.abc import Iterator
from pathlib import Path

from emoji_lib import BadInput
from emoji_lib.data import emoji
from emoji_lib.runs import experiments
from emoji_lib.runs.missing import waiting
from emoji_lib.runs.record import GOOD, RESULTS, RUNS, newest, runs_in


def states(name: str, out: Path = RESULTS) -> Iterator[tuple[experiments.Experiment, str, float | None]]:
    """Each row of a sweep with its state in `out` and, for one that will run, about how many seconds it takes.

    The time is what the newest good run of the same notebook took for an image, starts and scores included, times the
    images this row sees; nothing where there is no such run.
    """
    runs = runs_in(out)
    known = runs_in(RESULTS, RUNS) + runs
    lacking = {one for one, _ in waiting(out, [row.name for row in experiments.sweep(name)])}
    for row in experiments.sweep(name):
        found = newest(row.name, runs)
        state = found[1]["status"] if found else "not run"
        yield row, state, _seconds(row, known) if row.name in lacking else None


def _seconds(row: experiments.Experiment, runs: list[tuple[Path, dict]]) -> float | None:
    alike = [
        run for _, run in runs if run["notebook"] == row.notebook and run["status"] in GOOD and run.get("images_seen")
    ]
    images = _images(experiments.plan(row.name, {}).parameters)
    if not alike or images is None:
        return None
    return images * alike[-1]["seconds"] / alike[-1]["images_seen"]


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
