import pytest

from emoji_lib import BadInput
from emoji_lib.log import record, table


@pytest.fixture
def results(tmp_path):
    for experiment, status in (("02-quick", "finished"), ("01-quick", "collapsed"), ("01-blog", "failed")):
        settings = {"seed": 0, "batch_size": 16, "learning_rate_g": 4e-4}
        folder = record.create(experiment, "notebook", "", settings, tmp_path, changed={"batch_size": 16})
        network = {"features": [8, 4], "kernels": [4, 4], "parameters": 1234}
        facts = {
            "steps": 5000,
            "images_seen": 80000,
            "images_per_second": 300.0,
            "device": "some CPU",
            "status": status,
        }
        data = {"selection": "faces", "images": 119, "sha256": "0"}
        kept = (
            record.read_record(folder)
            | facts
            | {"architecture": {"generator": network}, "data": data, "seconds": 290.0}
        )
        record.write_record(folder, kept | {"dirty": experiment == "02-quick"})
    return tmp_path


def test_rows_in_the_order_of_the_experiments_and_none_for_failures(results):
    rows = table.table(results).splitlines()[2:]
    assert len(rows) == 2
    assert "01-quick" in rows[0]
    assert "**collapsed**" in rows[0]
    assert "02-quick" in rows[1]
    for told in (
        "dirty tree",
        "80,000 images seen",
        "4 min 50 s",
        "`8 > 4`<br>kernel 4, 1,234 weights",
        "lr G 0.0004",
        "changed: batch_size 16",
    ):
        assert told in rows[1]
    assert "dirty" not in rows[0]


def test_a_stale_readme_is_noticed_and_the_rest_of_it_kept(results, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\n{table.END}\nafter\n")
    old, new = table.updated(readme, results)
    assert old != new
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    readme.write_text(new)
    assert table.updated(readme, results) == (new, new)
    readme.write_text("no markers")
    with pytest.raises(BadInput, match="needs one line"):
        table.updated(readme, results)
