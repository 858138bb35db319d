"""Courses followed side by side, a few to each process.

The same is found however many processes there are at a time.
"""

from __future__ import annotations

import gc
import os
import pickle
import selectors
from collections.abc import Callable, Sequence

from hamn_flow.search.found import Found

Task = Callable[[], Found]
_PIECE = 1 << 20


def side_by_side(tasks: Sequence[Task], jobs: int) -> list[Found]:
    """Carry them out, so many at a time, each in a child that sees what is known now; what each found, in order."""
    gc.freeze()  # what was made so far is not written to by the children's collections
    found: dict[int, Found] = {}
    pieces: dict[int, list[bytes]] = {}
    children: dict[int, int] = {}
    waiting = list(range(len(tasks)))
    with selectors.DefaultSelector() as selector:
        while waiting or children:
            while waiting and len(children) < jobs:
                number = waiting.pop(0)
                pipe, children[number] = _child(tasks[number])
                pieces[number] = []
                selector.register(pipe, selectors.EVENT_READ, number)
            for ready, _ in selector.select():
                number = ready.data
                piece = os.read(ready.fd, _PIECE)
                if piece:
                    pieces[number].append(piece)
                    continue
                selector.unregister(ready.fd)
                os.close(ready.fd)
                os.waitpid(children.pop(number), 0)
                found[number] = pickle.loads(b"".join(pieces.pop(number)))  # noqa: S301 -- from our own child
    return [found[number] for number in range(len(tasks))]


def _child(task: Task) -> tuple[int, int]:
    """The end of a pipe to read its findings from, and its process."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return reading, child
    os.close(reading)
    gc.disable()
    send(writing, task())
    os._exit(0)


def send(pipe: int, found: Found) -> None:
    """Write all of it; the reader sees its end when this process ends."""
    told = memoryview(pickle.dumps(found))
    while told:
        told = told[os.write(pipe, told[:_PIECE]) :]


def received(pipe: int) -> Found:
    """Read until the child has ended."""
    pieces: list[bytes] = []
    while piece := os.read(pipe, _PIECE):
        pieces.append(piece)
    os.close(pipe)
    found: Found = pickle.loads(b"".join(pieces))  # noqa: S301 -- from our own child
    return found
