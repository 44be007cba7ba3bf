"""`translate`: from image files to cartoons."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from emoji_lib.cli import main
from emoji_lib.nets import cyclegan, dcgan
from emoji_lib.runs import record
from emoji_lib.show import sampler
from emoji_lib.train.checkpoint import save_weights


@pytest.fixture
def run(tmp_path):
    folder = record.create("07-tiny", "07_memoji_cyclegan", "", {"seed": 7, "selection": "twemoji"}, tmp_path)
    torch.manual_seed(0)
    save_weights(folder / sampler.WEIGHTS, cyclegan.Generator(2, 1), mode="RGBA", premultiplied=True, size=32)
    return folder


def translate(run, capsys, *arguments):
    code = main(["translate", *map(str, arguments), "--run", str(run)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_any_png_or_jpeg_becomes_an_rgba_png(run, tmp_path, capsys):
    Image.new("RGB", (90, 60), (200, 150, 120)).save(tmp_path / "me.jpg")
    Image.new("P", (40, 40), 3).save(tmp_path / "you.png")
    Image.new("L", (40, 40), 90).save(tmp_path / "me.png")
    given = [tmp_path / name for name in ("me.jpg", "you.png", "me.png")]
    code, out, _ = translate(run, capsys, *given, "--out", tmp_path / "out", "--json")
    assert code == 0
    files = [pair["file"] for pair in json.loads(out)["translations"]]
    assert [file.rsplit("/", 1)[1] for file in files] == ["0000-me.png", "0001-you.png", "0002-me.png"]  # two of a name
    for index, file in enumerate(files):
        assert np.asarray(Image.open(file)).shape == (32, 32, 4)
        commit = record.read_record(run)["commit"]
        assert Image.open(file).text == {"run": run.name, "commit": commit, "seed": "7", "index": str(index)}
    assert "it has learned from twemoji" in translate(run, capsys, given[0], "--out", tmp_path / "out")[1]


def test_what_is_no_image_is_refused_and_nothing_is_written(run, tmp_path, capsys):
    Image.new("RGB", (90, 60)).save(tmp_path / "me.jpg")
    (tmp_path / "notes.txt").write_text("hello")
    for bad in (tmp_path / "notes.txt", tmp_path / "nobody.png", tmp_path):
        code, _, error = translate(run, capsys, tmp_path / "me.jpg", bad, "--out", tmp_path / "out")
        assert code == 2
        assert f"{bad} is not a readable image" in error
        assert not (tmp_path / "out").exists()


def test_a_translation_does_not_take_the_place_of_its_face(run, tmp_path, capsys):
    face = tmp_path / "me.png"
    Image.new("RGB", (90, 60)).save(face)
    before = face.read_bytes()
    code, _, error = translate(run, capsys, face, "--out", tmp_path)
    assert code == 2
    assert "would take its place" in error
    assert face.read_bytes() == before


def test_other_weights_translate_nothing_and_these_draw_nothing(run, tmp_path, capsys):
    Image.new("RGB", (9, 9)).save(tmp_path / "me.png")
    assert main(["sample", str(run)]) == 2
    assert "it translates pictures, by `python -m emoji_lib translate`" in capsys.readouterr().err
    save_weights(run / sampler.WEIGHTS, dcgan.Generator(4), mode="RGBA", premultiplied=True)
    code, _, error = translate(run, capsys, tmp_path / "me.png")
    assert code == 2
    assert "translates no faces; give a run of notebook 07" in error
