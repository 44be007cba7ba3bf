"""Pages made from the run folders: the README's tables, the log of all runs, a page for each run, and the gallery."""

import html
import itertools
import json
from pathlib import Path
from statistics import median

import pandas as pd

from emoji_lib import BadInput
from emoji_lib.data.emoji import ROOT
from emoji_lib.measure.features import ENCODERS, TRUSTED
from emoji_lib.measure.protocol import SAMPLES
from emoji_lib.measure.text_match import KINDS
from emoji_lib.numbers import kid, mean_and_range, number, setting
from emoji_lib.runs import experiments, league
from emoji_lib.runs.record import DONE, RESULTS, dirty, runs_in

README = ROOT / "README.md"
Runs = list[tuple[Path, dict]]
GALLERY = Path(__file__).with_name("gallery.html")
PARTS = ("results", "league")  # of the README
WIDTHS = {"samples": 200, "losses": 160, "first samples": 270}  # of the pictures in these columns, pixels
PEERS = (
    "Systems after {:g} minutes of one core each, on all emoji over white at 64 pixels "
    "([all numbers](notebooks/09_comparison.ipynb)), and the first eight samples of each. With several seeds: the "
    "median, and below it the range of KID. Under a name: images seen in training, and the time to draw 1,000."
)
COLUMNS = ("samples", "run", "losses")
SETTINGS = {
    "batch_size": "batch",
    "learning_rate_g": "lr",
    "learning_rate_d": "lr D",
    "loss": "loss",
    "augment": "augment",
    "ema": "EMA",
}
REMOVED = experiments.Experiment("", "")  # for runs of an experiment that `experiments.yaml` no longer has
MOST = 3  # changed parameters in a row; a run's own page has all
SHORT = {"generator": "G", "discriminator": "D"}
MADE = "Written from the records by `python -m emoji_lib table`. Samples are uncurated."


def kept(results: Path = RESULTS) -> Runs:
    """Training runs with results in the order of `experiments.yaml`, then of their seeds."""
    place = {name: number for number, name in enumerate(experiments.load())}
    runs = [run for run in runs_in(results) if run[1]["status"] in DONE and "architecture" in run[1]]
    order = lambda run: (place.get(run[1]["experiment"], len(place)), run[1]["seed"], run[0].name)  # noqa: E731
    return sorted(runs, key=order)


def table(runs: Runs) -> str:
    """The README's Markdown: a row for each experiment that has a finding, by its run of the lowest seed."""
    rows = []
    for name, one in experiments.load().items():
        mine = _unchanged(name, runs)
        if one.finding and mine:
            newest = {record["seed"]: (folder, record) for folder, record in mine}  # of each seed
            folder, record = newest[min(newest)]
            alike = {run["seed"]: run for _, run in mine if _same_settings(record, run)}
            rows.append(_row(folder, record, _link(folder), [alike[seed] for seed in sorted(alike)]))
    return _table(COLUMNS, rows)


def peers(results: Path) -> str:
    """The README's Markdown: a row for each player of the league with scores, medians over its seeds."""
    head, standing, lines = ("first samples", "system", "KID", "coverage", "copies"), league.standing(results), []
    for name, seeds in standing.items():
        scores = [row["scores"][league.FLAT] for row in seeds]
        kids, covered = ([sorted(one[by][key] for one in scores) for by in TRUSTED] for key in ("kid", "coverage"))
        ends = ", ".join(f"{one[0]:.2f} to {one[-1]:.2f}" for one in kids)
        cells = [
            f'<img src="{_link(league.place(name, seeds[0]["seed"], results))}/strip.png" width="{WIDTHS[head[0]]}">',
            (f"{name}, {len(seeds)} seeds" if len(seeds) > 1 else name)
            + f"<br><sub>{number(median(row['images_seen'] for row in seeds))} images, "
            + f"{number(median(row['sampling_seconds'] for row in seeds))} s</sub>",
            ", ".join(f"{median(one):.2f}" for one in kids) + (f"<br><sub>{ends}</sub>" if len(seeds) > 1 else ""),
            ", ".join(f"{median(one):.2f}" for one in covered),
            f"{median(one['memorised'] for one in scores):.0%}",
        ]
        unbroken = (cell.replace("-", "\u2011").replace(" ", "&nbsp;") for cell in cells[1:])
        lines.append([cells[0], *unbroken])
    minutes = {row["minutes"] for seeds in standing.values() for row in seeds}  # one, or none without rows
    return "\n\n".join([*map(PEERS.format, minutes), _table(head, lines)])


def _unchanged(name: str, runs: Runs) -> Runs:
    """An experiment's runs, oldest first: those with its own parameters, or where there are none, all."""
    mine = sorted((run for run in runs if run[1]["experiment"] == name), key=lambda run: run[1]["started"])
    return [run for run in mine if not run[1].get("changed")] or mine


def _same_settings(one: dict, other: dict) -> bool:
    """Whether two runs agree in all parameters that both have, but seed and device: defaults change with commits."""
    mine, theirs = one["parameters"], other["parameters"]
    return all(mine[key] == theirs[key] for key in (mine.keys() & theirs.keys()) - {"seed", "device"})


def log(runs: Runs) -> str:
    """Every run, a row each, by notebook."""
    small = "Most executed notebooks are kept without their pictures, which lie beside them."
    parts = ["# Log", f"{MADE} {small} [The same as a gallery](index.html), to be opened from disk."]
    for notebook in dict.fromkeys(record["notebook"] for _, record in runs):
        mine = [run for run in runs if run[1]["notebook"] == notebook]
        rows = [_row(folder, record, folder.name, [record]) for folder, record in mine]
        parts += [f"## [{notebook}](../notebooks/{notebook}.ipynb)", _table(COLUMNS, rows)]
    return "\n\n".join(parts) + "\n"


def page(folder: Path, record: dict) -> str:
    """The page of one run."""
    one = experiments.load().get(record["experiment"], REMOVED)
    data, facts = record["data"], {"status": record["status"], "commit": record["commit"], "dirty": dirty(record)}
    facts |= {"data": f"{data['selection']}, {data['images']:,} images, sha256 {data['sha256'][:12]}"}
    facts |= {key: record[key] for key in ("started", "device", "steps", "images_seen", "images_per_second")}
    facts |= {"time": _clock(record["seconds"]), "versions": ", ".join(map(" ".join, record["versions"].items()))}
    changed = {**one.parameters, **record.get("changed", {})}
    settings = [
        [key, f"**{_plain(value)}**" if key in changed else _plain(value)]
        for key, value in record["parameters"].items()
    ]
    networks = [[name, *_design(network)] for name, network in record["architecture"].items()]
    parts = [
        f"# {record['experiment']}, seed {record['seed']}",
        " ".join(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in (one.finding, one.about, one.source) if text),
        "[Record](record.json), [notebook](notebook.ipynb), [metrics](metrics.jsonl), [all runs](../README.md)",
        *(f'<img src="{name}" alt="{name}">' for name in _pictures(folder, ".png", ".gif")),
        _table(("", ""), [[key, _plain(value)] for key, value in facts.items()]),
        "## Networks",
        _table(("network", "features", "kernels", "weights"), networks),
        "## Parameters",
        "Bold: set by the experiment or for this run.",
        _table(("parameter", "value"), settings),
        *_scores(record["scores"]),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def gallery(runs: Runs) -> str:
    """A page on which runs are filtered and sorted, without a server."""
    facts = []
    for folder, record in runs:
        one = {"folder": folder.name, "experiment": record["experiment"], "notebook": record["notebook"]}
        one |= {"about": experiments.load().get(record["experiment"], REMOVED).about}
        one |= {"seed": record["seed"], "status": record["status"]}
        one |= {"minutes": round(record["seconds"] / 60, 1), "pictures": _pictures(folder, ".png")}
        for key, name in itertools.product(("kid", "coverage"), TRUSTED):
            one[f"{key} {name}"] = record["scores"].get(name, {}).get(key)
        facts.append(one)
    data = json.dumps(facts, indent=0, ensure_ascii=False).replace("<", "\\u003c")
    return GALLERY.read_text(encoding="utf-8").replace("/* runs */ []", data)


def _row(folder: Path, record: dict, link: str, seeds: list[dict]) -> list[str]:
    """The cells of a run; `seeds` are the runs with its settings, itself included, whose spread of KID is shown."""
    one, data, networks = experiments.load().get(record["experiment"], REMOVED), record["data"], {}
    for name, network in record["architecture"].items():
        networks.setdefault(_design(network)[0].replace(" ", ""), []).append(SHORT.get(name, name))
    elsewhere = {*SETTINGS, "beta1", "beta2", "steps", "eval_samples"}
    given = [key for key in one.parameters if key in record["parameters"] and key not in elsewhere]
    changes = [f"{key} {_plain(record['parameters'][key])}" for key in given]
    lines = [
        f"[**{record['experiment']}**]({link}/README.md) `{record['commit'][:7] or 'no commit'}`",
        *(f"**{mark}**" for mark in _marks(record)),
        *([one.finding] if one.finding else []),
    ]
    design = [f"{' and '.join(names)} `{features}`" for features, names in networks.items()]
    took = f"{data['selection']}, {data['images']:,} images, {_clock(record['seconds'])}, {_device(record['device'])}"
    small = [
        *_short_scores(seeds),
        f"{', '.join(filter(None, [*design, _settings(record['parameters'])]))}; {took}",
        *([f"changed: {', '.join(changes[:MOST])}{' …' if changes[MOST:] else ''}"] if changes else []),
    ]
    lines += [f"<sub>{line}</sub>" for line in small]
    samples = f'<img src="{link}/sample.png" width="{WIDTHS["samples"]}">'
    losses = f'<img src="{link}/loss.png" width="{WIDTHS["losses"]}">'
    return [samples, "<br>".join(lines), losses]


def _settings(parameters: dict) -> str:
    """The common parameters that are not off, in one line; the discriminator's learning rate only where it differs."""
    same = parameters.get("learning_rate_d") == parameters.get("learning_rate_g")
    shown = {key: label for key, label in SETTINGS.items() if parameters.get(key) and not (same and key.endswith("_d"))}
    settings = [f"{label} {_plain(parameters[key])}" for key, label in shown.items()]
    betas = "/".join(_plain(parameters[key]) for key in ("beta1", "beta2") if key in parameters)
    return ", ".join([*settings, *([f"β {betas}"] if betas else [])])


def _short_scores(seeds: list[dict]) -> list[str]:
    """KID with its interval, coverage and near copies; the spread of KID over seeds; what a task has beside these."""
    seeds = [one for one in seeds if one["scores"]]
    if not seeds:
        return []
    scores = seeds[0]["scores"]
    parts = ["KID " + " and ".join(kid(scores[name]) for name in TRUSTED)]
    if "coverage" in scores[TRUSTED[0]]:
        parts.append("coverage " + " and ".join(f"{scores[name]['coverage']:.2f}" for name in TRUSTED))
    parts.append(f"near copies {scores['memorised']:.0%}")
    if scores["samples"] != SAMPLES:
        parts.append(f"of {scores['samples']:,} samples")
    lines = [", ".join(parts)]
    if len(seeds) > 1:
        kids = ([one["scores"][name]["kid"] for one in seeds if "kid" in one["scores"][name]] for name in TRUSTED)
        lines.append(f"{len(seeds)} seeds: KID {' and '.join(map(mean_and_range, kids))}")
    found = scores.get("phrases", {})
    right = {
        kind: " and ".join(f"{found[kind][name]['top5']:.0%}" for name in TRUSTED) for kind in KINDS if kind in found
    }
    kept_colours = {what: f"{scores[what]['agreement']:.0%}" for what in ("skin", "hair") if scores.get(what)}
    for what, values in {"top 5": right, "kept": kept_colours}.items():
        lines += [f"{what}: {', '.join(f'{key} {value}' for key, value in values.items())}"] if values else []
    return lines


def _scores(scores: dict) -> list[str]:
    """Every number of a record: those of the encoders side by side, the others under their dotted names."""
    if not scores:
        return []
    encoders = [name for name in ENCODERS if name in scores]
    keys = dict.fromkeys(key for name in encoders for key in scores[name])
    rows = [[key, *(number(scores[name].get(key)) for name in encoders)] for key in keys]
    rest = {key: value for key, value in scores.items() if key not in (*encoders, "sha256")}
    (others,) = pd.json_normalize(rest).to_dict("records")
    others = [[key, number(value) if isinstance(value, float) else _plain(value)] for key, value in others.items()]
    return ["## Scores", _table(("", *encoders), rows), *([_table(("", ""), others)] if others else [])]


def _table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    """A Markdown table; non-breaking spaces in the head keep columns of pictures as wide as these."""
    head = [f"{name}{'&nbsp;' * ((WIDTHS[name] - 60) // 5)}" if name in WIDTHS else name for name in head]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"|{'|'.join(str(cell).replace('|', '&#124;') for cell in line)}|" for line in lines)


def _marks(record: dict) -> list[str]:
    """How a run differs from a finished run of its experiment with committed code."""
    marks = [record["status"]] if record["status"] != "finished" else []
    marks += ["dirty tree"] if dirty(record) else []
    return marks + [f"changed: {key} {_plain(value)}" for key, value in record.get("changed", {}).items()]


def _design(network: dict) -> tuple[str, str, str]:
    """Features, kernels and number of weights of a network, as text; repeated values are counted."""
    kernels = network["kernels"][:1] if len(set(network["kernels"])) == 1 else network["kernels"]
    return _stack(network["features"]), _stack(kernels), f"{network['parameters']:,}"


def _stack(values: list[int]) -> str:
    """`[32, 64, 64, 64]` → `32 > 64×3`."""
    runs = [(value, len(list(same))) for value, same in itertools.groupby(values)]
    return " > ".join(f"{value}×{times}" if times > 2 else " > ".join([f"{value}"] * times) for value, times in runs)


def _device(device: str) -> str:
    """`x86_64 CPU, 2 threads, AVX512, bf16` → `CPU, 2 threads, bf16`."""
    plain = device.replace("x86_64 ", "").replace(" 1 threads", " 1 thread")
    return ", ".join(part for part in plain.split(", ") if not part.startswith("AVX"))


def _pictures(folder: Path, *kinds: str) -> list[str]:
    """Pictures in a run's folder: samples, losses, then others by name."""
    names = (path.name for path in folder.iterdir() if path.suffix in kinds)
    return sorted(names, key=lambda name: (name != "sample.png", name != "loss.png", name))


def _link(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix() if folder.is_relative_to(ROOT) else folder.name


def _plain(value) -> str:
    text = setting(value)
    return html.escape(text, quote=False) if "<" in text else text


def _clock(seconds: float) -> str:
    minutes = round(seconds) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {round(seconds) % 60} s"


def updated(readme: Path = README, results: Path = RESULTS) -> dict[Path, tuple[str, str]]:
    """The present and the new text of every page that is made from the run folders."""
    runs = kept(results)
    old = new = readme.read_text(encoding="utf-8")
    for part, rows in zip(PARTS, (table(runs), peers(results / league.LEAGUE.name)), strict=True):
        begin, end = marks(part)
        if new.count(begin) != 1 or new.count(end) != 1:
            raise BadInput(f"{readme.name} needs one line {begin!r} and one line {end!r} around its {part}")
        new = f"{new.split(begin)[0]}{begin}\n{rows}\n{end}{new.split(end)[1]}"
    pages = {results / "README.md": log(runs), results / "index.html": gallery(runs)}
    pages |= {folder / "README.md": page(folder, record) for folder, record in runs}
    found = {path: (path.read_text(encoding="utf-8") if path.is_file() else "", made) for path, made in pages.items()}
    return {readme: (old, new), **found}


def marks(part: str) -> tuple[str, str]:
    """The lines of the README before and after this part."""
    return f"<!-- {part}: begin (python -m emoji_lib table) -->", f"<!-- {part}: end -->"
