"""A fact: a question to a node with the command that asks it and the parser of its answer."""

from __future__ import annotations

from typing import Protocol, TypeVar

from hamn_flow.facts.platform import Platform
from hamn_flow.model.command import Command, Result

T_co = TypeVar("T_co", covariant=True)


class Fact(Protocol[T_co]):
    """A frozen value; equal facts ask the same question. It never changes anything on the node."""

    def command(self, platform: Platform) -> Command:
        """The look that answers it."""
        ...

    def parse(self, result: Result) -> T_co:
        """The answer; Unreadable if what was printed makes no sense."""
        ...
