"""What is there while no driver is at work: the nodes, the journal, and what a person did to the nodes by hand."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from zlib import compress, decompress

from hamn_flow.catalog import thaw
from hamn_flow.engine.forward import SETTLED
from hamn_flow.journal import Journal
from hamn_flow.model.command import NodeName
from hamn_flow.model.run import Run, RunState
from hamn_flow.simulator.state import State
from hamn_flow.steps.step import PersonStep

_QUICKLY = 1  # zlib's level


def run_in(journal: Journal) -> Run | None:
    """The one run that a scene's journal holds, if any."""
    return next((journal.run(each.id) for each in journal.runs()), None)


def asked(run: Run) -> str:
    """The step that comes next, if it is for a person to do; empty otherwise."""
    following = next((step for step in run.steps if step.state not in SETTLED), None)
    return following.name if following and isinstance(thaw(following.planned), PersonStep) else ""


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """A shared file system that somebody mounted on a node past hamn-flow."""

    node: NodeName
    mount_point: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Nodes, journal and what was done by hand, packed."""

    nodes: bytes
    journal: bytes
    by_hand: tuple[ByHand, ...] = ()

    @classmethod
    def packed(cls, state: State, journal: bytes, by_hand: tuple[ByHand, ...] = ()) -> Scene:
        """A scene of these."""
        nodes = pickle.dumps(state, pickle.HIGHEST_PROTOCOL)
        return cls(nodes=compress(nodes, _QUICKLY), journal=compress(journal, _QUICKLY), by_hand=by_hand)

    def state(self) -> State:
        """The nodes, without what ends with a driver: faults that last, links that cannot be made."""
        state: State = pickle.loads(decompress(self.nodes))  # noqa: S301 -- our own
        state.faults.clear()
        state.log.clear()
        state.violations.clear()
        for node in state.nodes.values():
            node.refusals = 0
        return state

    def saved_journal(self) -> bytes:
        """The journal's bytes."""
        return decompress(self.journal)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is judged of a scene: how its run stands, and how its nodes do."""

    state: RunState | None  # None: the journal has no run
    kept: bool  # the journal has no run, and a node keeps one that is open
    forward: bool
    step: str  # at which the run waits
    asks: str  # the step that comes next, if it is for a person to do
    active: str  # the node that has all of the role while the other has nothing of it; empty: there is none
    off: tuple[str, ...]
    in_the_way: tuple[str, ...]  # what a person has to clear up
    doubted: frozenset[str]  # steps of which nobody knows whether the run did them: a person must undo what is done
    digest: str  # empty where it may differ from an undisturbed one's
