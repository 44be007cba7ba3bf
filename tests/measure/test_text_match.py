"""Whether samples match what was asked for."""

import pytest
import torch

from emoji_lib.measure import text_match


def test_ranks_against_a_plain_loop():
    rng = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(n, 5, generator=rng, dtype=torch.float64) for n in (40, 15))
    labels = torch.arange(40) // 4 * 3  # ten labels of four pictures, with gaps between their numbers
    wanted = labels[torch.randint(40, (15,), generator=rng)]
    expected = []
    for sample, label in zip(fake, wanted, strict=True):
        nearest = {int(one): min(float((sample - picture).norm()) for picture in real[labels == one]) for one in labels}
        expected.append(sum(distance < nearest[int(label)] for distance in nearest.values()))
    assert text_match.ranks(fake, wanted, real, labels).tolist() == expected


def test_copies_match_and_strangers_do_not():
    real = torch.eye(8, dtype=torch.float64)
    labels = torch.arange(8)
    assert text_match.accuracy(text_match.ranks(real, labels, real, labels)) == {"top1": 1, "top5": 1}
    assert text_match.accuracy(text_match.ranks(real, labels.roll(1), real, labels))["top1"] == 0


def test_chance_is_by_what_was_drawn_for_others():
    rng = torch.Generator().manual_seed(0)
    for n in (2, 3, 50):
        for _ in range(20):
            others = text_match._others(n, rng)
            assert sorted(others.tolist()) == list(range(n))
            assert (others != torch.arange(n)).all()


def test_diversity_within_a_caption():
    spots = torch.tensor([[0.0], [1.0], [10.0], [11.0]], dtype=torch.float64)
    wanted = torch.tensor([0, 0, 1, 1])
    assert text_match.within(spots, wanted) == pytest.approx(1 / ((1 + 10 + 11 + 9 + 10 + 1) / 6))
    assert text_match.within(spots[[0, 0, 2, 2]], wanted) == 0
