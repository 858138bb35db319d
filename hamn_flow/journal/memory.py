"""A journal that lies nowhere: to look at what a copy holds, and for a search, which goes on from what it saved."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from hamn_flow.journal.chain import Commit
from hamn_flow.journal.journal import Journal
from hamn_flow.journal.schema import migrate
from hamn_flow.model.events import Event
from hamn_flow.model.run import Run

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)  # it is always now: nothing may follow from the time

Told = Callable[[tuple[Event, ...]], None]


def quiet(events: tuple[Event, ...]) -> None:
    """The one who is told and does nothing."""
    del events


class MemoryJournal(Journal):
    """A journal in memory, which tells of each commit once it is made."""

    def __init__(self, saved: bytes, told: Told = quiet) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(saved)
        connection.execute("PRAGMA foreign_keys = ON")
        super().__init__(Path("journal.db"), connection, lambda: MOMENT)
        self._told = told
        self._read: dict[str, Run] = {}

    @staticmethod
    @cache
    def empty() -> bytes:
        """What is saved of a journal without a run."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.execute("PRAGMA page_size = 1024")  # most tables stay small
        migrate(connection)
        return connection.serialize()

    @classmethod
    def replayed(cls, run: str, commits: Sequence[Commit]) -> MemoryJournal:
        """A journal with what follows from these commits of a run, and nothing else."""
        journal = cls(cls.empty())
        journal.take_over(run, commits)
        return journal

    def saved(self) -> bytes:
        """All of it."""
        return self._database.serialize()

    def rows(self, sql: str, *values: str) -> list[tuple[Any, ...]]:
        """What the tables say to a question of one's own."""
        return [tuple(row) for row in self._database.execute(sql, values)]

    def record(self, *events: Event) -> None:
        """Commit, then tell."""
        self._read.clear()
        super().record(*events)
        self._told(events)

    def run(self, run: str) -> Run:
        """The run, read once between two commits."""
        if run not in self._read:
            self._read[run] = super().run(run)
        return self._read[run]
