"""The classifier that text-to-emoji pictures are scored by: a discriminator with a softmax, taught the subgroups.

Frozen in `encoders/classifier.safetensors`; `train_encoders.py` made it.
"""

import hashlib
from functools import cache

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from emoji_lib.data import emoji
from emoji_lib.measure.features import FOLDER, encode
from emoji_lib.nets.emotigan import Classifier

FILE = FOLDER / "classifier.safetensors"


def classes(learned: emoji.EmojiSet) -> tuple[list[str], Tensor]:
    """The subgroups (`face-smiling`, `food-fruit`, …) by name, and the number of each picture's."""
    names = sorted({one.subgroup for one in learned.emoji})
    return names, torch.tensor([names.index(one.subgroup) for one in learned.emoji])


@cache
def _classifier() -> Classifier:
    tensors = load_file(FILE)
    network = Classifier(len(tensors["head.bias"]))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def digest() -> str:
    """The sha256 of the classifier's file."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


def odds(rgb: np.ndarray) -> Tensor:
    """p(subgroup | picture) of uint8 RGB `[N, 3, 72, 72]`, float64 `[N, classes]`."""
    return encode(_classifier(), rgb).softmax(1)
