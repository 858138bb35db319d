"""What is there while no driver is at work: the nodes, the journal, and what a person did to the nodes by hand."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zlib import compress, decompress

from hamn_flow.journal import Journal
from hamn_flow.journal.schema import migrate
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import Event
from hamn_flow.model.run import Run, RunState
from hamn_flow.simulator.state import State

RUN = "search"  # the id of the one run that a scene's journal holds, if any
_QUICKLY = 1  # zlib's level
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)  # it is always this moment: nothing may follow from the time

Told = Callable[[tuple[Event, ...]], None]


class RecordingJournal(Journal):
    """A journal in memory that tells of each commit once it is made."""

    def __init__(self, connection: sqlite3.Connection, told: Told) -> None:
        super().__init__(Path("journal.db"), connection, lambda: _EPOCH)
        self.told = told
        self._read: dict[str, Run] = {}

    def record(self, *events: Event) -> None:
        """Commit, then tell."""
        self._read.clear()
        super().record(*events)
        self.told(events)

    def run(self, run: str) -> Run:
        """The run, read once between two commits."""
        if run not in self._read:
            self._read[run] = super().run(run)
        return self._read[run]

    @property
    def connection(self) -> sqlite3.Connection:
        """For what the projections do not say."""
        return self._database


def quiet(events: tuple[Event, ...]) -> None:
    """The one who is told and does nothing."""
    del events


def journal_of(saved: bytes, told: Told = quiet) -> RecordingJournal:
    """A journal as it was saved."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(saved)
    connection.execute("PRAGMA foreign_keys = ON")
    return RecordingJournal(connection, told)


def empty_journal() -> bytes:
    """A journal without a run."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("PRAGMA page_size = 1024")  # most tables stay small
    migrate(connection)
    return connection.serialize()


def run_in(journal: Journal) -> Run | None:
    """The run, if it was recorded."""
    return journal.run(RUN) if journal.runs() else None


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

    state: RunState | None  # None: no run was recorded
    forward: bool
    step: str  # at which the run waits
    active: str  # the node that has all of the role while the other has nothing of it; empty: there is none
    off: tuple[str, ...]
    in_the_way: tuple[str, ...]  # what a person has to clear up
    digest: str  # empty where it may differ from an undisturbed one's
