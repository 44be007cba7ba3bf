"""CycleGAN's training: two translators and two judges that learn from pictures nobody has paired (Zhu et al. 2017)."""

import time

import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.nets.layers import choose
from emoji_lib.train import device as machine
from emoji_lib.train.losses import LOSSES
from emoji_lib.train.systems import System

POOL = 50
PENALTY_EVERY = 4  # steps (Karras et al. 2020, appendix B: rarely, and so much stronger, does as well)


class Pool:
    """The last drawn images, up to `size`: half of what a judge sees is older (Shrivastava et al. 2017)."""

    def __init__(self, size: int = POOL):
        self.size = size
        self.images: Tensor | None = None

    def swap(self, drawn: Tensor, rng: torch.Generator) -> Tensor:
        """As many images as were drawn, `[N, C, H, W]`: each itself, or with probability ½ an older one it replaces."""
        if not self.size:
            return drawn
        shown = []
        for one in drawn.detach():
            kept = 0 if self.images is None else len(self.images)
            if kept < self.size:
                self.images = one[None].clone() if self.images is None else torch.cat((self.images, one[None]))
                shown.append(one)
                continue
            chance = torch.rand(2, generator=rng, device=rng.device)
            place = int(chance[1] * self.size)
            if chance[0] < 0.5:
                shown.append(self.images[place].clone())
                self.images[place] = one
            else:
                shown.append(one)
        return torch.stack(shown)


class CycleGAN(System):
    """Translators `to_cartoon` (G) and `to_face` (F), judges of `cartoons` (D_Y) and of `faces` (D_X).

    `step` takes a batch of faces and one of cartoons, float32 `[N, C, H, W]` in −1..1. The translators make small
    L(G, D_Y) + L(F, D_X) + `cycle` (‖F(G(x)) − x‖₁ + ‖G(F(y)) − y‖₁) + `identity` (‖G(y) − y‖₁ + ‖F(x) − x‖₁) (eqs. 1
    to 3 and section 5.2); the judges answer, shown what a pool of `pool` images remembers. `loss` is `bce`, the page's
    logarithms (where G makes small −log D(G(x)), Goodfellow et al. 2014, section 3), or `least_squares`, the paper's.
    Learning rates stay for the first half of `steps` and then fall to 0.
    differs: with `penalty`, the judges also make small `penalty`/2 ‖∇D‖² on real pictures (R1, Mescheder et al. 2018,
    eq. 9), D being the sum over a picture's patches.
    Processes that train together each take their share of both batches and have a pool of their own.
    """

    capturable = False  # the pool decides on the host
    joinable = True

    def __init__(
        self,
        to_cartoon: nn.Module,
        to_face: nn.Module,
        cartoons: nn.Module,
        faces: nn.Module,
        *,
        steps: int,
        loss: str = "least_squares",
        cycle: float = 10.0,
        identity: float = 0.0,
        pool: int = POOL,
        penalty: float = 0.0,
        learning_rate_g: float = 2e-4,
        learning_rate_d: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        if min(cycle, identity, penalty) < 0:
            raise BadInput(f"cycle {cycle}, identity {identity}, penalty {penalty}: weights must not be negative")
        if loss == "softmax":
            raise BadInput("loss 'softmax' weighs whole pictures; these judges answer by patches: bce or least_squares")
        if pool < 0:
            raise BadInput(f"pool {pool} is negative; 50 is usual, 0 is none")
        place = torch.device(device)
        networks = {"to_cartoon": to_cartoon, "to_face": to_face, "cartoons": cartoons, "faces": faces}
        # Not channels-last: instance norm and reflection padding are a fifth slower in that order.
        networks = {name: network.to(place) for name, network in networks.items()}
        self.sides = {"translators": ("to_cartoon", "to_face"), "judges": ("cartoons", "faces")}
        self.rates = {"translators": learning_rate_g, "judges": learning_rate_d}
        groups = {side: nn.ModuleList([networks[name] for name in names]) for side, names in self.sides.items()}
        optimizers = {side: machine.adam(group, self.rates[side], (beta1, beta2)) for side, group in groups.items()}
        super().__init__(networks, optimizers, device=place, seed=seed)
        self.loss, self.cycle, self.identity = choose(LOSSES, "loss", loss), cycle, identity
        self.penalty = penalty
        self.pools = {"cartoons": Pool(pool), "faces": Pool(pool)}
        self.steps, self.taken = steps, 0

    def step(self, faces: Tensor, cartoons: Tensor) -> dict[str, Tensor]:
        """One update of the translators and then of the judges; returns each part of their losses."""
        self._set_rates()
        given = {"faces": faces, "cartoons": cartoons}
        with self._looking():
            drawn = {
                "cartoons": self._net("to_cartoon", given["faces"]),
                "faces": self._net("to_face", given["cartoons"]),
            }
            back = {
                "faces": self._net("to_face", drawn["cartoons"]),
                "cartoons": self._net("to_cartoon", drawn["faces"]),
            }
            answers = {side: self._net(side, drawn[side]) for side in drawn}
            own = self._own(given)
        adversarial = {side: self.loss.generator(answers[side].detach(), answers[side]) for side in drawn}
        around = {side: _l1(back[side], given[side]) for side in drawn}
        facts = {f"g_{side}": value for side, value in adversarial.items()}
        facts |= {f"cycle_{side}": value for side, value in around.items()} | own
        total = sum(adversarial.values()) + self.cycle * sum(around.values()) + self.identity * sum(own.values())
        self._move("translators", total)
        shown = {side: self.pools[side].swap(drawn[side].float(), self.rng) for side in drawn}
        penalised = self.penalty > 0 and self.taken % PENALTY_EVERY == 0
        real = {side: images.detach().requires_grad_(penalised) for side, images in given.items()}
        with self._looking():
            logits = {side: (self._net(side, real[side]), self._net(side, shown[side])) for side in drawn}
        # Halved, as in the paper, so that the judges learn more slowly than the translators.
        judged = {f"d_{side}": self.loss.discriminator(*pair) / 2 for side, pair in logits.items()}
        steep = [_steepness(logits[side][0], real[side]) for side in drawn] if penalised else [0.0]
        self._move("judges", sum(judged.values()) + PENALTY_EVERY * self.penalty / 2 * sum(steep))
        self.taken += 1
        facts |= judged | {"real": sum(pair[0].mean() for pair in logits.values()) / 2}
        facts |= {"fake": sum(pair[1].mean() for pair in logits.values()) / 2}
        sums = {"loss_g": sum(adversarial.values()), "loss_d": sum(judged.values())}
        return {name: value.detach().float() for name, value in (sums | facts).items()}

    def _net(self, name: str, images: Tensor) -> Tensor:
        return self.networks[name](images)

    def _own(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        """What each translator does to pictures that need no translation."""
        if not self.identity:
            return {}
        same = {"cartoons": self._net("to_cartoon", given["cartoons"]), "faces": self._net("to_face", given["faces"])}
        return {f"identity_{side}": _l1(images, given[side]) for side, images in same.items()}

    def _looking(self):
        return machine.autocast(self.device)

    def _move(self, side: str, loss: Tensor) -> None:
        self._gradients(loss, *self.sides[side])
        self.optimizers[side].step()

    def _set_rates(self) -> None:
        left = min(1.0, 2 * (1 - self.taken / max(1, self.steps)))
        for side, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(self.rates[side] * left)
                else:
                    group["lr"] = self.rates[side] * left

    @torch.no_grad()
    def sample(self, latents: Tensor) -> Tensor:
        """The cartoons `[N, C, H, W]` of faces in −1..1."""
        return self.translate("to_cartoon", latents)

    @torch.no_grad()
    def translate(self, name: str, images: Tensor) -> Tensor:
        """Images of the other domain by `to_cartoon` or `to_face`, float32 on the device."""
        with self._looking():
            return self._net(name, images.to(self.device)).float()

    def state_dict(self) -> dict:
        pools = {side: pool.images for side, pool in self.pools.items() if pool.images is not None}
        pools = {side: self.peers.gather(images[None]) for side, images in pools.items()}
        return super().state_dict() | {"pools": pools, "taken": self.taken}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        for side, images in state["pools"].items():
            self.pools[side].images = images[self.peers.rank].to(self.device)
        self.taken = state["taken"]


def cost(system: CycleGAN, images: Tensor) -> tuple[float, float]:
    """What one pass there and back of images `[N, C, H, W]` keeps for the backward pass, in MB, and the seconds of a
    whole such pass, gradients included. Nothing is learned by it.
    """
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    system.translate("to_cartoon", images)  # whatever is set up once is not timed
    began = time.perf_counter()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), machine.autocast(system.device):
        loss = _l1(system.networks["to_face"](system.networks["to_cartoon"](images)), images)
    parameters = [parameter for name in ("to_cartoon", "to_face") for parameter in system.networks[name].parameters()]
    torch.autograd.grad(loss, parameters)[0].sum().item()
    return sum(kept.values()) / 1e6, time.perf_counter() - began


def _steepness(logits: Tensor, images: Tensor) -> Tensor:
    """‖∇D‖², mean over images `[N, C, H, W]` of which the logits were taken."""
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def _l1(one: Tensor, other: Tensor) -> Tensor:
    return (one.float() - other).abs().mean()
