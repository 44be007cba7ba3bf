"""`evaluate` on any folder of pictures, good and bad."""

import json

import numpy as np
import pytest
from PIL import Image

from emoji_lib.__main__ import main
from emoji_lib.data import emoji
from emoji_lib.nets import dcgan
from emoji_lib.runs import record
from emoji_lib.show import sampler
from emoji_lib.train.checkpoint import save_weights


@pytest.fixture
def folder(tmp_path, empty_cache):
    """Sixty faces as another project might leave them: RGB, 40×40 pixels."""
    place = tmp_path / "drawn"
    place.mkdir()
    for index, image in enumerate(emoji.load("faces", mode="RGB", size=40).images[:60]):
        Image.fromarray(image.transpose(1, 2, 0)).save(place / f"{index}.png")
    return place


def evaluate(capsys, *arguments):
    code = main(["evaluate", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_folder_is_judged_and_a_second_time_alike(folder, capsys, tmp_path):
    panel = tmp_path / "near.png"
    chosen = (folder, "--reference", "faces", "--alone", "--json", "--panel", panel)
    code, out, _ = evaluate(capsys, *chosen)
    assert code == 0
    ((name, judged),) = json.loads(out).items()
    assert name == str(folder)
    assert judged["samples"] == 60
    assert judged["memorised"] == 1  # they are the training pictures, only smaller
    assert judged["contrast"]["kid_low"] < 0.1
    assert "kid_alpha" not in judged["contrast"]
    assert judged["left_out"]["coverage"] == "needs 300 samples, there are 60"
    assert len(judged["sha256"]) == 4
    assert Image.open(panel).width > 400
    assert evaluate(capsys, *chosen)[1] == out


def test_the_text_has_a_table_for_each_encoder(folder, capsys):
    code, out, _ = evaluate(capsys, folder, "--reference", "faces", "--alone")
    assert code == 0
    assert out.count("encoder: ") == 3
    assert "left out: coverage (needs 300 samples, there are 60)" in out


def test_what_else_a_record_scored_stays(tmp_path, capsys, folder):
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


def test_idle_channels_are_dropped():
    rgba = np.zeros((2, 4, 3, 3), np.uint8)
    assert sampler._without_idle_channels(rgba).shape[1] == 4
    rgba[:, 3] = 255
    assert sampler._without_idle_channels(rgba).shape[1] == 1
    rgba[0, 0, 0, 0] = 9
    assert sampler._without_idle_channels(rgba).shape[1] == 3
