"""Distributed training: several processes train one system, started by torchrun.

Without torchrun, `processes()` is a `SingleProcess`, whose methods cost nothing.
"""

import atexit
import os
from functools import cache

import torch
from torch import Tensor, distributed

from emoji_lib import BadInput


class SingleProcess:
    """The only process: whatever is shared or gathered is its own."""

    rank, size = 0, 1

    def parts(self, batch: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
        """This process's part of each tensor `[N, …]` of a global batch. Raises `BadInput` if N does not divide."""
        return [self.part(one) for one in (batch if isinstance(batch, tuple) else (batch,))]

    def part(self, batch: Tensor) -> Tensor:
        return batch

    def gather(self, part: Tensor) -> Tensor:
        """The parts `[n, …]` of all processes as one `[N, …]`, in order of rank; gradients flow back to each."""
        return part

    def average(self, tensors: list[Tensor]) -> None:
        """Give every process each tensor's mean over the processes, in place."""

    def broadcast(self, tensors: list[Tensor]) -> None:
        """Give every process the values of rank 0, in place."""

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """Whether any process raised each flag."""
        return flags


class Distributed(SingleProcess):
    """One of several processes on one or more machines; the contracts are those of `SingleProcess`."""

    def __init__(self, device: torch.device, rank: int, size: int):
        self.device, self.rank, self.size = device, rank, size

    def part(self, batch: Tensor) -> Tensor:
        if len(batch) % self.size:
            raise BadInput(f"batch_size {len(batch)} does not divide among {self.size} processes")
        return batch.chunk(self.size)[self.rank]

    def gather(self, part: Tensor) -> Tensor:
        from torch.distributed.nn.functional import all_gather  # of which a single process has no need

        return torch.cat(all_gather(part.to(self.device)))

    def average(self, tensors: list[Tensor]) -> None:
        if not tensors:
            return
        message = torch.cat([tensor.reshape(-1) for tensor in tensors])  # one message, not hundreds
        distributed.all_reduce(message)
        parts = message.div_(self.size).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def broadcast(self, tensors: list[Tensor]) -> None:
        for tensor in tensors:
            distributed.broadcast(tensor, 0)

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        raised = torch.tensor(flags, dtype=torch.float32, device=self.device)
        distributed.all_reduce(raised)
        return tuple(map(bool, raised.tolist()))


@cache
def processes() -> SingleProcess:
    """The processes of this training, as torchrun's environment says."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return SingleProcess()
    on_gpu = torch.cuda.is_initialized()  # as `device.pick` chose
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    distributed.init_process_group("nccl" if on_gpu else "gloo", device_id=device if on_gpu else None)
    if on_gpu:  # NCCL complains at the end of a process that leaves it open
        atexit.register(distributed.destroy_process_group)
    return Distributed(device, distributed.get_rank(), distributed.get_world_size())
