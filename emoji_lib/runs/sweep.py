"""Sweeps: experiments that differ in a few parameters, run side by side, and how long that takes."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from emoji_lib import BadInput
from emoji_lib.data import emoji
from emoji_lib.runs import experiments, frame
from emoji_lib.runs.missing import waiting
from emoji_lib.runs.record import DONE, RESULTS, RUNS, newest, runs_in


def states(name: str, out: Path = RESULTS) -> Iterator[dict]:
    """Each row of a sweep: its experiment, its state in `out`, how many runs it lacks, and how many seconds they take.

    The estimate is seconds per image of the newest run with results of the same notebook, times the images to see; None
    without such a run.
    """
    rows, runs, seconds_per_image = experiments.sweep(name), runs_in(out), {}
    for _, record in runs_in(RESULTS, RUNS, out):  # oldest first
        if record["status"] in DONE and record.get("images_seen"):
            seconds_per_image[record["notebook"]] = record["seconds"] / record["images_seen"]
    lacking = [plan for plan, _ in waiting(out, [row.name for row in rows])]
    for row in rows:
        found, mine, seconds = newest(row.name, runs), [plan for plan in lacking if plan.experiment == row], None
        if mine and row.notebook in seconds_per_image:
            images = _images(mine[0].parameters)
            seconds = images and len(mine) * images * seconds_per_image[row.notebook]
        state = found[1]["status"] if found else "not run"
        if row.seeds > 1 and mine:
            unchanged = [run for _, run in runs if run["experiment"] == row.name and not run.get("changed")]
            good = {run["seed"] for run in unchanged if run["status"] in DONE}
            state = f"{sum(plan.seed in good for plan in experiments.plans(row.name))} of {row.seeds} seeds"
        yield {"experiment": row.name, "about": row.about, "state": state, "to_run": len(mine), "seconds": seconds}


def _images(parameters: dict) -> float | None:
    """How many images training sees: each epoch the set, or a batch where that is larger; at most `steps` batches."""
    try:
        size, batch = len(emoji.load(parameters["selection"])), parameters["batch_size"]
        images = parameters["epochs"] * max(size, batch)
        return min(images, parameters["steps"] * batch) if parameters["steps"] else images
    except (BadInput, KeyError):  # the set is not there, or the notebook has other parameters
        return None


def table(name: str, out: Path = RESULTS) -> list[tuple[experiments.Experiment, Path | None, dict | None]]:
    """Each row of a sweep with the folder and the record of its newest run in `out`."""
    runs = runs_in(out)
    return [(row, *(newest(row.name, runs) or (None, None))) for row in experiments.sweep(name)]


def records(names: str, out: Path = RESULTS) -> pd.DataFrame:
    """The newest run with results of each experiment and seed as rows of `runs.frame`, with the experiment's `about`.

    `names` of sweeps and experiments are separated by spaces. Runs with a changed parameter are left out. Raises
    `BadInput` where there are none.
    """
    known = experiments.load()
    chosen = [one for name in names.split() for one in ([known[name]] if name in known else experiments.sweep(name))]
    about = {one.name: one.about for one in chosen}
    runs = frame(out)
    runs = runs[runs["experiment"].isin(about) & runs["status"].isin(DONE)]
    runs = runs[runs.filter(regex=r"^changed\.").isna().all(axis=1)]
    if runs.empty:
        raise BadInput(f"no run of {names} in {out.name}/ yet: `python -m emoji_lib sweep NAME` makes those of a sweep")
    runs = runs.drop_duplicates(["experiment", "seed"], keep="last").assign(about=runs["experiment"].map(about))
    runs = runs.assign(place=runs["experiment"].map(list(about).index)).sort_values(["place", "seed"])
    return runs.drop(columns="place").reset_index(drop=True)
