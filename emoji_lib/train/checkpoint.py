"""Files that hold weights: written whole, and read without running anybody's code."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.files import write_whole
from emoji_lib.nets import build, name_of


def save_checkpoint(path: Path, state: dict) -> None:
    """A system's `state_dict` with the step and whatever else is needed to go on."""
    write_whole(path, lambda partial: torch.save(state, partial))


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
    network = build(metadata["network"], json.loads(metadata["options"]))
    try:
        network.load_state_dict(
            {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
        )
    except RuntimeError as error:
        raise BadInput(f"{path} does not fit {metadata['network']} {metadata['options']}: {error}") from error
    return network.eval(), json.loads(metadata["facts"])
