"""What players' scripts share: their arguments, the clock, and the files of pictures and facts.

Imported before the player's own libraries, so that loading these counts.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

START = time.monotonic()
AT_ONCE = 20  # pictures in one draw


class Turn:
    """One player's turn: `data`, `out`, `seconds`, `seed`, `n`, and further arguments by name."""

    def __init__(self, *more: str):
        parser = argparse.ArgumentParser()
        parser.add_argument("data", type=Path)
        parser.add_argument("out", type=Path)
        parser.add_argument("seconds", type=float)
        parser.add_argument("seed", type=int)
        parser.add_argument("n", type=int)
        for name in more:
            parser.add_argument(name)
        parser.parse_args(namespace=self)
        self.facts = {}

    def used(self) -> float:
        """The fraction of the time that is used."""
        return (time.monotonic() - START) / self.seconds if self.seconds else 1.0

    def goes_on(self) -> bool:
        return self.used() < 1

    def pictures(self) -> np.ndarray:
        """The emoji to learn from, uint8 `[N, H, W, C]`."""
        return np.stack([np.asarray(Image.open(path)) for path in sorted(self.data.glob("**/*.png"))])

    def trained(self, images_seen: int) -> None:
        """Training has ended: the clock stops. How much of a core it had tells whether other work was beside it."""
        used = sum(os.times()[:4])  # seconds of this process and of those it waited for
        self._note(images_seen=images_seen, core_share=round(used / (time.monotonic() - START), 2))

    def draw(self, draw: Callable[[int], np.ndarray]) -> None:
        """Write `n` pictures; `draw` makes so many, uint8 `[N, H, W, C]`, and its time alone is noted."""
        seconds, done = 0.0, 0
        while done < self.n:
            began = time.monotonic()
            images = draw(min(AT_ONCE, self.n - done))
            seconds += time.monotonic() - began
            for index, image in enumerate(images, done):
                Image.fromarray(image).save(self.out / f"{index:04d}.png")
            done += len(images)
        self._note(sampling_seconds=round(seconds, 1))

    def _note(self, **facts) -> None:
        self.facts |= facts
        (self.out / "facts.json").write_text(json.dumps(self.facts))


def from_unit(images) -> np.ndarray:
    """A tensor `[N, C, H, W]` in 0..1 as uint8 `[N, H, W, C]`."""
    return images.detach().mul(255).round().clamp(0, 255).permute(0, 2, 3, 1).byte().contiguous().numpy()


def from_signed(images) -> np.ndarray:
    """The same from −1..1."""
    return from_unit((images + 1) / 2)
