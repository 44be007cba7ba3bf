"""Files that hold weights: written whole, and read without running anybody's code."""

import io
import json
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.files import write_whole
from emoji_lib.nets import build, name_of


class Checkpoints:
    """The last two checkpoints of a run, each a file of its own, so that one is whole whenever a run is killed.

    `best.pt` is the one of the best moment, where a monitor judges them.
    """

    KEPT = 2

    def __init__(self, folder: Path):
        self.folder = folder

    def paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"))

    def save(self, step: int, state: dict, best: bool = False) -> None:
        """Write the state after `step`, then drop what is older than the last two (and the old `best.pt`)."""
        buffer = io.BytesIO()  # torch names no cause when a disk is full; a plain write does
        torch.save(state, buffer)
        newest = self.folder / f"checkpoint-{step:09d}.pt"
        write_whole(newest, lambda partial: partial.write_bytes(buffer.getbuffer()))
        if best:
            write_whole(self.folder / "best.pt", lambda partial: _second_name(newest, partial))
        for old in self.paths()[: -self.KEPT]:
            old.unlink()

    def load(self) -> dict | None:
        """The newest state that can be read, or nothing where there is none; says which files it passed over.

        Nothing in a file is run: `weights_only` refuses anything but tensors and plain values. Raises `BadInput` where
        there are files and none can be read.
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


def _second_name(path: Path, name: Path) -> None:
    """Without a copy where the file system has hard links."""
    try:
        os.link(path, name)
    except OSError:
        shutil.copyfile(path, name)


def save_weights(path: Path, network: nn.Module, **facts) -> None:
    """A network as safetensors that describe themselves: its class, its options, and `facts` about its images.

    Weights are kept in half precision, but for a tensor that float16 cannot hold.
    """
    tensors = {name: _half(tensor.detach().cpu().contiguous()) for name, tensor in network.state_dict().items()}
    metadata = {"network": name_of(network), "options": json.dumps(network.options), "facts": json.dumps(facts)}
    write_whole(path, lambda partial: partial.write_bytes(save(tensors, metadata)))


def _half(tensor: Tensor) -> Tensor:
    half = tensor.half()
    return half if tensor.is_floating_point() and half.isfinite().all() else tensor


def load_weights(path: Path) -> tuple[nn.Module, dict]:
    """The network of a file of `save_weights`, in eval mode, and its facts. Raises `BadInput` for any other file."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is not a readable safetensors file ({error})") from error
    if not {"network", "options", "facts"} <= metadata.keys():
        raise BadInput(f"{path} was not written by this project: it does not say which network it holds")
    try:
        options, facts = json.loads(metadata["options"]), json.loads(metadata["facts"])
    except ValueError as error:
        raise BadInput(
            f"{path} was not written by this project: what it says of itself is no JSON ({error})"
        ) from error
    network = build(metadata["network"], options)
    try:
        network.load_state_dict(tensors)  # copied into float32
    except RuntimeError as error:
        raise BadInput(f"{path} does not fit {metadata['network']} {metadata['options']}: {error}") from error
    return network.eval(), facts
