import numpy as np
import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.data.batches import Batches, Unpaired, scale, to_uint8


def numbered(n: int) -> np.ndarray:
    """`n` pictures of 2×2 pixels, each filled with its own number."""
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 4, 2, 2))


def test_scale_and_back_is_exact_for_every_value():
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    scaled = scale(every)
    assert scaled.min() == -1
    assert scaled.max() == 1
    np.testing.assert_array_equal(to_uint8(scaled), every.numpy())


def test_scaling_leaves_the_set_alone():
    images = torch.full((1, 1, 2, 2), 100, dtype=torch.uint8)
    scale(images)
    assert (images == 100).all()


@pytest.mark.parametrize("batch_size", [1, 4, 7, 10, 25])
def test_every_pass_shows_every_image_once_whatever_the_batch_size(batch_size):
    batches = Batches(numbered(10), batch_size, seed=3)
    stream = torch.cat([batches.indices(step) for step in range(-(-30 // batch_size))])[:30]
    for passed in stream.split(10):
        assert sorted(passed.tolist()) == list(range(10))
    assert stream[:10].tolist() != stream[10:20].tolist()


def test_batches_hold_the_pictures_of_their_indices():
    batches = Batches(numbered(10), 4, seed=0)
    np.testing.assert_array_equal(to_uint8(batches[5])[:, 0, 0, 0], batches.indices(5))


def test_any_batch_can_be_asked_for_and_depends_on_the_seed():
    late = Batches(numbered(10), 4, seed=0).indices(17)
    walked = Batches(numbered(10), 4, seed=0)
    for step in range(18):
        last = walked.indices(step)
    assert last.tolist() == late.tolist()
    assert Batches(numbered(10), 4, seed=1).indices(17).tolist() != late.tolist()


def test_epochs_and_caps_become_steps():
    batches = Batches(numbered(10), 4, seed=0)
    assert batches.steps(epochs=2) == 5
    assert batches.steps(epochs=3) == 8
    assert batches.steps(epochs=100, cap=7) == 7
    with pytest.raises(BadInput, match="epochs 0"):
        batches.steps(epochs=0)
    with pytest.raises(BadInput, match="seed -1"):
        Batches(numbered(10), 4, seed=-1)
    with pytest.raises(BadInput, match="seed -1"):
        Unpaired(numbered(10), numbered(10), 4, seed=-1)
    with pytest.raises(BadInput, match="fewer than 3"):
        Unpaired(numbered(2), numbered(10), 4, seed=0)
    with pytest.raises(BadInput, match="batch_size 0"):
        Batches(numbered(10), 0, seed=0)
