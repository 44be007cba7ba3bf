"""The league with players of its own: no network, no pip."""

import json
import os
import subprocess

import pytest
import yaml
from PIL import Image

from emoji_lib import BadInput, RunFailed
from emoji_lib.cli import main
from emoji_lib.runs import league as rows
from emoji_lib.tools import league, player

KEPT = player.PLAYERS
NOISE = """
import json, os, pathlib, sys
data, out, seconds, seed, how = sys.argv[1:]
out = pathlib.Path(out)
with open(out.parents[2] / "turns.txt", "a") as turns:
    turns.write(f"{how} {len(list(pathlib.Path(data).glob('all/*.png')))} {os.environ['OMP_NUM_THREADS']}\\n")
if how == "broken":
    sys.exit("no such layer")
facts = {"images_seen": 320}
if how == "slow":
    import subprocess, time
    child = subprocess.Popen(["sleep", "60"])
    (out.parent / "child").write_text(str(child.pid))
    time.sleep(60)
import numpy, PIL.Image
rng = numpy.random.default_rng(int(seed))
for index in range(60):
    noise = rng.integers(256, size=(72, 72, 4), dtype=numpy.uint8)
    PIL.Image.fromarray(noise).save(out / f"{index:04d}.png")
(out / "facts.json").write_text(json.dumps(facts | {"sampling_seconds": 0.5}))
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder for rows, one for what is scratch, and players of three kinds."""
    entry = {"about": "noise", "source": "here", "mode": "RGBA", "size": 72, "adapter": "noise.py"}
    words = ["{python}", "{adapter}", "{data}", "{out}", "{seconds}", "{seed}"]
    entries = {name: entry | {"command": [*words, name]} for name in ("noise", "broken", "slow")}
    entries["homeless"] = entry | {"command": words, "repository": str(tmp_path / "nowhere"), "commit": "0" * 40}
    (tmp_path / "players.yaml").write_text(yaml.safe_dump(entries))
    (tmp_path / "noise.py").write_text(NOISE)
    monkeypatch.setattr(player, "PLAYERS", tmp_path / "players.yaml")
    monkeypatch.setattr(player, "SAMPLES", 60)
    monkeypatch.setattr(player, "SELECTION", "faces:train")
    monkeypatch.setattr(player, "GRACE", 2.0)
    monkeypatch.setattr(league, "WORK", tmp_path / "work")
    return tmp_path


def turns(place) -> list[str]:
    return (place / "work" / "turns.txt").read_text().splitlines()


def test_a_row_has_scores_and_is_made_once(place, capsys):
    typed = ["league", "noise", "broken", "--minutes", "0.5", "--seed", "3", "--out", str(place / "rows")]
    assert main(typed) == 0
    first = capsys.readouterr().out
    assert "broken has no scores: ended with code 1 and 0 of 60 pictures\nno such layer" in first
    row = json.loads((place / "rows" / "noise-s3" / "row.json").read_text())
    wanted = {"player": "noise", "seed": 3, "minutes": 0.5, "images_seen": 320, "sampling_seconds": 0.5}
    assert row.items() >= wanted.items()
    assert "error" not in row
    assert row["settings"]["about"] == "noise"
    assert {"RGBA 72", "RGB 64"} == row["scores"].keys()
    for found in row["scores"].values():
        assert found["samples"] == 60
        assert found["contrast"]["kid"] > 0.1
        assert "coverage" in found["left_out"]
    assert Image.open(place / "rows" / "noise-s3" / "strip.png").text["player"] == "noise"
    learned = len(list((place / "work" / "data").glob("rgba-72-*/all/*.png")))
    assert turns(place) == [f"noise {learned} 1", f"broken {learned} 1"]

    assert main(typed) == 0
    assert turns(place)[2:] == [f"broken {learned} 1"]  # what failed is tried again
    capsys.readouterr()
    assert main([*typed, "--json"]) == 0
    assert [one["player"] for one in json.loads(capsys.readouterr().out)] == ["noise", "broken"]

    table = rows.table(place / "rows")
    assert list(table["mode"].items()) == [("noise", "RGB 64"), ("noise", "RGBA 72"), ("broken", "–")]
    assert table["KID groups"].str.contains("±").tolist() == [True, True, False]
    assert table["error"].tolist() == ["", "", "ended with code 1 and 0 of 60 pictures"]
    assert {"images seen", "coverage contrast", "near copies", "sampling (s)"} <= set(table.columns)


def test_who_overruns_is_stopped_with_all_it_has_started(place):
    (row,) = league.fill(["slow"], 0.0, 0, place / "rows")
    assert "stopped: still training after" in row["error"]
    assert "scores" not in row
    child = (place / "work" / "slow" / "s0" / "child").read_text()
    state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True).stdout.strip()
    assert state == "" or state.startswith("Z")


def test_a_repository_that_cannot_be_fetched_is_a_row_with_the_reason(place):
    (row,) = league.fill(["homeless"], 0.0, 0, place / "rows")
    assert row["error"].startswith("its environment cannot be made: git failed\n")


def test_a_repository_is_fetched_at_its_commit(place):
    git = ["git", "-C", str(place / "theirs"), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "--quiet", str(place / "theirs")], check=True)
    (place / "theirs" / "main.py").write_text("pass")
    for words in (["add", "main.py"], ["commit", "--quiet", "-m", "one"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    theirs = player.Player("a", "", "", "RGB", 64, "", [], repository=str(place / "theirs"), commit=commit)
    for _ in range(2):
        assert sorted(os.listdir(player.clone(theirs, place / "work"))) == [".git", "main.py"]


def test_mistakes_are_told_before_anybody_trains(place, capsys):
    assert main(["league", "noisy", "--out", str(place / "rows")]) == 2
    assert "unknown player 'noisy' (did you mean 'noise'?); there are " in capsys.readouterr().err
    list(league.fill(["noise"], 0.5, 0, place / "rows"))
    with pytest.raises(BadInput, match=r"is a row of 0\.5 minutes, not 1"):
        list(league.fill(["broken", "noise"], 1.0, 0, place / "rows"))
    assert turns(place)[0].startswith("noise")
    assert len(turns(place)) == 1


def test_requirements_that_cannot_be_had_are_a_reason(place, monkeypatch):
    wanting = player.Player("a", "", "", "RGB", 64, "", [], requirements=("no",))
    monkeypatch.setattr(player.sys, "executable", "/no/python")
    with pytest.raises(RunFailed, match="its environment cannot be made: python failed"):
        player.environment(wanting, place / "work")


def test_ours_draw_what_they_should(place, monkeypatch):
    monkeypatch.setattr(player, "PLAYERS", KEPT)
    monkeypatch.setattr(player, "SAMPLES", 3)
    monkeypatch.setattr(player, "GRACE", 60.0)
    (layered,) = player.players(["layered"])
    samples, facts = player.train(layered, 0.0, 0, place / "work")
    assert facts["images_seen"] == 0
    assert facts["core_share"] > 0
    assert [Image.open(path).size for path in samples.glob("*.png")] == [(72, 72)] * 3


def test_the_players_that_are_kept_are_complete(monkeypatch):
    monkeypatch.setattr(player, "PLAYERS", KEPT)
    for one in player.players():
        assert player.PLAYERS.with_name(one.adapter).is_file()
        assert (one.mode, one.size) in (("RGB", 64), ("RGBA", 72))
        assert all("==" in requirement for requirement in one.requirements)
        assert bool(one.repository) == bool(one.commit)
