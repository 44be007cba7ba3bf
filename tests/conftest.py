from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def draw_png():
    """Write a PNG of one RGBA colour and return its path."""

    def draw(path: Path, size: tuple[int, int] = (72, 72), colour=(255, 200, 0, 255), mode: str = "RGBA") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGBA", size, colour).convert(mode).save(path)
        return path

    return draw


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """A cache folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "emoji_lib"
