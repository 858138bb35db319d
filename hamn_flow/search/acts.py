"""What is searched, and what a person types in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from hamn_flow.catalog import Catalog
from hamn_flow.engine.adopt import look_for, take_over
from hamn_flow.engine.begin import Desk, abandon, confirm, release, resume, rollback, start
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World as Outside
from hamn_flow.errors import HamnError, Unreachable
from hamn_flow.journal.memory import MemoryJournal
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster
from hamn_flow.model.run import Decision
from hamn_flow.search.scene import asked

_WHY = "somebody says so"


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


def _run(desk: Desk) -> str:
    """The run that a person means who names none."""
    return desk.journal.runs()[0].id


def _go_on(desk: Desk, *, forward: bool = False) -> None:
    """Resume; of what the run asks of a person they say, once, that it is done, and resume again."""
    try:
        resume(desk, _run(desk), forward=forward)
    except HamnError:
        run = desk.journal.run(_run(desk))
        step, halt = asked(run), run.summary.halt
        if not step or halt is None or halt.step != step or run.decided(Decision.CONFIRM, step):
            raise
        confirm(desk, run.summary.id, step, _WHY)
        _go_on(desk)


RESUME = Act(text="hamn-flow resume", do=_go_on)
FORWARD = Act(text="hamn-flow resume --forward", do=partial(_go_on, forward=True))
ROLLBACK = Act(text="hamn-flow rollback", do=lambda desk: rollback(desk, _run(desk)))
ABANDON = Act(text="hamn-flow abandon", do=lambda desk: abandon(desk, _run(desk), _WHY))


def adopt(node: NodeName) -> Act:
    """Take over the run that a node keeps; what is done next is typed apart, as after `hamn-flow adopt --stay`."""

    def do(desk: Desk) -> None:
        take_over(desk, node, look_for(desk.world, desk.cluster, node))

    return Act(text=f"hamn-flow adopt {node}", do=do)


def _release_all(desk: Desk) -> None:
    with closing(Links(cluster=desk.cluster, world=desk.world)) as links:
        for node, held in links.held().items():
            if not isinstance(held, Unreachable):
                release(desk, links, node, held, _WHY)


RELEASE = Act(text="hamn-flow release", do=_release_all)


def activate(node: NodeName) -> Act:
    """Give the role to a node."""
    return Act(text=f"hamn-flow start activate node={node}", do=lambda desk: start(desk, "activate", {"node": node}))
