"""The command line as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emoji_lib.__main__ import main
from emoji_lib.nets import dcgan
from emoji_lib.runs import record, runner
from emoji_lib.train.checkpoint import save_weights

ROOT = Path(__file__).parents[1]


def typed(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "emoji_lib", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_data_for_machines_and_for_people(capsys):
    assert main(["data", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["images"] == facts["selections"]["all"] == 4009
    assert len(facts["sha256"]) == 64
    assert main(["data"]) == 0
    assert "faces                  119" in capsys.readouterr().out


def test_data_of_ones_own(tmp_path, capsys):
    Image.new("RGBA", (72, 72)).save(tmp_path / "mine.png")
    assert main(["data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["split"] == {"train": 1, "validation": 0, "test": 0}


def test_list_shows_every_experiment(capsys):
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"01-quick", "01-blog", "02-quick", "02-blog-million"} <= {row["experiment"] for row in rows}
    assert all(row.keys() >= {"notebook", "source", "state", "newest"} for row in rows)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "02-quick", "-p", "epocs", "3"), "did you mean 'epochs'?"),
        (("run", "02-quick", "-p", "epochs", "three"), "epochs is "),
        (("run", "02-quik"), "did you mean '02-quick'?"),
        (("sample", "nothing"), "no run 'nothing'"),
        (("data", "./nowhere"), "no folder nowhere"),
        (("bench", "--batch", "0"), "--batch 0: there are 4,009 pictures"),
        (("bench", "--batch", "5000"), "--batch 5000: there are 4,009 pictures"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments, told):
    done = typed(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


COMMANDS = [
    "data",
    "list",
    "run",
    "store",
    "sample",
    "evaluate",
    "encoders",
    "table",
    "missing",
    "sweep",
    "search",
    "sets",
    "bench",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example: python -m emoji_lib {command}" in capsys.readouterr().out


@pytest.mark.parametrize("premultiplied", [True, False])
def test_samples_are_rgba_with_clean_transparency_and_repeat(premultiplied, tmp_path, capsys):
    folder = record.create("02-test", "02_improved_gan", "", {"seed": 0}, tmp_path)
    save_weights(folder / "generator.safetensors", dcgan.Generator(4), mode="RGBA", premultiplied=premultiplied)
    for out in ("a", "b"):
        assert main(["sample", str(folder), "--n", "3", "--seed", "5", "--out", str(tmp_path / out)]) == 0
    assert "3 RGBA PNGs in " in capsys.readouterr().out
    names = ["0000.png", "0001.png", "0002.png"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in names:
        pixels = np.asarray(Image.open(tmp_path / "a" / name))
        assert pixels.shape == (72, 72, 4)
        assert not pixels[pixels[..., 3] == 0].any()
        np.testing.assert_array_equal(pixels, np.asarray(Image.open(tmp_path / "b" / name)))
    assert main(["sample", str(folder), "--n", "0"]) == 2
    assert main(["sample", str(folder), "--seed", str(2**64)]) == 2


def test_the_readme_is_in_step_with_the_results():
    done = typed("table", "--check")
    assert done.returncode == 0, done.stderr


def test_store_takes_an_experiments_name_and_says_where_there_is_none(monkeypatch, capsys):
    stored = []
    monkeypatch.setattr(runner, "store", lambda folder: stored.append(folder) or folder)
    assert main(["store", "03-full"]) == 0
    assert stored == [record.find_run("03-full")]
    assert main(["store", "no-such-run"]) == 2
    assert "no run 'no-such-run'" in capsys.readouterr().err
