"""Files that are written whole or not at all, and locks on paths."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from emoji_lib import BadInput


def home(path: str | Path) -> Path:
    """The path with `~` expanded; unchanged where there is no such user."""
    return Path(os.path.expanduser(path))  # `Path.expanduser` raises


def write_text(path: Path, text: str) -> None:
    """`write_whole` for text."""
    write_whole(path, text.encode())


def write_json(path: Path, facts: dict | list) -> None:
    """`write_whole` for facts."""
    write_text(path, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def write_whole(path: Path, *content: bytes | memoryview) -> None:
    """Write a temporary file of these pieces, then rename it to `path`: readers see the old file or the new one.

    The file and its folder are synced, so that the file outlasts a power cut.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(content)
            file.flush()
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
    # A soft lock would outlive a killed process.
    return FileLock(path.with_name(f".{path.name}.lock"), mode=0o666, fallback_to_soft=False)


@contextlib.contextmanager
def held(path: Path, wait: float = 0.2) -> Iterator[None]:
    """Hold a path exclusively until the block or the process ends.

    Raises `BadInput` where another process holds it for longer than `wait` seconds; `is_held` holds it for less.
    """
    lock = _lock(path)
    try:
        lock.acquire(timeout=wait, poll_interval=0.01)
    except (Timeout, PermissionError) as error:  # of a process of this user, or of another
        if isinstance(error, PermissionError) and not os.path.exists(lock.lock_file):
            raise  # there is no lock: the folder cannot be written to
        raise BadInput(f"{path} is being worked on by another process; wait for its end, or stop it") from None
    except OSError:  # some network file systems have no locks: go on without one
        Path(lock.lock_file).unlink(missing_ok=True)
    try:
        yield
    finally:
        if lock.is_locked:
            Path(lock.lock_file).unlink(missing_ok=True)  # before its release, when it could be another's
            lock.release()


def is_held(path: Path) -> bool:
    """Whether some process holds the path."""
    if not os.path.exists(_lock(path).lock_file):
        return False
    try:
        with held(path, wait=0):  # the lock file of a killed process; this removes it
            return False
    except (BadInput, PermissionError):
        return True
