"""Numbers as text."""


def number(value: float | None) -> str:
    """Three significant digits, or all digits of 1,000 and more; a dash for no value."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def setting(value) -> str:
    """A parameter's value, a number without needless digits: `0.0002`, `16`, `softmax`."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def kid(scores: dict, key: str = "kid") -> str:
    """`0.123 ±0.012`, with half of the 95% interval."""
    if key not in scores:
        return "–"
    half = (scores[f"{key}_high"] - scores[f"{key}_low"]) / 2
    return f"{number(scores[key])} ±{number(half)}"


def mean_and_range(values: list[float]) -> str:
    """The mean, and the lowest and highest of several values: `0.52 (0.4 to 0.6)`."""
    if not values:
        return "–"
    mean = number(sum(values) / len(values))
    return f"{mean} ({number(min(values))} to {number(max(values))})" if len(values) > 1 else mean
