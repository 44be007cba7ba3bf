"""The run that a notebook records: its folder, metrics, pictures, checkpoints and weights."""

import json
import os
import time
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.data import pixels
from emoji_lib.data.batches import to_uint8
from emoji_lib.data.emoji import EmojiSet
from emoji_lib.files import write_json, write_text, write_whole
from emoji_lib.nets.layers import architecture
from emoji_lib.runs.record import FOLDER_VARIABLE, create, differences, read_record, write_record
from emoji_lib.train import device as machine
from emoji_lib.train.checkpoint import Checkpoints, save_weights

FRAME = 125  # milliseconds a picture of the film
PICTURES = ("shown", "frames")  # of the fixed latents, which a checkpoint keeps
TRAINED = ("device", "data", "architecture", "steps", "images_seen", "images_per_second")


class Run:
    """What a notebook and its training loop write a run to.

    The runner has made the folder; for a notebook in JupyterLab this makes one in `runs/`.
    """

    def __init__(self, notebook: str, parameters: dict):
        given = os.environ.get(FOLDER_VARIABLE)
        self.folder = Path(given) if given else create(notebook, notebook, "", parameters)
        record = read_record(self.folder)
        self.began = time.perf_counter() - record["seconds"]  # counting earlier pieces of the run
        self.resumed = "resumed" in record
        self.rows: list[dict] = []
        self.shown: list[tuple[int, np.ndarray]] = []
        self.frames: list[tuple[int, np.ndarray]] = []
        self._metrics = self.folder / "metrics.jsonl"
        self._checkpoints = Checkpoints(self.folder)
        self.watchers: list = []  # see `show/live.py`
        self.note(process=os.getpid())

    def note(self, **facts) -> None:
        """Write facts into the record."""
        write_record(self.folder, read_record(self.folder) | facts)

    def begin(
        self, emoji: EmojiSet, networks: dict[str, nn.Module], device: torch.device, **other_sets: EmojiSet
    ) -> None:
        """Record the data and the networks.

        `other_sets`, such as a second domain, are recorded under their names.
        """
        layers = {name: architecture(network) for name, network in networks.items()}
        others = {name: one.facts() for name, one in other_sets.items()}
        self.note(device=machine.describe(device), data=emoji.facts(), architecture=layers, **others)
        self._sets = {"data": emoji.sha256} | {name: one.sha256 for name, one in other_sets.items()}
        self._premultiplied = emoji.premultiplied

    def _forget(self) -> None:
        self.rows.clear()
        self.shown.clear()
        self.frames.clear()
        shown = (path for kind in ("*.png", "*.gif", "*.safetensors") for path in self.folder.glob(kind))
        for path in (self._metrics, self.folder / "collapse.json", *shown, *self._checkpoints.paths()):
            path.unlink(missing_ok=True)

    def restore(self) -> dict | None:
        """The newest checkpoint's state, or nothing for a new run; what the folder holds beyond it is removed.

        Raises `BadInput` where parameters, data or architecture are not those of the checkpoint.
        """
        state = self._checkpoints.load() if self.resumed else None
        if state is None:
            self._forget()
            return None
        begun = state.pop("configuration")
        if apart := differences(begun, self._configuration()):
            raise BadInput(f"{self.folder.name} cannot be resumed, it was begun with other settings: {apart}")
        lines = self._metrics.read_text(encoding="utf-8").splitlines() if self._metrics.exists() else []
        self.rows = list(map(json.loads, lines[: state.pop("rows")]))
        write_text(self._metrics, "".join(json.dumps(row) + "\n" for row in self.rows))
        for name in PICTURES:
            setattr(self, name, [(step, images.numpy()) for step, images in state.pop(name, [])])
        return state

    def _configuration(self) -> dict:
        """What a resumed run must share with its checkpoint: all parameters but the device, data, architecture."""
        record = read_record(self.folder)
        return {
            "parameters": {key: value for key, value in record["parameters"].items() if key != "device"},
            **self._sets,
            "architecture": record["architecture"],
        }

    def log(self, step: int, facts: dict[str, float]) -> None:
        """Append a line to `metrics.jsonl`."""
        self.rows.append({"step": step, **facts})
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")
        for watcher in self.watchers:
            watcher.log(self.rows)

    def snapshot(self, step: int, images: Tensor) -> None:
        """Keep the pictures of the fixed latents at this step, float −1..1 `[N, C, H, W]`."""
        self.shown.append((step, to_uint8(images)))
        for watcher in self.watchers:
            watcher.snapshot(self.shown, self._premultiplied)

    def frame(self, step: int, images: Tensor) -> None:
        """Keep the pictures of the fixed latents at this step for the film, float −1..1 `[N, C, H, W]`."""
        self.frames.append((step, to_uint8(images)))

    def trace(self, trace: list[dict[str, float]]) -> None:
        """Write the collapse monitor's trace to `collapse.json`."""
        write_json(self.folder / "collapse.json", trace)

    def checkpoint(self, step: int, state: dict) -> None:
        """Keep a checkpoint to resume from."""
        mine = {name: [(at, torch.from_numpy(images)) for at, images in getattr(self, name)] for name in PICTURES}
        mine |= {"rows": len(self.rows), "configuration": self._configuration()}
        self._checkpoints.save(step, state | mine)
        self.note(seconds=self._seconds())  # a killed process cannot write it later

    def picture(self, name: str, picture: Image.Image) -> Image.Image:
        """Keep a picture in the run's folder, and return it for showing."""
        write_whole(self.folder / name, pixels.png(picture))
        return picture

    def _film(self) -> None:
        """Keep the fixed latents through the run as `training.gif`, and at the best coverage as `best.png`."""
        colour = {step: pixels.in_colour(one, premultiplied=self._premultiplied) for step, one in self.frames}
        strips = {step: Image.fromarray(np.concatenate(one, 2).transpose(1, 2, 0)) for step, one in colour.items()}
        film = pixels.gif(strips.values(), FRAME, f"run {self.folder.name}, steps {min(strips)} to {max(strips)}")
        write_whole(self.folder / "training.gif", film)
        if (traced := self.folder / "collapse.json").is_file():
            best = max(json.loads(traced.read_text(encoding="utf-8")), key=itemgetter("coverage"))["step"]
            self.picture("best.png", strips[min(strips, key=lambda step: abs(step - best))])

    def weights(self, network: nn.Module, emoji: EmojiSet, name: str = "generator", **facts) -> None:
        """Keep a network and facts of its images; `range="0..1"` for one that does not draw in −1..1."""
        save_weights(
            self.folder / f"{name}.safetensors", network, mode=emoji.mode, premultiplied=emoji.premultiplied, **facts
        )

    def finish(self) -> None:
        """Mark the run as finished or collapsed, which the runner believes once the notebook has come to its end.

        Raises `RuntimeError` where a training run lacks what it must keep.
        """
        record = read_record(self.folder)
        if "architecture" in record:
            files = ("metrics.jsonl", "loss.png", "sample.png", "generator.safetensors")
            missing = [key for key in TRAINED if key not in record]
            missing += [name for name in files if not (self.folder / name).is_file()]
            if missing:
                way = "train, draw the losses, sample and keep weights before finish()"
                raise RuntimeError(f"the run lacks {', '.join(missing)}: {way}")
        if self.frames:
            self._film()
        for watcher in self.watchers:
            watcher.close()
        record.pop("process", None)
        mark = "outcome" if os.environ.get(FOLDER_VARIABLE) else "status"  # a killed notebook may be cut after this
        outcome = "collapsed" if record.pop("collapsed", False) else "finished"
        write_record(self.folder, record | {mark: outcome, "seconds": self._seconds()})

    def _seconds(self) -> float:
        return round(time.perf_counter() - self.began, 1)
