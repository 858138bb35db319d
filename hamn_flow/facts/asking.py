"""Ways to look that ask less: what is remembered of one moment, and what several ask at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Lock

from hamn_flow.model.command import Command, Result

Look = Callable[[Command], Result]


class Once:
    """A look that remembers what was answered, a failure included; who asks meanwhile waits for the same answer."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._answers: dict[Command, Future[Result]] = {}
        self._turn = Lock()

    def __call__(self, command: Command) -> Result:
        """What was answered, now or the first time."""
        with self._turn:
            asked = command in self._answers
            answer = self._answers.setdefault(command, Future())
        if not asked:
            _answer(answer, self._look, command)
        return answer.result()


class Together:
    """A look whose answer those share who wait to ask the same, a failure included.

    An answer is never older than the question: who asks while a look is under way waits for the next one, which all
    who ask meanwhile share.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        self._under_way: set[Command] = set()
        self._waiting: dict[Command, Future[Result]] = {}
        self._changed = Condition()

    def __call__(self, command: Command) -> Result:
        """What a look says that begins after this call."""
        with self._changed:
            others = self._waiting.get(command)
            mine: Future[Result] = Future()
            if others is None:
                self._waiting[command] = mine
                self._changed.wait_for(lambda: command not in self._under_way)
                del self._waiting[command]
                self._under_way.add(command)
        if others is not None:
            return others.result()
        _answer(mine, self._look, command)
        with self._changed:
            self._under_way.remove(command)
            self._changed.notify_all()
        return mine.result()


def _answer(answer: Future[Result], look: Look, command: Command) -> None:
    try:
        answer.set_result(look(command))
    except BaseException as error:  # noqa: BLE001 -- raised by each who waits for the answer
        answer.set_exception(error)
