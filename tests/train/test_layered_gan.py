"""The training step of a generator that draws in layers."""

import copy

import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.nets import dcgan, layered
from emoji_lib.train import distributed, losses
from emoji_lib.train.layered_gan import LayeredGAN
from emoji_lib.train.system import SEED_STRIDE

REAL = torch.rand(4, 4, 72, 72, generator=torch.Generator().manual_seed(4)) * 2 - 1


def system(norm="none", **settings) -> LayeredGAN:
    torch.manual_seed(0)
    generator = layered.Generator(2, 5, layers=3, fields="fine")
    return LayeredGAN(generator, layered.Discriminator(4, deviations=16, **dcgan.IMPROVED | {"norm": norm}), **settings)


def descend(optimizer, network, loss):
    grads = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
    for parameter, grad in zip(network.parameters(), grads, strict=True):
        parameter.grad = grad
    return optimizer.step


def assert_same(one, other):
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-5, rtol=1e-3)


def test_the_step_written_out_with_the_softmax_loss(monkeypatch):
    monkeypatch.setattr("emoji_lib.train.device.number_format", lambda _: "fp32")
    ours = system(loss="softmax", mixing_weight=0.7, learning_rate_g=1e-3, learning_rate_d=1e-3)
    g, d = (copy.deepcopy(ours.networks[name]) for name in ("generator", "discriminator"))
    adam_g, adam_d = (torch.optim.Adam(one.parameters(), 1e-3, (0.5, 0.999)) for one in (g, d))
    rng = torch.Generator().manual_seed(SEED_STRIDE)
    for _ in range(2):
        facts = ours.step(REAL)
        fake, masks = g.draw(torch.randn(4, 5, generator=rng))
        mixing = (masks * (1 - masks)).sum(1).mean()
        on_real, on_fake = d(REAL), d(fake)
        ends = descend(adam_d, d, losses.softmax_discriminator(on_real, on_fake))
        descend(adam_g, g, losses.softmax_generator(on_real, on_fake) + 0.7 * mixing)()
        ends()
    assert facts["mixing"].item() == pytest.approx(mixing.item(), rel=1e-4)
    assert_same(ours.networks["discriminator"], d)
    assert_same(ours.networks["generator"], g)


def test_the_step_written_out_with_pairs_and_penalties(monkeypatch):
    """Five steps, of which the first and the last are penalised."""
    monkeypatch.setattr("emoji_lib.train.device.number_format", lambda _: "fp32")
    ours = system(loss="pairing", gamma=0.5, learning_rate_g=1e-3, learning_rate_d=1e-3)
    g, d = (copy.deepcopy(ours.networks[name]) for name in ("generator", "discriminator"))
    adam_g, adam_d = (torch.optim.Adam(one.parameters(), 1e-3, (0.5, 0.999)) for one in (g, d))
    rng = torch.Generator().manual_seed(SEED_STRIDE)
    for step in range(5):
        ours.step(REAL)
        fake, _ = g.draw(torch.randn(4, 5, generator=rng))
        seen = REAL.clone().requires_grad_(), fake.detach().clone().requires_grad_()
        on_real, on_fake = map(d, seen)
        loss = torch.log1p((on_fake - on_real).exp()).mean()
        if step % 4 == 0:
            for logits, images in ((on_real, seen[0]), (on_fake, seen[1])):
                (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
                loss = loss + 4 * 0.5 * slope.square().sum((1, 2, 3)).mean() / 2
        descend(adam_d, d, loss)()
        descend(adam_g, g, torch.log1p((d(REAL).detach() - d(fake)).exp()).mean())()
    assert_same(ours.networks["discriminator"], d)
    assert_same(ours.networks["generator"], g)


def test_a_weight_on_mixing_makes_pixels_belong_to_one_layer():
    apart = {}
    for weight in (0.0, 30.0):
        ours = system(norm="spectral", loss="softmax", mixing_weight=weight, learning_rate_g=3e-3)
        for _ in range(24):
            facts = ours.step(REAL)
        apart[weight] = facts["mixing"].item()
    assert apart[30.0] < 0.2 * apart[0.0]


def test_masks_of_one_layer_do_not_mix():
    whole = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    assert losses.mixing(whole) == 0
    assert losses.mixing(torch.full((2, 4, 3, 3), 0.25)) == pytest.approx(0.75)


def test_a_run_in_pieces_equals_one_in_one_go():
    settings = {"loss": "pairing", "gamma": 0.1, "mixing_weight": 0.1, "ema": 0.9}
    straight, pieces = system(**settings), system(**settings)
    for _ in range(6):
        straight.step(REAL)
    for _ in range(3):
        pieces.step(REAL)
    state = copy.deepcopy(pieces.state_dict())
    pieces = system(**settings)
    pieces.load_state_dict(state)
    for _ in range(3):
        pieces.step(REAL)
    for name, module in straight.modules().items():
        for one, other in zip(module.parameters(), pieces.modules()[name].parameters(), strict=True):
            assert torch.equal(one, other), name


def test_penalties_are_for_a_single_process_and_no_graph(monkeypatch):
    ours = system(loss="pairing", gamma=0.1)
    assert not ours.capturable
    monkeypatch.setattr(distributed, "processes", lambda: distributed.Processes(torch.device("cpu"), 0, 2))
    with pytest.raises(BadInput, match="LayeredGAN trains in a single process"):
        system(loss="pairing", gamma=0.1)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"mixing_weight": -1.0}, r"mixing_weight -1\.0 must not be negative"),
        ({"gamma": 1.0, "loss": "softmax"}, "gamma needs a loss with updates in turn"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, says):
    with pytest.raises(BadInput, match=says):
        system(**settings)
