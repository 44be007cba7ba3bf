"""Arrays that take long to make, kept on disk."""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from emoji_lib.files import write_whole


def cached(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """`make()`, kept on disk under the hash of `key`. A cache that cannot be read or written costs only time."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # no home
        return make()
    path = Path(base) / "emoji_lib" / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # not there, or cut short
        return np.load(path, mmap_mode="r")
    array = make()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        header, plain = io.BytesIO(), np.ascontiguousarray(array)
        npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(plain))
        write_whole(path, header.getbuffer(), plain.data.cast("B"))  # without a copy of gigabytes
    return array
