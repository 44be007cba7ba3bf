"""The README speaks of files and commands that are there."""

import json
import re
from pathlib import Path

from emoji_lib.cli import command_line

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_local_link_and_picture_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT) + re.findall(r'src="([^"]+)"', TEXT)
    local = [link for link in links if not link.startswith("http")]
    assert len(local) > 10
    assert not [link for link in local if not (ROOT / link).exists()]


def test_every_command_it_names_is_one():
    assert set(re.findall(r"python -m emoji_lib ([a-z]+)", TEXT)) <= set(command_line.commands)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", TEXT, flags=re.MULTILINE)) <= targets


def test_its_speeds_are_those_of_the_kept_benchmark():
    rows = json.loads((ROOT / "results" / "bench.json").read_text(encoding="utf-8"))
    first, *others = (f"{row['ratio']:.1f}" for row in rows)
    assert f"{first}, {others[0]} and {others[1]} times as fast" in TEXT
    assert "batches of {}, {} and {}".format(*(row["batch"] for row in rows)) in TEXT
