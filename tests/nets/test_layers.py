"""The pieces that networks are built from."""

import torch

from emoji_lib.nets.layers import Dropout


def test_dropout_drops_its_share_and_keeps_the_mean_and_the_layout():
    for share in (0.25, 0.5, 0.1):  # a tenth is no multiple of 1/256
        images = torch.ones(8, 64, 32, 33).contiguous(memory_format=torch.channels_last).requires_grad_()
        torch.manual_seed(3)
        dropped = Dropout(share)(images)
        assert dropped.is_contiguous(memory_format=torch.channels_last)
        kept = dropped != 0
        # Half a million coins: four standard errors are 0.003.
        assert abs(kept.float().mean() - (1 - share)) < 0.003
        assert torch.allclose(dropped[kept], torch.tensor(1 / (1 - share)))
        by_place = kept.float().mean(0).flatten()
        assert by_place.std() < 1.2 * (share * (1 - share) / 8) ** 0.5, "units fall in step"
        (grad,) = torch.autograd.grad(dropped.sum(), images)
        assert torch.equal(grad, dropped)
        torch.manual_seed(3)
        assert torch.equal(Dropout(share)(images), dropped)


def test_dropout_leaves_a_network_in_eval_mode_alone():
    images = torch.randn(2, 3)
    assert Dropout(0.5).eval()(images) is images
    assert not Dropout(1.0)(images).any()
