"""`draw`: from a phrase to PNGs, and what it says of phrases it cannot make much of."""

import inspect
import json

import numpy as np
import pytest
import torch
from PIL import Image

from emoji_lib import BadInput, cli
from emoji_lib.cli import main
from emoji_lib.data import encoders
from emoji_lib.measure import text_match
from emoji_lib.nets import dcgan, emotigan
from emoji_lib.runs import record
from emoji_lib.show import phrases, sampler
from emoji_lib.train.checkpoint import save_weights

KNOWN = [("happy cat", "😸"), ("grinning cat", "😸"), ("dog face", "🐶")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with an untrained generator that knows three phrases of two emoji."""
    folder = record.create("06-tiny", "06_text_to_emoji", "", {"seed": 3}, tmp_path_factory.mktemp("runs"))
    torch.manual_seed(0)
    generator = emotigan.Generator(4, 7, projected=5, known=3, **dcgan.IMPROVED)
    generator.phrases.copy_(torch.from_numpy(encoders.Ngrams().encode([phrase for phrase, _ in KNOWN])))
    facts = {"mode": "RGBA", "premultiplied": True, "encoder": "ngrams", "phrases": KNOWN}
    save_weights(folder / sampler.WEIGHTS, generator, **facts)
    return folder


def draw(run, capsys, *arguments):
    code = main(["draw", *map(str, arguments), "--run", str(run)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_pngs_and_a_sheet_that_repeat(run, tmp_path, capsys):
    for out in ("one", "two"):
        assert draw(run, capsys, "Happy_Cats", "--n", 3, "--seed", 5, "--out", tmp_path / out)[0] == 0
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        *(f"happy-cats-0{n}.png" for n in range(3)),
        "happy-cats.png",
    ]
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    commit = record.read_record(run)["commit"]
    for name, index in {"happy-cats-01": "1", "happy-cats": "0 to 2"}.items():
        origin = {"run": run.name, "commit": commit, "seed": "5", "index": index}
        how = {"phrase": "happy cats", "truncation": "1.0", "guidance": "1.0", "retrieval": "0.7"}
        assert Image.open(tmp_path / "one" / f"{name}.png").text == origin | how
    first, second = (np.asarray(Image.open(tmp_path / "one" / f"happy-cats-0{n}.png")) for n in range(2))
    assert first.shape == (72, 72, 4)
    assert not np.array_equal(first, second)


def test_what_is_near_stands_beside_the_pictures(run, tmp_path, capsys):
    code, out, _ = draw(run, capsys, "happy cats", "--n", 2, "--json", "--out", tmp_path)
    facts = json.loads(out)
    assert code == 0
    assert [one["emoji"] for one in facts["nearest"]] == ["😸", "🐶"]  # each emoji once, by its nearest phrase
    assert facts["nearest"][0]["phrase"] == "happy cat"
    assert facts["nearest"][0]["cosine"] > 0.7
    assert len(facts["files"]) == 2
    assert facts["towards"] == ["happy cat"] * 2
    assert "moved towards: 😸 happy cat ×2" in draw(run, capsys, "happy cats", "--n", 2, "--out", tmp_path)[1]
    said = draw(run, capsys, "happy cats", "--n", 2, "--retrieval", 0, "--out", tmp_path)[1]
    assert "nearest known" in said
    assert "moved" not in said
    assert "expect no likeness" not in draw(run, capsys, "happy cats", "--out", tmp_path)[1]
    assert "expect no likeness" in draw(run, capsys, "xqzpt", "--out", tmp_path)[1]
    assert "nearest known" in draw(run, capsys, "chat heureux", "--out", tmp_path)[1]


def test_truncation_to_nothing_is_the_same_picture_again(run, tmp_path, capsys):
    assert draw(run, capsys, "dog", "--n", 2, "--truncation", 0, "--out", tmp_path)[0] == 0
    one, other = (np.asarray(Image.open(tmp_path / f"dog-0{n}.png")) for n in range(2))
    assert np.array_equal(one, other)


def test_a_phrase_is_moved_towards_known_ones_near_it(run):
    artist = phrases.PhraseSampler(run)
    known, asked = artist.generator.phrases, torch.from_numpy(artist.encoder.encode(["grinning cats"]))
    artist.guide(retrieval=0)
    assert torch.equal(artist.latents("grinning cats", 4)[:, 7:], asked.expand(4, -1))
    artist.guide(retrieval=1)
    nearest = (known @ asked[0]).argmax()
    typical = artist.latents("grinning cats", 4, truncation=0)
    assert torch.equal(typical[:, 7:], known[nearest].expand(4, -1))
    artist.guide(retrieval=0.25)
    torch.testing.assert_close(artist.latents("dog face", 1, truncation=0)[:, 7:], known[2:], atol=1e-4, rtol=0)
    moved = artist.latents("grinning cats", 1, truncation=0)[:, 7:]
    torch.testing.assert_close(moved, 0.75 * asked + 0.25 * known[nearest])


def test_known_phrases_are_chosen_by_their_cosines(run, monkeypatch):
    """And the first choices are the same however many there are."""
    monkeypatch.setattr(phrases, "TEMPERATURE", 0.4)
    artist = phrases.PhraseSampler(run)
    asked = torch.from_numpy(artist.encoder.encode(["cat"]))
    expected = ((asked @ artist.generator.phrases.T)[0] / 0.4).exp()
    chosen = artist.chosen(asked.expand(3000, -1), seed=1)
    assert torch.equal(chosen[:5], artist.chosen(asked.expand(5, -1), seed=1))
    artist.guide(retrieval=1)
    latents, (facts, _) = artist.latents("cat", 20, 1), artist.account("cat", 20, 1, 1.0)
    assert facts["towards"] == [KNOWN[index][0] for index in chosen[:20]]  # what is told is what is drawn
    assert torch.equal(latents[:, 7:], artist.generator.phrases[chosen[:20]])
    torch.testing.assert_close(latents[:5], artist.latents("cat", 5, 1))
    found = torch.bincount(chosen, minlength=3) / 3000
    torch.testing.assert_close(found, expected / expected.sum(), atol=0.03, rtol=0)


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """As `run`, by a generator that draws in layers."""
    folder = record.create("06-layers", "06_text_to_emoji", "", {"seed": 3}, tmp_path_factory.mktemp("runs"))
    torch.manual_seed(0)
    generator = emotigan.LayeredGenerator(2, 7, projected=5, known=3, layers=4)
    generator.phrases.copy_(torch.from_numpy(encoders.Ngrams().encode([phrase for phrase, _ in KNOWN])))
    facts = {"mode": "RGBA", "premultiplied": True, "encoder": "ngrams", "phrases": KNOWN}
    save_weights(folder / sampler.WEIGHTS, generator, **facts)
    return folder


def test_layers_are_drawn_at_any_size_and_as_outlines(layers, tmp_path, capsys):
    code, out, _ = draw(layers, capsys, "dog", "--n", 2, "--size", 144, "--svg", "--out", tmp_path)
    assert code == 0
    assert "2 PNGs and SVGs of 'dog'" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"dog-0{n}.{kind}" for n in range(2) for kind in ("png", "svg")),
        "dog.png",
    ]
    assert Image.open(tmp_path / "dog-01.png").size == (144, 144)
    assert f"run {layers.name}" in (tmp_path / "dog-01.svg").read_text()
    at_144 = (tmp_path / "dog-01.png").read_bytes()
    assert draw(layers, capsys, "dog", "--n", 2, "--size", 144, "--guidance", 3, "--out", tmp_path)[0] == 0
    assert (tmp_path / "dog-01.png").read_bytes() != at_144
    assert not (tmp_path / "dog-01.svg").exists()  # of the other pictures


def test_the_commands_defaults_are_the_samplers():
    """The command line names them before it loads torch."""
    for command in (cli.draw, cli.blind):
        defaults = {name: one.default for name, one in inspect.signature(command).parameters.items()}
        assert (defaults["run"], defaults["retrieval"]) == (phrases.DRAWS, phrases.RETRIEVAL)


def test_emoji_and_long_texts_are_read(run, tmp_path, capsys):
    assert "🐶 dog face (1.00)" in draw(run, capsys, "🐶", "--out", tmp_path)[1]
    code, out, aside = draw(run, capsys, "cat " * 400, "--json", "--out", tmp_path)
    assert code == 0
    assert json.loads(out)["phrase"] == "cat " * 125
    assert "only the first 500 of 1,599 characters are read" in aside


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("  ",), "the phrase '  ' has no words"),
        (("cat", "--n", "0"), "--n 0 is not between 1 and 100,000"),
        (("cat", "--seed", "-1"), "--seed -1 is not between"),
        (("cat", "--n", "1000000000000"), "--n 1000000000000 is not between"),
        (("\udcff",), "has no words"),
        (("cat", "--truncation", "-1"), "--truncation -1.0 is negative"),
        (("cat", "--guidance", "-1"), "--guidance -1.0 is not between 0 and 10"),
        (("cat", "--retrieval", "1.5"), "--retrieval 1.5 is not between 0 (the phrase as it is) and 1"),
        (("cat", "--retrieval", "nan"), "--retrieval nan is not between 0"),
        (("cat", "--guidance", "nan"), "--guidance nan is not between 0 and 10"),
        (("cat", "--size", "512"), "--size 512 needs a generator that draws in layers"),
        (
            (
                "cat",
                "--svg",
            ),
            "--svg needs a generator that draws in layers",
        ),
    ],
)
def test_bad_input_is_one_clear_error(run, tmp_path, capsys, arguments, says):
    code, _, error = draw(run, capsys, *arguments, "--out", tmp_path / "none")
    assert code == 2
    assert says in error
    assert not (tmp_path / "none").exists()


def test_other_generators_draw_no_phrases(run, tmp_path, capsys):
    other = record.create("02-tiny", "02_improved_gan", "", {}, tmp_path)
    save_weights(other / sampler.WEIGHTS, dcgan.Generator(4), mode="RGBA", premultiplied=True)
    code, _, error = draw(other, capsys, "cat")
    assert code == 2
    assert "draws no phrases; give a run of notebook 06" in error


def test_samples_without_a_phrase_take_known_ones(run):
    assert sampler.draw(run, 4, 0).shape == (4, 4, 72, 72)


def test_an_untrained_generator_matches_by_chance(run):
    """And the real pictures match themselves for certain."""
    artist = phrases.PhraseSampler(run)
    found = phrases.evaluate(artist, "faces:train", 40)
    for kind in ("seen", "paraphrases", "unseen concepts"):
        for encoder in ("contrast", "groups"):
            one = found[kind][encoder]
            assert one["top1"] <= one["top5"] < 0.5
            assert abs(one["top5"] - one["top5_chance"]) < 0.2
    assert 1 <= found["inception"] < 1.2
    assert {"within", "within_unseen"} <= found.keys()
    assert artist.retrieval == 0  # scores are of phrases as they are, unless they say otherwise
    question = text_match.questions("faces:train", "ngrams", 40)["seen"]
    copies = question.shown.images[[int((question.labels == label).nonzero()[0]) for label in question.wanted]]
    assert text_match.answer(lambda _: copies, question)["contrast"]["top1"] == 1


def test_a_lookup_knows_every_name_and_few_unseen_ones():
    found = text_match.lookup("faces:train", "ngrams", 40)
    assert found["seen"]["contrast"]["top1"] > 0.9  # less what two emoji are called
    assert found["unseen concepts"]["contrast"]["top1"] < 0.5


def test_an_encoder_of_another_size_is_refused(run, monkeypatch):
    monkeypatch.setattr(encoders.Ngrams, "size", 12)
    with pytest.raises(BadInput, match="takes embeddings of 384 numbers, ngrams gives 12"):
        phrases.PhraseSampler(run)
