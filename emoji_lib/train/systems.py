"""Systems: named networks and optimizers that do one training step together."""

import contextlib
import copy
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.profiler import record_function

from emoji_lib import BadInput
from emoji_lib.nets.layers import choose
from emoji_lib.train import device as machine
from emoji_lib.train import parallel
from emoji_lib.train.losses import LOSSES, Loss

RANKS_APART = 2**24  # between seeds: of sampling, and of each process that trains (a CPU takes the low 32 bits of one)


class System:
    """Named networks and their optimizers, the randomness of their steps, and the processes that train them together.

    A kind of training is a subclass with a `step` from a batch to detached scalars and a `sample` from latents to
    images. On a GPU the step is captured once and replayed, unless it is not `capturable`.
    """

    capturable = True
    joinable = False  # whether its step shares gradients with other processes

    def __init__(
        self,
        networks: dict[str, nn.Module],
        optimizers: dict[str, torch.optim.Optimizer],
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        self.device = torch.device(device)
        self.networks, self.optimizers = networks, optimizers
        self.peers = parallel.peers()
        if self.peers.size > 1 and not self.joinable:
            raise BadInput(f"{type(self).__name__} trains in one process, not in {self.peers.size} together")
        for module in self.modules().values():
            self.peers.same(list(module.state_dict().values()))
        self.rng = torch.Generator(self.device).manual_seed(seed + RANKS_APART * (1 + self.peers.rank))

    def step(self, real: Tensor) -> dict[str, Tensor]:
        """One step of training on real images, float32 `[N, C, H, W]` in −1..1; detached scalars to log."""
        raise NotImplementedError

    def sample(self, latents: Tensor) -> Tensor:
        """Images `[N, C, H, W]` in −1..1 for latents `[N, …]`."""
        raise NotImplementedError

    def modules(self) -> dict[str, nn.Module]:
        """Every network that has a state, by name."""
        return self.networks

    def _gradients(self, loss: Tensor, *names: str, retain_graph: bool = False) -> None:
        """Gradients of the named networks alone: none are computed for the weights of the others."""
        parameters = [one for name in names for one in self.networks[name].parameters()]
        grads = self.peers.mean(list(torch.autograd.grad(loss, parameters, retain_graph=retain_graph)))
        for parameter, grad in zip(parameters, grads, strict=True):
            # Fused Adam walks memory as it lies, so a gradient has to lie as its parameter does.
            alike = grad.stride() == parameter.stride()
            parameter.grad = grad if alike else torch.empty_like(parameter).copy_(grad)

    def state_dict(self) -> dict:
        """Everything a checkpoint needs to go on from here."""
        return {
            "networks": {name: module.state_dict() for name, module in self.modules().items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "rng": self.peers.gather(self.rng.get_state()[None]),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a `state_dict`. Raises `BadInput` where it belongs to other networks."""
        modules = self.modules()
        if state["networks"].keys() != modules.keys():
            raise BadInput(f"the checkpoint holds {sorted(state['networks'])}, this system {sorted(modules)}")
        for name, module in modules.items():
            try:
                module.load_state_dict(state["networks"][name])
            except RuntimeError as error:
                raise BadInput(f"the checkpoint's {name} is another network: {error}") from error
        for name, optimizer in self.optimizers.items():
            machine.load_optimizer(optimizer, state["optimizers"][name])
        if len(state["rng"]) != self.peers.size:
            raise BadInput(f"the checkpoint is of {len(state['rng'])} processes together, not {self.peers.size}")
        self.rng.set_state(state["rng"][self.peers.rank].cpu().clone())  # torch reads a view from its storage's start


class GAN(System):
    """A generator and a discriminator, their optimizers, and a moving average of the generator.

    `step` takes real images, float32 `[N, C, H, W]` in −1..1, and returns detached scalars; `sample` draws from the
    moving average (decay `ema` a step; 0 means the generator itself). All randomness of a step comes from `rng`, or
    from torch's own where it is dropout's or noisy labels'.
    Processes that train together each take their share of a batch, and losses see the logits of all of them.
    """

    joinable = True

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        loss: str | Loss = "bce",
        learning_rate_g: float = 2e-4,
        learning_rate_d: float = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        ema: float = 0.0,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        device: torch.device | str = "cpu",
        seed: int = 0,
    ):
        if not 0 <= ema < 1:
            raise BadInput(f"ema {ema} is not a decay in 0..1 (0.998 is usual, 0 turns the average off)")
        place = torch.device(device)
        networks = {
            name: machine.place(network, place)
            for name, network in (("generator", generator), ("discriminator", discriminator))
        }
        self.ema = ema
        self.average = copy.deepcopy(generator).requires_grad_(False).eval() if ema else generator
        rates, betas = {"generator": learning_rate_g, "discriminator": learning_rate_d}, (beta1, beta2)
        optimizers = {name: machine.adam(network, rates[name], betas) for name, network in networks.items()}
        super().__init__(networks, optimizers, device=place, seed=seed)
        self.loss = loss if isinstance(loss, Loss) else choose(LOSSES, "loss", loss)
        self.augment = augment or (lambda images, rng: images)

    def step(self, real: Tensor) -> dict[str, Tensor]:
        """One update of both networks; returns the losses and the mean logits of real and fake."""
        return self._play(real, self._latents(len(real)))

    def _latents(self, n: int) -> Tensor:
        return self.networks["generator"].noise(n, self.rng)

    def _play(self, real: Tensor, latents: Tensor, *given: Tensor) -> dict[str, Tensor]:
        """Both networks' moves; the discriminator is told what is `given` beside every picture."""
        with record_function("fakes"), self._looking():
            drawn = self.networks["generator"](latents)
        play = self._both if self.loss.at_once else self._in_turn
        facts = play(self._seen(real), self._seen(drawn), self._aside(real, drawn), *given)
        if self.ema:
            self._follow()
        return facts

    def _seen(self, images: Tensor) -> Tensor:
        """Pictures as the discriminator is shown them."""
        return self.augment(images, self.rng)

    def _aside(self, real: Tensor, drawn: Tensor) -> Tensor | float:
        """What the generator is to make small besides its loss."""
        return 0.0

    def _decoys(self, real: Tensor, *given: Tensor) -> list[Tensor]:
        """Logits of what else the discriminator is to tell from real pictures."""
        return []

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        """Forward passes between two moves: in here weights are cast and normalised once, so no optimizer may step."""
        with machine.autocast(self.device), parametrize.cached():
            yield

    def _logits(self, images: Tensor, *given: Tensor) -> Tensor:
        logits = self.networks["discriminator"](images.contiguous(memory_format=torch.channels_last), *given)
        return self.peers.gather(logits)

    def _both(self, real: Tensor, fake: Tensor, aside: Tensor | float, *given: Tensor) -> dict[str, Tensor]:
        """Both gradients at the same weights and from the same logits, so the discriminator runs forward once."""
        with self._looking():
            on_real, on_fake = self._logits(real, *given), self._logits(fake, *given)
            refused = torch.cat((on_fake, *self._decoys(real, *given)))
        loss_g, loss_d = self.loss.generator(on_real, on_fake), self.loss.discriminator(on_real, refused)
        self._gradients(loss_g + aside, "generator", retain_graph=True)
        self._gradients(loss_d, "discriminator")
        for optimizer in self.optimizers.values():
            optimizer.step()
        return _facts(loss_g, loss_d, on_real, on_fake)

    def _in_turn(self, real: Tensor, fake: Tensor, aside: Tensor | float, *given: Tensor) -> dict[str, Tensor]:
        """The discriminator moves first and the generator answers the moved one, with the same fakes."""
        with record_function("D step"):
            with self._looking():
                on_real, on_fake = self._logits(real, *given), self._logits(fake.detach(), *given)
                refused = torch.cat((on_fake, *self._decoys(real, *given)))
            loss_d = self.loss.discriminator(on_real, refused)
            self._gradients(loss_d, "discriminator")
            self.optimizers["discriminator"].step()
        with record_function("G step"):
            with self._looking():
                answer = self._logits(fake, *given)
            loss_g = self.loss.generator(on_real.detach(), answer)
            self._gradients(loss_g + aside, "generator")
            self.optimizers["generator"].step()
        return _facts(loss_g, loss_d, on_real, on_fake)

    @torch.no_grad()
    def _follow(self) -> None:
        generator = self.networks["generator"]
        torch._foreach_lerp_(list(self.average.parameters()), list(generator.parameters()), 1 - self.ema)
        for mine, other in zip(self.average.buffers(), generator.buffers(), strict=True):
            mine.copy_(other)

    @torch.no_grad()
    def sample(self, latents: Tensor) -> Tensor:
        """Images `[N, C, H, W]` in −1..1 by the moving average, batch norm with its running statistics."""
        training = self.average.training
        with machine.autocast(self.device):
            images = self.average.eval()(latents.to(self.device))
        self.average.train(training)
        return images.float()

    def modules(self) -> dict[str, nn.Module]:
        return self.networks | ({"average": self.average} if self.ema else {})


class TextGAN(GAN):
    """A GAN whose two networks are both told a phrase: `step` takes real images and embeddings `[N, E]` of length 1.

    `noise` is the deviation of Gaussian noise on what the discriminator sees (Sønderby et al. 2017) and fades to
    nothing within the first `fading` steps. `blur` is the length of noise on the embeddings, whose own is 1, so that
    the networks learn what is near a phrase as well. With `mismatched`, real pictures with any known phrase
    are among the fakes (matching-aware, Reed et al. 2016). A share `dropped` of examples is given no phrase at all, an
    embedding of zeros (Ho and Salimans 2022). `pull` is the weight of the L1 distance from what is drawn to the real
    picture of the same phrase (pix2pix, Isola et al. 2017, eq. 3).
    """

    joinable = False

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        noise: float = 0.0,
        fading: int = 1,
        blur: float = 0.0,
        mismatched: bool = False,
        dropped: float = 0.0,
        pull: float = 0.0,
        **settings,
    ):
        super().__init__(generator, discriminator, **settings)
        self.noise, self.fading, self.blur, self.pull = noise, fading, blur, pull
        self.mismatched, self.dropped = mismatched, dropped
        self.taken = torch.zeros((), device=self.device)  # steps; a tensor, so that a CUDA graph counts on

    def step(self, real: Tensor, phrases: Tensor) -> dict[str, Tensor]:
        """One update of both networks on real images `[N, C, H, W]` in −1..1 and the embeddings of their phrases."""
        phrases = self._told(phrases)
        facts = self._play(real, self.networks["generator"].about(phrases, self.rng), phrases)
        self.taken += 1
        return facts

    def _blurred(self, phrases: Tensor) -> Tensor:
        noise = torch.randn(phrases.shape, generator=self.rng, device=self.device) if self.blur else 0.0
        return phrases + self.blur / phrases.shape[1] ** 0.5 * noise

    def _told(self, phrases: Tensor) -> Tensor:
        phrases = self._blurred(phrases)
        if self.dropped:
            kept = torch.rand(len(phrases), 1, generator=self.rng, device=self.device) >= self.dropped
            phrases = phrases * kept
        return phrases

    def _seen(self, images: Tensor) -> Tensor:
        images = super()._seen(images)
        if not self.noise:
            return images
        left = (1 - self.taken / self.fading).clamp(min=0)
        return images + self.noise * left * torch.randn(images.shape, generator=self.rng, device=self.device)

    def _aside(self, real: Tensor, drawn: Tensor) -> Tensor | float:
        return self.pull * (drawn.float() - real).abs().mean() if self.pull else 0.0

    def _decoys(self, real: Tensor, phrases: Tensor) -> list[Tensor]:
        if not self.mismatched:
            return []
        known = self.networks["generator"].phrases
        other = torch.randint(len(known), (len(real),), generator=self.rng, device=self.device)
        return [self._logits(real, self._blurred(known[other]))]

    def state_dict(self) -> dict:
        return super().state_dict() | {"taken": self.taken.clone()}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.taken.copy_(state["taken"])


def _facts(loss_g: Tensor, loss_d: Tensor, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
    facts = {"loss_g": loss_g, "loss_d": loss_d, "real": on_real.mean(), "fake": on_fake.mean()}
    return {name: value.detach() for name, value in facts.items()}
