"""The results table of the README, made from the run folders."""

from pathlib import Path

from emoji_lib import BadInput
from emoji_lib.data.emoji import ROOT
from emoji_lib.measure.features import TRUSTED
from emoji_lib.measure.text_match import KINDS
from emoji_lib.numbers import kid, number
from emoji_lib.runs import experiments
from emoji_lib.runs.record import GOOD, RESULTS, dirty, runs_in

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
    "cycle_weight": "cycle weight",
    "identity_weight": "identity weight",
    "r1_weight": "R1 weight",
}


def kept(results: Path = RESULTS) -> list[tuple[Path, dict]]:
    """Good training runs in the order of `experiments.yaml`, then of their seeds."""
    place = {name: number for number, name in enumerate(experiments.load())}
    runs = [run for run in runs_in(results) if run[1]["status"] in GOOD and "architecture" in run[1]]
    order = lambda run: (place.get(run[1]["experiment"], len(place)), run[1]["seed"], run[0].name)  # noqa: E731
    return sorted(runs, key=order)


def table(results: Path = RESULTS) -> str:
    """Markdown: everything about each run of a numbered experiment, then a line for each of the other runs."""
    runs = kept(results)
    numbered = [run for run in runs if run[1]["experiment"][:2].isdigit()]
    others = [run for run in runs if run not in numbered]
    lines = ["| run | networks and hyperparameters | samples and losses |", "|---|---|---|"]
    lines += [_row(*run) for run in numbered]
    if others:
        lines += [
            "",
            f"| run | data | steps | KID {', '.join(TRUSTED)} | coverage | samples |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_short_row(*run) for run in others]
    return "\n".join(lines)


def _row(folder: Path, record: dict) -> str:
    """A run with everything about it. Its lines are short, since a table gives its width to the longest."""
    link, data, parameters = _link(folder), record["data"], record["parameters"]
    run = [
        f"[**{record['experiment']}**]({link}/record.json)",
        *(f"**{mark}**" for mark in _marks(record)),
        f"{_commit(record)}, seed {record['seed']}",
        f"[notebook]({link}/notebook.ipynb)",
        "",
        f"{data['selection']}: {data['images']:,} images",
        f"{record['steps']:,} steps",
        f"{record['images_seen']:,} images seen",
        f"{_clock(record['seconds'])}, {record['images_per_second']:,.0f} images/s",
        *record["device"].split(", "),
        *_scores(record["scores"]),
    ]
    networks = [f"{name} {_design(one).replace(', ', '<br>', 1)}" for name, one in record["architecture"].items()]
    settings = [f"{label} {_plain(parameters[key])}" for key, label in HYPERPARAMETERS.items() if key in parameters]
    pictures = [f'<img src="{link}/{name}.png" width="{width}">' for name, width in PICTURES.items()]
    return _cells(run, [*networks, "", *settings], pictures)


def _short_row(folder: Path, record: dict) -> str:
    link, data = _link(folder), record["data"]
    scores = [record["scores"][name] for name in TRUSTED] if record["scores"] else [{}]
    return _cells(
        [f"[{record['experiment']}]({link}/record.json)", *(f"**{mark}**" for mark in _marks(record))],
        [f"{data['selection']}: {data['images']:,}"],
        [f"{record['steps']:,}"],
        [kid(one) for one in scores],
        [number(one.get("coverage")) for one in scores],
        [f'<img src="{link}/sample.png" width="200">'],
    )


def _cells(*cells: list[str]) -> str:
    """A row of a Markdown table, of the lines of its cells."""
    return f"| {' | '.join(map('<br>'.join, cells))} |"


def long_log(results: Path = RESULTS) -> str:
    """Every kept run in the style of the deep-emoji log: design, parameters, result, remarks."""
    head = ["# Log", "Written from the records by `python -m emoji_lib table`. Samples are not picked."]
    return "\n\n".join(head + [part for folder, record in kept(results) for part in _entry(folder, record)]) + "\n"


def _entry(folder: Path, record: dict) -> list[str]:
    """The paragraphs of one run."""
    link, known = folder.name, experiments.load().get(record["experiment"])
    settings = (f"{key} `{_plain(value)}`" for key, value in record["parameters"].items() if value != "")
    size = f"{record['data']['images']:,} images, {record['steps']:,} steps"
    state = ", ".join(dict.fromkeys([record["status"], *_marks(record)]))
    result = [state, f"{size}, {_clock(record['seconds'])}, {record['device']}", *_scores(record["scores"])[1:]]
    pictures = [name for name in ("sample", "loss", "collapse") if (folder / f"{name}.png").is_file()]
    about = known.about + (f" ({known.source})" if known.source else "") if known else ""
    return [
        f"## [{record['experiment']}]({link}/record.json) {_commit(record)}, seed {record['seed']}",
        *(f"**{name}**: {_design(network)}" for name, network in record["architecture"].items()),
        ", ".join(settings),
        f"**Result**: {'; '.join(result)}",
        " ".join(f'<img src="{link}/{name}.png" width="300">' for name in pictures),
        *([f"**Remarks**: {about}"] if about else []),
    ]


def _link(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix() if folder.is_relative_to(ROOT) else folder.name


def _commit(record: dict) -> str:
    return f"`{record['commit'][:7]}`" if record["commit"] else "no commit"


def _marks(record: dict) -> list[str]:
    """What sets a run apart from its experiment as it was meant and as a commit holds it."""
    marks = [record["status"]] if record["status"] != "finished" else []
    marks += ["dirty tree"] if dirty(record) else []
    return marks + [f"changed: {key} {_plain(value)}" for key, value in record.get("changed", {}).items()]


def _scores(scores: dict) -> list[str]:
    """An empty line and the scores of a run: of phrases and translations also whether they are right."""
    if not scores:
        return []
    lines = ["", *(f"KID {name} {kid(scores[name])}" for name in TRUSTED)]
    if "coverage" in scores[TRUSTED[0]]:
        lines.append("coverage " + ", ".join(f"{scores[name]['coverage']:.2f}" for name in TRUSTED))
    lines.append(f"memorised {scores['memorised']:.2f}")
    if found := scores.get("phrases"):
        lines.append(f"inception {number(found['inception'])}")
        for kind in (kind for kind in KINDS if kind in found):
            right = ", ".join(f"{found[kind][name]['top5']:.0%}" for name in TRUSTED)
            lines.append(f"top 5, {kind}: {right}")
    for what in (what for what in ("skin", "hair") if scores.get(what)):
        one = scores[what]
        lines.append(f"{what} kept {one['agreement']:.0%}, blind {one['agreement_blind']:.0%}")
    return lines


def _design(network: dict) -> str:
    kernels = [str(size) for size in network["kernels"]]
    kernel = kernels[0] if len(set(kernels)) == 1 else " > ".join(kernels)
    features = " > ".join(map(str, network["features"]))
    return f"`{features}`, kernel {kernel}, {network['parameters']:,} weights"


def _plain(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    minutes = round(seconds) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {round(seconds) % 60} s"


def updated(readme: Path = README, results: Path = RESULTS) -> dict[Path, tuple[str, str]]:
    """The README and the long log, each as it is and as the run folders would have it."""
    text = readme.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise BadInput(f"{readme.name} needs one line {BEGIN!r} and one line {END!r} around its results")
    before, rest = text.split(BEGIN)
    log = results / "README.md"
    return {
        readme: (text, f"{before}{BEGIN}\n{table(results)}\n{END}{rest.split(END)[1]}"),
        log: (log.read_text(encoding="utf-8") if log.is_file() else "", long_log(results)),
    }
