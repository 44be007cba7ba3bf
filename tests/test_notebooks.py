"""Every notebook in a real kernel at smoke size, and an audit of what the stored ones show."""

import os
import re
import subprocess
import sys
import textwrap

import nbformat
import papermill
import pytest

from emoji_lib.runs import experiments, record, runner

NOTEBOOKS = sorted(experiments.NOTEBOOKS.glob("*.ipynb"))
SMOKE = {
    "features": 4,
    "steps": 3,
    "batch_size": 4,
    "eval_samples": 9,
    "selection": "faces",
    "runs": "02-quick",
    "today_steps": 3,
}
SMOKE_OF = {"07_memoji_cyclegan": {"selection": "twemoji", "cartoons": "avatars:60", "eval_samples": 60}}
PACKAGE = experiments.ROOT / "emoji_lib"
EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(path):
    return [output for cell in nbformat.read(path, 4).cells if cell.cell_type == "code" for output in cell.outputs]


@EACH
def test_runs_at_smoke_size(path, tmp_path):
    known = experiments.parameters_of(path)
    wanted = SMOKE | SMOKE_OF.get(path.stem, {}) if known.keys() & {"steps", "eval_samples"} else {}
    parameters = {
        name: wanted[name] for name in known if name in wanted and known[name].type == type(wanted[name]).__name__
    }
    small = tmp_path / path.name
    papermill.execute_notebook(path, small, parameters, prepare_only=True, progress_bar=False)
    folder = record.create(path.stem, path.stem, "", parameters, tmp_path)
    nbval = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "--nbval-current-env",
        "-q",
        "-p",
        "no:cacheprovider",
        small,
    ]
    environment = os.environ | {record.FOLDER_VARIABLE: str(folder)}
    done = subprocess.run(nbval, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    kept = record.read_record(folder)
    assert kept["status"] == "finished"
    assert "steps" not in known or kept["steps"] == 3


@EACH
def test_stored_outputs_are_those_of_this_code(path):
    notebook = nbformat.read(path, 4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for output in outputs(path) if output.output_type == "error"]
    assert notebook.metadata["emoji_lib"]["code_sha256"] == runner.fingerprint(notebook), "run it again and store it"


@EACH
def test_shown_source_is_todays_source(path):
    """Each block is one function, method or class as it stands in one file of the package."""
    package = [file.read_text(encoding="utf-8") for file in PACKAGE.glob("*/*.py")]
    shown = [output["data"].get("text/markdown", "") for output in outputs(path) if "data" in output]
    blocks = [block for text in shown for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)]
    for block in blocks:
        assert any(block in file or textwrap.indent(block, " " * 4) in file for file in package), block
    if path.stem[:2] in ("01", "02", "04", "06", "07"):
        assert any("def step(self" in block for block in blocks), "the training step is not shown"


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
