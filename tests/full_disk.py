"""A disk that is full, for one file: no file system has to be made for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import F_ADD_SEALS, F_SEAL_GROW, fcntl
from pathlib import Path


@contextmanager
def without_room(file: Path) -> Iterator[None]:
    """Meanwhile the file keeps what it has and takes nothing more: it leads to memory that is sealed against growing.

    It can be renamed and removed; if it is still there at the end, it is a file again.
    """
    kept = file.read_bytes()
    memory = os.memfd_create("full", os.MFD_ALLOW_SEALING)
    try:
        os.write(memory, kept)
        fcntl(memory, F_ADD_SEALS, F_SEAL_GROW)
        file.unlink()
        file.symlink_to(f"/proc/{os.getpid()}/fd/{memory}")
        yield
    finally:
        os.close(memory)
        if file.is_symlink():
            file.unlink()
            file.write_bytes(kept)
