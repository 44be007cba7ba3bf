"""The queue: runs that the log lacks, side by side, until the time is used."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path

from emoji_lib import BadInput
from emoji_lib.files import held, is_held
from emoji_lib.runs import experiments
from emoji_lib.runs.experiments import Plan
from emoji_lib.runs.record import DONE, RESULTS, runs_in
from emoji_lib.train.device import pick

GRACE = 30.0  # seconds that a stopped run has for its checkpoint
STOPPED = (130, -signal.SIGTERM)  # exit codes of interrupted runs; the second: before `cli.main` handles it


def waiting(out: Path = RESULTS, names: Iterable[str] = (), *, again: bool = False) -> list[tuple[Plan, bool]]:
    """Runs of these experiments, or of all, that `out` lacks, each with whether it was begun.

    Interrupted ones come first, in the order in which they last began; then new ones in the order of
    `experiments.yaml`, one seed of each before the next. Left out are those that a process is running, those that
    failed, unless `again`, and those whose data the user must bring, unless named.
    """
    runs = [(folder, record) for folder, record in runs_in(out) if not record.get("changed")]
    ready = [name for name, one in experiments.load().items() if one.ready]
    begun, fresh = [], []
    for nth, plan in (one for name in dict.fromkeys(names) or ready for one in enumerate(experiments.plans(name))):
        mine = [run for run in runs if (run[1]["experiment"], run[1]["seed"]) == (plan.experiment.name, plan.seed)]
        if any(record["status"] in DONE or is_held(folder) for folder, record in mine):
            continue
        alike = [record for _, record in mine if not plan.differences_from(record)]
        if alike and alike[-1]["status"] == "interrupted":
            begun.append(((alike[-1].get("resumed") or alike[-1:])[-1]["started"], plan))
        elif again or not alike:
            fresh.append((nth, plan))
    begun, fresh = (sorted(plans, key=itemgetter(0)) for plans in (begun, fresh))
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
    """Run what is `waiting`, `jobs` processes at a time; returns how each run ended, by its label.

    After `minutes` (0: no limit) runs are asked to stop, which keeps a checkpoint; the next call resumes them.
    """
    if device:
        pick(device)  # refuses an unknown one
    deadline = time.monotonic() + minutes * 60 if minutes else float("inf")
    queue, running, ended = [plan for plan, _ in waiting(out, names, again=again)], {}, {}
    try:
        while (queue and time.monotonic() < deadline) or running:
            while queue and len(running) < jobs and time.monotonic() < deadline:
                plan, claim = queue.pop(0), contextlib.ExitStack()
                if process := _begin(plan, out, device, jobs, again, claim):
                    running[plan.label] = plan, process, claim
                else:
                    claim.close()
                    ended[plan.label] = "done or begun by another process"
            if time.monotonic() >= deadline:
                stop(process for _, process, _ in running.values())
            for name, (plan, process, claim) in list(running.items()):
                if process.poll() is not None:
                    claim.close()
                    ended[name] = _end(plan, process.returncode, out)
                    del running[name]
            time.sleep(0.2)
    finally:
        stop(process for _, process, _ in running.values())
        for *_, claim in running.values():
            claim.close()
    return ended


def _end(plan: Plan, code: int, out: Path) -> str:
    """How a run ended, by its process's exit code and, where that is 0, by its record."""
    if code:
        return "interrupted" if code in STOPPED else "failed"
    done = [record for _, record in runs_in(out) if record["status"] in DONE and not record.get("changed")]
    mine = [one["status"] for one in done if (one["experiment"], one["seed"]) == (plan.experiment.name, plan.seed)]
    return mine[-1] if mine else "finished"


def _begin(plan: Plan, out: Path, device: str, jobs: int, again: bool, claim: contextlib.ExitStack):
    """Start a run in a process, or return nothing where another call has done or begun it since."""
    out.mkdir(parents=True, exist_ok=True)
    name, seed = plan.experiment.name, ["--seed", str(plan.seed)] if "seed" in plan.parameters else []
    try:
        claim.enter_context(held(out / f"{name}-s{plan.seed}"))  # the process takes seconds until it holds a folder
    except BadInput:
        return None
    resumes = {other.seed: begun for other, begun in waiting(out, [name], again=again)}
    if plan.seed not in resumes:
        return None
    resume = ["--resume"] if resumes[plan.seed] else []
    where = ["-p", "device", device] if device and "device" in plan.parameters else []
    return side_by_side(["run", name, *seed, "--out", str(out), *resume, *where], jobs)


def threads(jobs: int) -> dict[str, str]:
    """The environment of one of `jobs` processes: an equal part of the machine's threads; one job keeps its own."""
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs))} if jobs > 1 else {}


def side_by_side(command: list[str], jobs: int) -> subprocess.Popen:
    """Start `python -m emoji_lib COMMAND` as one of `jobs` processes."""
    words = [sys.executable, "-m", "emoji_lib", *command]
    # In a group of its own, or Ctrl-C would reach it twice: from the terminal, and by `stop`.
    return subprocess.Popen(words, env=os.environ | threads(jobs), process_group=0)


def stop(processes: Iterable[subprocess.Popen]) -> None:
    """Ask processes to stop, and kill those that do not within `GRACE`."""
    processes = list(processes)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
