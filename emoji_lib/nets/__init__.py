"""What learns: networks from shapes to shapes, and the registry that names them."""

from torch import nn

from emoji_lib import BadInput
from emoji_lib.nets import cyclegan, dcgan, deep, emotigan, listed

NETWORKS: dict[str, type[nn.Module]] = {
    "dcgan.Generator": dcgan.Generator,
    "dcgan.Discriminator": dcgan.Discriminator,
    "deep.Generator": deep.Generator,
    "deep.Discriminator": deep.Discriminator,
    "emotigan.Generator": emotigan.Generator,
    "emotigan.Discriminator": emotigan.Discriminator,
    "emotigan.Classifier": emotigan.Classifier,
    "cyclegan.Generator": cyclegan.Generator,
    "cyclegan.ShortcutGenerator": cyclegan.ShortcutGenerator,
    "cyclegan.Discriminator": cyclegan.Discriminator,
    "listed.Listed": listed.Listed,
}


def name_of(network: nn.Module) -> str:
    """The registry's name of a network's class."""
    return next(name for name, cls in NETWORKS.items() if type(network) is cls)


def build(name: str, options: dict) -> nn.Module:
    """A network of the registry from its `options`, as its weights file keeps them."""
    if name not in NETWORKS:
        raise BadInput(f"unknown network {name!r}: {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**options)
    except TypeError as error:
        raise BadInput(f"{name} cannot be built from {options} ({error})") from error
