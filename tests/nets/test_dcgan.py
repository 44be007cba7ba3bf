import pytest
import torch
from torch import nn
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.nets import dcgan, layers

IMPROVED = dcgan.IMPROVED


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def settle(conv: nn.Module, times: int) -> None:
    """Power iterations of the spectral norm: one each time that the weight is taken."""
    for _ in range(times):
        _ = conv.weight


def test_parameter_counts_are_those_of_the_source():
    improved = IMPROVED | {"init": "normal"}  # drawn in a moment
    assert count(dcgan.Generator(64)) == 3_577_728
    assert count(dcgan.Discriminator(64)) == 2_766_592
    assert count(dcgan.Generator(64, **improved)) == 3_576_772
    assert count(dcgan.Discriminator(64, **improved)) == 2_765_761


def test_samples_are_independent_in_the_improved_pair():
    """A batch must not leak: one historic emoji GAN merged four fakes into one row and never noticed."""
    torch.manual_seed(0)
    for network in (dcgan.Generator(4, **IMPROVED).eval(), dcgan.Discriminator(4, **IMPROVED).eval()):
        inputs = torch.randn(3, 100) if isinstance(network, dcgan.Generator) else torch.randn(3, 4, 72, 72)
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
    *convs, head = (layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d))
    for conv in convs:
        settle(conv, 30)
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert torch.linalg.matrix_norm(head.weight.flatten(1), 2).item() > 5


def test_normal_weights_have_the_tutorials_spread():
    torch.manual_seed(0)
    conv = dcgan.Generator(32).layers[1][0]
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
    expected = seen = torch.randn(3, 4, 72, 72)
    convs = [layer for layer in ours.modules() if isinstance(layer, nn.Conv2d)]
    for conv in convs:
        settle(conv, 100)
    for conv, (kernel, stride, padding) in zip(convs, dcgan.STAGES[::-1], strict=True):
        weight = conv.parametrizations.weight.original if conv is not ours.head else conv.weight
        if conv is not ours.head:
            weight = weight / torch.linalg.matrix_norm(weight.flatten(1), 2)
        expected = F.conv2d(F.pad(expected, (padding,) * 4, mode="replicate"), weight, conv.bias, stride)
        expected = F.gelu(expected) if conv is not ours.head else expected
        assert weight.shape[-1] == kernel
    torch.testing.assert_close(ours.eval()(seen), expected[:, 0, 0, 0], atol=1e-5, rtol=1e-3)


def test_replicate_padding_has_first_and_second_derivatives():
    images = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layers.ReplicatePad.apply, (images,))
    assert torch.autograd.gradgradcheck(lambda x: layers.ReplicatePad.apply(x) ** 3, (images,))


def test_bad_options_are_named():
    with pytest.raises(BadInput, match="features 0"):
        dcgan.Generator(0)
    with pytest.raises(BadInput, match="unknown norm 'layer': batch, spectral, none"):
        dcgan.Discriminator(4, norm="layer")
    with pytest.raises(BadInput, match="unknown activation 'swish'"):
        dcgan.Generator(4, activation="swish")
    with pytest.raises(BadInput, match="unknown initialisation"):
        dcgan.Generator(4, init="xavier")


def test_architecture_for_the_record():
    with torch.device("meta"):
        facts = layers.architecture(dcgan.Generator(64, **IMPROVED))
    assert facts == {"features": [512, 256, 128, 64, 4], "kernels": [4] * 5, "parameters": 3_576_772}
