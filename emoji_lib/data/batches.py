"""The order in which images reach training, and their scale."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.data.words import Captions

MAX_SHIFT = 6  # pixels that the copies of a padded batch are shifted by, at most


def scale(images: Tensor) -> Tensor:
    """uint8 0..255 → float32 −1..1, any shape; transparent black becomes −1 in every channel."""
    return images.float().div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> np.ndarray:
    """Float −1..1 `[N, C, H, W]` → uint8 0..255 on the host, rounded and clipped."""
    return images.detach().float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu().contiguous().numpy()


def in_parts(draw: Callable[[Tensor], Tensor], inputs: Tensor, most: int = 64) -> np.ndarray:
    """The pictures that `draw` gives for inputs `[N, …]`, at most `most` at a time: uint8 `[N, C, H, W]`."""
    return np.concatenate([to_uint8(draw(part)) for part in inputs.split(most)])


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """An array on the device; to a GPU it is copied from pinned memory, and no step waits for that."""
    host = torch.from_numpy(array)
    return host.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else host


class Batches:
    """Float32 batches `[N, C, H, W]` in −1..1 of a set that stays decoded on the device.

    The stream is one shuffle of the set after another, each drawn from (seed, epoch), and a batch is the next N of it:
    every image is seen equally often whatever the batch size, and any batch can be drawn without the ones before.
    """

    def __init__(self, images: np.ndarray, batch_size: int, seed: int, device: torch.device | str = "cpu"):
        if batch_size < 1:
            raise BadInput(f"batch_size {batch_size} is not positive")
        if seed < 0:
            raise BadInput(f"seed {seed} is negative")
        self.images = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        self.batch_size = batch_size
        self.seed = seed
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def _shuffle(self, epoch: int) -> Tensor:
        if self._order[0] != epoch:
            rng = np.random.default_rng((self.seed, epoch))
            self._order = (epoch, upload(rng.permutation(len(self.images)), self.images.device))
        return self._order[1]

    def indices(self, step: int) -> Tensor:
        """Which images make up batch `step`, int64 `[N]`."""
        pieces, position, missing = [], step * self.batch_size, self.batch_size
        while missing:
            epoch, offset = divmod(position, len(self.images))
            piece = self._shuffle(epoch)[offset : offset + missing]
            pieces.append(piece)
            position += len(piece)
            missing -= len(piece)
        return torch.cat(pieces)

    def __getitem__(self, step: int) -> Tensor:
        return scale(self.images[self.indices(step)])

    def steps(self, epochs: float, cap: int = 0) -> int:
        """How many batches `epochs` passes take, at most `cap` where it is not 0."""
        whole = -(-round(epochs * len(self.images)) // self.batch_size)
        steps = min(whole, cap) if cap else whole
        if epochs < 0 or cap < 0 or not steps:
            raise BadInput(f"epochs {epochs} and steps {cap} leave nothing to train: give epochs > 0 (and steps ≥ 0)")
        return steps


class Captioned(Batches):
    """Batches of captioned pictures: images as of `Batches`, and the embeddings `[N, E]` of their phrases.

    Each example is a random label, one of its pictures and one of its phrases, so that an emoji in six skin tones
    counts once. Of every `same_every` batches the last has a single label and phrase, and its pictures are the label's
    variants, with replacement (EmotiGAN, section III.B, with 2); 0 leaves such batches out. A label with one picture
    and no variants is padded with copies, each shifted by up to `MAX_SHIFT` pixels.
    """

    def __init__(
        self,
        images: np.ndarray,
        captions: Captions,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
        *,
        same_every: int = 2,
    ):
        super().__init__(images, batch_size, seed, device)
        if same_every < 0 or same_every == 1:
            raise BadInput(f"same_every {same_every}: every second (2) or rarer batch has one label, or none (0)")
        self.captions, self.same_every = captions, same_every
        self.vectors = torch.tensor(captions.vectors, device=device)

    def chosen(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Which pictures and which phrases make up batch `step`, each `[N]`."""
        rng, labels = np.random.default_rng((self.seed, step)), self.captions.labels
        if self._same(step):
            label = rng.integers(len(labels))
            pictures = rng.choice(labels[label].variants, self.batch_size)
            return pictures, np.repeat(rng.choice(self.captions.of[label]), self.batch_size)
        one_of = lambda some: some[rng.integers(len(some))]  # noqa: E731  # as rng.choice, in an eighth of its time
        drawn = rng.integers(len(labels), size=self.batch_size)
        pictures = [one_of(labels[label].pictures) for label in drawn]
        return np.array(pictures), np.array([one_of(self.captions.of[label]) for label in drawn])

    def _same(self, step: int) -> bool:
        return bool(self.same_every) and step % self.same_every == self.same_every - 1

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        chosen, phrases = self.chosen(step)
        images = scale(self.images[upload(chosen, self.images.device)])
        if self._same(step) and len(set(chosen)) == 1:
            images = _moved(images, np.random.default_rng((self.seed, step, 1)))
        return images, self.vectors[upload(phrases, self.images.device)]


def _moved(images: Tensor, rng: np.random.Generator) -> Tensor:
    """−1..1 `[N, C, H, W]`, each shifted by a random number of pixels over −1; not mirrored, because of arrows."""
    side, padded = images.shape[-1], F.pad(images, (MAX_SHIFT,) * 4, value=-1.0)
    corners = rng.integers(2 * MAX_SHIFT + 1, size=(len(images), 2))
    return torch.stack(
        [one[:, top : top + side, left : left + side] for one, (top, left) in zip(padded, corners, strict=True)]
    )


class Unpaired:
    """Unpaired batches of two domains: −1..1 `[N, C, H, W]` of each, half of them mirrored."""

    def __init__(
        self, faces: np.ndarray, cartoons: np.ndarray, batch_size: int, seed: int, device: torch.device | str = "cpu"
    ):
        if seed < 0:
            raise BadInput(f"seed {seed} is negative")
        if min(len(faces), len(cartoons)) < 3:
            raise BadInput("a domain has fewer than 3 pictures to learn from (one in 4 is held out): give more")
        self.batch_size, self.seed = batch_size, seed
        self.sides = [Batches(faces, batch_size, 2 * seed, device), Batches(cartoons, batch_size, 2 * seed + 1, device)]
        self.steps = max(self.sides, key=lambda side: len(side.images)).steps  # passes are over the larger domain

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        mirrored = np.random.default_rng((self.seed, step)).random((2, self.batch_size, 1, 1, 1)) < 0.5
        batches = [side[step] for side in self.sides]
        return tuple(
            torch.where(upload(turned, images.device), images.flip(3), images)
            for images, turned in zip(batches, mirrored, strict=True)
        )
