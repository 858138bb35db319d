"""One driver at a time: a kernel lock on a file beside the journal.

The kernel frees a `flock` when its process dies, however it dies, so that there is no stale lock to judge.
The file's text only names the holder for people; the file is never removed, because a lock on a removed file
keeps nobody out.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from hamn_flow.errors import Busy
from hamn_flow.journal.codec import time_of, time_text
from hamn_flow.journal.trouble import translated
from hamn_flow.model.run import Holder

_TRIES = 100
_PAUSE = 0.01  # seconds: longer than a look at the lock, or the writing of the holder's name, takes


def lock_path(journal: Path) -> Path:
    """The lock's file, beside the journal."""
    return journal.with_name(journal.name + ".lock")


@contextmanager
def held(journal: Path, holder: Holder) -> Iterator[None]:
    """Hold the driver's lock; Busy, naming the living driver, if it is taken."""
    with translated(journal):
        # Python opens with O_CLOEXEC: a program that we start does not keep the lock after us.
        lock = os.open(lock_path(journal), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        other = _holder(lock, fcntl.LOCK_EX)
        if other is not None:
            raise _busy(journal, other)
        with translated(journal):
            os.ftruncate(lock, 0)
            os.pwrite(lock, _text(holder), 0)
        try:
            yield
        finally:
            with translated(journal):
                os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def holder_now(journal: Path) -> Holder | None:
    """Who holds the lock now; None when nobody does, whatever the file's text says."""
    with translated(journal):
        try:
            lock = os.open(lock_path(journal), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return _holder(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)


def _holder(lock: int, kind: int) -> Holder | None:
    """Take the lock, exclusive or shared; if a driver has it, that driver instead of None."""
    for _ in range(_TRIES):
        if _try(lock, kind):
            return None
        if kind == fcntl.LOCK_EX and _try(lock, fcntl.LOCK_SH):
            fcntl.flock(lock, fcntl.LOCK_UN)  # only somebody who looks has it, for a moment
        elif (text := os.pread(lock, 1 << 16, 0)).endswith(b"}"):
            words = json.loads(text)
            return Holder(**words | {"since": time_of(words["since"])})
        time.sleep(_PAUSE)  # the driver is just writing its name, or just leaving
    since = datetime.fromtimestamp(os.fstat(lock).st_mtime, UTC)
    return Holder(pid=0, host="unknown", user="unknown", since=since, what="unknown")


def _try(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _text(holder: Holder) -> bytes:
    return json.dumps(asdict(holder) | {"since": time_text(holder.since)}).encode()


def _busy(journal: Path, holder: Holder) -> Busy:
    return Busy(
        f"another driver holds the journal {journal}: `{holder.what}` of {holder.user}, process {holder.pid} on "
        f"{holder.host}, since {holder.since:%Y-%m-%d %H:%M:%S} UTC",
        hint="Wait until it has ended, or press Ctrl-C where it runs; `hamn-flow status` shows how far it came.",
    )
