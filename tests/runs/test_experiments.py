import ast
import io
import tokenize

import nbformat
import pytest

from emoji_lib import BadInput
from emoji_lib.nets import dcgan
from emoji_lib.runs import experiments
from emoji_lib.runs.experiments import Parameter

DESIGNED = {"selection", "features", "epochs", "steps", "batch_size", "learning_rate_g", "learning_rate_d"}
DESIGNED |= {"beta1", "beta2", "seed", "device"}


def comments(path) -> list[str]:
    """The comment of each parameter of a notebook, on the line where its default ends."""
    cells = nbformat.read(path, 4).cells
    (source,) = (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = {token.start[0]: token.string.strip("# ") for token in tokens if token.type == tokenize.COMMENT}
    parameters = (node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign))
    return [found.get(node.value.end_lineno, "") for node in parameters]


def test_every_training_notebook_has_the_common_parameters_and_says_what_each_is():
    for experiment in experiments.load().values():
        known = experiments.parameters_of(experiment.path)
        assert all(comments(experiment.path)), experiment.notebook
        assert len(comments(experiment.path)) == len(known)
        if "epochs" in known:  # it trains
            assert known.keys() >= DESIGNED, experiment.notebook


def test_quick_experiments_are_just_the_defaults():
    quick = [one for one in experiments.load().values() if one.name[:2].isdigit() and one.name.endswith("-quick")]
    assert {one.name[:2] for one in quick} >= {"00", "01", "02", "03", "04", "05", "06", "07", "09"}
    assert all(not one.parameters for one in quick)


def test_the_improved_notebook_starts_from_all_its_changes():
    assert experiments.plan("02-quick", {}).parameters.items() >= dcgan.IMPROVED.items()


def test_the_blogs_own_settings_do_not_depend_on_the_quick_ones():
    blog = {"selection": "all", "premultiplied": False, "features": 64, "epochs": 150, "batch_size": 5}
    blog |= {"learning_rate_g": 2e-4, "learning_rate_d": 2e-4, "beta1": 0.5, "beta2": 0.999, "augment": 0.0, "ema": 0.0}
    changes = {"bias": True, "activation": "gelu", "norm": "spectral", "init": "orthogonal", "loss": "softmax"}
    whole = {"ignore_collapse": True}
    assert experiments.find("01-blog").parameters == blog | whole
    assert experiments.find("02-blog").parameters == blog | changes | whole
    million = experiments.find("02-blog-million").parameters
    assert million == blog | changes | {"features": 128, "epochs": 2000, "steps": 1_000_000}
    assert million["epochs"] * 4009 // 5 > 1_000_000


def test_an_entry_that_stands_twice_or_is_malformed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "NOTEBOOKS", tmp_path)
    refused = {
        "a: {notebook: x}\na: {notebook: y}": "a stands twice",
        "a: {notebook: x, search: 3}": "a needs a notebook",
        "a: {notebook: x, sweep: [{b: 1}]}\na-1: {notebook: x}": "a-1 is an entry and a row of a sweep",
        "a-1: {notebook: x}\na: {notebook: x, sweep: [{b: 1}]}": "a-1 is an entry and a row of a sweep",
    }
    refused |= dict.fromkeys(
        (f"a: {{notebook: x, seeds: {seeds}}}" for seeds in ("many", 0, -1, 1.5, "true")), "a needs a notebook"
    )
    refused |= {"a:": "a needs a notebook", "a: {sweep: [{b: 1}], parameters: 3}": "the sweep of a is a list"}
    refused |= dict.fromkeys(("", "7", "[a, b]", "7: {notebook: x}"), "holds no experiments")
    cells = '{"cells": [{"metadata": {"tags": ["parameters"]}, "source": "%s"}]}'
    lines = {"list": "n: list[int] = [1]", "bare": "n: int", "sum": "n: int = 2 * 3", "cut": "n: int = ("}
    unreadable = {"broken": "{", "empty": "[]"} | {name: cells % line for name, line in lines.items()}
    for name, content in {**unreadable, "whole": '{"cells": []}'}.items():
        (tmp_path / f"{name}.ipynb").write_text(content)
    refused |= {f"a: {{notebook: {name}}}": f"{name}.ipynb is not a notebook whose" for name in unreadable}
    refused |= {"a: {notebook: whole, parameters: {7: 3}}": "a has no parameter 7"}
    refused |= {"a: {notebook: whole, search: {7: 3}}": "a searches 7, which whole does not have"}
    for text, told in refused.items():
        (tmp_path / "experiments.yaml").write_text(text)
        with pytest.raises(BadInput, match=told):
            experiments.load.__wrapped__()


def test_each_notebook_is_parsed_once(monkeypatch):
    experiments.parameters_of.cache_clear()
    parsed, parse = [], ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: parsed.append(source) or parse(source))
    names = experiments.load.__wrapped__()
    for name in list(names)[:3]:
        experiments.plan(name, {})
    assert len(parsed) == len({one.notebook for one in names.values()}) < len(names)


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("int", "12", 12),
        ("int", 12.0, 12),
        ("int", "1_000", 1000),
        ("float", "1e-4", 1e-4),
        ("float", 3, 3.0),
        ("bool", "false", False),
        ("bool", "Yes", True),
        ("bool", True, True),
        ("str", "1f600", "1f600"),
    ],
)
def test_values_become_the_type_they_are_wanted_in(kind, given, read):
    value = Parameter("name", kind, 0).read(given)
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        *(("int", value) for value in ("2.5", 2.5, True, None)),
        *(("float", value) for value in ("fast", False, [1.0], "nan", "inf")),
        *(("bool", value) for value in ("perhaps", 1)),
        ("str", 5),
    ],
)
def test_other_values_are_refused_by_name(kind, given):
    with pytest.raises(BadInput, match=r"batch is an? "):
        Parameter("batch", kind, 0).read(given)


def test_unknown_names_suggest_the_nearest():
    known = experiments.parameters_of(experiments.find("02-quick").path)
    with pytest.raises(BadInput, match=r"no parameter 'epocs' \(did you mean 'epochs'\?\)"):
        experiments.check({"epocs": 3}, known, "02_improved_gan")
    with pytest.raises(BadInput, match=r"no experiment '02-quik' \(did you mean '02-quick'\?\)"):
        experiments.find("02-quik")


@pytest.mark.parametrize("given", [{"eval_samples": -1}, {"eval_samples": 200_000}, {"seed": -1}, {"seed": 2**32}])
def test_what_would_fail_after_training_is_refused_before(given):
    ((name, value),) = given.items()
    with pytest.raises(BadInput, match=f"{name} {value} is not between 0 and"):
        experiments.plan("02-quick", given)
