import pytest

from emoji_lib import BadInput
from emoji_lib.runs import experiments, record, table


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
    readme = tmp_path / "front.md"
    readme.write_text(f"before\n{table.BEGIN}\n{table.END}\nafter\n")
    old, new = table.updated(readme, results)[readme]
    assert old != new
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    readme.write_text(new)
    assert table.updated(readme, results)[readme] == (new, new)
    readme.write_text("no markers")
    with pytest.raises(BadInput, match="needs one line"):
        table.updated(readme, results)


def test_the_long_log_tells_of_every_kept_run(results):
    text = table.long_log(results)
    assert text.index("## [01-quick]") < text.index("## [02-quick]")
    assert "01-blog" not in text
    assert "**generator**: `8 > 4`, kernel 4, 1,234 weights" in text
    assert "**Result**: collapsed, changed: batch_size 16; 119 images, 5,000 steps" in text


def test_a_piece_of_uncommitted_code_is_told_of_everywhere(results):
    for folder in results.glob("0[12]-quick-*"):
        piece = {"commit": "0" * 40, "dirty": True, "started": "2026-01-01"}
        record.write_record(folder, record.read_record(folder) | {"dirty": False, "resumed": [piece]})
    assert table.table(results).count("**dirty tree**") == 2
    assert table.long_log(results).count("dirty tree") == 2


def test_runs_that_are_not_of_a_numbered_experiment_get_a_line(results):
    folder = next(results.glob("02-quick-*"))
    record.write_record(folder, record.read_record(folder) | {"experiment": "deep-emoji-faces-quick"})
    lines = table.table(results).splitlines()
    assert lines[-1].startswith("| [deep-emoji-faces-quick](")
    assert "<br>**dirty tree**<br>**changed: batch_size 16** |" in lines[-1]
    assert "faces: 119 | 5,000 | – | – |" in lines[-1]


def test_every_kept_run_is_of_an_experiment_that_is_there():
    assert {kept["experiment"] for _, kept in table.kept()} <= experiments.load().keys()
