"""Named experiments: a notebook and the parameters in which it differs from its defaults."""

import ast
import itertools
import json
import math
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import yaml

from emoji_lib import BadInput, did_you_mean
from emoji_lib.data.emoji import ROOT, locate
from emoji_lib.runs.record import differences

LIMITS = {
    "seed": 2**32 - 1,  # torch refuses a larger one on a CPU, or takes it for a smaller one
    "eval_samples": 100_000,  # all in memory at once
}

NOTEBOOKS = ROOT / "notebooks"
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: `name: type = default  # comment`."""

    name: str
    type: str
    default: int | float | str | bool

    def read(self, value) -> int | float | str | bool:
        """`value` as this parameter's type; text is read, so that `1e-4` from YAML or a shell is a number."""
        try:
            return _typed(value, self.type)
        except (KeyError, ValueError, AttributeError, TypeError, OverflowError):
            article = "an" if self.type == "int" else "a"
            raise BadInput(f"{self.name} is {article} {self.type} (such as {self.default!r}), not {value!r}") from None


def _typed(value, kind: str) -> int | float | str | bool:
    if kind == "bool":
        return value if isinstance(value, bool) else TRUTHS[value.strip().casefold()]
    if isinstance(value, bool) or (kind == "str" and not isinstance(value, str)):
        raise TypeError(value)
    read = {"int": int, "float": float, "str": str}[kind](value)
    if (kind == "int" and isinstance(value, float) and read != value) or (kind == "float" and not math.isfinite(read)):
        raise ValueError(value)
    return read


@dataclass(frozen=True)
class Experiment:
    """An entry of `experiments.yaml`; `parameters` are only those that differ from the notebook's defaults."""

    name: str
    notebook: str
    source: str = ""
    about: str = ""
    finding: str = ""  # what its runs have shown, in a sentence; with one it has a row in the README
    parameters: dict = field(default_factory=dict)
    sweep: str = ""  # the sweep whose row this is
    search: dict = field(default_factory=dict)  # ranges and choices that a search may try
    seeds: int = 1  # how many runs it is meant to have, of seeds from its own on
    needs: str = ""  # data that only the user can bring, a path or words; without it, it runs only by name

    @property
    def path(self) -> Path:
        return NOTEBOOKS / f"{self.notebook}.ipynb"

    @property
    def ready(self) -> bool:
        """Whether the data that it needs is there."""
        return not self.needs or locate(self.needs).exists()


@cache
def parameters_of(path: Path) -> dict[str, Parameter]:
    """The annotated literals of a notebook's cell tagged `parameters`."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        source = next(("".join(c["source"]) for c in cells if "parameters" in c["metadata"].get("tags", [])), "")
        lines = (node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign))
        found = [Parameter(line.target.id, line.annotation.id, ast.literal_eval(line.value)) for line in lines]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, SyntaxError) as error:
        literals = "a notebook whose parameters are literals such as `epochs: int = 3`"
        raise BadInput(f"{path} is not {literals} ({error!r})") from error
    return {parameter.name: parameter for parameter in found}


def check(parameters: dict, known: dict[str, Parameter], where: str) -> dict:
    """`parameters` in their types. Raises `BadInput` for an unknown name or a value of another type."""
    for name in parameters:
        if name not in known:
            raise BadInput(f"{where} has no parameter {name!r}{did_you_mean(name, known)}. It has {', '.join(known)}")
    return {name: known[name].read(value) for name, value in parameters.items()}


class _NoDuplicates(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice:
            raise yaml.YAMLError(f"{twice} stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


@cache
def load() -> dict[str, Experiment]:
    """Every entry of `notebooks/experiments.yaml`, checked against its notebook."""
    path = NOTEBOOKS / "experiments.yaml"
    try:
        entries = yaml.load(path.read_text(encoding="utf-8"), _NoDuplicates)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    if not isinstance(entries, dict) or not all(isinstance(name, str) for name in entries):
        raise BadInput(f"{path} holds no experiments: it needs entries such as `01-quick: {{notebook: 01_baseline}}`")
    found = {}
    for name, entry in entries.items():
        rows = _rows(name, entry, path) if isinstance(entry, dict) and "sweep" in entry else {name: entry}
        if twice := rows.keys() & found.keys():
            raise BadInput(f"{path}: {min(twice)} is an entry and a row of a sweep; rename the entry")
        found |= rows
    return {name: _experiment(name, entry, path) for name, entry in found.items()}


def _rows(name: str, entry: dict, path: Path) -> dict[str, dict]:
    """The experiments of a sweep, `NAME-1` and so on: a list of parameters, or all combinations of a grid.

    A row of a list may have an `about` and a `finding`.
    """
    swept, given = entry["sweep"], entry.get("parameters") or {}
    if isinstance(swept, dict) and swept and all(isinstance(values, list) and values for values in swept.values()):
        swept = [dict(zip(swept, row, strict=True)) for row in itertools.product(*swept.values())]
    if not isinstance(swept, list) or not swept or not all(isinstance(row, dict) for row in [given, *swept]):
        raise BadInput(f"{path}: the sweep of {name} is a list of parameters, or a grid of lists of values")
    rows = {}
    for number, row in enumerate(swept, 1):
        words = {key: row[key] for key in ("about", "finding") if key in row}
        changed = {key: value for key, value in row.items() if key not in words}
        about = ", ".join(f"{key} {value}" for key, value in changed.items())
        own = {"about": about, "parameters": given | changed, "sweep": name}
        rows[f"{name}-{number}"] = entry | own | words
    return rows


def sweep(name: str) -> list[Experiment]:
    """The rows of a sweep. Raises `BadInput` for an unknown one."""
    rows = [one for one in load().values() if one.sweep == name]
    if not rows:
        sweeps = sorted({one.sweep for one in load().values()} - {""})
        raise BadInput(f"no sweep {name!r}{did_you_mean(name, sweeps)}; there are {', '.join(sweeps)}")
    return rows


def _experiment(name: str, entry, path: Path) -> Experiment:
    try:
        one = Experiment(name, **entry)
        one = replace(one, parameters=dict(one.parameters or {}), search=dict(one.search))
        "".join([one.notebook, one.source, one.about, one.finding, one.needs])  # all text
        if not range(one.seeds) or isinstance(one.seeds, bool):
            raise ValueError("no seeds")
    except (TypeError, ValueError):
        words = "source, about, finding and needs (text), seeds (a number), parameters and search (mappings)"
        raise BadInput(f"{path}: {name} needs a notebook and may have {words}") from None
    if not one.path.is_file():
        raise BadInput(f"{path}: {name} names the notebook {one.notebook!r}, which is not in {NOTEBOOKS.name}/")
    known = parameters_of(one.path)
    if unknown := one.search.keys() - known.keys():
        searched = ", ".join(map(str, unknown))
        raise BadInput(f"{path.name}: {name} searches {searched}, which {one.notebook} does not have")
    if one.seeds > 1 and "seed" not in known:
        raise BadInput(f"{path.name}: {name} has {one.seeds} seeds, and {one.notebook} has no parameter seed")
    return replace(one, parameters=check(one.parameters, known, f"{path.name}: {name}"))


def find(name: str) -> Experiment:
    """The experiment of that name. Raises `BadInput` for an unknown one."""
    experiments = load()
    if name not in experiments:
        hint = did_you_mean(name, experiments)
        raise BadInput(f"no experiment {name!r}{hint}; `python -m emoji_lib list` shows them")
    return experiments[name]


@dataclass(frozen=True)
class Plan:
    """A run that may start, with all its `parameters`: `injected` are those that differ from the notebook's defaults,
    `changed` those that differ from the experiment's, seed and device apart.
    """

    experiment: Experiment
    parameters: dict
    injected: dict
    changed: dict

    @property
    def seed(self) -> int:
        return self.parameters.get("seed", 0)

    @property
    def label(self) -> str:
        """The experiment's name, with the seed where it has several."""
        return self.experiment.name + (f" seed {self.seed}" if self.experiment.seeds > 1 else "")

    def differences_from(self, record: dict) -> str:
        """In which parameters a run differs from this plan, the device apart; nothing where in none."""
        return differences(record["parameters"], self.parameters | {"device": record["parameters"].get("device")})


def plan(name: str, given: dict) -> Plan:
    """The run of an experiment with some parameters given. Raises `BadInput` for what cannot be run."""
    experiment = find(name)
    known = parameters_of(experiment.path)
    defaults = {key: parameter.default for key, parameter in known.items()}
    named = defaults | experiment.parameters
    wanted = named | check(given, known, experiment.notebook)
    for key, most in LIMITS.items():
        if not 0 <= wanted.get(key, 0) <= most:
            raise BadInput(f"{key} {wanted[key]} is not between 0 and {most:,}")
    injected = {key: value for key, value in wanted.items() if value != defaults[key]}
    changed = {key: value for key, value in wanted.items() if value != named[key] and key not in ("seed", "device")}
    return Plan(experiment, wanted, injected, changed)


def plans(name: str) -> list[Plan]:
    """The runs of an experiment, one for each of its seeds."""
    first = plan(name, {})
    more = range(first.seed + 1, first.seed + first.experiment.seeds)
    return [first, *(plan(name, {"seed": seed}) for seed in more)]
