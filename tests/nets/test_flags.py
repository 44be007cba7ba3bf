"""The networks that notebook 03 writes out have the numbers of parameters that its source printed."""

import ast

import nbformat
import pytest
import torch
from torch import nn

from emoji_lib.nets.layers import Dropout
from emoji_lib.nets.listed import Listed
from emoji_lib.runs import experiments
from emoji_lib.show import notebook


@pytest.fixture(scope="module")
def networks():
    """The two networks as the notebook's own cells make them."""
    cells = nbformat.read(experiments.NOTEBOOKS / "03_flags_keras_style.ipynb", 4).cells
    space = {"torch": torch, "nn": nn, "Listed": Listed, "Dropout": Dropout, "momentum": 0.9}
    for cell in cells:
        if cell.cell_type == "code" and "= Listed(\n" in cell.source:
            made = ast.parse(cell.source)
            made.body = [node for node in made.body if isinstance(node, ast.FunctionDef) or _is_network(node)]
            exec(compile(made, "notebook", "exec"), space)
            if "discriminator" in space:
                break
    return space["generator"], space["discriminator"]


def _is_network(node) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Listed(")


def test_the_totals_are_the_documents(networks, capsys):
    generator, discriminator = networks
    all_g, train_g = notebook.keras_summary("generator", generator, (100,))
    all_d, train_d = notebook.keras_summary("discriminator", discriminator, (1, 64, 64))
    assert (all_g, all_d, all_g + all_d) == (2_764_545, 8_596_898, 11_361_443)
    assert (train_g, train_d) == (2_713_153, 8_596_898)
    printed = capsys.readouterr().out
    for number in ("2,585,600", "102,400", "57,664", "256", "18,464", "128", "33"):
        assert number in printed.split("discriminator")[0]
    for number in ("3,328", "204,864", "8,388,640", "66"):
        assert number in printed.split("discriminator")[1]


def test_shapes(networks):
    generator, discriminator = networks
    pictures = generator.eval()(generator.latents(2, 0))
    assert pictures.shape == (2, 1, 64, 64)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    odds = discriminator.eval()(pictures)
    torch.testing.assert_close(odds.sum(1), torch.ones(2))
