"""Networks that a notebook lists layer by layer, which a file of weights can build again."""

import ast

import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.nets.layers import Latents
from emoji_lib.nets.registry import register


@register
class Listed(Latents, nn.Sequential):
    """Layers of `torch.nn` one after the other, given as modules or as their `repr`.

    A generator's latents are uniform in 0..1, with as many numbers as its first layer takes.
    """

    def __init__(self, *given: nn.Module, layers: tuple[str, ...] = ()):
        super().__init__(*(given or map(read_layer, layers)))
        self.options = {"layers": [repr(layer) for layer in self]}

    def noise(self, n: int, rng: torch.Generator) -> Tensor:
        """Uniform latents `[N, latent]` on the device of `rng`."""
        return torch.rand(n, self[0].in_features, generator=rng, device=rng.device)


def read_layer(text: str) -> nn.Module:
    """The layer whose `repr` is `text`, such as `Dropout(p=0.5, inplace=False)`; only literals are evaluated.

    Raises `BadInput` for anything but a layer of `torch.nn` with literal arguments.
    """
    try:
        call = ast.parse(text, mode="eval").body
        kind = getattr(nn, call.func.id)
        if not issubclass(kind, nn.Module):
            raise TypeError(f"{kind} is no layer")
        named = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        return kind(*map(ast.literal_eval, call.args), **named)
    except (AttributeError, RuntimeError, SyntaxError, TypeError, ValueError) as error:
        raise BadInput(f"{text!r} is not a layer of torch.nn with plain arguments ({error})") from error
