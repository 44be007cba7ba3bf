"""Distributed training: several processes train one system, started by torchrun."""

import atexit
import os
from functools import cache

import torch
from torch import Tensor, distributed

from emoji_lib import BadInput


class Processes:
    """The processes that train one system; a single one shares with nobody."""

    def __init__(self, device: torch.device | None = None, rank: int = 0, size: int = 1):
        self.device, self.rank, self.size = device, rank, size

    def parts(self, batch: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
        """This process's part of each tensor `[N, …]` of a global batch. Raises `BadInput` if N does not divide."""
        tensors = batch if isinstance(batch, tuple) else (batch,)
        if len(tensors[0]) % self.size:
            raise BadInput(f"batch_size {len(tensors[0])} does not divide among {self.size} processes")
        return [one.chunk(self.size)[self.rank] for one in tensors]

    def gather(self, part: Tensor) -> Tensor:
        """The parts `[n, …]` of all processes as one `[N, …]`, in order of rank; gradients flow back to each."""
        if self.size == 1:
            return part
        from torch.distributed.nn.functional import all_gather  # of which a single process has no need

        return torch.cat(all_gather(part.to(self.device)))

    def average(self, tensors: list[Tensor]) -> None:
        """Give every process each tensor's mean over the processes, in place."""
        if self.size == 1 or not tensors:
            return
        message = torch.cat([tensor.reshape(-1) for tensor in tensors])  # one message, not hundreds
        distributed.all_reduce(message)
        parts = message.div_(self.size).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def broadcast(self, tensors: list[Tensor]) -> None:
        """Give every process the values of rank 0, in place."""
        for tensor in tensors if self.size > 1 else ():
            distributed.broadcast(tensor, 0)

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """Whether any process raised each flag."""
        if self.size == 1:
            return flags
        raised = torch.tensor(flags, dtype=torch.float32, device=self.device)
        distributed.all_reduce(raised)
        return tuple(map(bool, raised.tolist()))


@cache
def processes() -> Processes:
    """The processes of this training, as torchrun's environment says."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return Processes()
    on_gpu = torch.cuda.is_initialized()  # as `device.pick` chose
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    distributed.init_process_group("nccl" if on_gpu else "gloo", device_id=device if on_gpu else None)
    if on_gpu:  # NCCL complains at the end of a process that leaves it open
        atexit.register(distributed.destroy_process_group)
    return Processes(device, distributed.get_rank(), distributed.get_world_size())
