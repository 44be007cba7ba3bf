"""Captions and text encoders."""

import numpy as np
import pytest
import torch

from emoji_lib import BadInput
from emoji_lib.data import emoji, encoders, words
from emoji_lib.data.batches import Captioned, _moved


@pytest.fixture(scope="module")
def cats():
    return emoji.load("grinning cat+pouting cat+👋+👋🏿+👋🏻+man running+woman running+🇮🇹")


def test_a_label_is_an_emoji_in_every_tone_with_all_it_is_called(cats):
    found = {label.name: label for label in words.labels(cats.emoji)}
    assert set(found) == {"grinning cat", "pouting cat", "waving hand", "man running", "woman running", "flag italy"}
    waving = found["waving hand"]
    assert {cats.emoji[index].tone for index in waving.pictures} == {"", "dark", "light"}
    assert waving.phrases[0] == "waving hand"
    assert "goodbye" in (*waving.phrases, waving.paraphrase)
    assert found["man running"].variants == found["woman running"].variants
    assert len(found["man running"].variants) == 2
    assert len(found["man running"].pictures) == 1


def test_a_paraphrase_belongs_to_one_emoji_and_is_not_learned():
    learned = emoji.load("all:train")
    found = words.labels(learned.emoji)
    taught = {phrase for label in found for phrase in label.phrases}
    held = [label.paraphrase for label in found if label.paraphrase]
    assert len(held) > 200
    assert len(set(held)) == len(held)
    assert not taught & set(held)
    assert {index for label in found for index in label.pictures} == set(range(len(learned)))


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("Fire_Truck", "fire truck"),
        ("😀", "grinning face"),
        ("I ❤️ my 👩🏽‍🚀", "i red heart my woman astronaut medium skin tone"),
        (" ① \n é", "① é"),
    ],
)
def test_phrases_are_read_as_words(given, read):
    assert words.plain(given) == read


@pytest.mark.parametrize("given", ["", "  \n", ":_:"])
def test_a_phrase_without_words_is_refused(given):
    with pytest.raises(BadInput, match="has no words"):
        words.plain(given)


def test_sentences_know_what_is_alike():
    encode = words.encoder("sentence").encode
    grumpy, pouting, truck, engine = encode(["grumpy cat", "pouting cat", "fire truck", "fire engine"])
    assert grumpy @ pouting == pytest.approx(0.61, abs=0.02)
    assert truck @ engine == pytest.approx(0.78, abs=0.02)
    assert grumpy @ truck < 0.35


def test_ngrams_know_what_is_spelled_alike():
    vectors = words.encoder("ngrams").encode(["happy cat", "happy cats", "fire truck"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1])
    assert vectors[0] @ vectors[1] > 0.7
    assert abs(vectors[0] @ vectors[2]) < 0.2


def test_word2vec_files_give_the_mean_of_known_words(tmp_path):
    pytest.importorskip("gensim")
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(3)
    vectors.add_vectors(["happy", "cat"], np.array([[3, 0, 0], [0, 4, 0]], np.float32))
    for name, binary in (("w.bin", True), ("w.txt", False)):
        vectors.save_word2vec_format(str(tmp_path / name), binary=binary)
        one = words.encoder(f"word2vec:{tmp_path / name}")
        assert one.size == 3
        assert one.encode(["happy purple cat"])[0] == pytest.approx([0.6, 0.8, 0])
        assert one.unknown("happy purple cat") == ["purple"]
        with pytest.raises(BadInput, match="'purple rain'"):
            one.encode(["purple rain"])
        with pytest.raises(BadInput, match=r"word2vec:.* knows no word of any label"):
            words.captions(emoji.load("🇮🇹").emoji, f"word2vec:{tmp_path / name}")


@pytest.mark.parametrize(
    ("name", "says"), [("bert", "sentence, ngrams"), ("word2vec:/nowhere.bin", "there is no word2vec file")]
)
def test_an_encoder_that_is_not_there(name, says):
    with pytest.raises(BadInput, match=says):
        words.encoder(name)


def test_a_damaged_word2vec_file(tmp_path):
    pytest.importorskip("gensim")
    (tmp_path / "w.bin").write_bytes(b"not vectors at all")
    with pytest.raises(BadInput, match="not in word2vec's format"):
        words.encoder(f"word2vec:{tmp_path / 'w.bin'}")


def test_embeddings_are_computed_once(cats, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = words.embed("ngrams", ["happy cat", "dog"])
    monkeypatch.setattr(encoders.Ngrams, "encode", lambda *_: pytest.fail("encoded again"))
    assert np.array_equal(words.embed("ngrams", ["happy cat", "dog"]), first)


def test_captioned_batches_pair_pictures_with_their_own_phrases(cats):
    captions = words.captions(cats.emoji, "ngrams")
    batches = Captioned(cats.images, captions, 12, seed=0)
    owner = {index: label for label in captions.labels for index in label.pictures}
    for step in (0, 2):
        pictures, phrases = batches.chosen(step)
        assert len(set(phrases)) > 2
        for picture, phrase in zip(pictures, phrases, strict=True):
            assert captions.phrases[phrase] in owner[picture].phrases
    for step in (1, 3, 5, 7):
        pictures, phrases = batches.chosen(step)
        assert len(set(phrases)) == 1
        (label,) = (one for one in captions.labels if captions.phrases[phrases[0]] in one.phrases)
        assert set(pictures) <= set(label.variants)
    images, embeddings = batches[1]
    assert images.shape == (12, 4, 72, 72)
    assert embeddings.shape == (12, 384)
    again = Captioned(cats.images, captions, 12, seed=0)[1]
    assert all((one == other).all() for one, other in zip((images, embeddings), again, strict=True))
    alone = next(step for step in range(1, 99, 2) if len(set(batches.chosen(step)[0])) == 1)
    copies = batches[alone][0]
    assert len(copies.flatten(1).unique(dim=0)) > 6  # padded with copies that moved
    ink = (copies[:, 3] > 0).sum((1, 2)).float()
    assert ink.std() < 0.05 * ink.mean()  # and are still the same picture
    without = Captioned(cats.images, captions, 12, seed=0, same_every=0)
    assert all(len(set(without.chosen(step)[1])) > 1 for step in range(8))
    with pytest.raises(BadInput, match="same_every 1"):
        Captioned(cats.images, captions, 12, seed=0, same_every=1)


def test_copies_are_not_mirrored():
    arrow = torch.full((50, 4, 72, 72), -1.0)
    arrow[..., 36, 20] = 1.0
    moved = _moved(arrow, np.random.default_rng(0))
    assert (moved > 0).flatten(1).any(1).all()
    assert not (moved[..., 36:] > 0).any()
