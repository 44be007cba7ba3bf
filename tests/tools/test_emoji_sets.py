import io
import tarfile

import pytest
from PIL import Image

from emoji_lib import BadInput
from emoji_lib.data import emoji
from emoji_lib.tools import emoji_sets


def test_a_package_in_the_real_layout_fills_the_sets(tmp_path, empty_cache):
    package = tmp_path / "emoji-datasource-google-16.0.0.tgz"
    codes = ["1f600", "1f468-200d-1f680", "1f44b-1f3fb", "1f1eb-1f1f7", "0023-fe0f-20e3", "1f43c"]
    with tarfile.open(package, "w:gz") as files:
        for code in codes:
            for folder in ("64", "sheets"):
                content = io.BytesIO()
                Image.new("RGBA", (64, 64), (255, 200, 0, 255)).save(content, "png")
                member = tarfile.TarInfo(f"package/img/google/{folder}/{code}.png")
                member.size = len(content.getvalue())
                files.addfile(member, io.BytesIO(content.getvalue()))
    counts = emoji_sets.unpack(package, "google", tmp_path / "sets")
    assert counts == {"people": 1, "no-flags-no-symbols": 3}
    people = emoji.load(f"{tmp_path}/sets/people/", size=64)
    assert [one.code for one in people.emoji] == ["google-1f468-200d-1f680"]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="unknown vendor 'samsung': google, twitter, facebook, apple"):
        emoji_sets.fetch(tmp_path, ["samsung"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="npm is missing"):
        emoji_sets.fetch(tmp_path)
    with pytest.raises(BadInput, match="there is no folder sets/people; `make emoji-sets` fetches"):
        emoji.load("sets/people/")
