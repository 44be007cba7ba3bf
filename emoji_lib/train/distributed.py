"""Distributed training: several processes train one system, started by torchrun, joined by Lightning Fabric.

Without torchrun, `processes()` is a `SingleProcess`, whose methods cost nothing.
"""

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

    def __init__(self, fabric):
        self.fabric = fabric
        self.rank, self.size = fabric.global_rank, fabric.world_size

    def part(self, batch: Tensor) -> Tensor:
        if len(batch) % self.size:
            raise BadInput(f"batch_size {len(batch)} does not divide among {self.size} processes")
        return batch.chunk(self.size)[self.rank]

    def gather(self, part: Tensor) -> Tensor:
        return self.fabric.all_gather(part, sync_grads=part.requires_grad).flatten(0, 1)

    def average(self, tensors: list[Tensor]) -> None:
        if not tensors:
            return
        message = torch.cat([tensor.reshape(-1) for tensor in tensors])  # one message, not hundreds
        distributed.all_reduce(message)  # Fabric's own has a barrier before it, at which a GPU's host would wait
        parts = message.div_(self.size).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def broadcast(self, tensors: list[Tensor]) -> None:
        for tensor in tensors:
            distributed.broadcast(tensor, 0)

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        raised = torch.tensor(flags, dtype=torch.float32, device=self.fabric.device)
        distributed.all_reduce(raised)
        return tuple(map(bool, raised.tolist()))


@cache
def processes() -> SingleProcess:
    """The processes of this training, as torchrun's environment says. Raises `BadInput` where Fabric is missing."""
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        return SingleProcess()
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy
    except ImportError as error:
        raise BadInput("several processes need Lightning Fabric: pip install -r requirements-extras.txt") from error

    class Torchrun(DDPStrategy):
        """Without Fabric's launcher, which refuses a notebook's kernel: torchrun has started the processes."""

        def _configure_launcher(self) -> None:
            self._launcher = None

    here = int(os.environ.get("LOCAL_WORLD_SIZE", size))
    accelerator = "cuda" if torch.cuda.is_initialized() else "cpu"  # as `device.pick` chose
    fabric = Fabric(accelerator=accelerator, devices=here, num_nodes=size // here, strategy=Torchrun())
    fabric.launch()
    return Distributed(fabric)
