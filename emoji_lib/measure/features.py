"""Pictures in the form that every measure takes, and the frozen encoders that turn them into features."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from emoji_lib import BadInput
from emoji_lib.data import pixels
from emoji_lib.data.batches import scale
from emoji_lib.nets.emotigan import Classifier
from emoji_lib.nets.encoder import Encoder
from emoji_lib.weights import load_tensors

FOLDER = Path(__file__).with_name("encoders")
CLASSIFIER = "classifier"  # of subgroups (`face-smiling`, `food-fruit`, …): a discriminator with a softmax
# What each encoder was trained to do, on the train split alone, by `tools/train_encoders.py`.
ENCODERS = {
    "contrast": "to tell each picture from all others under shifts, zooms and colour changes (no labels)",
    "groups": "to name the group and subgroup of a picture",
    "random": "nothing: untrained, as a control",
}
TRUSTED = ("contrast", "groups")  # a claim needs both to agree


@dataclass(frozen=True)
class Views:
    """Pictures over white, over black, and their alpha as grey, each uint8 RGB `[N, 3, 72, 72]`.

    Pictures without alpha have no `alpha`, and `black` is `white`.
    """

    white: np.ndarray
    black: np.ndarray
    alpha: np.ndarray | None

    def __len__(self) -> int:
        return len(self.white)


def views(images: np.ndarray, *, premultiplied: bool) -> Views:
    """Views of RGBA, RGB or L, uint8 `[N, C, H, W]`; sizes other than 72×72 are resized, antialiased."""
    if images.shape[1] == 1:
        images = np.repeat(images, 3, 1)
    if images.shape[-1] != 72:
        straight = pixels.unpremultiply(images) if premultiplied and images.shape[1] == 4 else images
        images, premultiplied = pixels.resize(straight, 72), False
    if images.shape[1] == 3:
        return Views(images, images, None)
    white = pixels.over(images, premultiplied=premultiplied)
    black = pixels.over(images, (0, 0, 0), premultiplied=premultiplied)
    return Views(white, black, np.repeat(images[:, 3:], 3, 1))


@cache
def encoder(name: str) -> tuple[nn.Module, str]:
    """A frozen encoder, or the `CLASSIFIER`, in eval mode, in float32 on the CPU, and the sha256 of its file."""
    path = FOLDER / f"{name}.safetensors"
    if name not in (*ENCODERS, CLASSIFIER):
        raise BadInput(f"unknown encoder {name!r}: {', '.join(ENCODERS)}")
    if not path.is_file():
        raise BadInput(f"{path} is missing: `python -m emoji_lib encoders` trains it")
    tensors, _ = load_tensors(path)
    network = Classifier(len(tensors["head.bias"])) if name == CLASSIFIER else Encoder()
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False), hashlib.sha256(path.read_bytes()).hexdigest()


@torch.no_grad()
def encode(network: nn.Module, rgb: np.ndarray) -> Tensor:
    """Features of uint8 RGB `[N, 3, 72, 72]`: float64 `[N, F]`; none depends on the other pictures."""
    parts = torch.from_numpy(np.ascontiguousarray(rgb)).split(128)
    return torch.cat([network(scale(part)) for part in parts]).double()


def features(name: str, seen: Views) -> tuple[Tensor, Tensor | None]:
    """Features for scores: of white and of black side by side, float64 `[N, 64]`, and of alpha, `[N, 32]`."""
    network, _ = encoder(name)
    white = encode(network, seen.white)
    black = white if seen.black is seen.white else encode(network, seen.black)
    alpha = None if seen.alpha is None else encode(network, seen.alpha)
    return torch.cat((white, black), 1), alpha


def standardised(real: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """`real` and `others` less the mean and over the standard deviation that each feature has in `real`."""
    mean, deviation = real.mean(0), real.std(0, correction=0).clamp(min=1e-2)
    return tuple((some - mean) / deviation for some in (real, *others))
