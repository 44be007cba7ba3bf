"""The captured step against the eager one. Needs a GPU."""

import pytest
import torch

from emoji_lib.data import emoji
from emoji_lib.data.batches import Batches
from emoji_lib.nets import dcgan, layered
from emoji_lib.train import graphs
from emoji_lib.train.augment import ShiftAndFlip
from emoji_lib.train.gan import GAN
from emoji_lib.train.layered_gan import LayeredGAN

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def system(loss, device):
    torch.manual_seed(0)
    if loss == "layers":
        networks = (
            layered.Generator(4, layers=5, fields="fine"),
            layered.Discriminator(8, deviations=16, **dcgan.IMPROVED),
        )
        settings = {"mixing_weight": 0.3, "ema": 0.9, "augment": ShiftAndFlip(0.8, warp=0.1)}
        return LayeredGAN(*networks, loss="softmax", device=device, seed=1, **settings)
    options = dcgan.IMPROVED if loss == "softmax" else {}
    networks = dcgan.Generator(8, **options), dcgan.Discriminator(8, **options)
    return GAN(*networks, loss=loss, ema=0.9, augment=ShiftAndFlip(0.8), device=device, seed=1)


def weights(gan):
    return torch.cat([p.detach().flatten() for network in gan.networks.values() for p in network.parameters()]).cpu()


@gpu
@pytest.mark.parametrize("loss", ["bce", "softmax", "layers"])
def test_a_graph_gives_the_numbers_of_the_eager_step(loss):
    eager, captured = system(loss, "cuda"), system(loss, "cuda")
    batches, replay = Batches(emoji.load("faces").images, 8, seed=0, device="cuda"), None
    replay = graphs.stepper(captured)
    assert isinstance(replay, graphs.Graphed)
    for step in range(12):
        plain, graphed = eager.step(batches[step]), replay(batches[step])
        for name in plain:
            assert graphed[name].item() == pytest.approx(plain[name].item(), rel=0.02, abs=0.02), (step, name)
    moved = (weights(eager) - weights(system(loss, "cuda"))).abs().mean()
    assert (weights(eager) - weights(captured)).abs().mean() < 0.05 * moved


@gpu
def test_a_learning_rate_changed_after_the_capture_counts():
    gan = system("bce", "cuda")
    batches, replay = Batches(emoji.load("faces").images, 8, seed=0, device="cuda"), graphs.stepper(gan)
    replay(batches[0])
    for optimizer in gan.optimizers.values():
        optimizer.param_groups[0]["lr"].fill_(0)
    before = weights(gan)
    replay(batches[1])
    assert torch.equal(weights(gan), before)


@pytest.mark.parametrize("loss", ["softmax", "layers"])
def test_rewinding_forgets_what_was_learned_since(loss):
    """On any device: weights, moments, counters and random numbers are those of the state, in the same memory."""
    gan, fresh = system(loss, "cpu"), system(loss, "cpu")
    batches = Batches(emoji.load("faces").images, 4, seed=0)
    state, counter = fresh.state_dict(), gan.steps_taken
    gan.step(batches[0])
    graphs.rewind(gan, state)
    assert gan.steps_taken is counter
    assert counter == 0
    moments = [slot["exp_avg"] for slot in gan.optimizers["generator"].state.values()]
    assert all(not moment.any() for moment in moments)
    for step in range(2):
        gan.step(batches[step])
        fresh.step(batches[step])
    assert torch.equal(weights(gan), weights(fresh))
    now = [slot["exp_avg"] for slot in gan.optimizers["generator"].state.values()]
    assert all(one is other for one, other in zip(moments, now, strict=True))


def test_on_a_cpu_the_step_is_the_systems_own():
    gan = system("bce", "cpu")
    assert graphs.stepper(gan) == gan.step
