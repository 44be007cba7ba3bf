"""CycleGAN's step, pool and schedule."""

import copy

import pytest
import torch
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.nets import cyclegan
from emoji_lib.train import device, losses
from emoji_lib.train.cyclegan import CycleGAN, Pool, cost

FACES, CARTOONS = (torch.rand(2, 4, 32, 32, generator=torch.Generator().manual_seed(n)) * 2 - 1 for n in (1, 2))


def system(**settings) -> CycleGAN:
    torch.manual_seed(0)
    networks = [cyclegan.Generator(2, 1), cyclegan.Generator(2, 1)]
    networks += [cyclegan.Discriminator(2, 1), cyclegan.Discriminator(2, 1)]
    return CycleGAN(*networks, **{"steps": 10, **settings})


@pytest.mark.parametrize(("loss", "penalty"), [("least_squares", 0.0), ("bce", 0.0), ("least_squares", 0.3)])
def test_the_step_written_out(loss, penalty, monkeypatch):
    """The paper's equations 1 to 3, the identity loss and R1 in each fourth step, by the plainest code."""
    monkeypatch.setattr(device, "number_format", lambda _: "fp32")
    settings = {"cycle_weight": 7.0, "identity_weight": 2.0, "pool_size": 0, "r1_weight": penalty}
    ours = system(loss=loss, **settings, learning_rate_g=1e-3, learning_rate_d=3e-4)
    to_cartoon, to_face, cartoons, faces = (copy.deepcopy(network) for network in ours.networks.values())
    translators = [*to_cartoon.parameters(), *to_face.parameters()]
    critics = [*cartoons.parameters(), *faces.parameters()]
    adam_g = torch.optim.Adam(translators, 1e-3, (0.5, 0.999))
    adam_d = torch.optim.Adam(critics, 3e-4, (0.5, 0.999))

    def is_real(logits, yes):
        target = torch.full_like(logits, float(yes))
        return (
            F.mse_loss(logits, target)
            if loss == "least_squares"
            else F.binary_cross_entropy_with_logits(logits, target)
        )

    def slope(critic, images):
        images = images.clone().requires_grad_()
        grads = [torch.autograd.grad(critic(one[None]).sum(), one, create_graph=True)[0] for one in images]
        return sum((grad**2).sum() for grad in grads) / len(images)

    for taken in range(2):
        facts = ours.step(FACES, CARTOONS)
        drawn, made = to_cartoon(FACES), to_face(CARTOONS)
        adversarial = is_real(cartoons(drawn), True) + is_real(faces(made), True)
        around = F.l1_loss(to_face(drawn), FACES) + F.l1_loss(to_cartoon(made), CARTOONS)
        own = F.l1_loss(to_cartoon(CARTOONS), CARTOONS) + F.l1_loss(to_face(FACES), FACES)
        adam_g.zero_grad()
        (adversarial + 7 * around + 2 * own).backward()
        adam_g.step()
        against = is_real(cartoons(CARTOONS), True) + is_real(cartoons(drawn.detach()), False)
        against = against + is_real(faces(FACES), True) + is_real(faces(made.detach()), False)
        held = 4 * penalty / 2 * (slope(cartoons, CARTOONS) + slope(faces, FACES)) if taken == 0 else 0
        adam_d.zero_grad()
        (against / 2 + held).backward()
        adam_d.step()
    assert facts["loss_g"].item() == pytest.approx(adversarial.item(), rel=1e-4)
    assert facts["loss_d"].item() == pytest.approx(against.item() / 2, rel=1e-4)
    assert (facts["cycle_faces"] + facts["cycle_cartoons"]).item() == pytest.approx(around.item(), rel=1e-4)
    for mine, theirs in zip(ours.networks.values(), (to_cartoon, to_face, cartoons, faces), strict=True):
        for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-3)


def test_the_pool_remembers_and_swaps_half():
    pool, rng = Pool(4), torch.Generator().manual_seed(0)
    first = torch.arange(4.0).view(4, 1, 1, 1)
    assert torch.equal(pool.swap(first, rng), first)
    old = 0
    for step in range(1, 200):
        drawn = torch.full((2, 1, 1, 1), 10.0 * step)
        shown = pool.swap(drawn, rng)
        old += int((shown != drawn).sum())
        assert len(pool.images) == 4
    assert 0.4 < old / 398 < 0.6
    assert torch.equal(Pool(0).swap(first, rng), first)


def test_learning_rates_hold_and_then_fall_to_nothing():
    ours, seen = system(steps=8, learning_rate_g=0.4, learning_rate_d=0.2), []
    for taken in range(9):
        ours.steps_taken = taken
        ours.set_learning_rates()
        seen.append(ours.optimizers["translators"].param_groups[0]["lr"])
    assert seen == pytest.approx([0.4] * 5 + [0.3, 0.2, 0.1, 0.0])
    assert ours.optimizers["discriminators"].param_groups[0]["lr"] == 0


def test_a_run_in_pieces_equals_one_in_one_go():
    straight, pieces = system(pool_size=3), system(pool_size=3)
    for _ in range(6):
        straight.step(FACES, CARTOONS)
    for _ in range(3):
        pieces.step(FACES, CARTOONS)
    state = copy.deepcopy(pieces.state_dict())
    pieces = system(pool_size=3)
    pieces.load_state_dict(state)
    for _ in range(3):
        pieces.step(FACES, CARTOONS)
    for one, other in zip(straight.networks.values(), pieces.networks.values(), strict=True):
        for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.equal(mine, theirs)


def test_cost_counts_what_is_kept_and_learns_nothing():
    ours = system()
    before = copy.deepcopy(ours.networks["to_cartoon"].state_dict())
    small, _ = cost(ours, FACES[:1])
    large, seconds = cost(ours, FACES)
    assert small < large < 3 * small
    assert seconds > 0
    assert all(torch.equal(value, before[key]) for key, value in ours.networks["to_cartoon"].state_dict().items())


def test_bad_settings_are_named():
    for settings, says in (
        ({"cycle_weight": -1.0}, "cycle_weight -1.0"),
        ({"r1_weight": -1.0}, "r1_weight -1.0"),
        ({"pool_size": -1}, "pool_size -1"),
        ({"loss": "hinge"}, "unknown loss"),
        ({"loss": "softmax"}, "answer by patches"),
        ({"loss": losses.LOSSES["bce"]._replace(whole_batch=True)}, "answer by patches"),
        ({"loss": losses.LOSSES["bce"]._replace(simultaneous=True)}, "simultaneous updates"),
    ):
        with pytest.raises(BadInput, match=says):
            system(**settings)
