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
    "cycle": "cycle",
    "identity": "identity",
    "penalty": "penalty",
}


def kept(results: Path = RESULTS) -> list[tuple[Path, dict]]:
    """Good training runs in the order of `experiments.yaml`, then of their seeds."""
    order = list(experiments.load())
    place = lambda name: order.index(name) if name in order else len(order)  # noqa: E731
    runs = [run for run in runs_in(results) if run[1]["status"] in GOOD and "architecture" in run[1]]
    return sorted(runs, key=lambda run: (place(run[1]["experiment"]), run[1]["seed"], run[0].name))


def table(results: Path = RESULTS) -> str:
    """Markdown: everything about each run of a numbered experiment, then a line for each of the other runs."""
    runs = kept(results)
    numbered = [run for run in runs if run[1]["experiment"][:2].isdigit()]
    lines = ["| run | networks and hyperparameters | samples and losses |", "|---|---|---|"]
    lines += [_row(folder, record) for folder, record in numbered]
    if others := [run for run in runs if run not in numbered]:
        lines += [
            "",
            "| run | data | steps | KID " + ", ".join(TRUSTED) + " | coverage | samples |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_line(folder, record) for folder, record in others]
    return "\n".join(lines)


def _line(folder: Path, record: dict) -> str:
    link, scores = _link(folder), record["scores"]
    kids = "<br>".join(kid(scores[name]) for name in TRUSTED) if scores else "–"
    covered = "<br>".join(number(scores[name].get("coverage")) for name in TRUSTED) if scores else "–"
    data = f"{record['data']['selection']}: {record['data']['images']:,}"
    picture = f'<img src="{link}/sample.png" width="200">'
    cells = [
        "<br>".join([f"[{record['experiment']}]({link}/record.json)", *_bold(_marks(record))]),
        data,
        f"{record['steps']:,}",
        kids,
        covered,
        picture,
    ]
    return "| " + " | ".join(cells) + " |"


def long_log(results: Path = RESULTS) -> str:
    """Every kept run in the style of the deep-emoji log: design, parameters, result, remarks."""
    head = ["# Log", "Written from the records by `python -m emoji_lib table`. Samples are not picked."]
    return "\n\n".join(head + [part for folder, record in kept(results) for part in _entry(folder, record)]) + "\n"


def _entry(folder: Path, record: dict) -> list[str]:
    """The paragraphs of one run."""
    link, data, known = folder.name, record["data"], experiments.load().get(record["experiment"])
    designs = (f"**{name}**: {_design(network)}" for name, network in record["architecture"].items())
    settings = (f"{key} `{_plain(value)}`" for key, value in record["parameters"].items() if value != "")
    facts = [f"{data['images']:,} images", f"{record['steps']:,} steps", _clock(record["seconds"]), record["device"]]
    pictures = [name for name in ("sample", "loss", "collapse") if (folder / f"{name}.png").is_file()]
    state = ", ".join(dict.fromkeys([record["status"], *_marks(record)]))
    about = f"{known.about} ({known.source})" if known and known.source else known.about if known else ""
    return [
        f"## [{record['experiment']}]({link}/record.json) `{record['commit'][:7]}`, seed {record['seed']}",
        *designs,
        ", ".join(settings),
        f"**Result**: {'; '.join([state, ', '.join(facts), *filter(None, _scores(record['scores']))])}",
        " ".join(f'<img src="{link}/{name}.png" width="300">' for name in pictures),
        *([f"**Remarks**: {about}"] if about else []),
    ]


def _link(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix() if folder.is_relative_to(ROOT) else folder.name


def _row(folder: Path, record: dict) -> str:
    link = _link(folder)
    commit = f"`{record['commit'][:7]}`" if record["commit"] else "no commit"
    scores = "".join(f"<br>{line}" for line in _scores(record["scores"]))
    data, speed = record["data"], f"{record['images_per_second']:,.0f} images/s"
    run = [
        f"[**{record['experiment']}**]({link}/record.json)",
        *_bold(_marks(record)),
        f"{commit}, seed {record['seed']}",
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


def _marks(record: dict) -> list[str]:
    """What sets a run apart from its experiment as it was meant and as a commit holds it."""
    marks = [record["status"]] if record["status"] != "finished" else []
    marks += ["dirty tree"] if dirty(record) else []
    marks += [f"changed: {key} {_plain(value)}" for key, value in record.get("changed", {}).items()]
    return marks


def _bold(words: list[str]) -> list[str]:
    return [f"**{word}**" for word in words]


def _scores(scores: dict) -> list[str]:
    """The kernel distance in either trusted encoder with half its interval, coverage, what was memorised; for phrases
    and translations also whether they are right.
    """
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
    for what in ("skin", "hair"):
        if kept := scores.get(what):
            lines.append(f"{what} kept {kept['agreement']:.0%}, blind {kept['agreement_blind']:.0%}")
    return lines


def _network(name: str, network: dict) -> str:
    return f"{name} {_design(network).replace(', ', '<br>', 1)}"


def _design(network: dict) -> str:
    kernels = sorted(set(network["kernels"]))
    kernel = kernels[0] if len(kernels) == 1 else " > ".join(map(str, network["kernels"]))
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
