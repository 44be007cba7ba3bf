"""The one loop: batches into a system's step, means out to a record, and a line to whoever waits."""

import math
import time
from typing import Protocol

from torch import Tensor

from emoji_lib.data.batches import Batches

SHOWN_AT = (0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0)  # shares of a run at which the fixed latents are drawn
LOGGED = 400  # rows of metrics in a whole run
SAY_EVERY = 10.0  # seconds between progress lines


class System(Protocol):
    def step(self, real: Tensor) -> dict[str, Tensor]: ...
    def sample(self, latents: Tensor) -> Tensor: ...
    def state_dict(self) -> dict: ...


class Recorder(Protocol):
    def log(self, step: int, facts: dict[str, float]) -> None: ...
    def show(self, step: int, images: Tensor) -> None: ...
    def keep(self, state: dict) -> None: ...
    def trained(self, **facts) -> None: ...


class Diverged(RuntimeError):
    """Training produced a number that is not finite."""


def train(system: System, batches: Batches, steps: int, recorder: Recorder, latents: Tensor) -> None:
    """`steps` steps of `system` on `batches`.

    About `LOGGED` rows of metrics reach the recorder, each the mean since the row before, so that nothing waits for the
    device in between. `latents` are drawn at the shares of the run in `SHOWN_AT`. Raises `Diverged`.
    """
    every = max(1, steps // LOGGED)
    shown = {max(1, round(steps * share)) for share in SHOWN_AT}
    sums: dict[str, Tensor] = {}
    since, progress = 0, Progress(steps, batches.batch_size)
    for step in range(1, steps + 1):
        facts = system.step(batches[step - 1])
        sums = {name: value + sums.get(name, 0) for name, value in facts.items()}
        since += 1
        if since == every or step == steps:
            means = {name: round(float(value) / since, 6) for name, value in sums.items()}
            if not all(map(math.isfinite, means.values())):
                raise Diverged(
                    f"training left the finite numbers by step {step}: {means}; a lower learning rate may help"
                )
            recorder.log(step, means)
            progress.say(step, means)
            sums, since = {}, 0
        if step in shown:
            recorder.show(step, system.sample(latents))
    recorder.keep({"step": steps, "system": system.state_dict(), "latents": latents})
    recorder.trained(steps=steps, images_seen=steps * batches.batch_size, images_per_second=progress.speed(steps))


class Progress:
    """A plain line every so often; carriage returns would be frozen into stored notebooks."""

    def __init__(self, steps: int, batch_size: int):
        self.steps, self.batch_size = steps, batch_size
        self.started = self.said = time.perf_counter()

    def speed(self, step: int) -> float:
        """Images a second since the start."""
        return round(step * self.batch_size / (time.perf_counter() - self.started), 1)

    def say(self, step: int, means: dict[str, float]) -> None:
        now = time.perf_counter()
        if now - self.said < SAY_EVERY and step < self.steps:
            return
        self.said = now
        left = (now - self.started) / step * (self.steps - step)
        numbers = "  ".join(f"{name} {value:.2f}" for name, value in means.items() if name.startswith("loss"))
        print(
            f"step {step:,}/{self.steps:,} ({step / self.steps:.0%})  {numbers}  {self.speed(step):,.0f} images/s  "
            f"{int(left) // 60}:{int(left) % 60:02d} left",
            flush=True,
        )
