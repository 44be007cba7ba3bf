"""The one loop: batches into a system's step, and observers that log, draw, watch for collapse and keep checkpoints."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor
from torch.profiler import record_function

from emoji_lib import BadInput
from emoji_lib.data.batches import Batches
from emoji_lib.train import observers
from emoji_lib.train.distributed import processes
from emoji_lib.train.graphs import stepper
from emoji_lib.train.observers import CHECKPOINT_EVERY


def stage_ends(lengths: str, cap: int = 0) -> list[int]:
    """The steps at which stages as long as `lengths` (`"50 70 130"`) end, none after `cap` where that is not 0."""
    try:
        steps = [int(length) for length in lengths.split()]
    except ValueError:
        steps = []
    if not steps or min(steps) < 1:
        raise BadInput(f"stages {lengths!r} are not positive numbers of steps, such as '50 70 130'")
    if cap < 0:
        raise BadInput(f"steps {cap} is negative: give 0 for all stages, or a cap on all of them together")
    return [min(end, cap or end) for end in accumulate(steps)]


class System(Protocol):
    device: torch.device
    capturable: bool

    def step(self, real: Tensor, *given: Tensor) -> dict[str, Tensor]: ...
    def sample(self, latents: Tensor) -> Tensor: ...
    def state_dict(self) -> dict: ...
    def load_state_dict(self, state: dict) -> None: ...


class Monitor(Protocol):
    trace: list[dict[str, float]]
    best: bool
    collapsed: bool
    ignore_collapse: bool

    def evaluate(self, step: int, sample: Callable[[Tensor], Tensor]) -> None: ...


class Run(Protocol):
    """What a run keeps of its training; see `runs/run.py`."""

    def restore(self) -> dict | None: ...
    def log(self, step: int, means: dict[str, float]) -> None: ...
    def snapshot(self, step: int, images: Tensor) -> None: ...
    def trace(self, trace: list[dict[str, float]]) -> None: ...
    def checkpoint(self, step: int, state: dict, best: bool) -> None: ...
    def trained(self, **facts) -> None: ...


@dataclass
class State:
    """Where training is: all that a checkpoint holds beside the system's own state."""

    step: int = 0
    seconds: float = 0.0  # spent training, those of earlier pieces of the run included
    sums: dict[str, Tensor] = field(default_factory=dict)  # of the metrics since the last row, on the system's device
    since: int = 0  # steps in these sums
    trace: list[dict[str, float]] = field(default_factory=list)  # what the monitor measured
    kept: int = 0  # step of the newest checkpoint

    def add(self, metrics: dict[str, Tensor]) -> None:
        """Sum a step's metrics where they are, so that nothing waits for the device between two rows."""
        self.sums = {name: value + self.sums.get(name, 0) for name, value in metrics.items()}
        self.since += 1

    def means(self) -> dict[str, float]:
        """The metrics' means since the last time, over all processes."""
        (values,) = processes().mean([torch.stack(list(self.sums.values())).float()])  # one wait for the device
        means = {name: round(value / self.since, 6) for name, value in zip(self.sums, values.tolist(), strict=True)}
        self.sums, self.since = {}, 0
        return means

    def checkpoint(self, system: System) -> dict:
        self.kept = self.step
        return vars(self) | {"system": system.state_dict(), "torch_rng": torch.get_rng_state()}

    @classmethod
    def resume(cls, checkpoint: dict, system: System) -> "State":
        """Bring the system and torch's random numbers back to a checkpoint, and say where training was."""
        system.load_state_dict(checkpoint["system"])
        torch.set_rng_state(checkpoint["torch_rng"])
        return cls(**{name: checkpoint[name] for name in cls.__dataclass_fields__ if name in checkpoint})


def train(
    system: System,
    batches: Batches,
    steps: int,
    run: Run,
    latents: Tensor,
    *,
    monitor: Monitor | None = None,
    sample_steps: Collection[int] = (),
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> None:
    """`steps` steps of `system` on `batches`, or what is left of them after the run's newest checkpoint.

    About `observers.ROWS` rows of metrics reach the run, each the mean since the row before. `latents` are drawn after
    `sample_steps`, or else at the fractions of the run in `observers.SAMPLED_AT`. A `monitor` evaluates the generator
    `observers.EVALUATIONS` times, and training ends early once it calls the run collapsed, unless it is to
    `ignore_collapse`. A checkpoint is kept every `checkpoint_every` seconds, at the best evaluation, at the end, and
    when the process is asked to stop (SIGINT, SIGTERM), which then raises `Interrupted`. Raises `Diverged` for numbers
    that are not finite, and `BadInput` for less than one step. On a CPU a resumed run equals an uninterrupted one bit
    for bit.
    """
    if steps < 1:
        raise BadInput(f"{steps} steps: there is nothing to train; give at least 1")
    state = State()
    if checkpoint := run.restore():
        state = State.resume(checkpoint, system)
        print(f"resuming from step {state.step:,} of {steps:,}", flush=True)
    take, others = stepper(system), processes()
    with observers.StopRequest() as stop:
        watching = [
            observers.Metrics(run, state, steps, batches.batch_size),
            observers.Snapshots(run, latents, sample_steps, steps),
            observers.Collapse(run, state, monitor, steps),
            checkpoints := observers.Checkpoints(run, state, steps, stop, monitor, checkpoint_every),
        ]
        while state.step < steps and not checkpoints.collapsed:
            with record_function("data"):
                batch = batches[state.step]  # images, or images and what goes with them
                batch = [others.part(one) for one in (batch if isinstance(batch, tuple) else (batch,))]
            metrics = take(*batch)
            state.step += 1
            with record_function("logging"):
                state.add(metrics)
            for observe in watching:
                observe(state, system)
    facts = {"steps": state.step, "images_seen": state.step * batches.batch_size}
    facts["images_per_second"] = round(facts["images_seen"] / state.seconds, 1)
    if monitor and monitor.collapsed:
        print(f"collapsed by step {state.step:,}: see the trace of coverage and diversity", flush=True)
        facts["collapsed"] = True
    run.trained(**facts)
