"""A blind reading: what readers are given, and how it is scored."""

import json

import pytest
import torch
from PIL import Image

from emoji_lib.cli import main
from emoji_lib.data import encoders
from emoji_lib.nets import emotigan
from emoji_lib.runs import record
from emoji_lib.show import sampler
from emoji_lib.train.checkpoint import save_weights


@pytest.fixture(scope="module")
def reading(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    parameters = {"seed": 0, "selection": "all:train"}
    run = record.create("06-tiny", "06_text_to_emoji", "", parameters, runs)
    generator = emotigan.LayeredGenerator(2, 7, projected=5, known=1, layers=3)
    generator.phrases.copy_(torch.from_numpy(encoders.Ngrams().encode(["cat"])))
    facts = {"mode": "RGBA", "premultiplied": True, "encoder": "ngrams", "phrases": [("cat", "🐱")]}
    save_weights(run / sampler.WEIGHTS, generator, **facts)
    assert main(["blind", str(run), "--out", str(runs / "blind")]) == 0
    return run, runs / "blind"


def test_readers_get_pictures_and_choices(reading):
    run, out = reading
    choices, names = (json.loads((out / f"{name}.json").read_text()) for name in ("choices", "names"))
    assert list(choices) == [str(number) for number in range(1, 31)]
    for number, some in choices.items():
        assert len(set(some)) == 12
        assert names[number] in some
    assert len({some.index(names[number]) for number, some in choices.items()}) > 4  # not always in one place
    text = Image.open(out / "unseen.png").text
    assert (text["run"], text["retrieval"]) == (run.name, "0.7")


def test_answers_are_counted_and_kept(reading, tmp_path, capsys):
    run, out = reading
    choices, names = (json.loads((out / f"{name}.json").read_text()) for name in ("choices", "names"))
    wrong = {number: next(one for one in some if one != names[number]) for number, some in choices.items()}
    for reader, said in {"all": names, "none": wrong, "one": wrong | {"3": names["3"]}}.items():
        (tmp_path / f"{reader}.json").write_text(json.dumps(said))
    files = [str(tmp_path / f"{reader}.json") for reader in ("all", "none", "one")]
    assert main(["blind", str(run), *files, "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("all: 30 of 30 named rightly, by chance 2.5\nnone: 0 of 30")
    assert json.loads((out / "readings.json").read_text())["right"] == {"all": 30, "none": 0, "one": 1}

    (tmp_path / "late.json").write_text(json.dumps(names))
    assert main(["blind", str(run), str(tmp_path / "late.json"), "--out", str(out)]) == 0
    assert json.loads((out / "readings.json").read_text())["right"] == {"all": 30, "none": 0, "one": 1, "late": 30}
    capsys.readouterr()
    assert main(["blind", str(run), str(tmp_path / "late.json"), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["right"]["late"] == 30
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "one.json").write_text(json.dumps(names))
    assert main(["blind", str(run), files[-1], str(tmp_path / "other" / "one.json"), "--out", str(out)]) == 2
    assert "two readers have one name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "says"),
    [("{}", "does not answer each of 1 to 30"), ("[]", "is not {number: name}"), ("?", "cannot be read")],
)
def test_answers_of_another_kind_are_refused(reading, tmp_path, capsys, said, says):
    run, out = reading
    (tmp_path / "odd.json").write_text(said)
    assert main(["blind", str(run), str(tmp_path / "odd.json"), "--out", str(out)]) == 2
    assert says in capsys.readouterr().err


def test_a_run_that_holds_nothing_out_is_refused(reading, tmp_path, capsys):
    run, _ = reading
    facts = record.read_record(run)
    other = tmp_path / "other"
    other.mkdir()
    (other / sampler.WEIGHTS).write_bytes((run / sampler.WEIGHTS).read_bytes())
    record.write_record(other, facts | {"parameters": {"selection": "faces"}})
    assert main(["blind", str(other), "--out", str(tmp_path / "out")]) == 2
    assert "holds out too few names" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
