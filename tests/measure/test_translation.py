"""How translations are evaluated and compared, and whether hair and skin are kept."""

from dataclasses import replace

import numpy as np
import pytest

from emoji_lib.data import faces, pixels
from emoji_lib.measure import translation as translations
from emoji_lib.runs import record
from emoji_lib.show import report

PALETTE = np.array([[250, 220, 200], [120, 80, 60], [200, 160, 120]], float)


class Idle:
    """A translator that changes nothing."""

    def translate(self, name, images):
        return images


class Forgetful:
    """One that makes the same of every face."""

    def translate(self, name, images):
        return images[:1].expand_as(images)


@pytest.fixture(scope="module")
def domains():
    people, their = faces.load("twemoji", 32)
    drawings, own = faces.load("avatars:48", 32)
    some = range(0, len(people.images), 2)
    people = replace(people, images=people.images[some], emoji=tuple(people.emoji[index] for index in some))
    return (people, their[some]), (drawings, own)


def test_an_idle_translator_keeps_every_colour_and_is_as_far_off_as_before(domains):
    found = translations.evaluate_both(Idle(), *domains, 48)
    for way in ("to cartoons", "to faces"):
        assert found[way] == found[f"{way}: untouched"]
        assert found[way]["skin"]["agreement"] == 1
        assert found[way]["hair"]["agreement"] > 0.85
        assert found[way]["cycle"] == 0
        assert found[way]["groups"]["kid_low"] > 1


def test_a_forgetful_one_keeps_no_more_than_one_colour_can(domains):
    found = translations.evaluate_both(Forgetful(), *domains, 48)["to cartoons"]
    for what in ("skin", "hair"):
        assert found[what]["agreement"] <= found[what]["agreement_blind"] < 0.5
    assert found["cycle"] > 0.05


def test_runs_are_compared_by_experiment_with_their_spread(tmp_path):
    for name, seed, skin in (("07-quick", 0, 0.5), ("07-quick", 1, 0.7), ("07-quick", 1, 0.9), ("07-celeba", 0, None)):
        made = record.create(name, "07_memoji_cyclegan", "", {"seed": seed}, tmp_path)
        scores = {"contrast": {"kid": 0.2}, "groups": {"kid": 0.4}, "cycle": 0.03}
        scores |= {} if skin is None else {"skin": {"agreement": skin}, "hair": {"agreement": 0.6}}
        began = f"2026-01-0{seed + 1}T{'10' if skin == 0.9 else '09'}"
        facts = {"status": "finished", "scores": scores, "started": began}
        record.write_record(made, record.read_record(made) | facts)
    found = record.scores_of("07_memoji_cyclegan", tmp_path)
    assert [one["skin"]["agreement"] for one in found["07-quick"]] == [0.5, 0.9]  # of a seed the newest
    table = report.translators(found)
    assert str(table.loc["07-quick", "seeds"]) == "2"
    assert table.loc["07-quick", "skin"] == "0.7 (0.5 to 0.9)"
    assert table.loc["07-celeba", "skin"] == "–"  # colours of photographs are not known


def test_a_faithful_translator_a_blind_one_and_chance():
    wanted = PALETTE[np.arange(30) % 3]
    kept = translations.colours_kept(wanted + 5, wanted, PALETTE, PALETTE[:2] + 2)
    assert kept["error"] == pytest.approx(5 * 3**0.5)
    assert kept["agreement"] == 1
    assert kept["agreement_blind"] == pytest.approx(1 / 3)
    assert kept["agreement_chance"] < 0.6
    assert kept["error_blind"] > kept["error"]
    assert kept["agreement_palette"] == pytest.approx(2 / 3)  # the third colour is not to be had
    assert kept["error_palette"] == pytest.approx((2 * 2 * 3**0.5 + np.linalg.norm([52, 62, 82])) / 3)
    assert translations.colours_kept(wanted[::-1], wanted, PALETTE, PALETTE[:0])["agreement"] < 0.6


def test_unknown_colours_are_left_out():
    wanted = np.where(np.arange(30)[:, None] < 10, np.nan, PALETTE[np.arange(30) % 3])
    assert translations.colours_kept(np.nan_to_num(wanted), wanted, PALETTE, PALETTE)["faces"] == 20


def test_colours_are_straight_from_premultiplied_pictures():
    images = np.zeros((1, 4, 50, 50), np.uint8)
    images[0, :, 20:32] = np.array([100, 50, 25, 128], np.uint8)[:, None, None]
    assert pixels.median_colour(images, translations.BOXES["skin"])[0] == pytest.approx([199.2, 99.6, 49.8], abs=0.1)
