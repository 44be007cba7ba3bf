"""Scores as people read them."""

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
ENCODERS = (*TRUSTED, "random")


def kid(scores: dict, key: str = "kid") -> str:
    """`0.123 ±0.012`, with half of the 95% interval."""
    if key not in scores:
        return "–"
    half = (scores[f"{key}_high"] - scores[f"{key}_low"]) / 2
    return f"{_number(scores[key])} ±{_number(half)}"


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
            cells = [kid(one), kid(one, "kid_alpha"), *(_number(one.get(key)) for _, key in SCORES)]
            table.append([row, *cells])
        lines += ["", *_columns(table)]
    pixels = [[row, _number(scores["memorised"]), _number(scores.get("inception"))] for row, scores in rows.items()]
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
        return "too few rows with a KID to compare encoders"
    return f"{' and '.join(TRUSTED)} order {agreed} of {apart} pairs of rows alike and beyond their intervals"


def _order(one: dict, other: dict) -> int:
    if one["kid_high"] < other["kid_low"]:
        return -1
    return int(other["kid_high"] < one["kid_low"])


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _columns(table: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell:<{widths[0]}}" if not at else f"{cell:>{widths[at]}}" for at, cell in enumerate(row))
        for row in table
    ]
