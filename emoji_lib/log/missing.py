"""What the log lacks, run as far as the time goes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from emoji_lib.log import experiments
from emoji_lib.log.record import GOOD, RESULTS, runs_in

GRACE = 30.0  # seconds a run gets to put down its checkpoint


def waiting(out: Path = RESULTS, names: Iterable[str] = ()) -> list[tuple[str, bool]]:
    """Experiments without a finished run in `out`, and whether one was begun; longest-waiting first.

    A run that was begun has waited since then; those never begun follow in the order of `experiments.yaml`. Runs that
    failed are not begun again by themselves, nor are those begun that need what only the user can bring: `run NAME`
    does that.
    """
    unchanged = [record for _, record in runs_in(out) if not record.get("changed")]
    good = {record["experiment"]: record for record in unchanged if record["status"] in GOOD}
    newest = {record["experiment"]: record for record in unchanged} | good
    alone = [name for name, one in experiments.load().items() if not one.needs]
    wanted = [experiments.find(name).name for name in names] or alone
    begun = [name for name in wanted if name in newest and newest[name]["status"] == "interrupted"]
    begun.sort(key=lambda name: newest[name].get("resumed", [newest[name]])[-1]["started"])
    return [(name, True) for name in begun] + [(name, False) for name in wanted if name not in newest]


def run_missing(
    out: Path = RESULTS,
    *,
    names: Iterable[str] = (),
    device: str = "",
    minutes: float = 0.0,
    jobs: int = 1,
) -> dict[str, str]:
    """Run what is `waiting`, `jobs` at a time, each in a process of its own; returns how each of them ended.

    After `minutes` (0: no end) running ones are asked to stop, which keeps a checkpoint, and go on at the next call.
    """
    deadline = time.monotonic() + minutes * 60 if minutes else float("inf")
    queue, running, ended = waiting(out, names), {}, {}
    threads = str(max(1, (os.cpu_count() or 1) // jobs))  # side by side, threads of two runs would wait for each other
    try:
        while (queue and time.monotonic() < deadline) or running:
            while queue and len(running) < jobs and time.monotonic() < deadline:
                name, begun = queue.pop(0)
                command = [sys.executable, "-m", "emoji_lib", "run", name, "--out", str(out)]
                command += ["--resume"] if begun else []
                command += ["-p", "device", device] if device else []
                running[name] = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": threads})
            if time.monotonic() >= deadline:
                _stop(running)
            for name, process in list(running.items()):
                if process.poll() is not None:
                    ended[name] = {0: "finished", 130: "interrupted"}.get(process.returncode, "failed")
                    del running[name]
            time.sleep(0.2)
    except KeyboardInterrupt:
        _stop(running)
        raise
    return ended


def _stop(running: dict[str, subprocess.Popen]) -> None:
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for process in running.values():
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
