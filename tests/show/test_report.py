"""Scores as tables."""

from emoji_lib.show import report


def test_what_is_drawn_how_often_is_a_table_with_the_real_pictures_first():
    real = {"flags": 0.1, "faces": 0.897, "other": 0.003}
    rows = {"few": {}, "one": {"mixture": {"real": real, "samples": {"flags": 1.0, "faces": 0.0, "other": 0.001}}}}
    drawn = report.mixture(rows)
    assert drawn.to_dict("index") == {"faces": {"real": "90%", "one": "0%"}, "flags": {"real": "10%", "one": "100%"}}
    assert report.mixture({"few": {}}).empty
