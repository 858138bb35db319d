"""Other machines: one that takes the run over while its first driver lives, and one that has a run of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from hamn_flow.engine.begin import Desk
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World as Outside
from hamn_flow.errors import Busy
from hamn_flow.model.command import NodeName
from hamn_flow.search.acts import RESUME, ROLLBACK, Act, Case, adopt
from hamn_flow.simulator.state import State
from hamn_flow.transport.connection import Held, Owner


@dataclass(frozen=True, kw_only=True)
class Rival:
    """A machine that takes the run over; once it has done what is said here, the first driver goes on.

    `lost`: the first driver's links are gone by then. `claims`: only this node has been claimed, and the run is adopted
    once the first one has stopped. `act`: what it has done with the run.
    """

    text: str
    lost: bool = False
    claims: NodeName | None = None
    act: Act | None = None


def rivals(state: State) -> Iterator[Rival]:
    """Those that may appear at a launch."""
    yield Rival(text="another machine adopts the run")
    yield Rival(text="the links are lost; another machine adopts the run, and has not gone on yet", lost=True)
    for act in (RESUME, ROLLBACK):
        yield Rival(
            text=f"the links are lost; another machine adopts the run and goes on: {act.text}", lost=True, act=act
        )
    for node in state.nodes.values():
        if node.powered:
            yield Rival(text=f"another machine has claimed {node.name} to adopt the run", claims=node.name)


def adopting(state: State) -> Act:
    """Adopt the run that the nodes keep, by one of those that are there."""
    return adopt(next(node.name for node in state.nodes.values() if node.powered))


def claim(case: Case, node: NodeName, run: str, outside: Outside) -> None:
    """Claim one node as an adopter does."""
    owner = Owner(run=run, driver=outside.driver)
    with closing(Links(cluster=case.cluster, world=outside)) as looking:
        seen = looking.held()
    former = {holder.driver for how in seen.values() if isinstance(how, Held) and (holder := Owner.of(how.owner))}
    with closing(Links(cluster=case.cluster, world=outside, owner=owner, former=former)) as links:
        links.reach(node)


def refused(desk: Desk, case: Case) -> bool:
    """Whether a driver with a run of its own, on a machine that knows nothing of the first one, is refused."""
    try:
        case.start.do(desk)
    except Busy:
        return True
    return False
