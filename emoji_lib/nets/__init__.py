"""What learns: networks from shapes to shapes, and the registry that names them."""

from emoji_lib.nets import cyclegan, dcgan, deep, emotigan, encoder, layered, listed
from emoji_lib.nets.registry import NETWORKS, build, name_of

__all__ = ["NETWORKS", "build", "cyclegan", "dcgan", "deep", "emotigan", "encoder", "layered", "listed", "name_of"]
