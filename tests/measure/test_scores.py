"""Each score against a case whose answer is known, or against a library's."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from emoji_lib.measure import scores


@pytest.fixture
def normal():
    rng = torch.Generator().manual_seed(0)
    return lambda n, f=8, shift=0.0: torch.randn(n, f, generator=rng, dtype=torch.float64) + shift


def test_kid_is_the_librarys_unbiased_estimate(normal):
    real, fake = normal(60), normal(60, shift=0.3)
    assert scores.kid(real, fake)["kid"] == pytest.approx(poly_mmd(real, fake).item(), rel=1e-9)


def test_kid_takes_any_two_numbers_of_samples(normal):
    real, fake = normal(30), normal(50, shift=0.5)
    kernel = lambda x, y: (np.dot(x, y) / 8 + 1) ** 3  # noqa: E731
    pairs = lambda xs: np.mean([kernel(x, y) for i, x in enumerate(xs) for j, y in enumerate(xs) if i != j])  # noqa: E731
    between = np.mean([kernel(x, y) for x in real.numpy() for y in fake.numpy()])
    expected = pairs(real.numpy()) + pairs(fake.numpy()) - 2 * between
    assert scores.kid(real, fake)["kid"] == pytest.approx(expected, rel=1e-9)


def test_kid_of_one_distribution_is_zero_within_its_interval(normal):
    inside = 0
    for _ in range(60):
        estimate = scores.kid(normal(100), normal(150))
        inside += estimate["kid_low"] <= 0 <= estimate["kid_high"]
    assert 50 <= inside <= 60


def test_frechet_of_known_gaussians(normal):
    real, fake = normal(4000, 3), 2 * normal(4000, 3) + 1
    exact = lambda x: (x - x.mean(0)) @ torch.linalg.cholesky(torch.linalg.inv(torch.cov(x.T)))  # noqa: E731
    real, fake = exact(real), 2 * exact(fake) + 1  # means 0 and 1, covariances I and 4 I, exactly
    assert scores.frechet(real, fake) == pytest.approx(3 * 1 + 3 * (1 + 4 - 2 * 2), rel=1e-9)
    assert scores.frechet(real, real) == pytest.approx(0, abs=1e-9)


def test_the_manifold_of_points_on_a_line():
    real = torch.arange(10, dtype=torch.float64)[:, None]
    fake = torch.tensor([[0.4], [0.5], [0.6], [50.0]], dtype=torch.float64)
    found = scores.manifold(real, fake, k=1)  # real balls have radius 1
    assert found["precision"] == 0.75
    assert found["coverage"] == 0.2  # 0 and 1
    assert found["density"] == 1.5  # three fakes in two balls each, over four
    assert found["recall"] == 0.9  # the far fake's ball reaches from 0.6 on
    same = scores.manifold(real, real)
    assert same["precision"] == same["recall"] == same["coverage"] == 1


def test_the_inception_score_of_certain_and_of_uninformative_guesses():
    assert scores.inception(torch.eye(6, dtype=torch.float64).repeat(5, 1)) == pytest.approx(6)
    assert scores.inception(torch.full((30, 6), 1 / 6, dtype=torch.float64)) == pytest.approx(1)
    assert scores.inception(torch.eye(6, dtype=torch.float64)[[0] * 9]) == pytest.approx(1)


def test_vendi_counts_what_is_different():
    directions = torch.eye(7, dtype=torch.float64)
    assert scores.vendi(directions.repeat(4, 1)) == pytest.approx(7)
    assert scores.vendi(directions[:1].repeat(9, 1)) == pytest.approx(1)


def test_memorised_is_one_for_copies_and_the_share_for_unseen():
    held = torch.linspace(1, 2, 101)
    assert scores.memorised(torch.zeros(5), held) == 1
    assert scores.memorised(held, held) == pytest.approx(0.05, abs=0.01)
    assert scores.memorised(torch.full((5,), 3.0), held) == 0


def test_the_nearest_picture_is_found_though_moved_and_mirrored():
    rng = torch.Generator().manual_seed(0)
    training = torch.rand(6, 3, 12, 12, generator=rng) * 2 - 1
    training[:, :, :3] = training[:, :, -3:] = training[..., :3] = training[..., -3:] = -1
    moved = training[[4, 1]].flip(3).roll((2, -1), (2, 3))
    distance, which = scores.nearest(moved, training)
    assert which.tolist() == [4, 1]
    assert distance.max() < 1e-3
    assert scores.nearest(-training, training)[0].min() > 0.5
