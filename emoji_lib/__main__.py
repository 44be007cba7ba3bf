"""`python -m emoji_lib`: see `cli.py`."""

import sys

from emoji_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
