"""CycleGAN: two translators and two discriminators that learn from pictures nobody has paired (Zhu et al. 2017)."""

import time

import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.train import device as machine
from emoji_lib.train import losses
from emoji_lib.train.system import System, refuse_negative

R1_EVERY = 4  # steps (Karras et al. 2020, appendix B: rarely, and so much stronger, does as well)


class Pool:
    """Up to `size` earlier fakes, from which half of a discriminator's fakes come (Shrivastava et al. 2017)."""

    def __init__(self, size: int):
        if size < 0:
            raise BadInput(f"pool_size {size} must not be negative; 0 is none")
        self.size = size
        self.images: list[Tensor] = []

    def swap(self, fakes: Tensor, rng: torch.Generator) -> Tensor:
        """As many images as detached fakes `[N, C, H, W]`: each itself, or with probability ½ one that it replaces.

        `rng` lives on the host, so that no draw waits for a GPU.
        """
        if not self.size:
            return fakes
        shown = []
        for fake in fakes:
            if len(self.images) < self.size:
                self.images.append(fake.clone())
            else:
                chance, place = torch.rand(2, generator=rng).tolist()
                if chance < 0.5:
                    place = int(place * self.size)
                    fake, self.images[place] = self.images[place], fake.clone()
            shown.append(fake)
        return torch.stack(shown)


class CycleGAN(System):
    """Translators `to_cartoon` (G) and `to_face` (F), discriminators of `cartoons` (D_Y) and of `faces` (D_X).

    `loss` is `bce`, the page's logarithms (where G minimises −log D(G(x)), Goodfellow et al. 2014, section 3), or
    `least_squares`, the paper's. Learning rates stay for the first half of `steps` and then fall to 0. Fakes reach the
    discriminators by way of a pool of `pool_size`.
    differs: with `r1_weight`, the discriminators also minimise R1 on real images.
    Distributed processes each take their part of both batches and have a pool of their own.
    """

    capturable = False  # the pool decides on the host
    distributable = True

    def __init__(
        self,
        to_cartoon: nn.Module,
        to_face: nn.Module,
        cartoons: nn.Module,
        faces: nn.Module,
        *,
        steps: int,
        loss: str | losses.Loss = "least_squares",
        cycle_weight: float = 10.0,
        identity_weight: float = 0.0,
        pool_size: int = 50,
        r1_weight: float = 0.0,
        learning_rate_g: float = 2e-4,
        learning_rate_d: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        refuse_negative(cycle_weight=cycle_weight, identity_weight=identity_weight, r1_weight=r1_weight)
        self.loss = losses.named(loss)
        if self.loss.whole_batch:
            raise BadInput(f"loss {loss!r} needs one logit an image; these discriminators answer by patches")
        if self.loss.simultaneous:
            raise BadInput(f"loss {loss!r} needs simultaneous updates; CycleGAN's networks update in turn")
        networks = {"to_cartoon": to_cartoon, "to_face": to_face, "cartoons": cartoons, "faces": faces}
        # Not channels-last: instance norm and reflection padding are a fifth slower in that order.
        networks = {name: network.to(device) for name, network in networks.items()}
        self.rates = {"translators": learning_rate_g, "discriminators": learning_rate_d}
        optimizers = {
            "translators": machine.adam(nn.ModuleList((to_cartoon, to_face)), learning_rate_g, (beta1, beta2)),
            "discriminators": machine.adam(nn.ModuleList((cartoons, faces)), learning_rate_d, (beta1, beta2)),
        }
        super().__init__(networks, optimizers, device=device, seed=seed)
        self.cycle_weight, self.identity_weight, self.r1_weight = cycle_weight, identity_weight, r1_weight
        self.pools = {"cartoons": Pool(pool_size), "faces": Pool(pool_size)}
        self.pool_rng, self.steps = torch.Generator().manual_seed(self.rng.initial_seed()), steps

    def step(self, faces: Tensor, cartoons: Tensor) -> dict[str, Tensor]:
        """One update of the translators, then of the discriminators, on float32 `[N, C, H, W]` in −1..1.

        Returns each part of their losses, detached.
        """
        self.set_learning_rates()
        fake_cartoons, fake_faces, metrics = self.translators_turn(faces, cartoons)
        metrics |= self.discriminators_turn(faces, cartoons, fake_faces, fake_cartoons)
        self.steps_taken += 1
        return {name: value.detach().float() for name, value in metrics.items()}

    def translators_turn(self, faces: Tensor, cartoons: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Minimise L(G, D_Y) + L(F, D_X), the cycle and the identity loss, weighted (eq. 3 and section 5.2)."""
        to_cartoon, to_face, d_cartoons, d_faces = self.networks.values()
        parts = {}
        with self.forward():
            fake_cartoons, fake_faces = to_cartoon(faces), to_face(cartoons)
            on_cartoons, on_faces = d_cartoons(fake_cartoons), d_faces(fake_faces)
            parts["cycle_faces"] = losses.cycle(faces, to_face(fake_cartoons))
            parts["cycle_cartoons"] = losses.cycle(cartoons, to_cartoon(fake_faces))
            if self.identity_weight:
                parts["identity_cartoons"] = losses.identity(cartoons, to_cartoon(cartoons))
                parts["identity_faces"] = losses.identity(faces, to_face(faces))
        g_cartoons = self.loss.generator(on_cartoons.detach(), on_cartoons)
        g_faces = self.loss.generator(on_faces.detach(), on_faces)
        weights = {"cycle": self.cycle_weight, "identity": self.identity_weight}
        total = g_cartoons + g_faces + sum(weights[name.split("_")[0]] * part for name, part in parts.items())
        self.gradients(total, "to_cartoon", "to_face")
        self.optimizers["translators"].step()
        adversarial = {"loss_g": g_cartoons + g_faces, "g_cartoons": g_cartoons, "g_faces": g_faces}
        return fake_cartoons, fake_faces, adversarial | parts

    def discriminators_turn(
        self, faces: Tensor, cartoons: Tensor, fake_faces: Tensor, fake_cartoons: Tensor
    ) -> dict[str, Tensor]:
        """Minimise the adversarial loss on real images and pooled fakes, halved as in the paper, and sometimes R1."""
        regularised = self.r1_weight > 0 and self.steps_taken % R1_EVERY == 0
        metrics, total, means = {}, 0.0, []
        for name, real, fake in (("cartoons", cartoons, fake_cartoons), ("faces", faces, fake_faces)):
            real = real.detach().requires_grad_(regularised)
            fake = self.pools[name].swap(fake.float().detach(), self.pool_rng)
            with self.forward():
                on_real, on_fake = self.networks[name](real), self.networks[name](fake)
            metrics[f"d_{name}"] = self.loss.discriminator(on_real, on_fake) / 2
            total = total + metrics[f"d_{name}"]
            if regularised:
                total = total + R1_EVERY * self.r1_weight * losses.r1(on_real, real)
            means.append((on_real.mean() / 2, on_fake.mean() / 2))
        self.gradients(total, "cartoons", "faces")
        self.optimizers["discriminators"].step()
        real, fake = (sum(pair) for pair in zip(*means, strict=True))
        return metrics | {"loss_d": metrics["d_cartoons"] + metrics["d_faces"], "real": real, "fake": fake}

    def set_learning_rates(self) -> None:
        """Constant for the first half of the steps, then linearly to 0 (section 4)."""
        left = min(1.0, 2 * (1 - self.steps_taken / max(1, self.steps)))
        for side, optimizer in self.optimizers.items():
            machine.set_rate(optimizer, self.rates[side] * left)

    def sample(self, latents: Tensor) -> Tensor:
        """The cartoons `[N, C, H, W]` of faces in −1..1."""
        return self.translate("to_cartoon", latents)

    @torch.no_grad()
    def translate(self, name: str, images: Tensor) -> Tensor:
        """Images of the other domain by `to_cartoon` or `to_face`, float32 on the device."""
        with self.forward():
            return self.networks[name](images.to(self.device)).float()

    def state_dict(self) -> dict:
        pools = {name: torch.stack(pool.images)[None] for name, pool in self.pools.items() if pool.images}
        pools = {name: self.processes.gather(images) for name, images in pools.items()}
        pool_rng = self.processes.gather(self.pool_rng.get_state()[None].to(self.device))
        return super().state_dict() | {"pools": pools, "pool_rng": pool_rng}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        for name, images in state["pools"].items():
            self.pools[name].images = list(images[self.processes.rank].to(self.device))
        self.pool_rng.set_state(state["pool_rng"][self.processes.rank].cpu().clone())


def cost(system: CycleGAN, images: Tensor) -> tuple[float, float]:
    """What one pass there and back of images `[N, C, H, W]` keeps for the backward pass, in MB, and the seconds of a
    whole such pass, gradients included. Nothing is learned by it.
    """
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    system.translate("to_cartoon", images).sum().item()  # whatever is set up once is not timed
    began = time.perf_counter()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), machine.autocast(system.device):
        loss = losses.cycle(images, system.networks["to_face"](system.networks["to_cartoon"](images)))
    parameters = [parameter for name in ("to_cartoon", "to_face") for parameter in system.networks[name].parameters()]
    torch.autograd.grad(loss, parameters)[0].sum().item()
    return sum(kept.values()) / 1e6, time.perf_counter() - began
