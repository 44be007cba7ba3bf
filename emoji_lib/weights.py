"""Files of tensors: half precision, the same bytes for the same tensors, read without running code."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from emoji_lib import BadInput
from emoji_lib.files import write_whole


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as safetensors: floating point in float16, unless a value overflows it."""
    halves = {name: _half(tensor.detach().cpu().contiguous()) for name, tensor in tensors.items()}
    content = save(halves, metadata)
    # The library writes its header's entries in an order that varies between processes.
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    whole = len(header).to_bytes(8, "little") + header + content[8 + length :]
    write_whole(path, whole)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file. Raises `BadInput` for any other file."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BadInput(f"{path} is not a readable safetensors file ({error})") from error


def _half(tensor: Tensor) -> Tensor:
    half = tensor.half()
    return half if tensor.is_floating_point() and torch.isfinite(half).all() else tensor
