"""CycleGAN's networks."""

import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.nets import cyclegan


@pytest.mark.parametrize(("stages", "side"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_a_patch_of_the_papers_size(stages, side):
    """By the gradient: which pixels one logit depends on."""
    assert cyclegan.reach(stages) == side
    network = cyclegan.Discriminator(2, stages, 1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.InstanceNorm2d):
            layer.forward = lambda maps: maps  # it depends on the whole map
    images = torch.randn(1, 1, 128, 128, requires_grad=True)
    logits = network(images)
    middle = logits.shape[2] // 2
    (grad,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    seen = grad[0, 0].nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [side, side]


def test_the_papers_size():
    """The published generator with 9 blocks and 3 channels has 11,378,179 weights, idle biases counted."""
    generator = cyclegan.Generator(64, 9, 3)
    kinds = torch.nn.Conv2d | torch.nn.ConvTranspose2d
    idle = sum(layer.out_channels for layer in generator.modules() if isinstance(layer, kinds) and layer.bias is None)
    assert sum(parameter.numel() for parameter in generator.parameters()) + idle == 11_378_179


@pytest.mark.parametrize("kind", cyclegan.TRANSLATORS.values())
def test_other_sizes_and_bad_ones(kind):
    generator = kind(2, 1)
    assert generator(torch.zeros(1, 4, 72, 40)).shape == (1, 4, 72, 40)
    with pytest.raises(ValueError, match="sides divisible by 4"):
        generator(torch.zeros(1, 4, 70, 72))
    with pytest.raises(BadInput, match="stages 5"):
        cyclegan.Discriminator(2, 5)
    with pytest.raises(BadInput, match="unknown norm 'batch'"):
        cyclegan.Discriminator(2, norm="batch")
    with pytest.raises(BadInput, match="3 stages need images of at least 24 pixels a side, not 20"):
        cyclegan.Discriminator(2)(torch.zeros(1, 4, 24, 20))
    assert cyclegan.Discriminator(2)(torch.zeros(1, 4, 24, 24)).shape == (1, 1, 1, 1)
    with pytest.raises(BadInput, match="blocks -1"):
        kind(2, -1)


def test_without_norm_the_strength_of_a_colour_counts():
    """With instance norm, scaled features are the same picture to it."""
    images, moved = torch.randn(2, 4, 64, 64), {}
    for norm in ("instance", "none"):
        torch.manual_seed(0)
        discriminator = cyclegan.Discriminator(4, 2, norm=norm)
        bright, pale = discriminator(images), discriminator(images / 2)
        moved[norm] = (bright - pale).norm() / bright.norm()
    assert moved["instance"] < 0.1
    assert moved["none"] > 0.4


def test_shortcuts_carry_the_picture_past_the_residual_blocks():
    generator = cyclegan.ShortcutGenerator(4, 1)
    for parameter in generator.deep.parameters():
        torch.nn.init.zeros_(parameter)
    images = torch.randn(1, 4, 16, 16, requires_grad=True)
    (grad,) = torch.autograd.grad(generator(images).sum(), images)
    assert (grad != 0).all()
