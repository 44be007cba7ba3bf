"""Many processes that open runs and write the table at the same moment lose nothing."""

import subprocess
import sys
from pathlib import Path

from emoji_lib.runs import record, table

ROOT = Path(__file__).parents[2]
START = """
import sys, time
from pathlib import Path
from emoji_lib.files import write_whole
from emoji_lib.runs import record, table

out, readme = Path(sys.argv[1]), Path(sys.argv[2])
while not (out / "go").exists():
    time.sleep(0.001)
for seconds in range(5):
    folder = record.create("02-test", "02_improved_gan", "", {"seed": 1}, out)
    record.write_record(folder, record.read_record(folder) | {"status": "finished", "seconds": seconds})
    for path, (old, new) in table.updated(readme, out).items():
        write_whole(path, lambda partial: partial.write_text(new, encoding="utf-8"))
print("ready")
"""


def test_eight_at_once(tmp_path):
    readme = tmp_path / "front.md"
    readme.write_text(f"before\n{table.BEGIN}\n{table.END}\nafter\n", encoding="utf-8")
    command = [sys.executable, "-c", START, tmp_path, readme]
    writers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    (tmp_path / "go").touch()
    for writer in writers:
        _, error = writer.communicate(timeout=120)
        assert writer.returncode == 0, error.decode()
    runs = record.runs_in(tmp_path)
    assert len(runs) == 40
    assert len({folder.name for folder, _ in runs}) == 40
    assert all(kept["status"] == "finished" for _, kept in runs)
    assert not list(tmp_path.glob("**/.*partial"))
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert text.count(table.BEGIN) == text.count(table.END) == 1
