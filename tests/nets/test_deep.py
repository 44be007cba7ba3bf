import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.nets import deep
from emoji_lib.nets.layers import architecture

GENERATORS = [  # every design of the log
    ("512 > 256 > 128 > 64 > 4", "5", 4, 4),
    ("256 > 128 > 32 > 4", "5", 8, 4),
    ("64 > 32 > 16", "4 > 6 > 8", 8, 4),
    ("1024 > 512 > 128 > 64", "3 > 5 > 5 > 7", 4, 4),
    ("128 > 64 > 4", "5", 16, 4),
    ("512 > 128 > 64", "5", 8, 3),
]
DISCRIMINATORS = [
    ("64 > 128 > 256", "5"),
    ("8 > 16 > 32", "8 > 6 > 4"),
    ("16 > 46 > 256", "5 > 4 > 3"),
    ("64 > 256", "5"),
]


@pytest.mark.parametrize(("features", "kernels", "start", "channels"), GENERATORS)
def test_every_generator_of_the_log_reaches_its_size(features, kernels, start, channels):
    generator = deep.Generator(features, kernels, start=start, channels=channels)
    with torch.no_grad():
        assert generator(torch.zeros(2, 128)).shape == (2, channels, 64, 64)


def test_latents_are_uniform():
    latents = deep.Generator("8 > 6 > 5").latents(100, 0)
    assert latents.shape == (100, 128)
    assert -1 <= latents.min() < -0.99
    assert 0.99 < latents.max() <= 1


@pytest.mark.parametrize(("features", "kernels"), DISCRIMINATORS)
def test_every_discriminator_of_the_log_gives_a_logit(features, kernels):
    discriminator = deep.Discriminator(features, kernels)
    assert discriminator(torch.zeros(2, 4, 64, 64)).shape == (2,)
    assert architecture(discriminator)["features"] == [*deep.numbers(features, ""), 1]


@pytest.mark.parametrize("kernel", range(1, 12))
def test_any_kernel_doubles_and_halves_exactly(kernel):
    assert deep.Generator("8 > 8 > 8", str(kernel))(torch.zeros(2, 128)).shape[2:] == (64, 64)
    assert deep.Discriminator("8 > 8", str(kernel))(torch.zeros(2, 4, 64, 64)).shape == (2,)


def test_what_does_not_reach_the_size_is_refused_with_the_arithmetic():
    with pytest.raises(BadInput, match=r"4 convolutions .* 8×8 becomes 128×128 \(8 · 2\^4 = 128\)\. Start from 4×4"):
        deep.Generator("512 > 256 > 128 > 64 > 4")
    with pytest.raises(BadInput, match=r"\. Give features for 3 convolutions"):
        deep.Generator(" > ".join("22222222"))
    with pytest.raises(BadInput, match=r"becomes 32×32"):
        deep.Generator("128 > 64 > 4")
    with pytest.raises(BadInput, match="are 2 for 3 convolutions: give one for all, or each its own"):
        deep.Generator("512 > 128 > 64", "5 > 5")
    with pytest.raises(BadInput, match="features of the generator '512, 128' are not positive numbers"):
        deep.Generator("512, 128")
    with pytest.raises(BadInput, match="a kernel of 2 does not fit the 1×1 maps before 4 features"):
        deep.Discriminator("4 > 4 > 4 > 4 > 4 > 4 > 4", "2")
