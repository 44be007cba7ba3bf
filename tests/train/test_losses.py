import pytest
import torch
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.train import losses

REAL = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
FAKE = torch.tensor([0.0, -1.0, 0.5, 2.0, -2.0], dtype=torch.float64)


def test_softmax_losses_have_the_independently_computed_values():
    assert losses.softmax_generator(REAL, FAKE).item() == pytest.approx(3.9698923863591054, abs=1e-14)
    assert losses.softmax_discriminator(REAL, FAKE).item() == pytest.approx(5.519892386359105, abs=1e-14)


def test_softmax_losses_ignore_a_shift_of_all_logits_and_survive_large_ones():
    for loss in (losses.softmax_generator, losses.softmax_discriminator):
        torch.testing.assert_close(loss(REAL + 100, FAKE + 100), loss(REAL, FAKE))
        assert loss(REAL.float() * 1e4, FAKE.float() * 1e4).isfinite()


def test_softmax_is_the_cross_entropy_to_its_two_targets():
    log_odds = torch.log_softmax(-torch.cat((REAL, FAKE)), 0)
    to_real = torch.cat((torch.full((5,), 0.2), torch.zeros(5))).double()
    torch.testing.assert_close(losses.softmax_discriminator(REAL, FAKE), -(to_real * log_odds).sum())
    torch.testing.assert_close(losses.softmax_generator(REAL, FAKE), -log_odds.mean())


def test_bce_is_torchs_own_on_the_tutorials_labels():
    ones, zeros = torch.ones(5).double(), torch.zeros(5).double()
    cross_entropy = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(losses.bce_generator(REAL, FAKE), cross_entropy(FAKE, ones))
    torch.testing.assert_close(
        losses.bce_discriminator(REAL, FAKE), cross_entropy(REAL, ones) + cross_entropy(FAKE, zeros)
    )


def test_smoothing_is_the_cross_entropy_to_a_softer_label():
    ones, zeros = torch.ones(5).double(), torch.zeros(5).double()
    cross_entropy = F.binary_cross_entropy_with_logits
    expected = cross_entropy(REAL, 0.9 * ones) + cross_entropy(FAKE, zeros)
    torch.testing.assert_close(losses.smoothed(0.1).discriminator(REAL, FAKE), expected)
    torch.testing.assert_close(losses.smoothed(0).discriminator(REAL, FAKE), losses.bce_discriminator(REAL, FAKE))
    with pytest.raises(BadInput, match=r"label smoothing 1\.5"):
        losses.smoothed(1.5)


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_gradients(name, side):
    loss = getattr(losses.LOSSES[name], side)
    fakes = FAKE if losses.LOSSES[name].paired else FAKE[:4]
    assert torch.autograd.gradcheck(loss, (REAL.clone().requires_grad_(), fakes.clone().requires_grad_()))


def test_which_way_the_discriminator_learns():
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    on_real, on_fake = torch.autograd.grad(losses.bce_discriminator(real, fake), (real, fake))
    assert (on_real < 0).all()  # descending raises real logits
    assert (on_fake > 0).all()
    on_real, on_fake = torch.autograd.grad(losses.softmax_discriminator(real, fake), (real, fake))
    assert on_real.sum() > 0  # the page's sign: descending lowers them
    assert on_fake.sum() < 0
