"""Files that are written whole or not at all, and run folders that one process has to itself."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from emoji_lib import BadInput


def home(path: str | Path) -> Path:
    """The path with its `~` in full; as it is where nobody has that name."""
    return Path(os.path.expanduser(path))  # that of pathlib raises


def write_text(path: Path, text: str) -> None:
    """`write_whole` for text."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_json(path: Path, facts: dict) -> None:
    """`write_whole` for facts."""
    write_text(path, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


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
    with contextlib.suppress(OSError):  # some file systems sync no folders; the file is in place
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _lock(path: Path) -> FileLock:
    # Not a soft lock, which would outlive a killed run.
    return FileLock(path.with_name(f".{path.name}.lock"), mode=0o666, fallback_to_soft=False)


@contextlib.contextmanager
def held(path: Path, wait: float = 0.2) -> Iterator[None]:
    """Have a name to oneself, until the block or the process ends. Raises `BadInput` where another process has it and
    keeps it for `wait` seconds, which by default are enough for somebody in the middle of `is_held`.
    """
    lock = _lock(path)
    try:
        lock.acquire(timeout=wait, poll_interval=0.01)
    except (Timeout, PermissionError) as error:  # held by another process, or by another user's
        if isinstance(error, PermissionError) and not os.path.exists(lock.lock_file):
            raise  # nobody holds it: the folder cannot be written to
        raise BadInput(f"{path} is being worked on by another process; wait for its end, or stop it") from None
    except OSError:  # some network file systems have no such locks: there, nobody is kept out
        Path(lock.lock_file).unlink(missing_ok=True)
    try:
        yield
    finally:
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)  # before its release, so that it is never another's
            lock.release()


def is_held(path: Path) -> bool:
    """Whether some process has the name to itself."""
    lock = _lock(path)
    if not os.path.exists(lock.lock_file):
        return False
    try:
        with lock.acquire(blocking=False):
            Path(lock.lock_file).unlink(missing_ok=True)  # a killed process has left it
            return False
    except OSError as error:
        return isinstance(error, Timeout | PermissionError)
