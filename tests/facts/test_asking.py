"""Looks that are shared: who waits to ask the same gets the same answer, never one that is older than the question."""

from __future__ import annotations

from itertools import count
from threading import Event, Lock, Thread, get_ident
from typing import ClassVar

import pytest

from hamn_flow.errors import Unreachable
from hamn_flow.facts.asking import Together
from hamn_flow.model.command import Command, NodeName, Result
from tests.waiting import until

ONE = Command(node=NodeName("a"), argv=("one",))
OTHER = Command(node=NodeName("a"), argv=("other",))


class Slow:
    """A look that ends when it is let; its answer is its number, the first one 1."""

    def __init__(self, *, fails: bool = False) -> None:
        self.numbers = count(1)
        self.begun: list[Command] = []
        self.ended = 0
        self.let = Event()
        self.fails = fails
        self._turn = Lock()

    def __call__(self, command: Command) -> Result:
        with self._turn:
            number = next(self.numbers)
            self.begun.append(command)
        assert self.let.wait(10.0)
        if self.fails:
            raise Unreachable(f"no answer to question {number}")
        return Result(status=0, output=str(number).encode(), errors=b"")


class Askers:
    """Threads that ask, and what they were told, in the order in which they were started."""

    def __init__(self, together: Together) -> None:
        self.together = together
        self.told: dict[int, str] = {}
        self.threads: list[Thread] = []

    def ask(self, command: Command) -> None:
        def asks(number: int) -> None:
            try:
                self.told[number] = self.together(command).text
            except Unreachable as error:
                self.told[number] = error.sentence

        thread = Thread(target=asks, args=(len(self.threads),), daemon=True)
        self.threads.append(thread)
        thread.start()

    def wait(self) -> list[str]:
        for thread in self.threads:
            thread.join(10.0)
        return [self.told[number] for number in range(len(self.threads))]


class Noticed(Command):
    """A command that knows which threads have looked it up among those that are waited for."""

    seekers: ClassVar[set[int]] = set()

    def __hash__(self) -> int:
        self.seekers.add(get_ident())
        return hash(self.argv)


def test_who_asks_while_a_look_is_under_way_waits_for_the_next_and_shares_it() -> None:
    slow = Slow()
    question, askers = Noticed(node=NodeName("a"), argv=("one",)), Askers(Together(slow))
    askers.ask(question)
    until(lambda: len(slow.begun) == 1)
    for _ in range(4):
        askers.ask(question)
    until(lambda: len(question.seekers) == 5)
    slow.let.set()
    assert askers.wait() == ["1", "2", "2", "2", "2"]


def test_other_questions_are_not_held_up() -> None:
    slow = Slow()
    askers = Askers(Together(slow))
    askers.ask(ONE)
    askers.ask(OTHER)
    until(lambda: set(slow.begun) == {ONE, OTHER})
    slow.let.set()
    assert sorted(askers.wait()) == ["1", "2"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_failure_is_told_to_all_who_wait_and_the_next_asks_anew(times: int) -> None:
    slow = Slow(fails=True)
    askers = Askers(Together(slow))
    for _ in range(times):
        askers.ask(ONE)
    slow.let.set()
    assert all(said.startswith("no answer to question") for said in askers.wait())
    slow.fails = False
    assert askers.together(ONE).status == 0
