"""Courses followed side by side, a few to each process.

The same is found however many processes there are at a time.
"""

from __future__ import annotations

import gc
import os
import pickle
import selectors
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from hamn_flow.search.found import Found
from hamn_flow.search.reached import Reached


class Findings:
    """What a task's processes find, one after the other: the states in a table that all of them see, all in a file."""

    def __init__(self, before: Reached | None = None) -> None:
        self.reached = Reached(before)
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 -- it is closed once it is told

    def add(self, found: Found) -> None:
        """What one of the processes has found."""
        told = memoryview(pickle.dumps(found, pickle.HIGHEST_PROTOCOL))
        while told:
            told = told[self._file.write(told) :]

    def told(self) -> Iterator[Found]:
        """What each of them has found, in the order in which they ended; it is told once."""
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as file:
            while file.peek(1):
                yield pickle.load(file)  # noqa: S301 -- our own
        self._file.close()


Task = Callable[[Findings], None]


def side_by_side(tasks: Sequence[Task], reached: Reached, jobs: int) -> list[Findings]:
    """Carry them out, so many at a time, each in a child that knows what is reached now; what each found, in order."""
    gc.collect()  # what is frozen stays, garbage too: each child would map it
    gc.freeze()  # what was made so far is not written to by the children's collections
    findings = [Findings(reached) for _ in tasks]
    waiting = zip(tasks, findings, strict=True)
    children: set[int] = set()
    try:
        with selectors.DefaultSelector() as selector:
            while True:
                for task, own in islice(waiting, jobs - len(children)):
                    child = _child(task, own)
                    children.add(child)
                    selector.register(os.pidfd_open(child), selectors.EVENT_READ, child)
                if not children:
                    return findings
                for ready, _ in selector.select():
                    selector.unregister(ready.fd)
                    os.close(ready.fd)
                    children.remove(ready.data)
                    ended(ready.data)
    finally:
        for child in children:  # Ctrl-C, or one of them failed
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _child(task: Task, findings: Findings) -> int:
    """A process that does the task and no more, whatever comes of it; it and those that it forks are a group."""
    child = os.fork()
    if child:
        os.setpgid(child, child)  # here as well, so that it is done whichever goes on first
        return child
    os.setpgid(0, 0)
    gc.disable()
    status = 1
    try:
        task(findings)
        status = 0
    except (Exception, EndedEarly):  # noqa: BLE001 -- it is told here, as nobody is above
        traceback.print_exc()
    finally:
        os._exit(status)


class EndedEarly(BaseException):
    """A process of the search has not told what it found: that is no finding of the search, but its end."""


def ended(child: int) -> None:
    """Wait until a process of the search ends; EndedEarly if it did not tell what it found."""
    _, status = os.waitpid(child, 0)
    if status:
        raise EndedEarly(f"a process of the search ended with {os.waitstatus_to_exitcode(status)}")
