"""Two steps of each encoder's training, from few pictures."""

import pytest
import torch
from safetensors.torch import load_file

from emoji_lib.data import emoji
from emoji_lib.measure import features
from emoji_lib.tools import train_encoders


@pytest.fixture
def few(monkeypatch):
    """The faces in place of all emoji; and as many threads as before once training has set one."""
    threads, learned = torch.get_num_threads(), emoji.load("faces")
    monkeypatch.setattr(train_encoders.emoji, "load", lambda selection: learned)
    monkeypatch.setattr(train_encoders, "BATCH", 4)
    yield learned
    torch.set_num_threads(threads)


def test_what_is_trained_loads_as_the_measures_load_it(few, tmp_path, monkeypatch):
    files = train_encoders.train(tmp_path / "new", steps=2)
    assert list(files) == [*features.ENCODERS, features.CLASSIFIER]
    monkeypatch.setattr(features, "FOLDER", tmp_path / "new")
    features.encoder.cache_clear()
    try:
        white = features.views(few.images, premultiplied=True).white[:8]
        for name in files:
            network, _ = features.encoder(name)
            assert features.encode(network, white).isfinite().all()
    finally:
        features.encoder.cache_clear()
    trained, start = (load_file(files[name]) for name in ("contrast", "random"))
    assert not torch.equal(trained["layers.0.weight"], start["layers.0.weight"])
    assert all(tensor.dtype == torch.float16 for tensor in trained.values())
    again = train_encoders.train(tmp_path / "again", steps=2)
    assert all(again[name].read_bytes() == files[name].read_bytes() for name in files)
