"""A player of the league: its entry, its environment, and its turn, in a process of its own on one core.

Other projects' requirements are installed in an environment for each player; all share this environment's torch.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from emoji_lib import BadInput, RunFailed, did_you_mean
from emoji_lib.data import emoji
from emoji_lib.files import held
from emoji_lib.show import sampler

PLAYERS = Path(__file__).parent / "players" / "players.yaml"
SELECTION, SAMPLES = "all:train", 1000
GRACE, SAMPLING = 60.0, 7200.0  # seconds that training may take beyond its time, and that drawing the samples may take
SETTING_UP = 1800.0  # seconds to wait for another process that installs or fetches the same player
LAST = 8  # lines of a log that an error shows


@dataclass(frozen=True)
class Player:
    """An entry of `players.yaml`. `requirements` are complete: pip installs these and nothing that they ask for."""

    name: str
    about: str
    source: str
    mode: str  # RGB over white, or RGBA
    size: int  # pixels a side
    adapter: str  # a script beside `players.yaml`
    command: list[str]
    changes: str = ""
    requirements: tuple[str, ...] = ()
    repository: str = ""
    commit: str = ""


def players(names: Iterable[str] = ()) -> list[Player]:
    """The players of these names, or all. Raises `BadInput` for an unknown one."""
    known = yaml.safe_load(PLAYERS.read_text(encoding="utf-8"))
    for name in names:
        if name not in known:
            raise BadInput(f"unknown player {name!r}{did_you_mean(name, known)}; there are {', '.join(known)}")
    return [Player(name, **known[name]) for name in dict.fromkeys(names) or known]


def train(player: Player, seconds: float, seed: int, work: Path) -> tuple[Path, dict]:
    """A player's samples and facts. Raises `RunFailed` where it cannot run, fails, or overruns its time.

    Its script writes `facts.json` among the samples when training ends, and once more when they are drawn.
    """
    place = work / player.name / f"s{seed}"
    samples, log = place / "samples", place / "log.txt"
    place.mkdir(parents=True, exist_ok=True)
    with held(place.parent, wait=SETTING_UP):  # another seed of this player may be at it
        given = {"python": environment(player, work), "repository": clone(player, work)}
    given |= {"data": pictures(player, work), "adapter": PLAYERS.with_name(player.adapter), "out": samples}
    given |= {"seconds": seconds, "seed": seed, "n": SAMPLES}
    shutil.rmtree(place, ignore_errors=True)
    samples.mkdir(parents=True)
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    words = [*pinned, *(word.format(**given) for word in player.command)]
    # PYTHONPATH is for our own players. No GPU, since only some players would use it.
    own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(emoji.ROOT), "CUDA_VISIBLE_DEVICES": ""}
    with log.open("w") as said:
        process = subprocess.Popen(
            words, cwd=place, env=os.environ | own, stdout=said, stderr=subprocess.STDOUT, process_group=0
        )
        try:
            trained = _wait(process, samples / "facts.json", seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has started
            process.wait()
    drawn, facts = len(list(samples.glob("*.png"))), {}
    with contextlib.suppress(OSError, ValueError):
        facts = json.loads((samples / "facts.json").read_text(encoding="utf-8"))
    if process.returncode or drawn < SAMPLES or not facts.keys() >= {"images_seen", "sampling_seconds"}:
        last = _last(log.read_text(encoding="utf-8", errors="replace"))
        raise RunFailed(f"ended with code {process.returncode} and {drawn:,} of {SAMPLES:,} pictures\n{last}")
    return samples, {"trained_seconds": trained} | facts


def _wait(process: subprocess.Popen, facts: Path, seconds: float) -> float:
    """Wait for the process; returns the seconds it trained. Raises `RunFailed` when training or drawing overruns."""
    began, trained, now = time.monotonic(), None, 0.0
    while process.poll() is None:
        time.sleep(0.1)
        now = time.monotonic() - began
        if trained is None and facts.is_file():
            trained = now
        if trained is None and now > seconds + GRACE:
            raise RunFailed(f"stopped: still training after {now:.0f} s, of {seconds:.0f} s that it had")
        if trained is not None and now > trained + SAMPLING:
            raise RunFailed(f"stopped: still drawing its samples after {now - trained:.0f} s")
    return round(now if trained is None else trained, 1)


def pictures(player: Player, work: Path) -> Path:
    """The emoji as PNGs of a player's mode, in the layout of torchvision's `ImageFolder`; written once."""
    learned = emoji.load(SELECTION, size=player.size, mode=player.mode, premultiplied=False)
    folder = work / "data" / f"{player.mode.lower()}-{player.size}-{learned.sha256[:12]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent))
        sampler.save(learned.images, partial / "all", learned.facts(), [one.code for one in learned.emoji])
        try:
            partial.rename(folder)
        except OSError:  # another league was faster
            shutil.rmtree(partial)
    return folder


def environment(player: Player, work: Path) -> Path:
    """The Python of a player's environment, made where it is not there or its requirements have changed."""
    if not player.requirements:
        return Path(sys.executable)
    home, wanted = work / player.name / "environment", "\n".join(player.requirements)
    ready, python = home / "requirements.txt", home / "bin" / "python"
    if not ready.is_file() or ready.read_text() != wanted:
        _call(sys.executable, "-m", "venv", "--clear", home)
        (packages,) = home.glob("lib/python*/site-packages")
        (packages / "shared.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")  # after the player's own
        _call(python, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", *player.requirements)
        ready.write_text(wanted)
    return python


def clone(player: Player, work: Path) -> Path | None:
    """A player's repository at its commit, or nothing where it has none."""
    if not player.repository:
        return None
    folder = work / player.name / player.commit
    if not folder.is_dir():
        partial = folder.with_name(f".{player.commit}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        _call("git", "init", "--quiet", partial)
        _call("git", "-C", partial, "fetch", "--quiet", "--depth", "1", player.repository, player.commit)
        _call("git", "-C", partial, "checkout", "--quiet", "FETCH_HEAD")
        partial.rename(folder)
    return folder


def _call(*command: str | Path) -> None:
    """Raises `RunFailed` with the last lines where a command fails or is not there."""
    try:
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        last = _last(getattr(error, "stdout", None) or str(error))
        raise RunFailed(f"its environment cannot be made: {Path(command[0]).name} failed\n{last}") from error


def _last(text: str) -> str:
    return "\n".join(text.splitlines()[-LAST:])
