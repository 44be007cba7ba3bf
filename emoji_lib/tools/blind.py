"""A blind reading: pictures of held-out names, for each of which a reader picks one name out of twelve."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from emoji_lib import BadInput
from emoji_lib.data import pixels, words
from emoji_lib.files import write_json
from emoji_lib.measure import text_match
from emoji_lib.measure.protocol import SEED
from emoji_lib.runs.record import read_record
from emoji_lib.show import plots, sampler
from emoji_lib.show.phrases import PhraseSampler

ASKED, CHOICES = 30, 12
SIDE = 144  # pixels a picture is shown at


def make(run: Path, out: Path, retrieval: float) -> None:
    """Fill a folder with a blind reading of a text generator of notebook 06.

    `unseen.png` holds numbered pictures, one of each name, not picked, drawn with this `retrieval`; `choices.json` the
    names to choose from; `names.json` the right ones, which no reader gets.
    """
    artist, selection = PhraseSampler(run), read_record(run)["parameters"]["selection"]
    artist.guide(retrieval=retrieval)
    asked = text_match.questions(selection, artist.facts["encoder"], 10**6).get("unseen concepts")
    if asked is None or len(asked.wanted) < max(ASKED, CHOICES):
        raise BadInput(f"{run.name} learned from {selection!r}, which holds out too few names to ask for")
    called = words.readable(words.labels(asked.shown.emoji), artist.facts["encoder"])
    names, rng = [called[label].name for label in asked.wanted], np.random.default_rng(SEED)
    chosen = rng.permutation(len(names))[:ASKED]
    choices = {}
    for number, index in enumerate(chosen, 1):
        others = rng.permutation([name for name in names if name != names[index]])[: CHOICES - 1]
        choices[str(number)] = rng.permutation([names[index], *others]).tolist()
    drawn = pixels.over(artist.of(asked.vectors[chosen]), premultiplied=False)
    larger = [plots.tile(one[None], 1).resize((SIDE, SIDE)) for one in drawn]
    sheet = plots.grid(larger, 6, captions=list(choices), gap=12)
    sheet = sheet.quantize(256, dither=Image.Dither.NONE)
    out.mkdir(parents=True, exist_ok=True)
    (out / "readings.json").unlink(missing_ok=True)  # of other pictures
    sampler.save_png(out / "unseen.png", sheet, sampler.origin(run, 0) | {"retrieval": retrieval}, f"1 to {ASKED}")
    write_json(out / "choices.json", choices)
    write_json(out / "names.json", {number: names[index] for number, index in zip(choices, chosen, strict=True)})


def score(out: Path, answers: list[Path]) -> dict:
    """How many names each reader got right, from files `{number: name}`; `readings.json` keeps that and the answers."""
    names, choices = (_read(out / f"{file}.json") for file in ("names", "choices"))
    readings = out / "readings.json"
    given = _read(readings)["answers"] if readings.is_file() else {}
    given |= {path.stem: _read(path) for path in answers}
    if len({path.stem for path in answers}) < len(answers):
        raise BadInput("two readers have one name: call the files of answers by their readers")
    for reader, said in given.items():
        if said.keys() != names.keys() or any(name not in choices[key] for key, name in said.items()):
            raise BadInput(f"{reader} does not answer each of 1 to {len(names)} with one of its choices")
    right = {reader: sum(said[key] == name for key, name in names.items()) for reader, said in given.items()}
    found = {"asked": len(names), "by_chance": len(names) / CHOICES, "right": right, "answers": given, "names": names}
    write_json(readings, found)
    return found


def _read(path: Path) -> dict:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({error})") from error
    if not isinstance(facts, dict):
        raise BadInput(f"{path} is not {{number: name}}")
    return facts
