"""`sample` and its PNGs, and `evaluate` on any folder of pictures, good and bad."""

import json

import pytest
import torch
from PIL import Image

from emoji_lib import BadInput
from emoji_lib.cli import main
from emoji_lib.data import emoji
from emoji_lib.nets import dcgan, layered
from emoji_lib.runs import record
from emoji_lib.show import report, sampler
from emoji_lib.train.checkpoint import save_weights


@pytest.fixture
def folder(tmp_path, empty_cache):
    """Sixty faces as another project might leave them: RGB, 40×40 pixels."""
    place = tmp_path / "drawn"
    place.mkdir()
    for index, image in enumerate(emoji.load("faces", mode="RGB", size=40).images[:60]):
        Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{index}.png")
    return place


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with an untrained generator."""
    parameters = {"seed": 2, "selection": "faces"}
    made = record.create("02-tiny", "02_improved_gan", "", parameters, tmp_path_factory.mktemp("runs"))
    save_weights(made / sampler.WEIGHTS, dcgan.Generator(4), mode="RGBA", premultiplied=True)
    return made


def test_samples_carry_where_they_come_from_and_repeat_byte_for_byte(run, tmp_path, capsys):
    for out in ("one", "two"):
        assert main(["sample", str(run), "--n", "70", "--seed", "5", "--out", str(tmp_path / out)]) == 0
    files = sorted((tmp_path / "one").iterdir())
    assert [file.name for file in files] == [f"{index:04d}.png" for index in range(70)]
    commit = record.read_record(run)["commit"]
    for index, file in enumerate(files):
        assert Image.open(file).text == {"run": run.name, "commit": commit, "seed": "5", "index": str(index)}
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


@pytest.mark.parametrize(("n", "seed"), [(0, 0), (100_001, 0), (1, -1), (1, 2**32)])
def test_numbers_that_cannot_be_used_are_refused_alike(run, n, seed):
    says = "--seed .* is not between 0 and" if n == 1 else "--n .* is not between 1 and 100,000"
    for what in (lambda: sampler.draw(run, n, seed), lambda: sampler.target(str(run), n, seed)):
        with pytest.raises(BadInput, match=says):
            what()


def test_a_run_without_weights_says_how_to_have_them(tmp_path):
    with pytest.raises(BadInput, match=r"keeps no generator.safetensors; run its experiment again"):
        sampler.draw(tmp_path, 1, 0)


def evaluate(capsys, *arguments):
    code = main(["evaluate", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_folder_is_evaluated_and_a_second_time_alike_as_text(folder, capsys, tmp_path):
    panel = tmp_path / "near.png"
    chosen = (folder, "--reference", "faces", "--alone", "--json", "--panel", panel)
    code, out, _ = evaluate(capsys, *chosen)
    assert code == 0
    ((name, found),) = json.loads(out).items()
    assert name == str(folder)
    assert found["samples"] == 60
    assert found["memorised"] == 1  # they are the training pictures, only smaller
    assert found["contrast"]["kid_low"] < 0.1
    assert "kid_alpha" not in found["contrast"]
    assert found["left_out"]["coverage"] == "needs 300 samples, there are 60"
    assert len(found["sha256"]) == 4
    assert Image.open(panel).width > 400
    code, text, _ = evaluate(capsys, folder, "--reference", "faces", "--alone")
    assert code == 0
    assert text.count("encoder: ") == 3
    assert "nearest real picture" in text
    assert "face-concerned" in text
    assert "left out: coverage (needs 300 samples, there are 60)" in text
    assert text == report.text(json.loads(out)) + "\n"


def test_a_run_of_the_layered_notebook_can_start_from_the_best():
    generator = layered.Generator()
    before = generator.state_dict()["to_colours.0.weight"].clone()
    assert sampler.start("best", generator, layered.Discriminator()).startswith(f"generator of {record.BEST}")
    assert not torch.equal(generator.state_dict()["to_colours.0.weight"], before)


def test_what_else_a_record_scored_stays(tmp_path, capsys, folder, monkeypatch):
    monkeypatch.setattr("emoji_lib.measure.protocol.SAMPLES", 60)  # else `--keep` takes 2,000
    run = record.create("06-tiny", "06_text_to_emoji", "", {"seed": 0, "selection": "faces"}, tmp_path)
    save_weights(run / sampler.WEIGHTS, dcgan.Generator(4), mode="RGBA", premultiplied=True)
    record.write_record(run, record.read_record(run) | {"scores": {"phrases": {"inception": 5.0}, "samples": 1}})
    assert evaluate(capsys, run, "--n", 60, "--alone", "--keep")[0] == 0
    kept = record.read_record(run)["scores"]
    assert kept["phrases"] == {"inception": 5.0}
    assert kept["samples"] == 60


def test_bad_folders_are_one_clear_error(folder, tmp_path, capsys, draw_png):
    (tmp_path / "empty").mkdir()
    assert evaluate(capsys, tmp_path / "empty")[::2] == (2, f"error: no PNGs in {tmp_path / 'empty'}\n")
    draw_png(folder / "zz.png", (41, 41))
    code, _, error = evaluate(capsys, folder)
    assert code == 2
    assert "zz.png is 41×41 pixels where 40×40 are expected" in error
    (folder / "zz.png").write_bytes(b"no png")
    code, _, error = evaluate(capsys, folder)
    assert code == 2
    assert "zz.png is not a readable image" in error
    (folder / "zz.png").unlink()
    assert "--keep writes into a run's record" in evaluate(capsys, folder, "--keep")[2]
    assert "no run 'nobody'" in evaluate(capsys, "nobody")[2]
    assert "unknown selection 'fces'" in evaluate(capsys, folder, "--reference", "fces")[2]


def test_idle_channels_are_dropped(tmp_path, empty_cache):
    pictures = {"RGBA": (9, 9, 9, 8), "L": (9, 9, 9, 255), "RGB": (9, 0, 0, 255)}
    for mode, colour in pictures.items():
        (tmp_path / mode).mkdir()
        Image.new("RGBA", (40, 40), colour).save(tmp_path / mode / "one.png")
        _, reference, run = sampler.target(str(tmp_path / mode), 1, 0)
        assert (reference.mode, reference.size, run) == (mode, 40, None)
