import hashlib
from collections import defaultdict

import numpy as np
import pytest

from emoji_lib import BadInput
from emoji_lib.data import emoji, split


@pytest.fixture(scope="module")
def library():
    return emoji.open_library()


@pytest.fixture(scope="module")
def parts(library):
    return {one.code: split.part_of(one) for one in library.emoji}


def test_the_stored_split_is_by_the_hash_of_the_concept(library):
    salt, edges = "emoji 3", (0.8, 0.9)  # the best of eight salts: 80, 10 and 10% in every large selection
    parts = defaultdict(set)
    keys = split.concepts(library.emoji, [image.tobytes() for image in library.images])
    for one, key in zip(library.emoji, keys, strict=True):
        place = int(hashlib.sha256(f"{salt} {key}".encode()).hexdigest()[:12], 16) / 16**12
        parts[split.PARTS[sum(place >= edge for edge in edges)]].add(one.code)
    assert {part: parts[part] for part in split.PARTS[1:]} == split.stored()[0]


def test_about_eighty_ten_ten_in_the_large_selections(library):
    for selection in ("all", "no-tones", "people", "flags", "no-flags-no-symbols"):
        whole = len(library.choose(selection))
        fractions = [len(library.choose(f"{selection}:{part}")) / whole for part in split.PARTS]
        assert fractions == pytest.approx((0.8, 0.1, 0.1), abs=0.03), selection


def test_no_two_parts_share_a_picture_or_a_concept(library, parts):
    seen = defaultdict(set)
    for one, image in zip(library.emoji, library.images, strict=True):
        seen[image.tobytes()].add(parts[one.code])
    assert all(len(where) == 1 for where in seen.values())


@pytest.mark.parametrize(
    "alike",
    [
        ("1f44b", "1f44b-1f3fb", "1f44b-1f3ff"),  # a wave and its tones
        ("1f469-200d-1f680", "1f468-1f3fd-200d-1f680", "1f9d1-200d-1f680"),  # astronauts of any gender and tone
        ("1f46b", "1f46d-1f3fb", "1f491", "1f468-200d-2764-fe0f-200d-1f468"),  # couples
        ("1f468-200d-1f469-200d-1f466", "1f469-200d-1f469-200d-1f467-200d-1f467"),  # families
        ("1f3c3", "1f3c3-200d-2640-fe0f", "1f3c3-200d-27a1-fe0f"),  # running, whoever and wherever
        ("1f468-200d-1f9b0", "1f471-200d-2640-fe0f"),  # hair
        ("1f1eb-1f1f7", "1f1e8-1f1f5"),  # France and Clipperton Island fly one flag
    ],
)
def test_near_copies_stay_together(alike, parts):
    assert len({parts[code] for code in alike}) == 1


def test_any_selection_has_its_parts(library):
    chosen = [library.choose(f"faces:{part}") for part in split.PARTS]
    assert sorted(np.concatenate(chosen)) == sorted(library.choose("faces"))
    loaded = emoji.load("faces:train")
    assert len(loaded) == len(chosen[0])
    assert loaded.selection == "faces:train"
    with pytest.raises(BadInput, match="unknown selection 'fces'"):
        library.choose("fces:train")
