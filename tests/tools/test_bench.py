"""The benchmark on the smallest networks: its numbers mean nothing here, its rows and its count of operations do."""

from itertools import pairwise

import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.tools import bench


def test_a_row_for_each_batch_size(monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "peak", lambda device: 1e9)
    (row,) = bench.bench([2], 1, torch.device("cpu"), seconds=0.01)
    speeds = ["reference_images_per_second", "images_per_second", "ratio", "peak_share"]
    assert list(row) == ["device", "batch", "features", *speeds, "split"]
    assert all(row[name] > 0 for name in speeds)
    assert row["peak_share"] == pytest.approx(row["images_per_second"] * bench.operations(1) / 1e9, abs=1e-3)
    assert list(row["split"]) == [*bench.PARTS, "rest"]
    assert sum(row["split"].values()) == pytest.approx(1)
    assert row["split"]["D step"] > 0
    with pytest.raises(BadInput, match="--batch 5000"):
        next(bench.bench([5000], 1, torch.device("cpu")))


def test_the_operations_of_a_step_by_hand():
    """Forward operations times 3 for G and 8 for D, where the gradient of D's input is needed in G's turn alone.

    Stage by stage: weights times places, of the smaller side of a transposed convolution and the result of another.
    """
    f, latent = 16, 100
    widths, sides = [4, f, 2 * f, 4 * f, 8 * f], [36, 18, 8, 4]
    pairs = zip(pairwise(widths), sides, strict=True)
    stages = [16 * n_in * n_out * side**2 for (n_in, n_out), side in pairs]
    first, last = 16 * latent * 8 * f, 16 * 8 * f  # G's from the latents, D's to the logit
    generator, discriminator = 2 * (sum(stages) + first), 2 * (sum(stages) + last)
    unneeded = 2 * first + 2 * 2 * stages[0]  # gradients of latents and, twice in D's turn, of images
    assert bench.operations(f) == 3 * generator + 8 * discriminator - unneeded
