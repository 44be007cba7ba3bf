import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.train.augment import ShiftAndFlip


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_happens_at_probability_zero():
    images = torch.randn(4, 4, 72, 72)
    assert ShiftAndFlip(0.0)(images, rng()) is images


def test_images_move_by_whole_pixels_and_transparency_moves_in():
    torch.manual_seed(0)
    images = torch.rand(64, 1, 24, 24) * 2 - 1
    moved = ShiftAndFlip(1.0, shift=3 / 8, flip=False)(images, rng())
    offsets = set()
    padded = torch.nn.functional.pad(images, (9, 9, 9, 9), value=-1)
    for image, before in zip(moved, padded, strict=True):
        matches = [
            (dx, dy)
            for dx in range(19)
            for dy in range(19)
            if (image - before[:, dy : dy + 24, dx : dx + 24]).abs().max() < 1e-6
        ]
        assert len(matches) == 1
        offsets.add(matches[0])
    assert len({dx for dx, _ in offsets}) > 12
    assert len({dy for _, dy in offsets}) > 12


def test_flips_mirror_and_happen_to_half_as_many():
    images = (torch.rand(2000, 1, 4, 6) * 2) - 1
    moved = ShiftAndFlip(0.8, shift=0.0)(images, rng())
    mirrored = torch.isclose(moved, images.flip(-1), atol=1e-6).all((1, 2, 3))
    same = torch.isclose(moved, images, atol=1e-6).all((1, 2, 3))
    assert (mirrored ^ same).all()
    assert mirrored.float().mean().item() == pytest.approx(0.4, abs=0.04)


def test_gradients_go_back_where_the_pixels_came_from():
    images = torch.zeros(8, 4, 72, 72, requires_grad=True)
    moved = ShiftAndFlip(1.0)(images, rng())
    (grad,) = torch.autograd.grad(moved.sum(), images)
    assert set(grad.unique().tolist()) <= {0.0, 1.0}
    assert grad.sum() >= 8 * 4 * 63 * 63


def test_a_warp_turns_and_zooms_about_the_middle_and_keeps_what_is_not_moved():
    images = torch.full((256, 1, 24, 24), -1.0)
    images[..., 8:16, 8:16] = 1
    warped = ShiftAndFlip(0.5, shift=0.0, flip=False, warp=0.4)(images, rng())
    same = torch.isclose(warped, images, atol=1e-5).all((1, 2, 3))
    assert same.float().mean().item() == pytest.approx(0.5, abs=0.1)
    areas = (warped[~same] + 1).sum((1, 2, 3)) / (images[0] + 1).sum()
    assert areas.min() == pytest.approx(1 / 1.4**2, rel=0.15)
    assert areas.max() == pytest.approx(1 / 0.6**2, rel=0.15)
    y, x = torch.meshgrid(torch.arange(24) - 11.5, torch.arange(24) - 11.5, indexing="ij")
    weights = (warped + 1) / (warped + 1).sum((2, 3), keepdim=True)
    assert (weights * x).sum((2, 3)).abs().max() < 0.1
    assert (weights * y).sum((2, 3)).abs().max() < 0.1
    with pytest.raises(BadInput, match=r"warp 0\.6 is not in 0\.\.0\.5"):
        ShiftAndFlip(1.0, warp=0.6)


def test_a_probability_is_one():
    with pytest.raises(BadInput, match=r"augment 1\.5"):
        ShiftAndFlip(1.5)
