"""Whether hair and skin are kept."""

import numpy as np
import pytest

from emoji_lib.data import pixels
from emoji_lib.measure import colours

PALETTE = np.array([[250, 220, 200], [120, 80, 60], [200, 160, 120]], float)


def test_a_faithful_translator_a_blind_one_and_chance():
    wanted = PALETTE[np.arange(30) % 3]
    kept = colours.kept(wanted + 5, wanted, PALETTE, PALETTE[:2] + 2)
    assert kept["error"] == pytest.approx(5 * 3**0.5)
    assert kept["agreement"] == 1
    assert kept["agreement_blind"] == pytest.approx(1 / 3)
    assert kept["agreement_chance"] < 0.6
    assert kept["error_blind"] > kept["error"]
    assert kept["agreement_palette"] == pytest.approx(2 / 3)  # the third colour is not to be had
    assert kept["error_palette"] == pytest.approx((2 * 2 * 3**0.5 + np.linalg.norm([52, 62, 82])) / 3)
    assert colours.kept(wanted[::-1], wanted, PALETTE, PALETTE[:0])["agreement"] < 0.6


def test_unknown_colours_are_left_out():
    wanted = np.where(np.arange(30)[:, None] < 10, np.nan, PALETTE[np.arange(30) % 3])
    assert colours.kept(np.nan_to_num(wanted), wanted, PALETTE, PALETTE)["faces"] == 20


def test_colours_are_straight_from_premultiplied_pictures():
    images = np.zeros((1, 4, 50, 50), np.uint8)
    images[0, :, 20:32] = np.array([100, 50, 25, 128], np.uint8)[:, None, None]
    assert pixels.median_colour(images, colours.BOXES["skin"])[0] == pytest.approx([199.2, 99.6, 49.8], abs=0.1)
