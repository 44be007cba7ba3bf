import numpy as np
import pytest
import torch

from emoji_lib.data import emoji
from emoji_lib.data.batches import scale
from emoji_lib.measure import collapse


def trace(*evaluations):
    return [{"step": step, "coverage": c, "diversity": d} for step, (c, d) in enumerate(evaluations)]


def test_the_rule_wants_both_signs_three_times_in_a_row():
    good, bad = (0.5, 9.0), (0.2, 2.0)
    assert collapse.collapsed(trace(good, bad, bad, bad), low_diversity=5)
    assert not collapse.collapsed(trace(good, bad, bad), low_diversity=5)
    assert not collapse.collapsed(trace(good, bad, bad, good, bad), low_diversity=5)
    assert not collapse.collapsed(trace(good, *[(0.2, 9.0)] * 3), low_diversity=5)
    assert not collapse.collapsed(trace(good, *[(0.3, 2.0)] * 3), low_diversity=5)
    assert not collapse.collapsed(trace(bad, bad, bad), low_diversity=5), "it never was better"
    assert not collapse.collapsed(trace((0.05, 2.0), *[(0.01, 2.0)] * 9), low_diversity=5), "it has not begun to draw"


@pytest.fixture(scope="module")
def faces():
    return emoji.load("faces")


def drawing(pictures: np.ndarray):
    """A generator that draws one of these pictures for each latent."""
    images = scale(torch.from_numpy(np.ascontiguousarray(pictures)))
    return lambda latents: images[(latents[:, 0].abs() * 1000).long() % len(images)]


def latents(n, seed):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed))


def test_a_generator_that_falls_to_one_picture_is_called_collapsed(faces):
    monitor = collapse.Monitor(faces, latents(8, 0), latents)
    monitor.evaluate(1, drawing(faces.images))
    assert monitor.trace[0]["coverage"] > 0.8
    assert monitor.trace[0]["support"] > 60
    for step in (2, 3, 4):
        assert not monitor.collapsed
        monitor.evaluate(step, drawing(faces.images[:2]))
    assert monitor.collapsed
    assert monitor.trace[-1]["support"] < 4
    assert monitor.trace[-1]["diversity"] < min(monitor.quarter, monitor.trace[0]["diversity"]) / 2


def test_one_picture_to_learn_cannot_collapse():
    one = emoji.load("😮")
    monitor = collapse.Monitor(one, latents(8, 0), latents)
    for step in range(4):
        monitor.evaluate(step, drawing(one.images))
    assert not monitor.collapsed
