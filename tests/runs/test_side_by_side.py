"""Many processes that open runs and write the table at the same moment lose nothing."""

import multiprocessing
from pathlib import Path

from emoji_lib.files import write_text
from emoji_lib.runs import record, table


def open_runs(begin, out: Path, readme: Path) -> None:
    begin.wait()
    for seconds in range(5):
        folder = record.create("02-test", "02_improved_gan", "", {"seed": 1}, out)
        record.write_record(folder, record.read_record(folder) | {"status": "finished", "seconds": float(seconds)})
        for path, (_, new) in table.updated(readme, out).items():
            write_text(path, new)


def test_eight_at_once(tmp_path):
    readme = tmp_path / "front.md"
    marks = [mark for part in table.PARTS for mark in table.marks(part)]
    readme.write_text("\n".join(["before", *marks, "after\n"]), encoding="utf-8")
    context = multiprocessing.get_context("fork")
    begin = context.Barrier(8)  # nobody starts before all eight are there
    writers = [context.Process(target=open_runs, args=(begin, tmp_path, readme)) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * 8
    runs = record.runs_in(tmp_path)
    assert len({folder.name for folder, _ in runs}) == len(runs) == 40
    assert all(kept["status"] == "finished" for _, kept in runs)
    assert not list(tmp_path.glob("**/.*partial"))
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert [text.count(mark) for mark in marks] == [1] * len(marks)
