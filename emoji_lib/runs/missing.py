"""What the log lacks, run as far as the time goes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from emoji_lib.files import is_held
from emoji_lib.runs import experiments
from emoji_lib.runs.record import GOOD, RESULTS, runs_in
from emoji_lib.train.device import pick

GRACE = 30.0  # seconds a run gets to put down its checkpoint


def waiting(out: Path = RESULTS, names: Iterable[str] = (), *, again: bool = False) -> list[tuple[str, bool]]:
    """Experiments without a finished run in `out`, and whether one was begun; longest-waiting first.

    A run that was begun has waited since then; those never begun follow in the order of `experiments.yaml`. What some
    process is running does not come. What failed comes only to be tried `again`, and what lacks something that only the
    user can bring only when it is named.
    """
    runs: dict[str, list[tuple[Path, dict]]] = {}
    for folder, record in runs_in(out):
        if not record.get("changed"):
            runs.setdefault(record["experiment"], []).append((folder, record))
    alone = [name for name, one in experiments.load().items() if one.ready]
    begun, fresh = [], []
    for name in [experiments.find(name).name for name in names] or alone:
        mine, plan = runs.get(name, []), experiments.plan(name, {})
        if any(record["status"] in GOOD or is_held(folder) for folder, record in mine):
            continue
        alike = [record for _, record in mine if not plan.apart(record)]
        if alike and alike[-1]["status"] == "interrupted":
            begun.append((alike[-1].get("resumed", alike[-1:])[-1]["started"], name))
        elif again or not alike:
            fresh.append(name)
    return [(name, True) for _, name in sorted(begun)] + [(name, False) for name in fresh]


def run_missing(
    out: Path = RESULTS,
    *,
    names: Iterable[str] = (),
    device: str = "",
    minutes: float = 0.0,
    jobs: int = 1,
    again: bool = False,
) -> dict[str, str]:
    """Run what is `waiting`, `jobs` at a time, each in a process of its own; returns how each of them ended.

    After `minutes` (0: no end) running ones are asked to stop, which keeps a checkpoint, and go on at the next call.
    """
    if device:
        pick(device)  # better refused once than by every run
    deadline = time.monotonic() + minutes * 60 if minutes else float("inf")
    queue, running, ended = waiting(out, names, again=again), {}, {}
    threads = str(max(1, (os.cpu_count() or 1) // jobs))  # side by side, threads of two runs would wait for each other
    try:
        while (queue and time.monotonic() < deadline) or running:
            while queue and len(running) < jobs and time.monotonic() < deadline:
                name, _ = queue.pop(0)
                still = waiting(out, [name], again=again)  # others may have taken it since
                if not still:
                    ended[name] = "done or begun by another process"
                    continue
                ((_, begun),) = still
                command = [sys.executable, "-m", "emoji_lib", "run", name, "--out", str(out)]
                command += ["--resume"] if begun else []
                command += ["-p", "device", device] if device else []
                # In a group of its own: Ctrl-C reaches it through us, once.
                environment = os.environ | {"OMP_NUM_THREADS": threads}
                running[name] = subprocess.Popen(command, env=environment, process_group=0)
            if time.monotonic() >= deadline:
                stop(running.values())
            for name, process in list(running.items()):
                if process.poll() is not None:
                    ended[name] = {0: "finished", 130: "interrupted"}.get(process.returncode, "failed")
                    del running[name]
            time.sleep(0.2)
    finally:
        stop(running.values())
    return ended


def stop(processes: Iterable[subprocess.Popen]) -> None:
    """Ask each to stop, and see to it that it does."""
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
