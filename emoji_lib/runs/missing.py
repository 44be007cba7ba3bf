"""What the log lacks, run as far as the time goes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from emoji_lib import BadInput
from emoji_lib.files import held, is_held
from emoji_lib.runs import experiments
from emoji_lib.runs.experiments import Plan
from emoji_lib.runs.record import GOOD, RESULTS, runs_in
from emoji_lib.train.device import pick

GRACE = 30.0  # seconds a run gets to put down its checkpoint
ENDS = {0: "finished", 130: "interrupted", -signal.SIGTERM: "interrupted"}  # the last: stopped before it listened


def waiting(out: Path = RESULTS, names: Iterable[str] = (), *, again: bool = False) -> list[tuple[Plan, bool]]:
    """Runs that `out` has not finished, and whether each was begun; longest-waiting first.

    A run that was begun has waited since then; those never begun follow in the order of `experiments.yaml`, a seed of
    each before the next. What some process is running does not come. What failed comes only to be tried `again`, and
    what lacks something that only the user can bring only when it is named.
    """
    runs: dict[tuple[str, int], list[tuple[Path, dict]]] = {}
    for folder, record in runs_in(out):
        if not record.get("changed"):
            runs.setdefault((record["experiment"], record["seed"]), []).append((folder, record))
    ready = [name for name, one in experiments.load().items() if one.ready]
    begun, fresh = [], []
    for nth, plan in (one for name in dict.fromkeys(names) or ready for one in enumerate(experiments.plans(name))):
        mine = runs.get((plan.experiment.name, plan.seed), [])
        if any(record["status"] in GOOD or is_held(folder) for folder, record in mine):
            continue
        alike = [record for _, record in mine if not plan.apart(record)]
        if alike and alike[-1]["status"] == "interrupted":
            begun.append((alike[-1].get("resumed", alike[-1:])[-1]["started"], plan))
        elif again or not alike:
            fresh.append((nth, plan))
    begun, fresh = (sorted(plans, key=lambda one: one[0]) for plans in (begun, fresh))
    return [(plan, True) for _, plan in begun] + [(plan, False) for _, plan in fresh]


def run_missing(
    out: Path = RESULTS,
    *,
    names: Iterable[str] = (),
    device: str = "",
    minutes: float = 0.0,
    jobs: int = 1,
    again: bool = False,
) -> dict[str, str]:
    """Run what is `waiting`, `jobs` at a time, each in a process of its own; returns how each ended, by its label.

    After `minutes` (0: no end) running ones are asked to stop, which keeps a checkpoint, and go on at the next call.
    """
    if device:
        pick(device)  # better refused once than by every run
    deadline = time.monotonic() + minutes * 60 if minutes else float("inf")
    queue, running, ended = [plan for plan, _ in waiting(out, names, again=again)], {}, {}
    try:
        while (queue and time.monotonic() < deadline) or running:
            while queue and len(running) < jobs and time.monotonic() < deadline:
                plan, claim = queue.pop(0), contextlib.ExitStack()
                if process := _begin(plan, out, device, jobs, again, claim):
                    running[plan.label] = process, claim
                else:
                    claim.close()
                    ended[plan.label] = "done or begun by another process"
            if time.monotonic() >= deadline:
                stop(process for process, _ in running.values())
            for name, (process, claim) in list(running.items()):
                if process.poll() is not None:
                    claim.close()
                    ended[name] = ENDS.get(process.returncode, "failed")
                    del running[name]
            time.sleep(0.2)
    finally:
        stop(process for process, _ in running.values())
        for _, claim in running.values():
            claim.close()
    return ended


def _begin(plan: Plan, out: Path, device: str, jobs: int, again: bool, claim: contextlib.ExitStack):
    """The process of a run, or nothing where another call has done or begun it since."""
    out.mkdir(parents=True, exist_ok=True)
    name, seed = plan.experiment.name, ["--seed", str(plan.seed)] if "seed" in plan.parameters else []
    try:
        claim.enter_context(held(out / f"{name}-s{plan.seed}"))  # its process takes seconds until it has a folder
    except BadInput:
        return None
    for begun in (begun for other, begun in waiting(out, [name], again=again) if other.seed == plan.seed):
        resume = ["--resume"] if begun else []
        where = ["-p", "device", device] if device and "device" in plan.parameters else []
        return side_by_side(["run", name, *seed, "--out", str(out), *resume, *where], jobs)
    return None


def threads(jobs: int) -> dict[str, str]:
    """The environment of one of `jobs` runs: with all threads each, those of two runs would wait for each other."""
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs))}


def side_by_side(command: list[str], jobs: int) -> subprocess.Popen:
    """Start `python -m emoji_lib COMMAND` as one of `jobs`."""
    words = [sys.executable, "-m", "emoji_lib", *command]
    # In a group of its own: Ctrl-C reaches it through us, once.
    return subprocess.Popen(words, env=os.environ | threads(jobs), process_group=0)


def stop(processes: Iterable[subprocess.Popen]) -> None:
    """Ask each to stop, and see to it that it does."""
    processes = list(processes)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
