"""The step protocol: a frozen value that reads with facts and writes by yielding commands.

The engine alone runs the commands, so plan, journal, keys, deadlines and retries live in one place.
A step's docstring is its title: the line that an operator sees.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from hamn_flow.facts.node import Nodes
from hamn_flow.model.command import Command, NodeName, Result
from hamn_flow.model.probe import Finding, Probe

_OPPOSITE = {
    Finding.DONE: Finding.TODO,
    Finding.TODO: Finding.DONE,
    Finding.PARTIAL: Finding.PARTIAL,
    Finding.UNKNOWN: Finding.UNKNOWN,
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What went wrong in an attempt: the last command with its result, if one ran, and what the look said."""

    command: Command | None
    result: Result | None
    probe: Probe


def words_of(failure: Failure) -> str:
    """What the command said that failed: the first line of its errors; empty if it ended with 0 or said nothing."""
    lines = failure.result.error_text.strip().splitlines() if failure.result and failure.result.status else []
    return lines[0].strip() if lines else ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One effect on one node; subclasses are frozen dataclasses of plain data.

    `version` is raised when a recorded step of an older version can no longer be carried out by this class.
    `lasting` says whether the goal must still be true later in the run, so that a resume looks again.
    `once` says that the goal is something done in this run (a gratuitous ARP, zones written anew): it is never
    found done beforehand, and its probe only judges what this run did.
    `fine_statuses` are the exit statuses with which its commands end when they did their work: where another one comes,
    the step's further commands are not run, and a `once` step has failed. No other step is judged by it.
    `until_boot` says that a reboot of its node takes the effect away, also where the goal need not hold for long.
    `irreversible`, if set, is the reason why there is no way back: the point of no return.
    `nothing_to_undo`, if set, is the reason why a rollback leaves it as it is.
    """

    version: ClassVar[int] = 1
    lasting: ClassVar[bool] = True
    once: ClassVar[bool] = False
    fine_statuses: ClassVar[frozenset[int]] = frozenset({0})
    until_boot: ClassVar[bool] = False
    irreversible: ClassVar[str] = ""
    nothing_to_undo: ClassVar[str] = ""

    node: NodeName

    @property
    def what(self) -> str:
        """The effect and its object, without the node: `unmount./install`; unique in a plan with the node."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The step's identity in a run: `mn1.unmount./install`."""
        return f"{self.node}.{self.what}"

    @property
    def title(self) -> str:
        """The first sentence of the docstring, as operators see it; empty if the class has none of its own."""
        written = vars(type(self)).get("__doc__") or ""
        made = written.startswith(f"{type(self).__name__}(")  # by dataclass, from the fields
        return "" if made else inspect.cleandoc(written).split("\n\n")[0].replace("\n", " ")

    def probe(self, nodes: Nodes) -> Probe:
        """Look whether the goal is true; may look at any node."""
        raise NotImplementedError

    def apply(self, nodes: Nodes) -> Iterator[Command]:
        """The commands that make the goal true."""
        del nodes
        yield from ()

    def revert(self, nodes: Nodes, seen: Any) -> Iterator[Command]:
        """The commands that make the world as it was `seen` before the first intent."""
        del nodes, seen
        yield from ()

    def reverted(self, nodes: Nodes, seen: Any) -> Probe:
        """Look whether the undo's goal is true: by default that the step's own goal no longer is."""
        del seen
        found = self.probe(nodes)
        return Probe(finding=_OPPOSITE[found.finding], reason=found.reason, hint=found.hint)

    def remedy(self, nodes: Nodes, failure: Failure) -> Iterator[Command]:
        """What may be tried between two attempts (TERM the holders); may yield nothing.

        The step is attempted anew after each command that it yields, and no further one is asked for once the
        goal is true.
        """
        del nodes, failure
        yield from ()

    def objection(self, nodes: Nodes) -> str | None:
        """Why this must not be done now (promise 4), or None; asked immediately before each act."""
        del nodes
        return None

    def objection_to_undo(self, nodes: Nodes) -> str | None:
        """Why this must not be undone now (promise 4), or None; asked immediately before each undo."""
        del nodes
        return None

    def explain(self, nodes: Nodes, failure: Failure) -> tuple[str, str]:
        """The sentence and the hint for a halt on this failure (who holds it, what to type)."""
        del nodes
        said, reason = words_of(failure), failure.probe.reason
        return f"{reason} ({said})" if said and said not in reason else reason, failure.probe.hint


class Check(Step):
    """A look that must be satisfied; it changes nothing and is looked at again on every resume."""


class PersonStep(Step):
    """Something that only a person can do; the run waits until it is confirmed by name."""

    @property
    def instruction(self) -> str:
        """What the person is asked to do."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Steps that do not depend on each other; its end is a checkpoint.

    `after` names the stages that must be settled before it begins, out of those before it; None: all of them. So a
    procedure is a graph of stages, in an order that is one way through it.
    """

    name: str
    steps: tuple[Step, ...]
    after: tuple[str, ...] | None = None
