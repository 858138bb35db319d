"""What is searched, and what a person types in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hamn_flow.catalog import Catalog
from hamn_flow.engine.begin import Desk, resume, rollback, start
from hamn_flow.engine.world import World as Outside
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.pair import Cluster
from hamn_flow.search.scene import RUN


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a person types where no driver is at work."""

    text: str
    do: Callable[[Desk], object]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A procedure with its options, on one pair."""

    procedure: str
    options: dict[str, str]
    cluster: Cluster
    catalog: Catalog

    @property
    def start(self) -> Act:
        """Start it."""
        words = " ".join((self.procedure, *(f"{name}={value}" for name, value in self.options.items())))
        return Act(text=f"hamn-flow start {words}", do=lambda desk: start(desk, self.procedure, self.options))

    def desk(self, journal: MemoryJournal, outside: Outside) -> Desk:
        """Where a driver sits."""
        return Desk(journal=journal, cluster=self.cluster, catalog=self.catalog, world=outside)


RESUME = Act(text="hamn-flow resume", do=lambda desk: resume(desk, RUN))
FORWARD = Act(text="hamn-flow resume --forward", do=lambda desk: resume(desk, RUN, forward=True))
ROLLBACK = Act(text="hamn-flow rollback", do=lambda desk: rollback(desk, RUN))


def activate(node: str) -> Act:
    """Give the role to a node."""
    return Act(text=f"hamn-flow start activate node={node}", do=lambda desk: start(desk, "activate", {"node": node}))
