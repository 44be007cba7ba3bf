"""Spectral norm: the numbers and gradients of torch's own, in either memory order."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from emoji_lib.nets.spectral import spectral_norm

LAYERS = {"convolution": lambda: nn.Conv2d(3, 6, 4), "dense": lambda: nn.Linear(7, 5)}


def pair(kind, memory_format):
    """A layer with our spectral norm and its twin with torch's, both after enough power iterations to agree."""
    torch.manual_seed(0)
    ours, theirs = LAYERS[kind]().double(), LAYERS[kind]().double()
    theirs.load_state_dict(ours.state_dict())
    ours, theirs = spectral_norm(ours.to(memory_format=memory_format)), parametrizations.spectral_norm(theirs)
    for layer in (ours, theirs):
        for _ in range(200):
            assert layer.weight.isfinite().all()  # each access is one iteration
        layer.eval()
    return ours, theirs


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("kind", LAYERS)
def test_weights_and_gradients_are_those_of_torchs_own(kind, memory_format):
    ours, theirs = pair(kind, memory_format)
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-9, atol=1e-9)
    pattern = torch.randn_like(theirs.weight)
    gradients = [
        torch.autograd.grad((layer.weight.sin() * pattern).sum(), layer.parametrizations.weight.original)[0]
        for layer in (ours, theirs)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-8)


def test_each_access_in_training_is_one_power_iteration_and_earlier_graphs_stay_valid():
    torch.manual_seed(0)
    layer = spectral_norm(nn.Conv2d(3, 6, 4).to(memory_format=torch.channels_last))
    norm = layer.parametrizations.weight[0]
    first = layer.weight
    before = norm.u.clone()
    second = layer.weight
    assert not torch.equal(norm.u, before)
    (first.sum() + second.sum()).backward()
    layer.eval()
    before = norm.u.clone()
    assert torch.equal(layer.weight, layer.weight)
    assert torch.equal(norm.u, before)
