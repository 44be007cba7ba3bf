"""The training loop: batches into a system's step, with observers that log, draw, evaluate and keep checkpoints."""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor
from torch.profiler import record_function

from emoji_lib import BadInput
from emoji_lib.data.batches import Batches
from emoji_lib.nets.deep import numbers
from emoji_lib.train import observers
from emoji_lib.train.distributed import processes
from emoji_lib.train.graphs import stepper
from emoji_lib.train.system import System


def stage_ends(lengths: str, cap: int = 0) -> list[int]:
    """The steps at which stages as long as `lengths` (`"50 70 130"`) end, none after `cap` where that is not 0."""
    steps = numbers(lengths, "stages")
    if cap < 0:
        raise BadInput(f"steps {cap} is negative: give 0 for all stages, or a cap on all of them together")
    return [min(end, cap or end) for end in accumulate(steps)]


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
        """Add a step's metrics to the sums on the device, so that nothing waits for it between two rows."""
        self.sums = {name: value + self.sums.get(name, 0) for name, value in metrics.items()}
        self.since += 1

    def means(self) -> dict[str, float]:
        """The metrics' means over all processes and over the steps since the last call."""
        values = torch.stack(list(self.sums.values())).float()
        processes().average([values])
        means = {name: round(sum_ / self.since, 6) for name, sum_ in zip(self.sums, values.tolist(), strict=True)}
        self.sums, self.since = {}, 0
        return means

    def checkpoint(self, system: System) -> dict:
        """Everything that `restored` needs, plain values and tensors."""
        return vars(self) | {"kept": self.step, "system": system.state_dict(), "torch_rng": torch.get_rng_state()}

    @classmethod
    def restored(cls, run, system: System) -> "State":
        """The state of the run's newest checkpoint, to which the system and torch's random numbers are brought back."""
        if not (checkpoint := run.restore()):
            return cls()
        system.load_state_dict(checkpoint["system"])
        torch.set_rng_state(checkpoint["torch_rng"])
        return cls(**{name: checkpoint[name] for name in cls.__dataclass_fields__ if name in checkpoint})


def train(
    system: System,
    batches: Batches,
    steps: int,
    run,
    latents: Tensor,
    *,
    monitor=None,
    sample_steps: Collection[int] = (),
    decay: float = 0.0,
    checkpoint_every: float = observers.CHECKPOINT_EVERY,  # seconds
) -> None:
    """Train for `steps` steps, or what is left of them after the newest checkpoint of the `run` (`runs/run.py`).

    The first `latents` are drawn after `sample_steps`, or else at `observers.SAMPLED_AT`, and for a film. A collapse
    found by the `monitor` ends it. Learning rates fall over the last fraction `decay`. On a CPU a resumed run equals an
    uninterrupted one. Raises `Interrupted` after a signal, `Diverged` for numbers not finite, `BadInput` for no steps.
    """
    if steps < 1:
        raise BadInput(f"{steps} steps: there is nothing to train; give at least 1")
    rates = [observers.Rates(system, steps, decay)] if decay else []  # before a checkpoint brings its own
    state, take, group = State.restored(run, system), stepper(system), processes()
    with observers.stop_requests() as stops:
        metrics = observers.Metrics(run, state, steps, batches.batch_size)
        snapshots = observers.Snapshots(run, latents, sample_steps, steps)
        collapse = observers.Collapse(run, state, monitor, steps)
        checkpointing = observers.Checkpointing(run, state, steps, stops, monitor, checkpoint_every)
        watching = [metrics, snapshots, *rates, collapse, checkpointing]
        while state.step < steps and not checkpointing.collapsed:
            with record_function("data"):
                batch = group.parts(batches[state.step])
            found = take(*batch)
            state.step += 1
            with record_function("logging"):
                state.add(found)
            for observe in watching:
                observe(state, system)
    if checkpointing.collapsed and state.step not in snapshots.at:  # its end is shown, too
        run.snapshot(state.step, system.sample(snapshots.latents))
    finish(run, state, batches.batch_size, monitor)


def finish(run, state: State, batch_size: int, monitor) -> None:
    """Write the totals to the run's record."""
    images = state.step * batch_size
    facts = {"steps": state.step, "images_seen": images, "images_per_second": round(images / state.seconds, 1)}
    if monitor and monitor.collapsed:
        print(f"collapsed by step {state.step:,}: see the trace of coverage and diversity", flush=True)
        facts["collapsed"] = True
    run.note(**facts)
