"""The league: GANs and diffusion models, ours and others', on the same emoji for the same time, and scored alike."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from emoji_lib import BadInput, RunFailed
from emoji_lib.data import emoji, pixels
from emoji_lib.files import held, write_json
from emoji_lib.measure import protocol
from emoji_lib.runs import league
from emoji_lib.runs.record import RUNS, code, versions
from emoji_lib.show import plots, sampler
from emoji_lib.tools import player as players
from emoji_lib.train import device as machine

WORK = RUNS / "league"
SIDE = 64  # pixels of RGBA samples over white, which are scored beside those of RGB players
SHOWN = 8


def fill(names: Iterable[str], minutes: float, seed: int, out: Path) -> Iterator[dict]:
    """The rows of these players, or of all where none is named.

    A row that is there is not made again, unless it failed and its player is named.

    Raises `BadInput` for an unknown player, and where a row with scores is of other minutes.
    """
    sampler.check(players.SAMPLES, seed)
    names = list(names)
    folders = {league.place(one.name, seed, out): one for one in players.players(names)}
    for folder in folders:
        if league.has_scores(folder) and (given := league.read(folder)["minutes"]) != minutes:
            raise BadInput(f"{folder} is a row of {given:g} minutes, not {minutes:g}: remove it, or give another --out")
    for folder, one in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder):
            if not (folder / "row.json").is_file() or (names and not league.has_scores(folder)):
                print(f"{one.name}: {minutes:g} min, then its samples and scores", file=sys.stderr, flush=True)
                write_json(folder / "row.json", _row(one, minutes, seed, folder))
        yield league.read(folder)


def _row(one: players.Player, minutes: float, seed: int, folder: Path) -> dict:
    """The facts and scores of a player's turn, or why it failed; its first samples are put into the folder."""
    settings = asdict(one)
    row = {"player": settings.pop("name"), "seed": seed, "minutes": minutes, **code(), "settings": settings}
    row |= {"device": f"one core of {machine.describe(torch.device('cpu'))}", "versions": versions()}
    origin = {key: row[key] for key in ("player", "commit", "seed")}
    try:
        samples, facts = players.train(one, minutes * 60, seed, WORK)
        images = emoji.open_library(samples).images
        images = images if one.mode == "RGBA" else images[:, :3]
        strip = plots.contact_sheet(images[:SHOWN], premultiplied=False, columns=SHOWN)
        sampler.save_png(folder / "strip.png", strip, origin, f"0 to {SHOWN - 1}")
        found = {f"{one.mode} {one.size}": score(samples)}
        if one.mode == "RGBA":
            flat = samples.with_name("rgb")
            sampler.save(pixels.over(pixels.resize(images, SIDE), premultiplied=False), flat, origin)
            found[league.FLAT] = score(flat)
    except (BadInput, RunFailed) as error:
        return row | {"error": str(error)}
    return row | facts | {"scores": found}


def score(samples: Path) -> dict:
    """What `python -m emoji_lib evaluate FOLDER --reference all:train --n 1000` finds."""
    shown, real, _ = sampler.target(str(samples), players.SAMPLES, protocol.SEED, players.SELECTION)
    return protocol.evaluate(shown, real) | {"seed": protocol.SEED}
