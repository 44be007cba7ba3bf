import pytest
import torch
from torch import nn
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.nets import NETWORKS, build, dcgan, layers, name_of

IMPROVED = dcgan.IMPROVED
SMALL = {
    "dcgan.Generator": [{"features": 4}, {"features": 4, **IMPROVED}, {"features": 4, "channels": 1, "norm": "none"}],
    "dcgan.Discriminator": [
        {"features": 4},
        {"features": 4, **IMPROVED},
        {"features": 4, "channels": 1, "norm": "none"},
    ],
}
SMALL |= {
    "deep.Generator": [{"features": "8 > 6 > 5"}, {"features": "8 > 4", "start": 16, "kernels": "4", "channels": 3}],
    "deep.Discriminator": [{"features": "4 > 6 > 8"}, {"features": "4", "kernels": "3", "channels": 3}],
}
TEXT = {"features": 4, "embedding": 6, "projected": 5}
SMALL |= {
    "emotigan.Generator": [{**TEXT, "latent": 7}, {**TEXT, "latent": 7, **IMPROVED}],
    "emotigan.Discriminator": [TEXT, {**TEXT, "kernels": 0}, {**TEXT, "condition": "project", **IMPROVED}],
    "emotigan.Classifier": [{"features": 4, "classes": 5}],
}
SMALL |= {
    "cyclegan.Generator": [{"features": 2, "blocks": 1}],
    "cyclegan.ShortcutGenerator": [{"features": 4, "blocks": 1}, {"features": 5, "blocks": 0, "channels": 3}],
    "cyclegan.Discriminator": [{"features": 2}, {"features": 2, "stages": 1, "channels": 3, "norm": "none"}],
}
# A `Listed` has whatever layers a notebook gives it: test_listed.py.
EVERY = [(name, options) for name in NETWORKS if name != "listed.Listed" for options in SMALL[name]]


def side(network: nn.Module) -> int:
    return 64 if name_of(network).startswith("deep.") else 72


def example(network: nn.Module) -> tuple[torch.Tensor, ...]:
    """What the network takes in, three of it."""
    options, rng = network.options, torch.Generator().manual_seed(0)
    told = options.get("embedding", 0)
    if "latent" in options:
        return (torch.randn(3, options["latent"] + told, generator=rng),)
    pictures = torch.randn(3, options.get("channels", 3), side(network), side(network), generator=rng)
    return (pictures, torch.randn(3, told, generator=rng)) if told else (pictures,)


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_shapes_range_and_a_finite_gradient_for_every_parameter(name, options):
    torch.manual_seed(0)
    network = build(name, options)
    out = network(*example(network))
    if name.endswith("Generator"):
        assert out.shape == (3, options.get("channels", 4), side(network), side(network))
        assert out.abs().max() <= 1
    else:
        wanted = {"cyclegan": (3, 1, *out.shape[2:]), "emotigan.Classifier": (3, options.get("classes"))}
        assert out.shape == wanted.get(name.split(".")[0], wanted.get(name, (3,)))
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        assert parameter.grad.abs().sum() > 0, label


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_options_rebuild_the_same_network(name, options):
    network = build(name, options)
    assert name_of(network) == name
    twin = build(name, network.options)
    twin.load_state_dict(network.state_dict())
    torch.testing.assert_close(twin.eval()(*example(twin)), network.eval()(*example(network)))


def test_parameter_counts_are_those_of_the_source():
    assert count(dcgan.Generator(64)) == 3_577_728
    assert count(dcgan.Discriminator(64)) == 2_766_592
    assert count(dcgan.Generator(64, **IMPROVED)) == 3_576_772
    assert count(dcgan.Discriminator(64, **IMPROVED)) == 2_765_761


def test_samples_are_independent_in_the_improved_pair():
    """A batch must not leak: one historic emoji GAN merged four fakes into one row and never noticed."""
    torch.manual_seed(0)
    for network in (dcgan.Generator(4, **IMPROVED).eval(), dcgan.Discriminator(4, **IMPROVED).eval()):
        (inputs,) = example(network)
        together = network(inputs)
        alone = torch.cat([network(one[None]) for one in inputs])
        torch.testing.assert_close(together, alone)


def test_orthogonal_weights_zero_biases_and_unit_spectral_norm():
    torch.manual_seed(0)
    generator = dcgan.Generator(8, **IMPROVED)
    discriminator = dcgan.Discriminator(8, **IMPROVED)
    for conv in (layer for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)):
        rows = conv.weight.flatten(1)
        product = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
        torch.testing.assert_close(product, torch.eye(len(product)), atol=1e-4, rtol=0)
        assert not conv.bias.any()
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.mul_(7)
    discriminator.train()
    for _ in range(30):
        discriminator(*example(discriminator))
    *convs, head = (layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d))
    for conv in convs:
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert torch.linalg.matrix_norm(head.weight.flatten(1), 2).item() > 5


def test_normal_weights_have_the_tutorials_spread():
    torch.manual_seed(0)
    conv = dcgan.Generator(64).layers[1][0]
    assert conv.weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert conv.weight.mean().item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_replicate_convolution_has_the_numbers_of_torchs_own(memory_format):
    torch.manual_seed(0)
    ours = layers.ReplicateConv2d(3, 5, 4, 2, 1)
    images = torch.randn(2, 3, 7, 9).to(memory_format=memory_format).requires_grad_()
    expected = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), ours.weight, ours.bias, stride=2)
    torch.testing.assert_close(ours(images), expected)
    weights = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(ours(images), images, weights)[0], torch.autograd.grad(expected, images, weights)[0]
    )


def test_the_improved_discriminator_has_the_numbers_of_the_sources_listing():
    """Replicate padding by torch, spectral norm by hand: weight over its largest singular value."""
    torch.manual_seed(0)
    ours = dcgan.Discriminator(4, **IMPROVED)
    for _ in range(100):
        ours(*example(ours))  # lets the power iteration settle
    (seen,) = example(ours)
    convs = [layer for layer in ours.modules() if isinstance(layer, nn.Conv2d)]
    for conv, (kernel, stride, padding) in zip(convs, dcgan.STAGES[::-1], strict=True):
        weight = conv.parametrizations.weight.original if conv is not ours.head else conv.weight
        if conv is not ours.head:
            weight = weight / torch.linalg.matrix_norm(weight.flatten(1), 2)
        seen = F.conv2d(F.pad(seen, (padding,) * 4, mode="replicate"), weight, conv.bias, stride)
        seen = F.gelu(seen) if conv is not ours.head else seen
        assert weight.shape[-1] == kernel
    torch.testing.assert_close(ours.eval()(*example(ours)), seen[:, 0, 0, 0], atol=1e-5, rtol=1e-3)


def test_replicate_padding_has_first_and_second_derivatives():
    images = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layers._ReplicatePad.apply, (images,))
    assert torch.autograd.gradgradcheck(lambda x: layers._ReplicatePad.apply(x) ** 3, (images,))


def test_latents_are_the_seeds():
    generator = dcgan.Generator(4)
    assert torch.equal(generator.latents(5, 1), generator.latents(5, 1))
    assert not torch.equal(generator.latents(5, 1), generator.latents(5, 2))


def test_bad_options_are_named():
    with pytest.raises(BadInput, match="features 0"):
        dcgan.Generator(0)
    with pytest.raises(BadInput, match="unknown norm 'layer': batch, spectral, none"):
        dcgan.Discriminator(4, norm="layer")
    with pytest.raises(BadInput, match="unknown activation 'swish'"):
        dcgan.Generator(4, activation="swish")
    with pytest.raises(BadInput, match="unknown initialisation"):
        dcgan.Generator(4, init="xavier")
    with pytest.raises(BadInput, match="unknown network"):
        build("dcgan.Critic", {})
    with pytest.raises(BadInput, match="cannot be built"):
        build("dcgan.Generator", {"width": 3})
    with pytest.raises(ValueError, match=r"\[N, 4, 72, 72\]"):
        dcgan.Discriminator(4)(torch.zeros(1, 4, 64, 64))


def test_architecture_for_the_record():
    facts = layers.architecture(dcgan.Generator(64, **IMPROVED))
    assert facts == {"features": [512, 256, 128, 64, 4], "kernels": [4] * 5, "parameters": 3_576_772}
