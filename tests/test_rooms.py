"""A room imports only from the rooms above it in the table of README's "How it is built".

Shared by all, and importing none: the modules beside the rooms (errors, files, numbers, weights).
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emoji_lib"
MAY_IMPORT = {
    "data": {"data"},
    "nets": {"nets"},
    "train": {"data", "nets", "train"},
    "measure": {"data", "nets", "measure"},
    "runs": {"data", "nets", "train", "measure", "runs"},
    "show": {"data", "nets", "train", "measure", "runs", "show"},
    "tools": {"data", "nets", "train", "measure", "runs", "show", "tools"},
}


def ours(path: Path) -> set[str]:
    """The rooms of ours that a file imports from."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("emoji_lib.")}
    return {room for room in rooms if (PACKAGE / room).exists()}


def test_every_room_is_in_the_table():
    assert {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("*/*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_rooms_import_only_upwards(path):
    assert ours(path) <= MAY_IMPORT[path.parent.name]


def test_players_import_only_what_is_above_the_tools():
    for path in PACKAGE.glob("tools/players/*.py"):
        assert ours(path) <= MAY_IMPORT["tools"], path.name


def test_no_function_is_longer_than_a_screen():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 40, f"{path.name}: {node.name}"


def test_what_all_share_imports_no_room():
    entries = {"__main__.py", "cli.py"}
    for path in PACKAGE.glob("*.py"):
        assert path.name in entries or not ours(path), path.name


def test_the_data_room_answers_without_torch():
    code = (
        "import sys; from emoji_lib import __main__; from emoji_lib.data import emoji; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
