"""Every notebook in a real kernel at smoke size, and an audit of what the stored ones show."""

import ast
import functools
import inspect
import re
import textwrap

import nbformat
import papermill
import pytest

from emoji_lib.runs import experiments, record, runner
from emoji_lib.train import losses

NOTEBOOKS = sorted(experiments.NOTEBOOKS.glob("*.ipynb"))
SMOKE = {"features": 4, "steps": 3, "batch_size": 4, "eval_samples": 9, "selection": "faces"}
SMOKE |= {"runs": "08-quick", "today_steps": 3, "projection_steps": 3, "pca_samples": 50}
SMOKE_OF = {"07_memoji_cyclegan": {"selection": "twemoji", "cartoons": "avatars:60", "eval_samples": 60}}
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:faulthandler")  # plugins that a pytest within pytest must leave alone
PACKAGE = experiments.ROOT / "emoji_lib"
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(path):
    return [output for cell in nbformat.read(path, 4).cells if cell.cell_type == "code" for output in cell.outputs]


@EACH
def test_runs_at_smoke_size(path, tmp_path, monkeypatch):
    known = experiments.parameters_of(path)
    wanted = SMOKE | SMOKE_OF.get(path.stem, {}) if known.keys() & {"steps", "eval_samples", "pca_samples"} else {}
    parameters = {
        name: wanted[name] for name in known if name in wanted and known[name].type == type(wanted[name]).__name__
    }
    small = tmp_path / path.name
    papermill.execute_notebook(path, small, parameters, prepare_only=True, progress_bar=False)
    folder = record.create(path.stem, path.stem, "", parameters, tmp_path)
    monkeypatch.setenv(record.FOLDER_VARIABLE, str(folder))  # the kernel has it from here
    monkeypatch.chdir(tmp_path)
    assert pytest.main(["--nbval-lax", "--nbval-current-env", "-q", *WITHOUT, str(small)]) == 0
    kept = record.read_record(folder)
    assert kept["outcome"] == "finished"
    assert "steps" not in known or kept["steps"] == 3


@EACH
def test_stored_outputs_are_those_of_this_code(path):
    notebook = nbformat.read(path, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for output in outputs(path) if output.output_type == "error"]
    assert notebook.metadata["emoji_lib"]["code_sha256"] == runner.fingerprint(notebook), "run it again and store it"


@functools.cache
def definitions():
    """The source of every function, method and class of the package, as `show.source` gives it."""
    found = set()
    for file in PACKAGE.glob("**/*.py"):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        for node in ast.walk(ast.parse("".join(lines))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                found.add(textwrap.dedent("".join(lines[first - 1 : node.end_lineno])))
    return found


def test_a_part_of_a_definition_is_no_definition():
    whole = textwrap.dedent(inspect.getsource(losses.bce_generator))
    assert whole in definitions()
    assert "".join(whole.splitlines(keepends=True)[1:]) not in definitions()
    assert whole.splitlines(keepends=True)[0] not in definitions()


@EACH
def test_shown_source_is_todays_source(path):
    """Each block is the whole of one function, method or class of the package."""
    shown = [output["data"].get("text/markdown", "") for output in outputs(path) if "data" in output]
    blocks = [block for text in shown for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)]
    for block in blocks:
        assert block in definitions(), block
    turns = dict.fromkeys(("01", "02", "04", "06", "08"), ("discriminator_turn", "generator_turn"))
    turns |= {"07": ("translators_turn", "discriminators_turn")}
    if path.stem[:2] in turns:
        for method in ("step", *turns[path.stem[:2]]):
            assert any(f"def {method}(" in block for block in blocks), f"{method} is not shown"


@EACH
def test_is_readable(path):
    notebook = nbformat.read(path, 4)
    assert sum(cell.cell_type == "code" for cell in notebook.cells) <= 15
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.stem[:2]} · ")
    for word in ("**Question.**", "**Source.**"):
        assert word in first.source
    last = [cell for cell in notebook.cells if cell.cell_type == "markdown"][-1]
    assert last.source.startswith("## Finding")
    assert len(last.source) > 200
