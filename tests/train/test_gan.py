"""The system's step against the plainest writing of the same algorithm."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches
from emoji_lib.measure import scores
from emoji_lib.nets import dcgan, deep
from emoji_lib.train import device, gan, losses
from emoji_lib.train.augment import ShiftAndFlip
from emoji_lib.train.system import SEED_STRIDE

IMPROVED = dcgan.IMPROVED


@pytest.fixture
def fp32(monkeypatch):
    """Exact comparisons want float32 convolutions."""
    monkeypatch.setattr(device, "number_format", lambda _: "fp32")


def pair(**options):
    torch.manual_seed(0)
    return dcgan.Generator(4, **options), dcgan.Discriminator(4, **options)


def weights(network):
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def assert_same_course(ours, plain, start):
    """Adam turns rounding into whole steps where a gradient is next to nothing, so the mean way apart is compared."""
    apart, moved = (ours - plain).abs().mean().item(), (plain - start).abs().mean().item()
    assert moved > 1e-5
    assert apart < 0.1 * moved


def real_batch():
    return Batches(emoji.load("faces").images, 5, seed=0)[0]


def adam(network):
    return torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999))


def test_the_tutorials_loop(fp32):
    """Discriminator on real and fake, then generator on the moved discriminator, binary cross entropy on labels."""
    generator, discriminator = pair()
    plain_g, plain_d = copy.deepcopy(generator), copy.deepcopy(discriminator)
    start_g, start_d = weights(generator), weights(discriminator)
    system = gan.GAN(generator, discriminator, loss="bce", seed=3)
    optimizer_g, optimizer_d = adam(plain_g), adam(plain_d)
    rng, real = torch.Generator().manual_seed(SEED_STRIDE + 3), real_batch()
    for _ in range(3):
        facts = system.step(real)
        fake = plain_g(torch.randn(5, 100, generator=rng))
        optimizer_d.zero_grad()
        loss_d = F.binary_cross_entropy_with_logits(plain_d(real), torch.ones(5))
        loss_d = loss_d + F.binary_cross_entropy_with_logits(plain_d(fake.detach()), torch.zeros(5))
        loss_d.backward()
        optimizer_d.step()
        optimizer_g.zero_grad()
        loss_g = F.binary_cross_entropy_with_logits(plain_d(fake), torch.ones(5))
        loss_g.backward()
        optimizer_g.step()
    assert facts["loss_d"].item() == pytest.approx(loss_d.item(), rel=1e-3)
    assert facts["loss_g"].item() == pytest.approx(loss_g.item(), rel=1e-3)
    assert_same_course(weights(generator), weights(plain_g), start_g)
    assert_same_course(weights(discriminator), weights(plain_d), start_d)


@pytest.mark.parametrize("norm", ["batch", "spectral"])
def test_the_generators_loss_is_from_the_updated_discriminator_in_bf16_too(norm, monkeypatch):
    """Casts and normalised weights are cached for one turn; kept longer, they would be those from before D's step."""
    monkeypatch.setattr(device, "number_format", lambda _: "bf16")
    options = {"norm": norm, "init": "orthogonal"}
    generator, discriminator = pair(**options)
    system = gan.GAN(generator, discriminator, loss="bce", learning_rate_g=0, learning_rate_d=0.1, seed=3)
    real = real_batch()
    facts = system.step(real)
    latents = torch.randn(5, 100, generator=torch.Generator().manual_seed(SEED_STRIDE + 3))
    discriminator.train(norm == "batch")  # another forward pass in training mode would refine the singular vectors
    with device.autocast(torch.device("cpu")), torch.no_grad():
        moved = F.softplus(-discriminator(generator(latents)).float()).mean()
        torch.manual_seed(0)
        before = F.softplus(-pair(**options)[1](generator(latents)).float()).mean()
    assert abs(moved - before) > 0.02
    assert facts["loss_g"].item() == pytest.approx(moved.item(), abs=0.2 * abs(moved - before).item())


def test_a_pair_is_of_one_discriminators_logits(fp32):
    """The generator's loss compares fakes with reals; D moves far here between its turn and the generator's."""
    generator, discriminator = pair(norm="none")
    system = gan.GAN(generator, discriminator, loss="pairing", learning_rate_g=0, learning_rate_d=0.05, seed=3)
    real = real_batch()
    before = discriminator(real).detach()
    facts = system.step(real)
    fake = generator(torch.randn(5, 100, generator=torch.Generator().manual_seed(SEED_STRIDE + 3)))
    moved = F.softplus(discriminator(real) - discriminator(fake)).mean().item()
    assert abs(F.softplus(before - discriminator(fake)).mean().item() - moved) > 0.1
    assert facts["loss_g"].item() == pytest.approx(moved, rel=1e-3)


def test_the_blogs_loop(fp32):
    """Generator first, then the discriminator on the same fakes: here from one forward pass of each image."""
    generator, discriminator = pair(**IMPROVED | {"norm": "none"})
    plain_g, plain_d = copy.deepcopy(generator), copy.deepcopy(discriminator)
    start_g, start_d = weights(generator), weights(discriminator)
    system = gan.GAN(generator, discriminator, loss="softmax", seed=3)
    optimizer_g, optimizer_d = adam(plain_g), adam(plain_d)
    rng, real = torch.Generator().manual_seed(SEED_STRIDE + 3), real_batch()

    def centred(on_real, on_fake):
        mean = (on_fake.mean(0, keepdim=True) + on_real.mean(0, keepdim=True)) / 2
        partition = (mean - on_fake).exp().sum() + (mean - on_real).exp().sum()
        return on_real - mean, on_fake - mean, partition.log()

    for _ in range(3):
        facts = system.step(real)
        fake = plain_g(torch.randn(5, 100, generator=rng))
        optimizer_g.zero_grad()
        on_real, on_fake, log_partition = centred(plain_d(real), plain_d(fake))
        loss_g = (on_real.sum() + on_fake.sum()) / 10 + log_partition
        loss_g.backward(inputs=list(plain_g.parameters()))
        optimizer_g.step()
        optimizer_d.zero_grad()
        on_real, on_fake, log_partition = centred(plain_d(real), plain_d(fake.detach()))
        loss_d = on_real.sum() / 5 + log_partition
        loss_d.backward()
        optimizer_d.step()
    assert facts["loss_d"].item() == pytest.approx(loss_d.item(), rel=1e-4)
    assert facts["loss_g"].item() == pytest.approx(loss_g.item(), rel=1e-4)
    assert_same_course(weights(generator), weights(plain_g), start_g)
    assert_same_course(weights(discriminator), weights(plain_d), start_d)


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("loss", ["bce", "softmax"])
def test_gradients_lie_in_memory_as_their_parameters_do(loss, number_format, monkeypatch):
    """Fused Adam reads both as they lie: where they differ it would pair a weight with another's gradient."""
    monkeypatch.setattr(device, "number_format", lambda _: number_format)
    generator, discriminator = pair(**IMPROVED)
    gan.GAN(generator, discriminator, loss=loss).step(real_batch())
    for parameter in (*generator.parameters(), *discriminator.parameters()):
        assert parameter.grad.stride() == parameter.stride()


def test_a_gradient_that_lies_otherwise_is_laid_right(fp32):
    weight = torch.nn.Parameter(torch.zeros(8, 6, 4, 4).to(memory_format=torch.channels_last))
    system = gan.GAN(*pair())
    system.networks["discriminator"] = torch.nn.ParameterList([weight])
    grad = torch.randn(8, 6, 4, 4)
    system.gradients((weight * grad).sum(), "discriminator")
    torch.optim.Adam([weight], 1e-3, fused=True).step()
    assert torch.equal(weight.sign(), -grad.sign())


def test_the_moving_average(fp32):
    generator, discriminator = pair()
    system = gan.GAN(generator, discriminator, ema=0.75)
    expected = weights(generator)
    for _ in range(3):
        system.step(real_batch())
        expected = 0.75 * expected + 0.25 * weights(generator)
    torch.testing.assert_close(weights(system.average), expected)
    running = [buffer for name, buffer in system.average.named_buffers() if name.endswith("running_var")]
    assert all(torch.equal(a, b) for a, b in zip(running, _running_var(generator), strict=True))


def _running_var(network):
    return [buffer for name, buffer in network.named_buffers() if name.endswith("running_var")]


def test_sampling_is_in_eval_mode_and_leaves_training_mode(fp32):
    generator, discriminator = pair()
    system = gan.GAN(generator, discriminator)
    before = _running_var(generator)[0].clone()
    latents = generator.latents(6, 0)
    together = system.sample(latents)
    torch.testing.assert_close(together[:1], system.sample(latents[:1]))
    assert torch.equal(_running_var(generator)[0], before)
    assert generator.training


def test_the_same_seed_gives_the_same_run():
    def run(seed):
        generator, discriminator = pair(**IMPROVED)
        system = gan.GAN(generator, discriminator, loss="softmax", augment=ShiftAndFlip(0.8), ema=0.9, seed=seed)
        for _ in range(2):
            system.step(real_batch())
        return weights(generator), weights(system.average)

    assert all(torch.equal(a, b) for a, b in zip(run(1), run(1), strict=True))
    assert not torch.equal(run(1)[0], run(2)[0])


def test_one_image_is_learned_by_heart():
    """The single-image test of the deep-emoji log: data, networks, loss and step must all be right for it to pass."""
    torch.manual_seed(0)
    generator, discriminator = dcgan.Generator(16, **IMPROVED), dcgan.Discriminator(16, **IMPROVED)
    system = gan.GAN(generator, discriminator, loss="softmax", learning_rate_g=2e-3, learning_rate_d=2e-4, ema=0.9)
    batches = Batches(emoji.load("😮").images, 4, seed=0)
    for step in range(600):
        system.step(batches[step])
    error = (system.sample(generator.latents(8, 1)) - batches[0][:1]).div(2).square().mean().item()
    assert -10 * np.log10(error) > 18, f"PSNR {-10 * np.log10(error):.1f} dB"


def test_bad_settings_are_named():
    with pytest.raises(BadInput, match="ema 1"):
        gan.GAN(*pair(), ema=1.0)
    with pytest.raises(BadInput, match="unknown loss 'hinge': bce, least_squares, softmax"):
        gan.GAN(*pair(), loss="hinge")
    for seed in (-1, 2**64):
        with pytest.raises(BadInput, match=f"seed {seed} is not between"):
            gan.GAN(*pair(), seed=seed)
    gan.GAN(*pair(), seed=2**64 - 1)
    with pytest.raises(BadInput, match=r"'tpu' cannot be used"):
        device.pick("tpu")


def test_the_deep_emoji_family_learns_one_face_by_heart():
    """As the log used it: when it failed there, the data were at fault."""
    torch.manual_seed(0)
    generator = deep.Generator("128 > 64 > 32", channels=3)
    discriminator = deep.Discriminator("16 > 32 > 64", channels=3)
    system = gan.GAN(generator, discriminator, loss=losses.smoothed(0.1), learning_rate_g=2e-3, beta2=0.5)
    batches = Batches(emoji.load("😮", size=64, mode="RGB").images, 3, seed=0)
    for step in range(200):
        system.step(batches[step])
    reached = scores.psnr(system.sample(generator.latents(8, 1)), batches[0][:1])
    assert reached > 18, f"PSNR {reached:.1f} dB"
