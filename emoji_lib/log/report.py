"""Scores as people read them."""

import json
from pathlib import Path

from emoji_lib import BadInput
from emoji_lib.measure.features import TRUSTED

# Header and key of each but KID, which comes with an interval.
SCORES = (
    ("FD", "frechet"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("density", "density"),
    ("coverage", "coverage"),
    ("Vendi", "vendi"),
)
MATCHES = ("top1", "top5", "group")
KINDS = ("seen", "paraphrases", "unseen concepts")
ENCODERS = (*TRUSTED, "random")


def kid(scores: dict, key: str = "kid") -> str:
    """`0.123 ±0.012`, with half of the 95% interval."""
    if key not in scores:
        return "–"
    half = (scores[f"{key}_high"] - scores[f"{key}_low"]) / 2
    return f"{number(scores[key])} ±{number(half)}"


def text(rows: dict[str, dict]) -> str:
    """A table for each encoder, a row for each set of pictures, and what the encoders agree on."""
    name, judged = next(iter(rows.items()))
    lines = [
        f"{name}: {judged['samples']:,} pictures, {judged['reference_images']:,} of {judged['reference']!r} to compare"
    ]
    for encoder in ENCODERS:
        table = [[f"encoder: {encoder}", "KID", "KID alpha", *(title for title, _ in SCORES)]]
        for row, scores in rows.items():
            one = scores[encoder]
            cells = [kid(one), kid(one, "kid_alpha"), *(number(one.get(key)) for _, key in SCORES)]
            table.append([row, *cells])
        lines += ["", *_columns(table)]
    pixels = [[row, number(scores["memorised"]), number(scores.get("inception"))] for row, scores in rows.items()]
    lines += ["", *_columns([["pixels and groups", "memorised", "inception"], *pixels]), ""]
    lines += ["KID: 0 is real, ± is the 95% interval. memorised: unseen pictures have 0.05, copies 1.", agreement(rows)]
    lines += [f"left out: {score} ({reason})" for score, reason in judged["left_out"].items()]
    return "\n".join(lines)


def agreement(rows: dict[str, dict]) -> str:
    """In which pairs of rows the trusted encoders put the same one nearer to real, by intervals that do not overlap."""
    names = [name for name, scores in rows.items() if all("kid" in scores[encoder] for encoder in TRUSTED)]
    apart, agreed = 0, 0
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            signs = {_order(rows[one][encoder], rows[other][encoder]) for encoder in TRUSTED}
            apart += 1
            agreed += len(signs) == 1 and 0 not in signs
    if not apart:
        return "one row says nothing of whether the encoders agree"
    return f"{' and '.join(TRUSTED)} order {agreed} of {apart} pairs of rows alike and beyond their intervals"


def _order(one: dict, other: dict) -> int:
    if one["kid_high"] < other["kid_low"]:
        return -1
    return int(other["kid_high"] < one["kid_low"])


def number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def phrases(rows: dict[str, list[dict]]) -> str:
    """Tables of what `matching.judge` found of runs, by experiment: means and, of several seeds, lowest and highest."""
    table = [["experiment", "seeds", "inception (subgroups)", "of real pictures", "within one caption"]]
    for name, found in rows.items():
        cells = (_spread([one[key] for one in found]) for key in ("inception", "inception_real", "within"))
        table.append([name, str(len(found)), *cells])
    lines = _columns(table)
    for kind in KINDS:
        table = [[f"match: {kind}", "encoder", "top 1", "top 5", "group", "by chance"]]
        for name, found in rows.items():
            for encoder in TRUSTED:
                asked = [one[kind][encoder] for one in found if kind in one]
                if asked:
                    cells = [_spread([one[key] for one in asked]) for key in MATCHES]
                    chance = [number(sum(one[f"{key}_chance"] for one in asked) / len(asked)) for key in MATCHES]
                    table.append([name, encoder, *cells, ", ".join(chance)])
        lines += ["", *_columns(table)] if len(table) > 1 else []
    return "\n".join(lines)


def translations(rows: dict[str, dict]) -> str:
    """What `faces.judge` found, by experiment and direction."""
    table = [["translations", "KID " + ", ".join(TRUSTED), "memorised", "cycle error"]]
    for name, one in rows.items():
        kids = ", ".join(kid(one[encoder]) for encoder in TRUSTED)
        table.append([name, kids, number(one["memorised"]), number(one["cycle"])])
    lines = _columns(table)
    for what in ("skin", "hair"):
        against = {"": "", "_chance": "by chance", "_blind": "blind", "_palette": "palette"}
        heads = [heading or name for name in ("error", "nearest tone") for heading in against.values()]
        table = [[f"{what} kept", *heads, "held-out faces"]]
        for name, one in rows.items():
            if found := one.get(what):
                values = [found.get(f"{key}{end}") for key in ("error", "agreement") for end in against]
                table.append([name, *map(number, values), f"{found['faces']:.0f}"])
        lines += ["", *_columns(table)] if len(table) > 1 else []
    return "\n".join(lines)


def translators(rows: dict[str, list[dict]]) -> str:
    """What `faces.judge` found of runs, faces to cartoons, by experiment: means and, of several seeds, the extremes."""
    table = [["to cartoons", "seeds", "skin", "hair", *(f"KID {name}" for name in TRUSTED), "cycle error"]]
    for name, found in rows.items():
        values = [[one[what]["agreement"] for one in found if what in one] for what in ("skin", "hair")]
        values += [[one[encoder]["kid"] for one in found] for encoder in TRUSTED] + [[one["cycle"] for one in found]]
        table.append([name, str(len(found)), *(_spread(some) if some else "–" for some in values)])
    return "\n".join(_columns(table))


def _spread(values: list[float]) -> str:
    mean = number(sum(values) / len(values))
    return f"{mean} ({number(min(values))} to {number(max(values))})" if len(values) > 1 else mean


def _columns(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell:<{widths[0]}}" if not at else f"{cell:>{widths[at]}}" for at, cell in enumerate(row))
        for row in table
    ]


def _swept(rows: list) -> list[str]:
    """The parameters in which the runs of a sweep differ, by their records."""
    keys = dict.fromkeys(key for *_, record in rows for key in record["parameters"])
    return [key for key in keys if len({str(record["parameters"].get(key)) for *_, record in rows}) > 1]


def sweep_table(rows: list) -> str:
    """Markdown: a row for each run of a sweep, with what it changed, how it ended, and its scores."""
    keys = _swept(rows)
    lines = ["| row | " + " | ".join(keys) + " | state | last loss D, G | KID " + ", ".join(TRUSTED) + " | coverage |"]
    lines.append("|" + "---|" * (len(keys) + 5))
    for row, folder, record in rows:
        scores = record["scores"]
        kids = "<br>".join(kid(scores[name]) for name in TRUSTED) if scores else "–"
        coverage = ", ".join(number(scores[name].get("coverage")) for name in TRUSTED) if scores else "–"
        settings = [_setting(record["parameters"].get(key)) for key in keys]
        cells = [row.name, *settings, record["status"], _last_losses(folder), kids, coverage]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _setting(value) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _last_losses(folder: Path) -> str:
    """Means over the last tenth of a run's metrics."""
    path = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    last = rows[-max(1, len(rows) // 10) :]
    return (
        ", ".join(f"{sum(row[key] for row in last) / len(last):.2f}" for key in ("loss_d", "loss_g")) if last else "–"
    )


BETTER_HIGH = ("precision", "recall", "density", "coverage", "vendi", "spread")


def ranked(rows: list, score: str) -> list:
    """The judged rows of a sweep, best first, by the mean of their ranks in the trusted encoders."""
    judged = [row for row in rows if row[2]["scores"] and all(score in row[2]["scores"][name] for name in TRUSTED)]
    sign = -1 if score in BETTER_HIGH else 1
    ranks = dict.fromkeys(range(len(judged)), 0)
    for name in TRUSTED:
        order = sorted(ranks, key=lambda index, name=name: sign * judged[index][2]["scores"][name][score])
        for rank, index in enumerate(order):
            ranks[index] += rank
    return [judged[index] for index in sorted(ranks, key=ranks.get)]


def sweep_axes(rows: list, score: str) -> tuple[dict[str, list[float]], list[float]]:
    """The settings and scores of the judged rows as axes, each a value a run, and how good each run is, 0 to 1."""
    order = ranked(rows, score)
    if not order:
        raise BadInput(f"no run of this sweep has the score {score!r}")
    axes = {key: [record["parameters"].get(key) for *_, record in order] for key in _swept(rows)}
    axes |= {f"{score}, {name}": [record["scores"][name][score] for *_, record in order] for name in TRUSTED}
    return axes, [1 - rank / max(1, len(order) - 1) for rank in range(len(order))]
