"""What a notebook writes its run to."""

import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.data import pixels
from emoji_lib.data.batches import to_uint8
from emoji_lib.data.emoji import EmojiSet
from emoji_lib.files import write_text, write_whole
from emoji_lib.nets.layers import architecture
from emoji_lib.runs.record import FOLDER_VARIABLE, create, differences, read_record, todays_names, write_record
from emoji_lib.train import device as machine
from emoji_lib.train.checkpoint import Checkpoints, save_weights

SHOWN = 8  # of the fixed latents, through time
TRAINED = ("device", "data", "architecture", "steps", "images_seen", "images_per_second")


class Run:
    """What a notebook writes its run to; the recorder that the training loop is handed.

    Under the runner the folder is already there. Opened by hand, in JupyterLab, it is a scratch folder of its own.
    """

    def __init__(self, notebook: str, parameters: dict):
        given = os.environ.get(FOLDER_VARIABLE)
        self.folder = Path(given) if given else create(notebook, notebook, "", parameters)
        record = read_record(self.folder)
        self.began = time.perf_counter() - record["seconds"]  # as if all pieces had been one
        self.resumed = "resumed" in record
        self.rows: list[dict] = []
        self.shown: list[tuple[int, np.ndarray]] = []
        self._metrics = self.folder / "metrics.jsonl"
        self._checkpoints = Checkpoints(self.folder)
        self.watchers: list = []  # who is told of metrics and samples as they come; see `show/live.py`
        self.note(process=os.getpid())

    def note(self, **facts) -> None:
        """Add facts to the record, at once."""
        write_record(self.folder, read_record(self.folder) | facts)

    def begin(
        self, emoji: EmojiSet, networks: dict[str, nn.Module], device: torch.device, **other_sets: EmojiSet
    ) -> None:
        """The facts known before the first step; a run that is not resumed drops what an older one left.

        `other_sets` are noted under their names, as a second domain is.
        """
        layers = {name: architecture(network) for name, network in networks.items()}
        others = {name: one.facts() for name, one in other_sets.items()}
        self.note(device=machine.describe(device), data=emoji.facts(), architecture=layers, **others)
        self._sets = {"data": emoji.sha256} | {name: one.sha256 for name, one in other_sets.items()}
        self._premultiplied = emoji.premultiplied
        if not self.resumed:
            self._forget()

    def _forget(self) -> None:
        self.rows.clear()
        self.shown.clear()
        shown = (path for kind in ("*.png", "*.safetensors") for path in self.folder.glob(kind))
        for path in (self._metrics, self.folder / "collapse.json", *shown, *self._checkpoints.paths()):
            path.unlink(missing_ok=True)

    def restore(self) -> dict | None:
        """The state to go on from, or nothing in a run that starts; metrics after its step are cut off.

        Raises `BadInput` where parameters, data or architecture are not those of the checkpoint.
        """
        state = self._checkpoints.load() if self.resumed else None
        if state is None:
            self._forget()
            return None
        begun = state.pop("configuration")
        begun["parameters"] = todays_names(read_record(self.folder)["notebook"], begun["parameters"])
        if apart := differences(begun, self._configuration()):
            raise BadInput(f"{self.folder.name} cannot be resumed, it was begun with other settings: {apart}")
        lines = self._metrics.read_text(encoding="utf-8").splitlines() if self._metrics.exists() else []
        self.rows = list(map(json.loads, lines[: state.pop("rows")]))
        write_text(self._metrics, "".join(json.dumps(row) + "\n" for row in self.rows))
        self.shown = [(step, images.numpy()) for step, images in state.pop("shown")]
        return state

    def _configuration(self) -> dict:
        """What must be the same for a run to go on; the device need not be."""
        record = read_record(self.folder)
        return {
            "parameters": {key: value for key, value in record["parameters"].items() if key != "device"},
            **self._sets,
            "architecture": record["architecture"],
        }

    def log(self, step: int, facts: dict[str, float]) -> None:
        """One line of `metrics.jsonl`."""
        self.rows.append({"step": step, **facts})
        with self._metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.rows[-1]) + "\n")
        for watcher in self.watchers:
            watcher.log(self.rows)

    def snapshot(self, step: int, images: Tensor) -> None:
        """Keep what the fixed latents gave at this step, float −1..1 `[N, C, H, W]`."""
        self.shown.append((step, to_uint8(images[:SHOWN])))
        for watcher in self.watchers:
            watcher.snapshot(self.shown, self._premultiplied)

    def trace(self, trace: list[dict[str, float]]) -> None:
        """Keep what a monitor saw so far, as `collapse.json`."""
        write_text(self.folder / "collapse.json", json.dumps(trace, indent=1) + "\n")

    def checkpoint(self, step: int, state: dict) -> None:
        """A checkpoint to resume from, with what this run has written so far."""
        shown = [(at, torch.from_numpy(images)) for at, images in self.shown]
        mine = {"rows": len(self.rows), "shown": shown, "configuration": self._configuration()}
        self._checkpoints.save(step, state | mine)
        self.note(seconds=self._seconds())  # whoever is killed says no more

    def trained(self, **facts) -> None:
        """Totals of the training loop."""
        self.note(**facts)

    def picture(self, name: str, picture: Image.Image) -> Image.Image:
        """Keep a picture in the run's folder, and return it for showing."""
        write_whole(self.folder / name, lambda partial: partial.write_bytes(pixels.png(picture)))
        return picture

    def weights(self, network: nn.Module, emoji: EmojiSet, name: str = "generator", **facts) -> None:
        """Keep a network with what its images are; `range="0..1"` for one that does not draw in −1..1."""
        save_weights(
            self.folder / f"{name}.safetensors", network, mode=emoji.mode, premultiplied=emoji.premultiplied, **facts
        )

    def finish(self) -> None:
        """The last word. Raises `RuntimeError` when a training run lacks something that its record must have."""
        record = read_record(self.folder)
        if "architecture" in record:
            files = ("metrics.jsonl", "loss.png", "sample.png", "generator.safetensors")
            missing = [key for key in TRAINED if key not in record]
            missing += [name for name in files if not (self.folder / name).is_file()]
            if missing:
                way = "train, draw the losses, sample and keep weights before finish()"
                raise RuntimeError(f"the run lacks {', '.join(missing)}: {way}")
        for watcher in self.watchers:
            watcher.close()
        record.pop("process", None)
        status = "collapsed" if record.pop("collapsed", False) else "finished"
        write_record(self.folder, record | {"status": status, "seconds": self._seconds()})

    def _seconds(self) -> float:
        return round(time.perf_counter() - self.began, 1)
