"""The rows of the league, which `tools/league.py` makes, and tables of them."""

import json
from operator import itemgetter
from pathlib import Path
from statistics import median

import pandas as pd

from emoji_lib import BadInput
from emoji_lib.measure.features import TRUSTED
from emoji_lib.numbers import kid, number
from emoji_lib.runs.record import RESULTS

LEAGUE = RESULTS / "league"
FLAT = "RGB 64"  # the mode that all players share: RGBA samples are also scored over white at this size


def place(player: str, seed: int, results: Path = LEAGUE) -> Path:
    """The folder of a row, with `row.json` and, where there are scores, `strip.png`: eight samples."""
    return results / f"{player}-s{seed}"


def has_scores(folder: Path) -> bool:
    """Whether the folder holds a row with scores."""
    return (folder / "row.json").is_file() and "error" not in read(folder)


def read(folder: Path) -> dict:
    """The row of a folder. Raises `BadInput` where there is none."""
    try:
        row = json.loads((folder / "row.json").read_text(encoding="utf-8"))
        return row | {"player": str(row["player"]), "seed": int(row["seed"]), "minutes": float(row["minutes"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder} holds no row of the league ({error!r}): remove it, and have it made again") from error


def rows(results: Path = LEAGUE) -> list[dict]:
    """All rows, by player and seed."""
    return sorted((read(path.parent) for path in results.glob("*/row.json")), key=itemgetter("player", "seed"))


def table(results: Path = LEAGUE) -> pd.DataFrame:
    """A row for each system, seed and mode, by mode and the first encoder's KID; errors only where there are any."""
    played, lines = rows(results), []
    failed = any("error" in row for row in played)
    for row in played:
        for mode, found in (row.get("scores") or {"–": {}}).items():
            encoders = {name: found.get(name, {}) for name in TRUSTED}
            cells = {"seed": row["seed"], "mode": mode}
            cells["images seen"] = number(row.get("images_seen"))
            cells |= {f"KID {name}": kid(one) for name, one in encoders.items()}
            cells |= {f"coverage {name}": number(one.get("coverage")) for name, one in encoders.items()}
            cells["near copies"] = number(found.get("memorised"))
            cells["of a core"] = number(row.get("core_share"))
            cells["sampling (s)"] = number(row.get("sampling_seconds"))
            if failed:
                cells["error"] = row.get("error", "").partition("\n")[0]
            lines.append((mode, encoders[TRUSTED[0]].get("kid", float("inf")), row["player"], cells))
    *_, systems, cells = zip(*sorted(lines, key=itemgetter(0, 1)), strict=True) if lines else ((), ())
    return pd.DataFrame(cells, pd.Index(systems, name="system"))


def standing(results: Path = LEAGUE) -> dict[str, list[dict]]:
    """Each player's rows with scores, by seed; players by the first encoder's median KID over white, best first.

    Raises `BadInput` where their minutes differ.
    """
    players = {}
    for row in rows(results):
        if FLAT in row.get("scores", {}):
            players.setdefault(row["player"], []).append(row)
    if len(minutes := {row["minutes"] for seeds in players.values() for row in seeds}) > 1:
        raise BadInput(f"{results} has rows of {sorted(minutes)} minutes: a league has one time, remove the others")
    distance = lambda one: median(row["scores"][FLAT][TRUSTED[0]]["kid"] for row in one[1])  # noqa: E731
    return dict(sorted(players.items(), key=distance))
