"""A driver in a process of its own, for the tests: says on standard output what came of each thing it does.

driver.py hold PATH     once a line is read: take the journal, say `held` or the error; let go at end of input
driver.py write PATH    record events without end, saying the number of each once it is recorded
driver.py use PATH [UID]  become that user if one is named, read, then write; say the error of each or `fine`
driver.py fill PATH     record until it fails, say the error and how many were recorded, remove the file `ballast`
                        beside the journal, record once more, and say how many there are
driver.py list PATH     say the runs, the holder's pid, and which modules are loaded
driver.py refuse PATH MOUNT_POINT   say whether a run that unmounts it refuses the journal
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from hamn_flow.errors import HamnError
from hamn_flow.journal import Journal, drive, read, refuse_on
from hamn_flow.model.events import CheckpointReached, RunPlanned
from hamn_flow.model.run import Holder

SMALL = 1 << 20  # bytes: the size of the file systems that are filled here; no other one could be by so much


def now() -> datetime:
    return datetime.now(UTC)


def me(what: str) -> Holder:
    return Holder(pid=os.getpid(), host="mn1", user="root", since=now(), what=what)


def say(*words: object) -> None:
    print(*words, flush=True)


def plan(journal: Journal) -> None:
    if not journal.runs():
        journal.record(RunPlanned(run="r1", procedure="p", cluster="c", cluster_path="c.toml", options={}, steps=()))


def reach(journal: Journal, number: int) -> None:
    journal.record(CheckpointReached(run="r1", checkpoint=str(number)))


def hold(path: Path) -> None:
    sys.stdin.readline()
    try:
        with drive(path, holder=me("hold"), clock=now):
            say("held")
            sys.stdin.read()
    except HamnError as error:
        say(type(error).__name__, error.sentence)


def write(path: Path) -> None:
    with drive(path, holder=me("write"), clock=now) as journal:
        plan(journal)
        first = len(journal.events("r1"))
        for number in count(first):
            reach(journal, number)
            say(number)


def use(path: Path, user: str = "") -> None:
    if user and int(user) != os.geteuid():
        os.setgid(int(user))
        os.setuid(int(user))
    for act in (_read, _write):
        try:
            act(path)
            say("fine")
        except HamnError as error:
            say(error.sentence)


def _read(path: Path) -> None:
    with read(path) as reader:
        reader.runs()


def _write(path: Path) -> None:
    with drive(path, holder=me("use"), clock=now) as journal:
        plan(journal)


def fill(path: Path) -> None:
    with drive(path, holder=me("fill"), clock=now) as journal:
        plan(journal)
        recorded = 0
        try:
            for recorded in range(100_000):
                reach(journal, recorded)
        except HamnError as error:
            say(error.sentence)
            say(recorded, journal.runs()[0].checkpoint, len(journal.events("r1")) - 1)
        (path.parent / "ballast").unlink()
        reach(journal, recorded)
        say(len(journal.events("r1")) - 1)


def full(path: Path) -> None:
    room = os.statvfs(path.parent)
    if room.f_blocks * room.f_frsize > SMALL:
        raise ValueError(f"{path.parent} is not the small file system that may be filled")
    _write(path)
    with (path.parent / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        for _ in range(4 * SMALL // 512):
            ballast.write(bytes(512))
    use(path)


def list_(path: Path) -> None:
    with read(path) as reader:
        holder = reader.holder()
        say(*(reader.run(run.id).summary.id for run in reader.runs()), holder and holder.pid)
    say(*sorted({name.partition(".")[0] for name in sys.modules}))


def refuse(path: Path, mount_point: str) -> None:
    try:
        refuse_on(path, (mount_point,))
        say("fine")
    except HamnError as error:
        say(error.sentence)


if __name__ == "__main__":
    acts: dict[str, Callable[..., None]] = {
        "hold": hold,
        "write": write,
        "use": use,
        "fill": fill,
        "full": full,
        "list": list_,
        "refuse": refuse,
    }
    acts[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
