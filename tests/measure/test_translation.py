"""How translations are evaluated and compared."""

from dataclasses import replace

import pytest

from emoji_lib.data import faces
from emoji_lib.measure import translation as translations
from emoji_lib.runs import record
from emoji_lib.show import report


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
