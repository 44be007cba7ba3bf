"""A whole training step as one CUDA graph: one launch instead of hundreds of kernels."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from emoji_lib.train.distributed import processes

WARM_UP = 3  # steps that let libraries choose their kernels and optimizers make their state


def stepper(system) -> Callable[..., dict[str, Tensor]]:
    """`system.step`, or the same as a CUDA graph if the system is `capturable` and in a single process on a GPU."""
    on_gpu = system.device.type == "cuda" and system.capturable
    return Graphed(system) if on_gpu and processes().size == 1 else system.step


class Graphed:
    """Captures `system.step` at the first call and replays it from then on; each call overwrites the metrics before.

    The system's learning rates and optimizer counters must live on the device, and its step must neither wait for the
    device nor take anything from the host. Load a state before the first call. Randomness comes from `system.rng`, or
    from torch's default generator (dropout), which the warm-up moves on.
    """

    def __init__(self, system):
        self.system = system
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *batch: Tensor) -> dict[str, Tensor]:
        if self.graph is None:
            self._capture(batch)
        torch._foreach_copy_(self.given, list(batch))
        self.graph.replay()
        return self.metrics

    def _capture(self, batch: tuple[Tensor, ...]) -> None:
        before = copy.deepcopy(self.system.state_dict())
        self.given = [tensor.clone() for tensor in batch]
        side, here = torch.cuda.Stream(), torch.cuda.current_stream()
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.system.step(*self.given)
        here.wait_stream(side)
        rewind(self.system, before)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(self.system.rng)
        with torch.cuda.graph(self.graph):
            self.metrics = self.system.step(*self.given)


@torch.no_grad()
def rewind(system, state: dict) -> None:
    """Restore `state` in place: optimizer tensors that were created during a capture would be reset by each replay."""
    for name, optimizer in system.optimizers.items():
        saved = state["optimizers"][name]["state"]
        parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
        for index, parameter in enumerate(parameters):
            for key, value in optimizer.state[parameter].items():
                value.copy_(saved[index][key]) if index in saved else value.zero_()
    for name, module in system.modules().items():
        module.load_state_dict(state["networks"][name])
    system.steps_taken.fill_(state["taken"])
    system.rng.set_state(state["rng"][0])
