"""The league: GANs and diffusion models, ours and others', on the same emoji for the same time, and scored alike.

Each player of `players/players.yaml` trains in a process of its own on one core. What others need is installed in an
environment of theirs; players share this environment's torch.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import pandas as pd
import torch
import yaml

from emoji_lib import BadInput, RunFailed, nearest
from emoji_lib.data import emoji, pixels
from emoji_lib.files import held, write_whole
from emoji_lib.measure import protocol
from emoji_lib.measure.features import TRUSTED
from emoji_lib.numbers import kid, number
from emoji_lib.runs import missing
from emoji_lib.runs.record import RESULTS, RUNS, code, versions
from emoji_lib.show import plots, sampler
from emoji_lib.train import device as machine

SELECTION, SAMPLES = "all:train", 1000
SIZES = {"RGB": 64, "RGBA": 72}  # pixels a side, RGB over white
GRACE, SAMPLING = 60.0, 7200.0  # seconds that training may take beyond its time, and that drawing the samples may take
PLAYERS = Path(__file__).parent / "players" / "players.yaml"
LEAGUE, WORK = RESULTS / "league", RUNS / "league"


@dataclass(frozen=True)
class Player:
    """An entry of `players.yaml`. `requirements` are complete: pip installs these and nothing that they ask for."""

    name: str
    about: str
    source: str
    mode: str
    size: int
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
            raise BadInput(f"unknown player {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    return [Player(name, **known[name]) for name in dict.fromkeys(names) or known]


def play(names: Iterable[str], minutes: float, seed: int, out: Path = LEAGUE, work: Path = WORK) -> Iterator[dict]:
    """The rows of these players, of all where none is named; a row that is there is not made again.

    Raises `BadInput` for an unknown player, and where a row that is there is of other minutes.
    """
    sampler.check(SAMPLES, seed)
    folders = {out / f"{player.name}-s{seed}": player for player in players(names)}
    for folder in folders:
        if (folder / "row.json").is_file() and (given := _read(folder)["minutes"]) != minutes:
            raise BadInput(f"{folder} is a row of {given:g} minutes, not {minutes:g}: remove it, or give another --out")
    for folder, player in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder):
            if not (folder / "row.json").is_file():
                print(f"{player.name}: {minutes:g} min, then {SAMPLES:,} samples", flush=True)
                row = _row(player, minutes, seed, folder, work)
                text = json.dumps(row, indent=2, ensure_ascii=False) + "\n"
                write_whole(folder / "row.json", lambda partial, text=text: partial.write_text(text, encoding="utf-8"))
        yield _read(folder)


def rows(results: Path = LEAGUE) -> pd.DataFrame:
    """The table: a row for each player, seed and mode, nearest to real by the first encoder first."""
    table = []
    for path in results.glob("*/row.json"):
        row = _read(path.parent)
        for mode, found in (row.get("scores") or {"–": {}}).items():
            encoders = {name: found.get(name, {}) for name in TRUSTED}
            cells = {"player": row["player"], "seed": row["seed"], "mode": mode}
            cells |= {"images seen": number(row.get("images_seen"))}
            cells |= {f"KID {name}": kid(one) for name, one in encoders.items()}
            cells |= {f"coverage {name}": number(one.get("coverage")) for name, one in encoders.items()}
            cells |= {"near copies": number(found.get("memorised"))}
            cells |= {"sampling (s)": number(row.get("sampling_seconds")), "error": row.get("error", "").split("\n")[0]}
            table.append(((mode, encoders[TRUSTED[0]].get("kid", float("inf"))), cells))
    return pd.DataFrame([cells for _, cells in sorted(table, key=lambda one: one[0])])


def _read(folder: Path) -> dict:
    return json.loads((folder / "row.json").read_text(encoding="utf-8"))


def _row(player: Player, minutes: float, seed: int, folder: Path, work: Path) -> dict:
    settings, started = asdict(player), code()
    row = {"player": settings.pop("name"), "seed": seed, "minutes": minutes, "settings": settings, **started}
    row |= {"device": f"one core of {machine.describe(torch.device('cpu'))}", "versions": versions()}
    try:
        samples, facts = train(player, minutes * 60, seed, work)
        images = emoji.open_library(samples).images
        shown = images[:8] if player.mode == "RGBA" else images[:8, :3]
        origin = {"player": player.name, "commit": started["commit"], "seed": seed}
        strip = plots.contact_sheet(shown, premultiplied=False)
        sampler.save_png(folder / "strip.png", strip, origin, "0 to 7")
        found = {f"{player.mode} {player.size}": score(samples)}
        if player.mode == "RGBA":
            flat = pixels.over(pixels.resize(images, SIZES["RGB"]), premultiplied=False)
            sampler.save(flat, samples.with_name("rgb"), origin)
            found[f"RGB {SIZES['RGB']}"] = score(samples.with_name("rgb"))
        return row | facts | {"scores": found}
    except (BadInput, RunFailed) as error:
        return row | {"error": str(error)}


def score(samples: Path) -> dict:
    """As `python -m emoji_lib evaluate FOLDER -n 1000` does."""
    shown, real, _ = sampler.target(str(samples), SAMPLES, protocol.SEED, SELECTION)
    return protocol.evaluate(shown, _shared(real)) | {"seed": protocol.SEED}


@cache
def _shared(real: protocol.Reference) -> protocol.Reference:
    """The first of equal ones, which knows its features already."""
    return real


def train(player: Player, seconds: float, seed: int, work: Path = WORK) -> tuple[Path, dict]:
    """A player's samples and facts, from its own process on one core. Raises `RunFailed` where it fails or overruns.

    It writes `facts.json` among the samples when training ends, and once more when they are drawn.
    """
    place = work / player.name / f"s{seed}"
    samples, log = place / "samples", place / "log.txt"
    given = {"python": environment(player, work), "repository": clone(player, work), "data": pictures(player, work)}
    given |= {"out": samples, "seconds": seconds, "seed": seed, "n": SAMPLES, "adapter": PLAYERS.parent / player.adapter}
    shutil.rmtree(place, ignore_errors=True)
    samples.mkdir(parents=True)
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    command = [*pinned, *(word.format(**given) for word in player.command)]
    # Ours import emoji_lib from here; a GPU would be one player's and not another's.
    own = missing.threads(os.cpu_count() or 1) | {"PYTHONPATH": str(emoji.ROOT), "CUDA_VISIBLE_DEVICES": ""}
    with log.open("w") as said:
        process = subprocess.Popen(
            command, cwd=place, env=os.environ | own, stdout=said, stderr=subprocess.STDOUT, process_group=0
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
        last = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
        raise RunFailed(f"ended with code {process.returncode} and {drawn:,} of {SAMPLES:,} pictures\n{last}")
    return samples, {"trained_seconds": trained} | facts


def _wait(process: subprocess.Popen, facts: Path, seconds: float) -> float:
    """Until the process ends; how long it trained. Raises `RunFailed` when that or drawing takes too long."""
    began, trained, now = time.monotonic(), None, 0.0
    while process.poll() is None:
        time.sleep(0.1)
        now = time.monotonic() - began
        if trained is None and facts.is_file():
            trained = now
        if trained is None and now > seconds + GRACE:
            raise RunFailed(f"stopped: still training after {now:.0f} s of {seconds:.0f} s")
        if trained is not None and now > trained + SAMPLING:
            raise RunFailed(f"stopped: still drawing samples after {now - trained:.0f} s")
    return round(now if trained is None else trained, 1)


def pictures(player: Player, work: Path) -> Path:
    """The emoji as PNGs of a player's mode, in the layout of torchvision's `ImageFolder`; written once."""
    folder = work / "data" / f"{player.mode.lower()}-{player.size}"
    if not folder.is_dir():
        learned = emoji.load(SELECTION, size=player.size, mode=player.mode, premultiplied=False)
        partial = folder.with_name(f".{folder.name}.partial")
        sampler.save(learned.images, partial / "all", learned.facts(), [one.code for one in learned.emoji])
        partial.rename(folder)
    return folder


def environment(player: Player, work: Path) -> Path:
    """The Python of a player's environment, made where it is not there or its requirements have changed."""
    if not player.requirements:
        return Path(sys.executable)
    home, wanted = work / player.name / "environment", "\n".join(player.requirements)
    ready = home / "requirements.txt"
    if not ready.is_file() or ready.read_text() != wanted:
        _call(sys.executable, "-m", "venv", "--clear", home)
        (packages,) = home.glob("lib/python*/site-packages")
        (packages / "shared.pth").write_text(f"{Path(torch.__file__).parents[1]}\n")  # after the player's own
        _call(home / "bin/python", "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", *player.requirements)
        ready.write_text(wanted)
    return home / "bin/python"


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
        last = "\n".join((getattr(error, "stdout", "") or str(error)).splitlines()[-8:])
        raise RunFailed(f"its environment cannot be made: {' '.join(map(str, command[:4]))}\n{last}") from error
