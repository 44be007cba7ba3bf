"""What must hold of every network of the registry, at small sizes."""

import inspect

import pytest
import torch
from torch import nn

from emoji_lib import BadInput
from emoji_lib.nets import NETWORKS, build, dcgan, name_of
from emoji_lib.nets.layers import seeded

TEXT = {"features": 4, "embedding": 6, "projected": 5}
PLAIN = [{"features": 4}, {"features": 4, **dcgan.IMPROVED}, {"features": 4, "channels": 1, "norm": "none"}]
SMALL = {
    "dcgan.Generator": PLAIN,
    "dcgan.Discriminator": PLAIN,
    "deep.Generator": [{"features": "8 > 6 > 5"}, {"features": "8 > 4", "start": 16, "kernels": "4", "channels": 3}],
    "deep.Discriminator": [{"features": "4 > 6 > 8"}, {"features": "4", "kernels": "3", "channels": 3}],
    "emotigan.Generator": [{**TEXT, "latent": 7}, {**TEXT, "latent": 7, **dcgan.IMPROVED}],
    "emotigan.LayeredGenerator": [{**TEXT, "features": 2, "layers": 3, "latent": 7}],
    "emotigan.Discriminator": [TEXT, {**TEXT, "kernels": 0}, {**TEXT, "condition": "project", **dcgan.IMPROVED}],
    "emotigan.Classifier": [{"features": 4, "classes": 5}],
    "cyclegan.Generator": [{"features": 2, "blocks": 1}],
    "cyclegan.ShortcutGenerator": [{"features": 4, "blocks": 1}, {"features": 5, "blocks": 0, "channels": 3}],
    "cyclegan.Discriminator": [{"features": 2}, {"features": 2, "stages": 1, "channels": 3, "norm": "none"}],
    "encoder.Encoder": [{"features": 6}],
    "layered.Generator": [
        {"features": 2, "layers": 3, "latent": 5},
        {"features": 2, "layers": 3, "latent": 5, "fields": "coarse", "masks": "over", "colour_latent": 2},
        {"features": 2, "layers": 3, "latent": 5, "fields": "transposed"},
    ],
    "layered.Discriminator": [{"features": 4, "deviations": 16, **dcgan.IMPROVED}, {"features": 3, "antialias": True}],
    "listed.Listed": [{"layers": ["Linear(in_features=5, out_features=4, bias=True)", "Tanh()"]}],
}


def example(network: nn.Module) -> tuple[tuple[torch.Tensor, ...], tuple[int, ...]]:
    """Three of what a network takes, and the shape of what it must give."""
    room, kind = name_of(network).split(".")
    options, rng = network.options, torch.Generator().manual_seed(0)
    side, channels = 64 if room == "deep" else 72, options.get("channels", 4 if "layers" in options else 3)
    images = torch.randn(3, channels, side, side, generator=rng)
    if "latent" in options:  # latents to images
        return (torch.randn(3, options["latent"] + options.get("embedding", 0), generator=rng),), images.shape
    if room == "listed":
        return (network.latents(3, 0),), (3, 4)
    if room == "cyclegan":
        patches = 72 // 2 ** options.get("stages", 0) - 2
        return (images,), (3, 1, patches, patches) if kind == "Discriminator" else images.shape
    if kind in ("Classifier", "Encoder"):
        return (images,), (3, options.get("classes", options["features"]))
    return (images, torch.randn(3, 6, generator=rng))[: 1 + (room == "emotigan")], (3,)


def test_every_network_is_tried():
    assert SMALL.keys() == NETWORKS.keys()


@pytest.mark.parametrize(("name", "options"), [(name, options) for name in SMALL for options in SMALL[name]])
def test_shapes_gradients_and_the_way_back_from_options(name, options):
    torch.manual_seed(0)
    network = build(name, options)
    assert options.items() <= network.options.items()
    given, shape = example(network)
    out = network(*given)
    assert out.shape == shape
    if "Generator" in name:
        assert out.abs().max() <= 1
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.abs().sum() > 0, label
    assert name_of(network) == name
    twin = build(name, network.options)
    twin.load_state_dict(network.state_dict())
    torch.testing.assert_close(twin.eval()(*given), network.eval()(*given))


def test_options_hold_defaults_and_the_design_of_a_network_inside():
    network = build("emotigan.Generator", {**TEXT, "norm": "none"})
    assert network.options["latent"] == 100
    assert network.options["norm"] == "none"
    assert "design" not in network.options
    assert inspect.signature(dcgan.Generator).parameters["features"].default == 64


def test_what_the_registry_does_not_have_is_named():
    with pytest.raises(BadInput, match=r"unknown network 'dcgan\.Critic': .*dcgan\.Generator"):
        build("dcgan.Critic", {})
    with pytest.raises(BadInput, match="cannot be built"):
        build("dcgan.Generator", {"width": 3})


@pytest.mark.parametrize("name", ["dcgan.Discriminator", "deep.Discriminator", "emotigan.Discriminator"])
def test_images_of_another_size_are_refused_with_the_size(name):
    given, _ = example(network := build(name, SMALL[name][0]))
    with pytest.raises(ValueError, match=r"images are \[N, 4, (\d\d), \1\], not \[3, 4, 32, 32\]"):
        network(given[0][..., :32, :32], *given[1:])


def test_latents_are_the_seeds_on_any_seed_of_64_bits():
    generator = dcgan.Generator(4)
    assert torch.equal(generator.latents(5, 1), generator.latents(5, 1))
    assert not torch.equal(generator.latents(5, 1), generator.latents(5, 2))
    assert generator.latents(5, 2**64 - 1).isfinite().all()
    for seed in (2**64, -1):
        with pytest.raises(BadInput, match=f"seed {seed} is not between"):
            generator.latents(5, seed)


def test_streams_of_one_seed_differ_and_the_largest_seed_has_them_too():
    numbers = {torch.rand(1, generator=seeded(seed, apart=2**24)).item() for seed in (0, 1, 2**64 - 1)}
    assert len(numbers) == 3
    assert torch.rand(1, generator=seeded(5, apart=7)) == torch.rand(1, generator=torch.Generator().manual_seed(12))


def test_a_seeds_first_latents_are_the_same_however_many_are_drawn():
    written = {"features": 2, "latent": 5, "embedding": 3, "known": 7}
    named = {"emotigan.Generator": written, "layered.Generator": {"features": 2, "layers": 3, "latent": 5}}
    for generator in (dcgan.Generator(4), *(build(name, options) for name, options in named.items())):
        if hasattr(generator, "phrases"):
            generator.phrases.normal_()
        many = generator.latents(48, 3)
        for n in (1, 5, 17):
            assert torch.equal(generator.latents(n, 3), many[:n])
