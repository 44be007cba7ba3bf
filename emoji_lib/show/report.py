"""Scores of runs as tables, which notebooks show and the terminal prints."""

import itertools
from pathlib import Path

import pandas as pd

from emoji_lib import BadInput
from emoji_lib.measure.features import ENCODERS, TRUSTED
from emoji_lib.measure.text_match import KINDS
from emoji_lib.numbers import kid, mean_and_range, number, setting

SCORES = ("coverage", "precision", "recall", "vendi", "density", "frechet")  # beside the KID; the first four fit a page
TITLES = {"vendi": "Vendi", "frechet": "FD"}  # where they differ from the key
BETTER_HIGH = ("precision", "recall", "density", "coverage", "vendi", "spread")
BASELINES = {"": "kept", "_chance": "by chance", "_blind": "blind", "_palette": "palette"}


def _frame(table: dict) -> pd.DataFrame:
    """A row for each key, with the columns in the order in which rows name them."""
    return pd.DataFrame.from_dict(table, orient="index")


def scores(rows: dict[str, dict], full: bool = False) -> pd.DataFrame:
    """What `protocol.evaluate` found: a row for each set of pictures, columns by encoder; `full` for every score."""
    table = {}
    for name, found in rows.items():
        cells = table[name] = {}
        for encoder in ENCODERS if full else TRUSTED:
            one = found[encoder]
            cells[encoder, "KID"] = kid(one)
            if full:
                cells[encoder, "KID alpha"] = kid(one, "kid_alpha")
            shown = SCORES if full else SCORES[:4]
            cells |= {(encoder, TITLES.get(key, key)): number(one.get(key)) for key in shown}
        cells["pixels", "memorised"] = number(found["memorised"])
        if full:
            cells["groups", "inception"] = number(found.get("inception"))
    return _frame(table)


def notes(rows: dict[str, dict]) -> str:
    """What was compared with what, how to read it, whether the encoders agree, and what the first row leaves out."""
    name, found = next(iter(rows.items()))
    lines = [
        f"{name}: {found['samples']:,} pictures against {found['reference_images']:,} of {found['reference']!r}",
        "KID: 0 is real, ± is the 95% interval. memorised: unseen pictures have 0.05, copies 1.",
        agreement(rows),
    ]
    return "\n".join(lines + [f"left out: {score} ({reason})" for score, reason in found["left_out"].items()])


def mixture(rows: dict[str, dict]) -> pd.DataFrame:
    """What is drawn how often, by the kind of the nearest real picture; without kinds that none draws once in 200."""
    table = {}
    for name, mixed in ((name, found["mixture"]) for name, found in rows.items() if "mixture" in found):
        table = table or {"real": mixed["real"]}
        table[name] = mixed["samples"]
    frame = pd.DataFrame(table).rename_axis("nearest real picture", axis=1)
    often = frame[(frame >= 0.005).any(axis=1)]
    return often.sort_values([*table][:1], ascending=False, kind="stable").map("{:.0%}".format)


def text(rows: dict[str, dict]) -> str:
    """Every score and the notes, for a terminal."""
    frame = scores(rows, full=True)
    parts = [frame[group].rename_axis(f"encoder: {group}", axis=1).to_string() for group in ENCODERS]
    parts.append(frame[["pixels"]].droplevel(0, axis=1).to_string())
    if len(drawn := mixture(rows)):
        parts.append(drawn.to_string())
    return "\n\n".join([*parts, notes(rows)])


def agreement(rows: dict[str, dict]) -> str:
    """How many pairs of rows the trusted encoders order alike by KID, with intervals that do not overlap."""
    names = [name for name, found in rows.items() if all("kid" in found[encoder] for encoder in TRUSTED)]
    pairs = list(itertools.combinations(names, 2))
    if not pairs:
        return "one row says nothing of whether the encoders agree"
    below = lambda one, other: all(rows[one][by]["kid_high"] < rows[other][by]["kid_low"] for by in TRUSTED)  # noqa: E731
    agreed = sum(below(one, other) or below(other, one) for one, other in pairs)
    return f"{' and '.join(TRUSTED)} order {agreed} of {len(pairs)} pairs of rows alike and beyond their intervals"


def phrases(rows: dict[str, list[dict]]) -> pd.DataFrame:
    """What `text_match.evaluate` found of runs, by experiment: means and, of several seeds, lowest and highest."""
    columns = {"inception": "inception (subgroups)", "inception_real": "of real pictures"}
    columns |= {"within": "within a learned name", "within_unseen": "within an unseen one"}
    table = {}
    for name, found in rows.items():
        means = {title: mean_and_range([one[key] for one in found if key in one]) for key, title in columns.items()}
        table[name] = {"seeds": len(found)} | means
    return _frame(table)


def matches(rows: dict[str, list[dict]]) -> pd.DataFrame:
    """How often the real picture nearest to a sample is the right one, by kind of phrase, experiment and encoder."""
    table = {}
    for kind, name, encoder in itertools.product(KINDS, rows, TRUSTED):
        if found := [one[kind][encoder] for one in rows[name] if kind in one]:
            cells = table[kind, name, encoder] = {}
            for key, title in {"top1": "top 1", "top5": "top 5", "group": "group"}.items():
                cells[title] = mean_and_range([one[key] for one in found])
                cells[f"{title} by chance"] = number(sum(one[f"{key}_chance"] for one in found) / len(found))
    return _frame(table)


def translations(rows: dict[str, dict]) -> pd.DataFrame:
    """What `translation.evaluate` found, by direction."""
    table = {}
    for name, found in rows.items():
        kids = {f"KID {encoder}": kid(found[encoder]) for encoder in TRUSTED}
        table[name] = kids | {"memorised": number(found["memorised"]), "cycle error": number(found["cycle"])}
    return _frame(table)


def colours(rows: dict[str, dict]) -> pd.DataFrame:
    """How well translations of held-out faces keep skin and hair colours, by direction, beside baselines."""
    table = {}
    for what, (name, one) in itertools.product(("skin", "hair"), rows.items()):
        if found := one.get(what):
            cells = table[what, name] = {}
            for key, title in {"error": "error", "agreement": "nearest tone"}.items():
                cells |= {(title, head): number(found.get(key + end)) for end, head in BASELINES.items()}
            cells["", "faces"] = f"{found['faces']:.0f}"
    return _frame(table)


def translators(rows: dict[str, list[dict]]) -> pd.DataFrame:
    """Faces to cartoons by experiment: means and, of several seeds, lowest and highest."""
    table = {}
    for name, found in rows.items():
        cells = table[name] = {"seeds": len(found)}
        for what in ("skin", "hair"):
            cells[what] = mean_and_range([one[what]["agreement"] for one in found if what in one])
        cells |= {f"KID {encoder}": mean_and_range([one[encoder]["kid"] for one in found]) for encoder in TRUSTED}
        cells["cycle error"] = mean_and_range([one["cycle"] for one in found])
    return _frame(table)


def _swept(rows: list) -> list[str]:
    """The parameters in which the runs of a sweep differ, by their records."""
    keys = dict.fromkeys(key for *_, record in rows for key in record["parameters"])
    return [key for key in keys if len({str(record["parameters"].get(key)) for *_, record in rows}) > 1]


def sweep_table(rows: list) -> pd.DataFrame:
    """A row for each run of a sweep, with what it changed, how it ended, its last losses and its scores."""
    table, keys = {}, _swept(rows)
    for row, folder, record in rows:
        found = {name: record["scores"].get(name, {}) for name in TRUSTED}
        cells = table[row.name.rsplit("-", 1)[1]] = {key: setting(record["parameters"].get(key)) for key in keys}
        cells |= {"state": record["status"], "last loss D, G": _last_losses(folder)}
        cells |= {f"KID {name}": kid(one) for name, one in found.items()}
        cells |= {f"coverage {name}": number(one.get("coverage")) for name, one in found.items()}
    return _frame(table)


def variations(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each variation of a sweep (`sweep.records`): how many collapsed; means and, of seeds, ranges."""
    table, columns = {}, {"kid": "KID", "coverage": "coverage", "vendi": "Vendi"}
    scored = [f"scores.{encoder}.{key}" for encoder in TRUSTED for key in columns] + ["scores.memorised"]
    runs = runs.reindex(columns=runs.columns.union(scored))  # a score that no run has, as of few samples, is a dash
    for about, mine in runs.groupby("about", sort=False):
        cells = table[about] = {("", "collapsed"): f"{(mine['status'] == 'collapsed').sum()} of {len(mine)}"}
        for (key, title), encoder in itertools.product(columns.items(), TRUSTED):
            values = mine[f"scores.{encoder}.{key}"].dropna()
            cells[title, encoder] = mean_and_range((values if key == "kid" else values.round(2)).tolist())
        cells["pixels", "near copies"] = mean_and_range(mine["scores.memorised"].dropna().round(2).tolist())
    return _frame(table)


def _last_losses(folder: Path) -> str:
    """Means over the last tenth of a run's metrics."""
    path = folder / "metrics.jsonl"
    rows = pd.read_json(path, lines=True) if path.is_file() else pd.DataFrame()
    last = rows.tail(max(1, len(rows) // 10))
    return ", ".join(f"{last[key].mean():.2f}" for key in ("loss_d", "loss_g")) if len(last) else "–"


def ranked(rows: list, score: str) -> list:
    """The evaluated rows of a sweep, best first, by the sum of their ranks in the trusted encoders."""
    scored = [row for row in rows if all(score in row[2]["scores"].get(name, {}) for name in TRUSTED)]
    values = pd.DataFrame([[row[2]["scores"][name][score] for name in TRUSTED] for row in scored])
    ranks = values.rank(ascending=score not in BETTER_HIGH, method="first").sum(axis=1)
    return [scored[index] for index in ranks.sort_values(kind="stable").index]


def sweep_axes(rows: list, score: str) -> tuple[dict[str, list[float]], list[float]]:
    """What `plots.parallel` takes: settings and scores of the evaluated rows, best first, and how good each is."""
    order = ranked(rows, score)
    if not order:
        raise BadInput(f"no run of this sweep has the score {score!r}")
    axes = {key: [record["parameters"].get(key) for *_, record in order] for key in _swept(rows)}
    axes |= {f"{score}, {name}": [record["scores"][name][score] for *_, record in order] for name in TRUSTED}
    return axes, [1 - rank / max(1, len(order) - 1) for rank in range(len(order))]
