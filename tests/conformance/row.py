"""A row of the conformance table: in this state, this command, this status, these words, and then this is so.

A row says the same for every target (targets.py). Its state is set up, and its effect is seen, by the product's own
commands and facts as far as they reach; what must be done from outside (hold a file) is a verb of the target.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from hamn_flow.facts.fact import Fact
from hamn_flow.facts.platform import Platform
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.model.command import Command, NodeName, Result
from hamn_flow.model.pair import Cluster, FileSystem, VirtualIp

MN1, MN2 = NodeName("mn1"), NodeName("mn2")
T = TypeVar("T")


class Scene(StrEnum):
    """What the pair does while a row is looked at."""

    ACTIVE = "mn1 has the role, mn2 stands by"
    RELEASED = "neither has it: nothing runs, nothing is mounted, the virtual IP is off"


class Target(Protocol):
    """Two nodes that commands can be sent to, with what rows need from outside."""

    cluster: Cluster

    def look(self, command: Command) -> Result:
        """Send a command that only reads."""
        ...

    def act(self, command: Command) -> Result:
        """Send a command as a job, and wait for its end."""
        ...

    def hold(self, node: NodeName, kind: str, path: str) -> AbstractContextManager[object]:
        """Keep the file system that is mounted at a path busy, in the way that Holders calls by that name.

        More kinds: `bind` (it is mounted at /mnt as well), `namespace` (it stays mounted in another one), `stubborn`
        (by a process that does not listen to TERM), `postgres` (by one that calls itself so).
        """
        ...

    def hide(self, node: NodeName, path: str) -> AbstractContextManager[object]:
        """Move a file away for a while; one that is not there is no error."""
        ...

    def keep(self, node: NodeName, directory: str) -> AbstractContextManager[object]:
        """Make a directory of the node's own afterwards what it was."""
        ...

    def discard(self, node: NodeName, directory: str) -> None:
        """Remove a directory with the files in it; one that is not there is no error."""
        ...

    def forget_failure(self, node: NodeName, unit: str) -> None:
        """Make an inactive unit of a failed one (`systemctl reset-failed`)."""
        ...

    def promote(self, node: NodeName, interface: str, *, on: bool) -> None:
        """Set whether secondary addresses outlive their primary one."""
        ...


@dataclass(frozen=True, kw_only=True)
class There:
    """One node of a target, as rows speak to it."""

    target: Target
    node: NodeName
    platform: Platform

    @property
    def vip(self) -> VirtualIp:
        return self.target.cluster.virtual_ip

    def file_system(self, mount_point: str) -> FileSystem:
        return {each.mount_point: each for each in self.target.cluster.file_systems}[mount_point]

    def get(self, fact: Fact[T]) -> T:
        return fact.parse(self.target.look(fact.command(self.platform)))

    def do(self, command: Command) -> None:
        """Send a command that must succeed."""
        result = self.target.act(command)
        assert result.status == 0, f"{command.node}: {command.text}: {result.status} {result.error_text or result.text}"


Saying = Callable[[There], Command]
Reading = Callable[[There], object]
Given = Callable[[There], AbstractContextManager[object]]


@dataclass(frozen=True)
class NotReadable:
    """What a fact makes of an answer from which nothing may be concluded; `reason` is found in its sentence."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `…` within words stands for what differs from node to node, or from time to time."""

    name: str
    scene: Scene = Scene.ACTIVE
    node: NodeName = MN1
    given: tuple[Given, ...] = ()
    command: Saying
    changes: bool = True
    status: int | None = 0  # None: any but 0
    output: str = ""
    errors: str = ""
    parse: Callable[[There, Result], object] | None = None
    means: object = None  # what `parse` makes of the answer
    sees: tuple[tuple[Reading, object], ...] = ()  # afterwards
    undo: tuple[Saying, ...] = ()
    violates: str = ""  # what must never be so, and is, on purpose
    only_simulated: str = ""  # why no real host is asked
    only_real: str = ""  # why the simulator is not


def itself(found: object) -> object:
    """The answer as it is."""
    return found


def asks(
    name: str,
    fact: Fact[T] | Callable[[There], Fact[T]],
    *,
    read: Callable[[T], object] = itself,
    means: object,
    **more: Any,
) -> Row:
    """The row of a fact: `means` is what `read` takes out of its answer, or that it is not readable."""

    def of(there: There) -> Fact[T]:
        return fact(there) if callable(fact) else fact

    return Row(
        name=name,
        command=lambda there: of(there).command(there.platform),
        changes=False,
        parse=lambda there, result: read(of(there).parse(result)),
        means=means,
        **{"output": "…", **more},
    )


def does(name: str, command: Saying, **more: Any) -> Row:
    """The row of an action."""
    return Row(name=name, command=command, **more)


def fits(words: str, said: str) -> bool:
    """Whether what was said is these words, with anything in the place of each `…`."""
    return re.fullmatch(".*?".join(map(re.escape, words.split("…"))), said, re.DOTALL) is not None


@contextmanager
def set_up(row: Row, there: There) -> Iterator[Command]:
    """The row's state, while it lasts, and the command that it is about."""
    with ExitStack() as stack:
        for given in row.given:
            stack.enter_context(given(there))
        yield row.command(there)


def carry_out(row: Row, there: There) -> None:
    """Set up, send, compare, look, and put back."""
    with set_up(row, there) as command, ExitStack() as stack:
        for undo in reversed(row.undo):
            stack.callback(lambda say: there.do(say(there)), undo)
        result = (there.target.act if row.changes else there.target.look)(command)
        _compare(row, result)
        if row.parse is not None:
            found = _parsed(row, there, result)
            assert found == row.means, f"{command.text} is taken for {found!r}, not for {row.means!r}: {result}"
        for reading, expected in row.sees:
            seen = reading(there)
            assert seen == expected, f"after {command.text} {reading.__qualname__} is {seen!r}, not {expected!r}"


def _compare(row: Row, result: Result) -> None:
    right = result.status != 0 if row.status is None else result.status == row.status
    assert right, f"status {result.status}, not {row.status}: {result}"
    assert fits(row.errors, result.error_text), f"the errors are not {row.errors!r}: {result}"
    assert fits(row.output, result.text), f"the output is not {row.output!r}: {result}"


def _parsed(row: Row, there: There, result: Result) -> object:
    assert row.parse is not None
    try:
        return row.parse(there, result)
    except Unreadable as error:
        if isinstance(row.means, NotReadable) and row.means.reason in error.sentence:
            return row.means
        raise
