"""The pieces that networks are built from."""

import torch

from emoji_lib.nets.layers import Dropout


def test_dropout_drops_its_fraction_and_keeps_the_mean_and_the_layout():
    for fraction in (0.25, 0.5, 0.1):  # a tenth is no multiple of 1/256
        images = torch.ones(8, 64, 32, 33).contiguous(memory_format=torch.channels_last).requires_grad_()
        torch.manual_seed(3)
        dropped = Dropout(fraction)(images)
        assert dropped.is_contiguous(memory_format=torch.channels_last)
        kept = dropped != 0
        # Half a million coins: four standard errors are 0.003.
        assert abs(kept.float().mean() - (1 - fraction)) < 0.003
        assert torch.allclose(dropped[kept], torch.tensor(1 / (1 - fraction)))
        by_place = kept.float().mean(0).flatten()
        assert by_place.std() < 1.2 * (fraction * (1 - fraction) / 8) ** 0.5, "units fall in step"
        (grad,) = torch.autograd.grad(dropped.sum(), images)
        assert torch.equal(grad, dropped)
        torch.manual_seed(3)
        assert torch.equal(Dropout(fraction)(images), dropped)


def test_dropout_leaves_a_network_in_eval_mode_alone():
    images = torch.randn(2, 3)
    assert Dropout(0.5).eval()(images) is images
    assert not Dropout(1.0)(images).any()
