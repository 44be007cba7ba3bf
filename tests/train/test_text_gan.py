"""The training step of networks that are given captions."""

import copy

import pytest
import torch
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.nets import dcgan, emotigan
from emoji_lib.train import device, losses
from emoji_lib.train.losses import noisy
from emoji_lib.train.system import SEED_STRIDE
from emoji_lib.train.text_gan import TextGAN

CAPTIONS = F.normalize(torch.randn(6, 5, generator=torch.Generator().manual_seed(3)))
REAL = torch.rand(6, 4, 72, 72, generator=torch.Generator().manual_seed(4)) * 2 - 1


def system(condition="project", **settings) -> TextGAN:
    torch.manual_seed(0)
    design = {"embedding": 5, "projected": 3, **dcgan.IMPROVED}
    generator = emotigan.Generator(4, 7, known=6, **design)
    generator.phrases.copy_(CAPTIONS)
    return TextGAN(generator, emotigan.Discriminator(4, condition=condition, kernels=3, **design), **settings)


def test_the_step_written_out(monkeypatch):
    """Mismatched captions, the L1 distance, and both gradients from the same logits, by the plainest code."""
    monkeypatch.setattr(device, "number_format", lambda _: "fp32")
    ours = system(loss="softmax", mismatched_captions=True, l1_weight=3.0, learning_rate_g=1e-3, learning_rate_d=1e-3)
    generator, discriminator = (copy.deepcopy(ours.networks[name]) for name in ("generator", "discriminator"))
    rng = torch.Generator().manual_seed(SEED_STRIDE)
    optimizers = [torch.optim.Adam(one.parameters(), 1e-3, (0.5, 0.999)) for one in (generator, discriminator)]
    before = [parameter.clone() for one in (generator, discriminator) for parameter in one.parameters()]
    for _ in range(2):
        facts = ours.step(REAL, CAPTIONS)
        drawn = generator(torch.cat((torch.randn(6, 7, generator=rng), CAPTIONS), 1))
        wrong = CAPTIONS[torch.randint(6, (6,), generator=rng)]
        on_real, on_fake = discriminator(REAL, CAPTIONS), power_free(discriminator, drawn, CAPTIONS)
        refused = torch.cat((on_fake, power_free(discriminator, REAL, wrong)))
        loss_g = losses.softmax_generator(on_real, on_fake)
        loss_d = losses.softmax_discriminator(on_real, refused)
        grads_g = torch.autograd.grad(
            loss_g + 3 * (drawn - REAL).abs().mean(), list(generator.parameters()), retain_graph=True
        )
        grads_d = torch.autograd.grad(loss_d, list(discriminator.parameters()))
        for one, optimizer, grads in zip((generator, discriminator), optimizers, (grads_g, grads_d), strict=True):
            for parameter, grad in zip(one.parameters(), grads, strict=True):
                parameter.grad = grad
            optimizer.step()
    assert facts["loss_g"].item() == pytest.approx(loss_g.item(), rel=1e-3)
    assert facts["loss_d"].item() == pytest.approx(loss_d.item(), rel=1e-3)
    for name, plain in (("generator", generator), ("discriminator", discriminator)):
        mine = torch.cat([parameter.flatten() for parameter in ours.networks[name].parameters()])
        theirs = torch.cat([parameter.flatten() for parameter in plain.parameters()])
        assert (mine - theirs).abs().mean() < 1e-5
    assert (
        max((parameter - old).abs().max() for parameter, old in zip(generator.parameters(), before, strict=False))
        > 1e-4
    )


def power_free(discriminator, images, captions):
    """A forward pass that leaves spectral norm's buffers alone, as a cached one does."""
    discriminator.eval()
    logits = discriminator(images, captions)
    discriminator.train()
    return logits


def test_noise_on_what_the_discriminator_sees_fades():
    ours = system(input_noise=0.5, input_noise_steps=4)
    apart = []
    for _ in range(6):
        apart.append((ours.discriminator_input(REAL) - REAL).std().item())
        ours.step(REAL, CAPTIONS)
    assert apart[:5] == pytest.approx([0.5, 0.375, 0.25, 0.125, 0], abs=0.01)
    assert apart[5] == 0
    again = system(input_noise=0.5, input_noise_steps=4)
    again.load_state_dict(ours.state_dict())
    assert again.steps_taken == 6


def test_perturbed_and_dropped_captions():
    many = CAPTIONS[:1].expand(4000, -1)
    perturbed = system(embedding_noise=0.3).perturb(many)
    assert (perturbed - many).norm(dim=1).square().mean().sqrt() == pytest.approx(0.3, rel=0.03)
    kept = system(caption_dropout=0.25).drop_captions(many).abs().sum(1) > 0
    assert kept.float().mean() == pytest.approx(0.75, abs=0.03)
    assert torch.equal(system().drop_captions(system().perturb(many)), many)


@pytest.mark.parametrize("condition", emotigan.CONDITIONS)
def test_a_run_in_pieces_equals_one_in_one_go(condition):
    settings = {
        "embedding_noise": 0.1,
        "input_noise": 0.1,
        "input_noise_steps": 5,
        "caption_dropout": 0.2,
        "mismatched_captions": True,
        "ema": 0.9,
    }
    straight, pieces = (system(condition, loss=noisy(0.0), **settings) for _ in range(2))
    for _ in range(4):
        straight.step(REAL, CAPTIONS)
    for _ in range(2):
        pieces.step(REAL, CAPTIONS)
    state = copy.deepcopy(pieces.state_dict())
    pieces = system(condition, loss=noisy(0.0), **settings)
    pieces.load_state_dict(state)
    for _ in range(2):
        pieces.step(REAL, CAPTIONS)
    for name, module in straight.modules().items():
        for one, other in zip(module.parameters(), pieces.modules()[name].parameters(), strict=True):
            assert torch.equal(one, other), name


def test_uncertain_targets_by_torchs_own_cross_entropy():
    logits = torch.linspace(-3, 3, 7, dtype=torch.float64), torch.linspace(-2, 4, 5, dtype=torch.float64)
    torch.manual_seed(1)
    ours = noisy(0.2).discriminator(*logits)
    torch.manual_seed(1)
    noises = [0.2 * torch.rand_like(some) for some in logits]
    targets = 1 - noises[0], noises[1]
    assert all(noise.min() >= 0 and noise.max() <= 0.2 for noise in noises)
    theirs = sum(F.binary_cross_entropy_with_logits(some, of) for some, of in zip(logits, targets, strict=True))
    torch.testing.assert_close(ours, theirs)
    for width in (-0.1, 0.5):
        with pytest.raises(BadInput, match=f"label noise {width}"):
            noisy(width)


@pytest.mark.parametrize("lost", ["networks", "optimizers"])
def test_the_state_of_other_networks_is_refused(lost):
    ours = system()
    state = ours.state_dict()
    state[lost] = {"another": state[lost].pop("generator")}
    with pytest.raises(BadInput, match="the checkpoint is of other networks"):
        ours.load_state_dict(state)


@pytest.mark.parametrize("name", ["input_noise", "embedding_noise", "l1_weight", "caption_dropout"])
def test_amounts_that_cannot_be_are_named(name):
    with pytest.raises(BadInput, match=f"{name} -0.5"):
        system(**{name: -0.5})


def test_a_loss_of_pairs_takes_no_mismatched_captions():
    with pytest.raises(BadInput, match="mismatched_captions bring more fakes than reals"):
        system(loss="pairing", mismatched_captions=True)
    metrics = system(loss="pairing").step(REAL, CAPTIONS)
    assert torch.stack(list(metrics.values())).isfinite().all()
