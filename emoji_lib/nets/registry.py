"""One table of the networks that a file of weights can name, filled where each is defined."""

import functools
import inspect

from torch import nn

from emoji_lib import BadInput
from emoji_lib.nets.layers import choose

NETWORKS: dict[str, type[nn.Module]] = {}


def register(network: type[nn.Module]) -> type[nn.Module]:
    """A class decorator: `NETWORKS` gets the class as `module.Class`, and each instance its arguments as `options`."""
    NETWORKS[f"{network.__module__.rpartition('.')[2]}.{network.__name__}"] = network
    signature, init = inspect.signature(network), network.__init__

    @functools.wraps(init)
    def keep_options(self, *args, **kwargs):
        if type(self) is network:  # not a subclass
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            self.options = given.arguments
            for name, parameter in signature.parameters.items():
                if parameter.kind is parameter.VAR_KEYWORD:  # options of a nested network
                    self.options |= self.options.pop(name)
        init(self, *args, **kwargs)

    network.__init__ = keep_options
    return network


def name_of(network: nn.Module) -> str:
    """The registry's name of a network's class."""
    return next(name for name, cls in NETWORKS.items() if type(network) is cls)


def build(name: str, options: dict) -> nn.Module:
    """A network of the registry from its `options`, as its weights file keeps them."""
    network = choose(NETWORKS, "network", name)
    try:
        return network(**options)
    except (AttributeError, RuntimeError, TypeError) as error:
        why = str(error).partition("\n")[0]  # below it may stand a stack of C++ calls
        raise BadInput(f"{name} cannot be built from {options} ({why})") from error
