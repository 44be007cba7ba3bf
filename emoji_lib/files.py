"""Files that are written whole or not at all, and folders that one process has to itself."""

import contextlib
import fcntl
import os
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
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BadInput(f"{folder} is being worked on by another process; wait for its end, or stop it") from error
        except OSError:  # some network file systems have no such locks: there, nobody is kept out
            pass
        yield
    finally:
        os.close(place)


def is_held(folder: Path) -> bool:
    """Whether some process has the folder to itself."""
    try:
        with held(folder):
            return False
    except BadInput:
        return True
