"""Observers of the training loop: metrics, snapshots, the collapse monitor and checkpoints, each called every step."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Collection, Iterator

from torch import Tensor

from emoji_lib import BadInput
from emoji_lib.train.device import set_rate
from emoji_lib.train.distributed import processes

SAMPLED_AT = (0.01, 0.03, 0.1, 0.25, 0.5, 2 / 3, 1.0)  # fractions of a run at which snapshots are taken
FRAMES, FIXED = 48, 8  # pictures of a run's film, and fixed latents in each and in a snapshot
EVALUATIONS = 24  # of a monitor in a whole run
ROWS = 400  # of metrics in a whole run
PROGRESS_EVERY, PROGRESS_RAREST = 10.0, 300.0  # seconds between the first progress lines, and between the last
CHECKPOINT_EVERY = 60.0  # seconds between checkpoints
AGREE_EVERY = 20  # steps between the moments at which distributed processes decide together, and so wait for each other


class Diverged(RuntimeError):
    """Training produced a number that is not finite."""

    def __init__(self, state, what: str):
        last = f"last good checkpoint: step {state.kept}" if state.kept else "there is no checkpoint yet"
        super().__init__(f"by step {state.step} {what} are not finite; {last}; try a lower learning rate")


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop and has kept a checkpoint."""


class Metrics:
    """Logs the means of metrics about `ROWS` times in a run, and prints progress."""

    def __init__(self, run, state, steps: int, batch_size: int):
        self.run, self.steps, self.every = run, steps, max(1, steps // ROWS)
        self.progress = Progress(state.step, steps, batch_size)

    def __call__(self, state, system) -> None:
        if state.since < self.every and state.step < self.steps:
            return
        means = state.means()
        if not all(map(math.isfinite, means.values())):
            raise Diverged(state, f"losses {means}")
        self.run.log(state.step, means)
        self.progress.say(state.step, means)


class Snapshots:
    """Draws the first of the fixed latents at a few moments of the run, and evenly through it for a film."""

    def __init__(self, run, latents: Tensor, sample_steps: Collection[int], steps: int):
        self.run, self.latents = run, latents[:FIXED]
        self.at = set(sample_steps) or {max(1, round(steps * fraction)) for fraction in SAMPLED_AT}
        self.filmed = {round(steps * frame / FRAMES) for frame in range(1, FRAMES + 1)}

    def __call__(self, state, system) -> None:
        if state.step in self.at or state.step in self.filmed:
            images = system.sample(self.latents)
            if state.step in self.filmed:
                self.run.frame(state.step, images)
            if state.step in self.at:
                self.run.snapshot(state.step, images)


class Rates:
    """Keeps learning rates until a fraction `decay` of the run is left, then lowers them linearly to a twentieth."""

    LAST = 0.05

    def __init__(self, system, steps: int, decay: float):
        if not 0 <= decay <= 1:
            raise BadInput(f"decay {decay} is not a fraction in 0..1 (0.5 is usual, 0 keeps the learning rates)")
        self.steps, self.decay = steps, decay
        self.first = {name: float(one.param_groups[0]["lr"]) for name, one in system.optimizers.items()}

    def __call__(self, state, system) -> None:
        left = (self.steps - state.step) / self.steps
        if left > self.decay:
            return
        for name, optimizer in system.optimizers.items():
            fraction = self.LAST + (1 - self.LAST) * left / self.decay
            set_rate(optimizer, self.first[name] * fraction)


class Collapse:
    """Has a monitor evaluate the generator about `EVALUATIONS` times in a run; its trace is part of the state."""

    def __init__(self, run, state, monitor, steps: int):
        self.run, self.monitor, self.every = run, monitor, max(1, steps // EVALUATIONS)
        if monitor:
            monitor.trace[:] = state.trace
            state.trace = monitor.trace

    def __call__(self, state, system) -> None:
        if self.monitor and state.step % self.every == 0:
            self.monitor.evaluate(state.step, system.sample)
            self.run.trace(self.monitor.trace)


class Checkpointing:
    """Keeps a checkpoint when one is due, at the end, and when the process is asked to stop.

    Distributed processes decide together, since clocks, signals and rounding differ between them.
    """

    def __init__(self, run, state, steps: int, stops: list[int], monitor, every: float):
        self.run, self.steps, self.stops, self.monitor, self.every = run, steps, stops, monitor, every
        self.kept_at = time.perf_counter()
        self.began = time.perf_counter() - state.seconds
        self.collapsed = self._has_collapsed()

    def _has_collapsed(self) -> bool:
        return bool(self.monitor and self.monitor.collapsed and not self.monitor.ignore_collapse)

    def __call__(self, state, system) -> None:
        now, leads = time.perf_counter(), processes().rank == 0
        state.seconds = now - self.began
        if processes().size > 1 and state.step % AGREE_EVERY and state.step < self.steps:
            return
        due = now - self.kept_at >= self.every
        asked, due, self.collapsed = processes().agree(bool(self.stops), due, leads and self._has_collapsed())
        ended = self.collapsed or state.step == self.steps
        if not (asked or due or ended):
            return
        checkpoint = state.checkpoint(system)
        networks = checkpoint["system"]["networks"].items()
        bad = [name for name, weights in networks if not all(weight.isfinite().all() for weight in weights.values())]
        if any(processes().agree(bool(bad))):  # no bad checkpoint takes the place of a good one
            raise Diverged(state, f"weights of the {' and '.join(bad)}")
        self.run.checkpoint(state.step, checkpoint)
        state.kept, self.kept_at = state.step, time.perf_counter()
        if asked:
            raise Interrupted(f"stopped at step {state.step:,} of {self.steps:,}, where a checkpoint was kept")


@contextlib.contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Collects SIGINT and SIGTERM as a list of their numbers, so that neither interrupts a step."""
    stops, before = [], {}
    if threading.current_thread() is threading.main_thread():  # the only one that gets signals in Python
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda number, frame: stops.append(number))
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Progress:
    """Prints plain lines, further apart as time goes by, since a stored notebook keeps every one of them."""

    def __init__(self, first: int, steps: int, batch_size: int):
        if first:
            print(f"resuming from step {first:,} of {steps:,}", flush=True)
        self.first, self.steps, self.batch_size = first, steps, batch_size
        self.started = self.said = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def say(self, step: int, means: dict[str, float]) -> None:
        now = time.perf_counter()
        pause = min(PROGRESS_EVERY + 0.1 * (now - self.started), PROGRESS_RAREST)
        if now - self.said < pause and step < self.steps:
            return
        self.said = now
        seconds_a_step = (now - self.started) / (step - self.first)
        left = int(seconds_a_step * (self.steps - step))
        numbers = "  ".join(f"{name} {value:.2f}" for name, value in means.items() if name.startswith("loss"))
        speed = f"{self.batch_size / seconds_a_step:,.0f} images/s  {left // 60}:{left % 60:02d} left"
        print(f"step {step:,}/{self.steps:,} ({step / self.steps:.0%})  {numbers}  {speed}", flush=True)
