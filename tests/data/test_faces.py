"""Faces and cartoons: offline domains, and the real layouts of the sets that users bring."""

import numpy as np
import pytest
from PIL import Image

from emoji_lib import BadInput
from emoji_lib.data import faces, pixels
from emoji_lib.measure import translation


def test_twemojis_heads_have_their_own_skin_and_hair():
    heads, known = faces.load("twemoji", 72)
    assert heads.images.shape == (168, 4, 72, 72)
    by_name = {one.name: index for index, one in enumerate(heads.emoji)}
    ginger = by_name["woman: light skin tone, red hair"]
    assert tuple(known.skin[ginger]) == tuple(faces.rgb("#F7DECE"))
    red, green, blue = known.hair[ginger]
    assert red > 200 > green > blue
    assert np.isnan(known.hair[by_name["man: dark skin tone, bald"]]).all()
    assert translation.colour_error(pixels.median_colour(heads.images, translation.BOXES["skin"]), known.skin) < 1


def test_avatars_are_always_the_same_and_have_known_colours(empty_cache):
    drawn, known = faces.load("avatars:24")
    assert drawn.images.shape == (24, 4, 64, 64)
    assert len(np.unique(known.skin, axis=0)) > 3
    assert translation.colour_error(pixels.median_colour(drawn.images, translation.BOXES["skin"]), known.skin) < 2
    again, _ = faces.load("avatars:24")
    more, _ = faces.load("avatars:30")
    assert drawn.sha256 == again.sha256
    assert np.array_equal(more.images[:24], drawn.images)


def celeba(root, n=5):
    """CelebA as torchvision lays it out, with pictures of a few colours."""
    base = root / "celeba"
    (base / "img_align_celeba").mkdir(parents=True)
    names = [f"{index:06d}.jpg" for index in range(1, n + 1)]
    for index, name in enumerate(names):
        Image.new("RGB", (178, 218), (40 * index, 100, 200)).save(base / "img_align_celeba" / name)
    lines = lambda row: "".join(f"{name} {row}\n" for name in names)  # noqa: E731
    (base / "list_eval_partition.txt").write_text(lines("0"))
    (base / "identity_CelebA.txt").write_text(lines("7"))
    (base / "list_bbox_celeba.txt").write_text(f"{n}\nimage_id x_1 y_1 width height\n{lines('1 2 3 4')}")
    landmarks = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y"
    (base / "list_landmarks_align_celeba.txt").write_text(f"{n}\n{landmarks}\n{lines('1 2 3 4 5 6')}")
    (base / "list_attr_celeba.txt").write_text(f"{n}\nBald Smiling\n{lines('-1 1')}")
    return root


def test_celeba_in_torchvisions_layout(tmp_path, empty_cache, monkeypatch):
    with pytest.raises(BadInput, match="Dataset not found or corrupted"):  # torchvision knows the real files' MD5
        faces.load(f"celeba:{celeba(tmp_path / 'other')}", 32)
    monkeypatch.setattr("torchvision.datasets.CelebA._check_integrity", lambda self: True)
    photographs, known = faces.load(f"celeba:{celeba(tmp_path)}", 32, limit=4)
    assert photographs.images.shape == (4, 4, 32, 32)
    assert np.isnan(known.skin).all()
    # Padded to a square: the sides are transparent, the middle is the photograph.
    assert (photographs.images[1, 3, :, 0] == 0).all()
    assert photographs.images[1, :, 16, 16].tolist() == pytest.approx([40, 100, 200, 255], abs=4)
    (tmp_path / "celeba" / "img_align_celeba" / "000002.jpg").unlink()
    with pytest.raises(BadInput, match=r"000002.jpg is missing, though the set's list names it"):
        faces.load(f"celeba:{tmp_path}", 32)


def cartoonset(root):
    """Cartoonset 100k's layout: numbered folders of PNGs of 500×500, each with a CSV."""
    for index, (skin, hair) in enumerate([(0, 1), (1, 1), (0, 2)]):
        folder = root / str(index % 2)
        folder.mkdir(parents=True, exist_ok=True)
        picture = Image.new("RGBA", (500, 500), (10, 10, 10, 255))
        picture.paste((200 - 100 * skin, 120, 80, 255), (12, 180, 488, 340))
        picture.paste((50 * hair, 0, 0, 255), (12, 12, 488, 160))
        picture.save(folder / f"cs{index}.png")
        rows = f'"eye_angle", 1, 3\n"face_color", {skin}, 11\n"hair_color", {hair}, 10\n'
        (folder / f"cs{index}.csv").write_text(rows)
    return root


def test_cartoonset_with_its_attributes(tmp_path, empty_cache):
    cartoons, known = faces.load(f"cartoonset:{cartoonset(tmp_path)}", 64)
    assert cartoons.images.shape == (3, 4, 64, 64)
    order = [one.code for one in cartoons.emoji]
    assert np.array_equal(known.skin[order.index("cs0")], known.skin[order.index("cs2")])
    assert known.skin[order.index("cs0")].tolist() == pytest.approx([200, 120, 80], abs=3)
    assert known.hair[order.index("cs2")].tolist() == pytest.approx([100, 0, 0], abs=3)
    (tmp_path / "0" / "cs0.csv").write_text('"eye_angle", 1, 3\n')
    with pytest.raises(BadInput, match=r"cs0.csv has no face_color"):
        faces.load(f"cartoonset:{tmp_path}", 64)
    (tmp_path / "0" / "cs0.csv").unlink()
    with pytest.raises(BadInput, match=r"each cs\*.png needs its cs\*.csv"):
        faces.load(f"cartoonset:{tmp_path}", 64)


def test_any_folder_of_photographs(tmp_path, empty_cache):
    (tmp_path / "me").mkdir()
    Image.new("RGB", (300, 200), (10, 200, 30)).save(tmp_path / "me" / "one.JPG", "jpeg")
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(tmp_path / "two.png")
    found, _ = faces.load(f"{tmp_path}/", 16)
    assert [one.code for one in found.emoji] == ["one", "two"]
    assert not found.images[1].any()  # transparent, and premultiplied
    (tmp_path / "two.png").write_bytes(b"no picture")
    with pytest.raises(BadInput, match=r"two.png is not a readable image"):
        faces.load(f"{tmp_path}/", 16)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("martians", "unknown domain 'martians': twemoji, avatars"),
        ("avatars:none", "avatars:none is no number"),
        ("twemoji:train", "unknown domain 'twemoji:train': twemoji, avatars"),
        ("celeba:/nowhere", "holds no CelebA as torchvision lays it out"),
        ("cartoonset:/nowhere", "cartoonset10k.tgz"),
        ("/nowhere/", "no PNGs or JPEGs in /nowhere"),
    ],
)
def test_what_is_not_there(name, says):
    with pytest.raises(BadInput, match=says):
        faces.load(name)
    with pytest.raises(BadInput, match="size 8 is not"):
        faces.load("twemoji", 8)
    with pytest.raises(BadInput, match="limit -1 is negative"):
        faces.load("./faces", limit=-1)
