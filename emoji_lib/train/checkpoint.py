"""Checkpoints and weights as files, written whole and read without running code from them."""

import io
import json
from pathlib import Path

import torch
from torch import nn

from emoji_lib import BadInput
from emoji_lib.files import write_whole
from emoji_lib.nets import build, name_of
from emoji_lib.weights import load_tensors, save_tensors


class Checkpoints:
    """The last two checkpoints of a run, in a file each, so that one is intact whenever a run is killed."""

    KEPT = 2

    def __init__(self, folder: Path):
        self.folder = folder

    def paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"))

    def save(self, step: int, state: dict) -> None:
        """Write the state after `step`, then delete all but the last two."""
        buffer = io.BytesIO()  # torch.save to a full disk gives no cause; a plain write does
        torch.save(state, buffer)
        newest = self.folder / f"checkpoint-{step:09d}.pt"
        write_whole(newest, buffer.getbuffer())
        for old in self.paths()[: -self.KEPT]:
            old.unlink()

    def load(self) -> dict | None:
        """The newest state that can be read, or None where there are no files; prints which files it passed over.

        `weights_only` refuses anything but tensors and plain values. Raises `BadInput` if no file can be read.
        """
        paths = self.paths()
        for path in reversed(paths):
            try:
                return torch.load(path, map_location="cpu", weights_only=True)
            except Exception as error:  # damaged bytes raise whatever they happen to spell
                print(f"{path.name} cannot be read and is passed over ({type(error).__name__})", flush=True)
        if paths:
            raise BadInput(f"no checkpoint in {self.folder} can be read; remove them to start from the beginning")
        return None


def save_weights(path: Path, network: nn.Module, **facts) -> None:
    """A network as safetensors, with its class, its options and `facts` about its images as metadata."""
    metadata = {"network": name_of(network), "options": json.dumps(network.options), "facts": json.dumps(facts)}
    save_tensors(path, network.state_dict(), metadata)


def load_weights(path: Path) -> tuple[nn.Module, dict]:
    """The network that `save_weights` wrote, in eval mode, and its facts. Raises `BadInput` for any other file."""
    tensors, metadata = load_tensors(path)
    try:
        kind, options, facts = metadata["network"], json.loads(metadata["options"]), json.loads(metadata["facts"])
        if not isinstance(options, dict) or not isinstance(facts, dict) or "mode" not in facts:
            raise ValueError(f"options {options!r}, facts {facts!r}")
    except (KeyError, ValueError) as error:
        raise BadInput(f"{path} was not written by this project: it describes no network ({error!r})") from error
    with torch.device("meta"):  # no memory, however large wrong options make the network
        network = build(kind, options)
    shapes, held = ({name: one.shape for name, one in some.items()} for some in (network.state_dict(), tensors))
    if odd := sorted(name for name in shapes.keys() | held.keys() if shapes.get(name) != held.get(name)):
        raise BadInput(f"{path} does not fit {kind} {options}: {', '.join(odd[:3])} differ")
    single = {name: one.float() if one.is_floating_point() else one for name, one in tensors.items()}
    network.load_state_dict(single, assign=True)
    return network.eval(), facts
