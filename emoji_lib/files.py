"""Files that are written whole or not at all, and folders that one process has to itself."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from emoji_lib import BadInput


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place: readers see the old or the new one.

    The file and its folder are synced, so that what was reported written is there after a power cut.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Have a folder to oneself, until the block or the process ends. Raises `BadInput` where another process has it."""
    place = os.open(folder, os.O_RDONLY)
    try:
        patience = time.monotonic() + 0.2  # somebody may be asking `is_held`
        while not _locked(place, fcntl.LOCK_EX):
            if time.monotonic() > patience:
                raise BadInput(f"{folder} is being worked on by another process; wait for its end, or stop it")
            time.sleep(0.01)
        yield
    finally:
        os.close(place)


def is_held(folder: Path) -> bool:
    """Whether some process has the folder to itself."""
    try:
        place = os.open(folder, os.O_RDONLY)
    except OSError:  # gone, or not for us
        return False
    try:
        return not _locked(place, fcntl.LOCK_SH)
    finally:
        os.close(place)


def _locked(place: int, kind: int) -> bool:
    try:
        fcntl.flock(place, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems have no such locks: there, nobody is kept out
        return True
    return True
