"""One `up` or `down` of a lab at a time. The lock's file is also what tells a lab's folder from any other."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hamn_flow.errors import Busy, Refused
from hamn_flow.lab.place import Lab

_NAME = "lab.lock"
_ELSEWHERE = "Choose another name by --name, or another folder by --directory."


@contextmanager
def alone(
    lab: Lab,
    patience: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Hold the lab's lock, and yield its descriptor; Busy if another command keeps it longer than `patience` seconds.

    Refused if the lab's place is there and is not a lab's: whoever holds the lock may empty it.

    Programs started meanwhile hold it too. So what a killed `up` had just started has come to its end when the lock
    is free, and nothing appears behind the back of whoever cleans up.
    """
    end = clock() + patience
    while (descriptor := _take(lab.place / _NAME)) is None:
        if clock() > end:
            raise Busy(
                f"another hamn-flow lab command is at work in {lab.place}", hint="Wait until it has come to its end."
            )
        sleep(0.05)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _take(path: Path) -> int | None:
    """The lock's descriptor; None if somebody else holds it, or the file was removed with the lab meanwhile."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_foreign(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    except (FileExistsError, NotADirectoryError) as error:
        raise Refused(f"{path.parent} cannot be a folder", hint=_ELSEWHERE) from error
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(descriptor).st_ino:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - positional only
            return descriptor
    os.close(descriptor)
    return None


def _refuse_foreign(path: Path) -> None:
    """The lock is the first file in a lab's folder and the last one: what has others without it is somebody else's."""
    there = sorted(each.name for each in path.parent.iterdir())
    if there and path.name not in there:
        raise Refused(f"{path.parent} is not a lab's folder, as {there[0]} in it tells", hint=_ELSEWHERE)


def held(lab: Lab) -> bool:
    """Whether a command is at work on the lab."""
    try:
        with lock_of(lab).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def lock_of(lab: Lab) -> Path:
    """The lock's file: the last thing that is removed of a lab."""
    return lab.place / _NAME
