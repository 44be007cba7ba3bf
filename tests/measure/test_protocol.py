"""The protocol on real emoji: every score moves the right way, and copies are noticed."""

import numpy as np
import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.data import emoji
from emoji_lib.measure import features, protocol

N = protocol.DRAWN
INCEPTION = 7.02874  # of the copies below


@pytest.fixture(scope="module")
def reference():
    return protocol.Reference("no-tones:train")


@pytest.fixture(scope="module")
def copies(reference):
    """`N` of the training pictures."""
    return reference.learned.images[np.random.default_rng(1).permutation(len(reference.learned))[:N]]


@pytest.fixture(scope="module")
def rows(reference, copies):
    """Scores of copies of training pictures, of the same made worse in one way each, and the reference rows."""
    made = {
        "copies": copies,
        "a little blurred": protocol.blurred(copies, 1.0),
        "blurred": protocol.blurred(copies, 6.0),
        "ten": copies[np.arange(N) % 10],
    }
    found = {name: protocol.evaluate(reference.views_of(images), reference) for name, images in made.items()}
    return found | protocol.reference_rows(reference)


@pytest.mark.parametrize("encoder", features.TRUSTED)
def test_every_score_moves_the_right_way(rows, encoder):
    one = {name: found[encoder] for name, found in rows.items()}
    for worse, better in (
        ("blurred", "a little blurred"),
        ("a little blurred", "copies"),
        ("ten", "copies"),
        ("noise", "held-out real"),
    ):
        assert one[worse]["kid"] > one[better]["kid"], (worse, better)
    for worse in ("ten", "noise", "blurred"):
        assert one[worse]["frechet"] > one["copies"]["frechet"], worse
    assert one["blurred"]["precision"] < one["copies"]["precision"]
    assert one["blurred"]["density"] < one["copies"]["density"]
    for few in ("half the concepts", "ten"):
        assert one[few]["recall"] < one["copies"]["recall"], few
        assert one[few]["coverage"] < one["copies"]["coverage"], few
    assert one["ten"]["vendi"] < one["half the concepts"]["vendi"] < 1.02 * one["copies"]["vendi"]
    assert one["ten"]["spread"] < one["copies"]["spread"]


@pytest.mark.parametrize("encoder", features.TRUSTED)
def test_real_pictures_are_near_and_noise_is_far(rows, encoder):
    assert rows["copies"][encoder]["kid_low"] <= 0.02
    assert rows["noise"][encoder]["kid_low"] > rows["held-out real"][encoder]["kid_high"]


def test_copies_are_noticed(rows):
    assert rows["training copies"]["memorised"] == 1
    assert rows["held-out real"]["memorised"] == pytest.approx(0.05, abs=0.02)
    assert rows["noise"]["memorised"] == 0


def test_the_inception_score_is_that_of_the_runs_kept_so_far(rows):
    """Their logistic regression was fitted by PyTorch's L-BFGS to the same objective."""
    assert rows["copies"]["inception"] == pytest.approx(INCEPTION, rel=1e-3)
    assert 1 < rows["ten"]["inception"] < rows["copies"]["inception"] < 10


def test_what_is_drawn_how_often_is_seen(rows, reference, copies):
    real = rows["copies"]["mixture"]["real"]
    assert sum(real.values()) == pytest.approx(1, abs=1e-3)
    for group, part in rows["copies"]["mixture"]["samples"].items():  # the nearest picture of a copy is itself
        assert part == pytest.approx(real[group], abs=0.08)
    flags = reference.learned.images[[one.group == "Flags" for one in reference.learned.emoji]][:100]
    assert protocol.evaluate(reference.views_of(flags), reference)["mixture"]["samples"]["Flags"] == 1


def test_a_second_time_gives_the_same(reference, copies, rows):
    assert protocol.evaluate(reference.views_of(copies), reference) == rows["copies"]


def test_what_is_held_out_of_a_union_is_held_out_of_each_of_its_terms():
    reference = protocol.Reference("activities:train+faces:train+flags:train")
    held = reference.part("validation", "test")
    assert set(held.labels("group")[0]) == {"Activities", "Flags", "Smileys & Emotion"}
    assert not set(held.emoji) & set(reference.learned.emoji)


def test_held_out_pictures_of_a_union_are_compared_with_its_other_terms(monkeypatch):
    monkeypatch.setattr(protocol, "evaluate", lambda shown, reference: reference.selection)
    assert protocol.reference_rows(protocol.Reference("faces:test+flags"))["held-out real"] == "flags:train"


def test_a_score_with_too_few_samples_is_left_out_with_the_reason(reference):
    few = protocol.evaluate(reference.views_of(reference.learned.images[:60]), reference)
    assert few["left_out"]["coverage"] == "needs 300 samples, there are 60"
    assert "kid" in few["contrast"]
    assert "coverage" not in few["contrast"]
    assert "inception" not in few
    fewer = protocol.evaluate(reference.views_of(reference.learned.images[:9]), reference)
    assert fewer["left_out"]["kid"] == "needs 50 samples, there are 9"
    assert fewer["contrast"] == {}
    assert fewer["memorised"] == 1


def test_any_size_and_number_of_channels_is_seen():
    images = emoji.load("faces", premultiplied=False).images[:3]
    whole = features.views(images, premultiplied=False)
    assert whole.alpha.shape == whole.black.shape == (3, 3, 72, 72)
    opaque = features.views(whole.white, premultiplied=False)
    assert opaque.alpha is None
    np.testing.assert_array_equal(opaque.black, whole.white)
    grey = features.views(whole.white[:, :1], premultiplied=False)
    assert grey.white.shape == (3, 3, 72, 72)
    small = emoji.load("faces", size=32, premultiplied=True).images[:3]
    again = features.views(small, premultiplied=True)
    assert np.abs(again.white.astype(int) - whole.white).mean() < 12


def test_features_of_a_picture_do_not_depend_on_its_company():
    images = emoji.load("faces").images[:5]
    seen = features.views(images, premultiplied=True)
    for name in features.ENCODERS:
        network, digest = features.encoder(name)
        assert len(digest) == 64
        alone = torch.cat([features.encode(network, image[None]) for image in seen.white])
        torch.testing.assert_close(alone, features.encode(network, seen.white), rtol=1e-4, atol=1e-4)
    with pytest.raises(BadInput, match="unknown encoder 'inception': contrast, groups, random"):
        features.encoder("inception")


def test_an_encoder_that_is_not_there_or_broken_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "FOLDER", tmp_path)
    with pytest.raises(BadInput, match=r"groups\.safetensors is missing"):
        features.encoder.__wrapped__("groups")
    (tmp_path / "groups.safetensors").write_bytes(b"half a file")
    with pytest.raises(BadInput, match=r"groups\.safetensors is not a readable safetensors file"):
        features.encoder.__wrapped__("groups")


def test_real_pictures_take_the_mode_and_size_of_the_evaluated_ones():
    faces = emoji.load("faces")
    whole = protocol.Reference("faces").views_of(faces.images)
    rgb = protocol.Reference("faces", "RGB").views_of(faces.images)
    np.testing.assert_array_equal(rgb.white, whole.white)
    assert rgb.alpha is None
    grey = protocol.Reference("faces", "L").views_of(faces.images)
    assert (grey.white[:, 0] == grey.white[:, 2]).all()
    small = protocol.Reference("faces", "RGBA", 32).views_of(faces.images)
    assert small.alpha.shape == whole.alpha.shape
    assert 0 < np.abs(small.white.astype(int) - whole.white).mean() < 12


def test_few_real_pictures_are_no_distribution():
    """As when two emoji are learned from: training such a set is fine, and scores that need more are left out."""
    two = protocol.Reference("🥸+😎")
    images = two.learned.images[np.arange(N) % 2]
    found = protocol.evaluate(two.views_of(images), two)
    assert found["left_out"]["kid"] == found["left_out"]["coverage"] == "needs 20 real pictures, there are 2"
    assert found["contrast"] == {}
    assert found["memorised"] == 1


def test_a_small_selection_borrows_a_yardstick_of_its_own_size():
    few, many = protocol.Reference("activities"), protocol.Reference("all:train")
    assert len(few.yardstick) == len(emoji.load("all:test"))
    assert few.yardstick.median() > many.yardstick.median()
