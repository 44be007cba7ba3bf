"""The results table of the README, made from the run folders."""

from pathlib import Path

from emoji_lib import BadInput
from emoji_lib.data.emoji import ROOT
from emoji_lib.log import experiments, report
from emoji_lib.log.record import GOOD, RESULTS, runs_in
from emoji_lib.measure.features import TRUSTED

README = ROOT / "README.md"
BEGIN, END = "<!-- results: begin (python -m emoji_lib table) -->", "<!-- results: end -->"
PICTURES = {"sample": 320, "loss": 240}  # file and width in pixels
HYPERPARAMETERS = {
    "batch_size": "batch",
    "learning_rate_g": "lr G",
    "learning_rate_d": "lr D",
    "beta1": "β1",
    "beta2": "β2",
    "loss": "loss",
    "augment": "augment",
    "ema": "EMA",
}


def table(results: Path = RESULTS) -> str:
    """Markdown, a row for each kept run in the order of `experiments.yaml`."""
    order = list(experiments.load())
    runs = [
        (folder, record) for folder, record in runs_in(results) if record["status"] in GOOD and "architecture" in record
    ]
    runs.sort(
        key=lambda run: (
            order.index(run[1]["experiment"]) if run[1]["experiment"] in order else len(order),
            run[0].name,
        )
    )
    lines = ["| run | networks and hyperparameters | samples and losses |", "|---|---|---|"]
    return "\n".join([*lines, *(_row(folder, record) for folder, record in runs)])


def _row(folder: Path, record: dict) -> str:
    link = folder.relative_to(ROOT).as_posix() if folder.is_relative_to(ROOT) else folder.name
    commit = f"`{record['commit'][:7]}`" if record["commit"] else "no commit"
    dirty = ", dirty tree" if record["dirty"] else ""
    changed = "".join(f"<br>**changed: {key} {_plain(value)}**" for key, value in record.get("changed", {}).items())
    status = "" if record["status"] == "finished" else f"<br>**{record['status']}**"
    scores = "".join(f"<br>{line}" for line in _scores(record["scores"]))
    data, speed = record["data"], f"{record['images_per_second']:,.0f} images/s"
    run = [
        f"[**{record['experiment']}**]({link}/record.json){status}",
        f"{commit}{dirty}, seed {record['seed']}{changed}",
        f"[notebook]({link}/notebook.ipynb)<br>",
        f"{data['selection']}: {data['images']:,} images",
        f"{record['steps']:,} steps",
        f"{record['images_seen']:,} images seen",
        f"{_clock(record['seconds'])}, {speed}",
        f"{record['device'].replace(', ', '<br>')}{scores}",
    ]
    networks = "<br>".join(_network(name, network) for name, network in record["architecture"].items())
    settings = [
        f"{label} {_plain(record['parameters'][key])}"
        for key, label in HYPERPARAMETERS.items()
        if key in record["parameters"]
    ]
    # Short lines: a table gives its width to the longest, and the pictures want it.
    pictures = "<br>".join(f'<img src="{link}/{name}.png" width="{width}">' for name, width in PICTURES.items())
    return f"| {'<br>'.join(run)} | {networks}<br><br>{'<br>'.join(settings)} | {pictures} |"


def _scores(scores: dict) -> list[str]:
    """The kernel distance in either trusted encoder with half its interval, coverage, and what was memorised."""
    if not scores:
        return []
    lines = ["", *(f"KID {name} {report.kid(scores[name])}" for name in TRUSTED)]
    if "coverage" in scores[TRUSTED[0]]:
        lines.append("coverage " + ", ".join(f"{scores[name]['coverage']:.2f}" for name in TRUSTED))
    return [*lines, f"memorised {scores['memorised']:.2f}"]


def _network(name: str, network: dict) -> str:
    kernels = sorted(set(network["kernels"]))
    kernel = kernels[0] if len(kernels) == 1 else " > ".join(map(str, network["kernels"]))
    features = " > ".join(map(str, network["features"]))
    return f"{name} `{features}`<br>kernel {kernel}, {network['parameters']:,} weights"


def _plain(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    minutes = round(seconds) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {round(seconds) % 60} s"


def updated(readme: Path = README, results: Path = RESULTS) -> tuple[str, str]:
    """The README as it is and as the run folders would have it."""
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise BadInput(f"{readme.name} needs one line {BEGIN!r} and one line {END!r} around its results")
    before, rest = text.split(BEGIN)
    return text, f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END)[1]}"
