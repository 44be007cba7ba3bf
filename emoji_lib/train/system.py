"""Systems: named networks with their optimizers and random numbers, which together do one training step."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from emoji_lib import BadInput
from emoji_lib.nets.layers import seeded
from emoji_lib.train import device as machine
from emoji_lib.train import distributed

# Added to the seed once for each process, so that training never draws the numbers of sampling; it fits the 32 bits
# that a CPU's generator keeps of a seed.
SEED_STRIDE = 2**24


def refuse_negative(**amounts: float) -> None:
    """Raises `BadInput` for an amount below 0."""
    if negative := [f"{name} {value}" for name, value in amounts.items() if value < 0]:
        raise BadInput(f"{', '.join(negative)} must not be negative; 0 is none")


class System:
    """What the training loop trains.

    A subclass has a `step` from a batch, float32 in −1..1, to detached scalars to log, and a `sample` from latents
    `[N, …]` to images `[N, C, H, W]` in −1..1. On a GPU the step is captured once and replayed (`graphs.py`), unless
    it is not `capturable`. Only a `distributable` step averages gradients over processes. A step that depends on
    `steps_taken` counts itself.
    """

    capturable = True
    distributable = False

    def __init__(
        self,
        networks: dict[str, nn.Module],
        optimizers: dict[str, torch.optim.Optimizer],
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        self.device = torch.device(device)
        self.networks, self.optimizers = networks, optimizers
        self.processes = distributed.processes()
        if self.processes.size > 1 and not self.distributable:
            raise BadInput(f"{type(self).__name__} trains in a single process, not in {self.processes.size}")
        for module in self.modules().values():
            self.processes.broadcast(list(module.state_dict().values()))
        self.rng = seeded(seed, self.device, apart=SEED_STRIDE * (1 + self.processes.rank))
        self.steps_taken = torch.zeros((), device=self.device) if self.capturable else 0  # a graph counts in place

    def modules(self) -> dict[str, nn.Module]:
        """Every network that has a state, by name."""
        return self.networks

    @contextlib.contextmanager
    def forward(self) -> Iterator[None]:
        """Forward passes under autocast, with spectral norms computed once: no optimizer may step inside."""
        with machine.autocast(self.device), parametrize.cached():
            yield

    def gradients(self, loss: Tensor, *names: str, retain_graph: bool = False) -> None:
        """Put the gradients of `loss`, averaged over the processes, into the named networks and no others."""
        parameters = [one for name in names for one in self.networks[name].parameters()]
        grads = list(torch.autograd.grad(loss, parameters, retain_graph=retain_graph))
        self.processes.average(grads)
        for parameter, grad in zip(parameters, grads, strict=True):
            # Fused Adam walks memory as it lies, so a gradient has to lie as its parameter does.
            same_layout = grad.stride() == parameter.stride()
            parameter.grad = grad if same_layout else torch.empty_like(parameter).copy_(grad)

    def state_dict(self) -> dict:
        """Everything that resuming needs."""
        return {
            "networks": {name: module.state_dict() for name, module in self.modules().items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "rng": self.processes.gather(self.rng.get_state()[None]),
            "taken": int(self.steps_taken),
        }

    def load_state_dict(self, state: dict) -> None:
        """Resume from a `state_dict`. Raises `BadInput` for one of other networks or another number of processes."""
        try:
            for name, module in self.modules().items():
                module.load_state_dict(state["networks"][name])
            for name, optimizer in self.optimizers.items():
                machine.load_optimizer(optimizer, state["optimizers"][name])
        except (KeyError, RuntimeError, ValueError) as error:
            raise BadInput(f"the checkpoint is of other networks ({error})") from error
        if len(state["rng"]) != self.processes.size:
            raise BadInput(f"the checkpoint is of {len(state['rng'])} processes, not {self.processes.size}")
        mine = state["rng"][self.processes.rank].cpu()
        self.rng.set_state(mine.clone())  # torch reads a view from its storage's start
        self.steps_taken += int(state.get("taken", 0)) - int(self.steps_taken)  # an old GAN's has none
