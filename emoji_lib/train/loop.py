"""The one loop: batches into a system's step, means out to a record, checkpoints, and a line to whoever waits."""

import math
import signal
import threading
import time
from collections.abc import Callable, Collection
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor
from torch.profiler import record_function

from emoji_lib import BadInput
from emoji_lib.data.batches import Batches
from emoji_lib.train.graphs import stepper
from emoji_lib.train.parallel import peers

SHOWN_AT = (0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0)  # shares of a run at which the fixed latents are drawn
LOOKS = 24  # of a monitor in a whole run
LOGGED = 400  # rows of metrics in a whole run
SAY_EVERY = 10.0  # seconds between progress lines
KEEP_EVERY = 60.0  # seconds between checkpoints


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
    go_on: bool

    def look(self, step: int, sample: Callable[[Tensor], Tensor]) -> None: ...


class Recorder(Protocol):
    def restore(self) -> dict | None: ...
    def log(self, step: int, facts: dict[str, float]) -> None: ...
    def show(self, step: int, images: Tensor) -> None: ...
    def watch(self, trace: list[dict[str, float]]) -> None: ...
    def keep(self, step: int, state: dict, best: bool) -> None: ...
    def trained(self, **facts) -> None: ...


class Diverged(RuntimeError):
    """Training produced a number that is not finite."""


class Interrupted(KeyboardInterrupt):
    """Training was asked to stop and has put down a checkpoint."""


def train(
    system: System,
    batches: Batches,
    steps: int,
    recorder: Recorder,
    latents: Tensor,
    *,
    monitor: Monitor | None = None,
    shown_at: Collection[int] = (),
    keep_every: float = KEEP_EVERY,
) -> None:
    """`steps` steps of `system` on `batches`, or what a checkpoint of the recorder leaves of them.

    About `LOGGED` rows of metrics reach the recorder, each the mean since the row before, so that nothing waits for the
    device in between. `latents` are drawn after the steps `shown_at`, or else at the shares of the run in `SHOWN_AT`. A
    `monitor` looks `LOOKS` times, and training ends early once it calls the run collapsed, unless that is to `go_on`.
    A checkpoint is kept every `keep_every` seconds, at the best look, at the end, and when the process is asked to stop
    (SIGINT, SIGTERM), which then raises `Interrupted`. Raises `Diverged`, and `BadInput` for less than one step. On a
    CPU a run in pieces equals a run in one go bit for bit.
    """
    if steps < 1:
        raise BadInput(f"{steps} steps: there is nothing to train; give at least 1")
    every, look_every = max(1, steps // LOGGED), max(1, steps // LOOKS)
    shown = set(shown_at) or {max(1, round(steps * share)) for share in SHOWN_AT}
    tally, first, seconds = Tally(), 0, 0.0
    if state := recorder.restore():
        system.load_state_dict(state["system"])
        torch.set_rng_state(state["torch_rng"])
        tally, first, seconds = Tally(state["sums"], state["since"]), state["step"], state["seconds"]
        if monitor:
            monitor.trace[:] = state["trace"]
        print(f"going on from step {first:,} of {steps:,}", flush=True)
    progress = Progress(first, steps, batches.batch_size, seconds)
    kept, kept_at = first, time.perf_counter()
    take, others, step = stepper(system), peers(), first
    leads = others.rank == 0  # what is judged may differ by rounding, so one process decides for all
    fallen = lambda: bool(monitor and monitor.collapsed and not monitor.go_on)  # noqa: E731
    with StopRequest() as stop:
        for step in range(first + 1, steps + 1) if not fallen() else ():
            with record_function("data"):
                batch = batches[step - 1]  # images, or images and what goes with them
                batch = [others.share(part) for part in (batch if isinstance(batch, tuple) else (batch,))]
            facts = take(*batch)
            with record_function("logging"):
                tally.add(facts)
            if tally.since == every or step == steps:
                means = tally.take()
                if not all(map(math.isfinite, means.values())):
                    raise Diverged(_not_finite(step, f"losses {means}", kept))
                recorder.log(step, means)
                progress.say(step, means)
            if step in shown:
                recorder.show(step, system.sample(latents))
            best = False
            if monitor and step % look_every == 0:
                monitor.look(step, system.sample)
                recorder.watch(monitor.trace)
                best = monitor.best
            seconds = progress.seconds()
            due = time.perf_counter() - kept_at >= keep_every
            asked, due, best, over = others.agree(stop.asked, due, best and leads, fallen() and leads)
            over = over or step == steps
            if asked or due or over or best:
                state = {"step": step, "sums": tally.sums, "since": tally.since, "seconds": seconds}
                state |= {"trace": monitor.trace} if monitor else {}
                state |= {"system": system.state_dict(), "torch_rng": torch.get_rng_state()}
                lost = _lost(state["system"])
                if any(others.agree(bool(lost))):
                    raise Diverged(_not_finite(step, f"weights of the {lost}", kept))
                recorder.keep(step, state, best)
                kept, kept_at = step, time.perf_counter()
            if over:
                break
            if asked:
                raise Interrupted(f"stopped at step {step:,} of {steps:,}, where a checkpoint was kept")
    facts = {"steps": step, "images_seen": step * batches.batch_size}
    facts["images_per_second"] = round(step * batches.batch_size / seconds, 1)
    if monitor and monitor.collapsed:
        print(f"collapsed by step {step:,}: see the trace of coverage and diversity", flush=True)
        facts["collapsed"] = True
    recorder.trained(**facts)


def _not_finite(step: int, what: str, kept: int) -> str:
    last = f"last good checkpoint: step {kept}" if kept else "there is no checkpoint yet"
    return f"by step {step} {what} are not finite; {last}; try a lower learning rate"


def _lost(state: dict) -> str:
    """The first network with a weight that is not finite, so that no good checkpoint makes way for a bad one."""
    for name, tensors in state.get("networks", {}).items():
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            return name
    return ""


class Tally:
    """Sums of a system's facts on its device, so that nothing waits for it between two rows."""

    def __init__(self, sums: dict[str, Tensor] | None = None, since: int = 0):
        self.sums, self.since = sums or {}, since

    def add(self, facts: dict[str, Tensor]) -> None:
        self.sums = {name: value + self.sums.get(name, 0) for name, value in facts.items()}
        self.since += 1

    def take(self) -> dict[str, float]:
        """The means since the last time."""
        (values,) = peers().mean([torch.stack(list(self.sums.values())).float()])  # one wait for the device
        means = {name: round(value / self.since, 6) for name, value in zip(self.sums, values.tolist(), strict=True)}
        self.sums, self.since = {}, 0
        return means


class StopRequest:
    """While open, SIGINT and SIGTERM only set `asked`, so that a step is never cut in two."""

    def __init__(self):
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python hands signals to no other
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number, frame) -> None:
        self.asked = True

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Progress:
    """A plain line every so often; carriage returns would be frozen into stored notebooks."""

    def __init__(self, first: int, steps: int, batch_size: int, seconds: float = 0.0):
        self.first, self.steps, self.batch_size = first, steps, batch_size
        self.before = seconds
        self.started = self.said = time.perf_counter()

    def seconds(self) -> float:
        """Time spent training, that of earlier pieces of the run included."""
        return self.before + time.perf_counter() - self.started

    def say(self, step: int, means: dict[str, float]) -> None:
        now = time.perf_counter()
        if now - self.said < SAY_EVERY and step < self.steps:
            return
        self.said = now
        a_step = (now - self.started) / (step - self.first)
        left = int(a_step * (self.steps - step))
        numbers = "  ".join(f"{name} {value:.2f}" for name, value in means.items() if name.startswith("loss"))
        speed = f"{self.batch_size / a_step:,.0f} images/s  {left // 60}:{left % 60:02d} left"
        print(f"step {step:,}/{self.steps:,} ({step / self.steps:.0%})  {numbers}  {speed}", flush=True)
