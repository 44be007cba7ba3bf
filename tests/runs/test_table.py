import json
import re
import shutil

import pytest

from emoji_lib import BadInput
from emoji_lib.runs import experiments, league, record, table


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


def test_rows_of_findings_in_the_order_of_the_experiments_and_none_for_failures(results):
    rows = table.table(table.kept(results)).splitlines()[2:]
    assert len(rows) == 2
    assert "01-quick" in rows[0]
    assert "**collapsed**" in rows[0]
    for told in (
        "**02-quick**",
        "dirty tree",
        "G `8>4`",
        "lr 0.0004",
        "changed: batch_size 16",
        "4 min 50 s, some CPU",
    ):
        assert told in rows[1]
    assert experiments.find("02-quick").finding in rows[1]
    assert "dirty" not in rows[0]


def test_several_seeds_are_one_row_with_their_spread(results):
    first = next(results.glob("02-quick-*"))
    encoder = {"kid": 0.5, "kid_low": 0.4, "kid_high": 0.6, "coverage": 0.7}
    for seed, kid in ((1, 0.9), (0, 0.5), (2, 3.0), (1, 3.0)):  # the lowest seed is told of, whichever ran first
        kept = record.read_record(first)
        rate = 2e-4 if kid == 3 else 4e-4  # by the defaults of another commit: no seed of these
        kept |= {"seed": seed, "parameters": kept["parameters"] | {"seed": seed, "learning_rate_g": rate}}
        folder = record.create("02-quick", "notebook", "", kept["parameters"], results)
        scores = {name: encoder | {"kid": kid} for name in ("contrast", "groups")}
        scores |= {"memorised": 0.05, "samples": 1000}
        record.write_record(folder, kept | {"scores": scores})
    shutil.rmtree(first)
    changed = record.create("02-quick", "notebook", "", kept["parameters"], results, changed={"features": 8})
    record.write_record(changed, kept | {"scores": scores, "changed": {"features": 8}})
    row = table.table(table.kept(results)).splitlines()[-1]
    assert "KID 0.5 ±0.1 and 0.5 ±0.1, coverage 0.70 and 0.70, near copies 5%, of 1,000 samples" in row
    assert "2 seeds: KID 0.7 (0.5 to 0.9) and 0.7 (0.5 to 0.9)" in row
    assert table.log(table.kept(results)).count("**02-quick**") == 5


def test_a_stale_readme_is_noticed_and_the_rest_of_it_kept(results, tmp_path):
    readme = tmp_path / "front.md"
    readme.write_text("\n".join(["before", *(mark for part in table.PARTS for mark in table.marks(part)), "after\n"]))
    old, new = table.updated(readme, results)[readme]
    assert old != new
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    readme.write_text(new)
    assert table.updated(readme, results)[readme] == (new, new)
    readme.write_text("no markers")
    with pytest.raises(BadInput, match="needs one line"):
        table.updated(readme, results)


def test_peers_are_in_the_order_of_their_distance_and_failures_left_out(tmp_path):
    for player, seed, kid in (("far", 0, 2.0), ("near", 0, 0.5), ("near", 1, 0.9), ("broken", 0, None)):
        one = {"kid": kid, "kid_low": 0.0, "kid_high": 1.0, "coverage": 0.25 + seed / 10}
        scores = {league.FLAT: {"contrast": one, "groups": one, "memorised": 0.05, "samples": 1000}} if kid else {}
        row = {"player": player, "seed": seed, "minutes": 25, "images_seen": 3200 + 32 * seed, "sampling_seconds": 61.0}
        (tmp_path / f"{player}-s{seed}").mkdir()
        (tmp_path / f"{player}-s{seed}" / "row.json").write_text(json.dumps(row | {"scores": scores}))
    said, _, _, _, near, far = table.peers(tmp_path).splitlines()
    assert said.startswith("Systems after 25 minutes of one core each")
    ends = "<br><sub>0.50&nbsp;to&nbsp;0.90,&nbsp;0.50&nbsp;to&nbsp;0.90</sub>"
    cost = "<br><sub>3,216&nbsp;images,&nbsp;61&nbsp;s</sub>"
    assert near.endswith(f"|near,&nbsp;2&nbsp;seeds{cost}|0.70,&nbsp;0.70{ends}|0.30,&nbsp;0.30|5%|")
    assert far.endswith(f"|far{cost.replace('3,216', '3,200')}|2.00,&nbsp;2.00|0.25,&nbsp;0.25|5%|")


def test_a_row_of_another_shape_is_one_error(tmp_path):
    (tmp_path / "x-s0").mkdir()
    for text in ("[]", "{}", "no JSON", '{"player": "x", "seed": "none", "minutes": 1}'):
        (tmp_path / "x-s0" / "row.json").write_text(text)
        with pytest.raises(BadInput, match="x-s0 holds no row of the league"):
            table.peers(tmp_path)


def test_a_run_has_a_page_with_all_of_it(results):
    folder = next(results.glob("02-quick-*"))
    kept = record.read_record(folder)
    scores = {"contrast": {"kid": 0.5}, "groups": {"kid": 0.25}, "phrases": {"seen": {"top5": 0.125}}, "samples": 9}
    text = table.page(folder, kept | {"scores": scores})
    for line in (
        "# 02-quick, seed 0",
        "|generator|8 > 4|4|1,234|",
        "|batch_size|**16**|",
        "|learning_rate_g|0.0004|",
        "|kid|0.5|0.25|",
        "|phrases.seen.top5|0.125|",
    ):
        assert line in text.splitlines()


def test_the_log_tells_of_every_kept_run(results):
    text = table.log(table.kept(results))
    assert text.index("**01-quick**") < text.index("**02-quick**")
    assert "01-blog" not in text


def test_a_piece_of_uncommitted_code_is_told_of_everywhere(results):
    for folder in results.glob("0[12]-quick-*"):
        piece = {"commit": "0" * 40, "dirty": True, "started": "2026-01-01"}
        record.write_record(folder, record.read_record(folder) | {"dirty": False, "resumed": [piece]})
        assert "|dirty|True|" in table.page(folder, record.read_record(folder))
    assert table.table(table.kept(results)).count("**dirty tree**") == 2
    assert table.log(table.kept(results)).count("**dirty tree**") == 2


def test_the_gallery_holds_the_runs_as_data(results):
    text = table.gallery(table.kept(results))
    runs = json.loads(re.search(r"const runs = (\[.*?\n\]);", text, flags=re.DOTALL).group(1))
    assert [run["experiment"] for run in runs] == ["01-quick", "02-quick"]
    assert runs[0]["status"] == "collapsed"
    assert runs[1]["minutes"] == 4.8


def test_long_designs_are_short():
    network = {"features": [32, 64, *[128] * 6, 64], "kernels": [3, 3, 3], "parameters": 12345}
    assert table._design(network) == ("32 > 64 > 128×6 > 64", "3", "12,345")
    assert table._design(network | {"kernels": [7, 3, 3]})[1] == "7 > 3 > 3"


def test_every_link_and_picture_of_the_generated_pages_is_there():
    pages = [path for path in table.updated() if path.suffix == ".md"]
    assert len(pages) > 20
    for path in pages:
        text = path.read_text(encoding="utf-8")
        links = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r'src="([^"]+)"', text)
        assert not [link for link in links if not link.startswith("http") and not (path.parent / link).exists()], path


def test_every_kept_run_is_of_an_experiment_that_is_there():
    assert {kept["experiment"] for _, kept in table.kept()} <= experiments.load().keys()
