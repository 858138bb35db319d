"""Work that runs side by side: each piece in a thread of its own, so many at a time, all waited for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

Answer = TypeVar("Answer")
Work = Callable[[], None]
Abreast = Callable[[Sequence[Work]], tuple[BaseException | None, ...]]

_HEED = 0.5  # seconds: a signal that comes just before a wait begins is heeded when it ends, and does not end it
MOST = 16  # threads: one waits for a node most of its time, but each look is a program that the node must start


def threads(works: Sequence[Work]) -> tuple[BaseException | None, ...]:
    """Carry all of them out, also where one fails; how each ended, None where it ended well.

    One alone is carried out in the thread that asks. The threads are daemons: a second Ctrl-C leaves them. What they
    would do next they can neither record nor send, as the journal and the links are closed.
    """
    ended: list[BaseException | None] = [None] * len(works)
    waiting: SimpleQueue[int] = SimpleQueue()
    for number in range(len(works)):
        waiting.put(number)

    def take() -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except Empty:
                return
            ended[number] = _ending(works[number])

    if len(works) < 2:
        take()
    else:
        crew = _started(take, min(MOST, len(works)))
        if not crew:
            take()
        for thread in crew:
            while thread.is_alive():
                thread.join(_HEED)
    return tuple(ended)


def _started(work: Work, wanted: int) -> list[Thread]:
    """So many threads, or as many as the system gives."""
    crew: list[Thread] = []
    for _ in range(wanted):
        thread = Thread(target=work, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more can be started: those that were do all of it
            break
        crew.append(thread)
    return crew


def one_by_one(works: Sequence[Work]) -> tuple[BaseException | None, ...]:
    """The same in their order, for a world that must take the same course each time.

    What is no Exception (the driver dies) ends it at once, as the death of a process ends all its threads.
    """
    return tuple(_error_of(work) for work in works)


def answers(abreast: Abreast, questions: Sequence[Callable[[], Answer]]) -> tuple[Answer, ...]:
    """Ask side by side; the answers in the order of the questions, or the error of the first that has none."""
    answered: dict[int, Answer] = {}

    def ask(number: int) -> None:
        answered[number] = questions[number]()

    for error in abreast([partial(ask, number) for number in range(len(questions))]):
        if error is not None:
            raise error
    return tuple(answered[number] for number in range(len(questions)))


def _ending(work: Work) -> BaseException | None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 -- handed to who waits for it
        return error
    return None


def _error_of(work: Work) -> Exception | None:
    try:
        work()
    except Exception as error:  # noqa: BLE001 -- the same
        return error
    return None
