"""bf16 against float32 for every kind of layer in use: a bad build of torch is noticed here rather than trusted."""

import platform
import resource

import pytest
import torch

from emoji_lib.nets import layers
from emoji_lib.nets.spectral import spectral_norm
from emoji_lib.train import device

LAYERS = {
    "conv 4×4, stride 2": (torch.nn.Conv2d(16, 32, 4, 2, 1), (4, 16, 36, 36)),
    "conv to one logit": (torch.nn.Conv2d(32, 1, 4, 1, 0), (4, 32, 4, 4)),
    "conv from RGBA": (torch.nn.Conv2d(4, 32, 4, 2, 1), (4, 4, 72, 72)),
    "replicate conv": (layers.ReplicateConv2d(16, 32, 4, 2, 1), (4, 16, 36, 36)),
    "spectral conv": (spectral_norm(layers.ReplicateConv2d(16, 32, 4, 2, 1)), (4, 16, 18, 18)),
    "transposed conv from latents": (torch.nn.ConvTranspose2d(100, 64, 4, 1, 0), (4, 100, 1, 1)),
    "transposed conv": (torch.nn.ConvTranspose2d(32, 16, 4, 2, 1), (4, 32, 18, 18)),
    "transposed conv, no padding": (torch.nn.ConvTranspose2d(32, 16, 4, 2, 0), (4, 32, 8, 8)),
    "transposed conv to RGBA": (torch.nn.ConvTranspose2d(16, 4, 4, 2, 1), (4, 16, 36, 36)),
    "batch norm": (torch.nn.BatchNorm2d(16), (4, 16, 18, 18)),
    "gelu": (torch.nn.GELU(), (4, 16, 18, 18)),
    "leaky relu": (torch.nn.LeakyReLU(0.2), (4, 16, 18, 18)),
}
PLACES = [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]


def forward_and_back(layer, inputs, where, monkeypatch, number_format):
    monkeypatch.setattr(device, "number_format", lambda _: number_format)
    given = inputs.clone().requires_grad_()
    layer.zero_grad()
    with device.autocast(where):
        out = layer(given)
    out = out.float()
    pattern = torch.linspace(-1, 2, out.numel(), device=where).view(out.shape)
    (out * pattern).sum().backward()
    return [out.detach(), given.grad.float(), *(p.grad.float().clone() for p in layer.parameters())]


@pytest.mark.parametrize("where", PLACES, ids=str)
@pytest.mark.parametrize("kind", LAYERS)
def test_bf16_stays_by_float32(kind, where, monkeypatch):
    layer, shape = LAYERS[kind]
    torch.manual_seed(0)
    inputs = torch.randn(shape).to(where, memory_format=torch.channels_last)
    layer = device.place(layer, where).eval()  # spectral norm moves on by itself in training
    layer.train(kind == "batch norm")
    exact = forward_and_back(layer, inputs, where, monkeypatch, "fp32")
    rounded = forward_and_back(layer, inputs, where, monkeypatch, "bf16")
    for number, (one, other) in enumerate(zip(exact, rounded, strict=True)):
        error = (one - other).norm() / one.norm()
        assert error < 0.02, f"result {number} is {error:.3f} off"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have other habits")
def test_memory_of_large_tensors_is_used_again():
    """Fresh memory costs a fault for each page; the flags' discriminator takes 64 MB many times a round."""
    device.pick("cpu")
    for turn in range(30):
        if turn == 20:  # until then the heap may still find its size
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(2**24)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 2**26 // resource.getpagesize()
