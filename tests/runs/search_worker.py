"""A worker of a search over a tiny notebook: `python search_worker.py NOTEBOOKS JOURNAL OUT TRIALS`."""

import sys
from pathlib import Path

from emoji_lib.runs import experiments, search

if __name__ == "__main__":
    experiments.NOTEBOOKS = Path(sys.argv[1])
    search.work("tiny", int(sys.argv[4]), sys.argv[2], Path(sys.argv[3]))
