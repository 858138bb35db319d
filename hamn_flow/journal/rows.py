"""What the tables have of a run, row by row, to be compared with what follows from its events.

Every table but `events` and `commits` is made of the events alone, and the engine goes on from the tables: where one
was changed past hamn-flow, the chain of commits does not tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hamn_flow.journal.chain import Commit

# What names a row of a run for a person; where nothing does, it is its place among those of the run, from 1.
NAMED_BY: Mapping[str, str | None] = {
    "runs": "id",
    "steps": "name",
    "commands": "key",
    "attempts": None,
    "decisions": None,
    "nodes": "node",
    "drivers": None,
    "knocks": None,
}
# The order of the rows over all runs of a journal: no event says it, and an adopted run has another one.
_ORDER: Mapping[str, str] = {
    "runs": "number",
    "commands": "number",
    "attempts": "id",
    "decisions": "id",
    "drivers": "id",
    "knocks": "id",
}

Rows = Mapping[tuple[str, str], Mapping[str, Any]]
"""By table and name: the values by column."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """All that a journal has of a run at one moment; `beyond`: how many events lie after its last commit."""

    commits: tuple[Commit, ...]
    rows: Rows
    beyond: int


@dataclass(frozen=True, kw_only=True)
class Parting:
    """Where a table is not what the events make of it; no column: the whole row is missing, or is one too many."""

    table: str
    row: str
    column: str = ""
    has: Any
    follows: Any


def partings(has: Rows, follows: Rows) -> Iterator[Parting]:
    """Where what a journal has is not what follows from its events."""
    for table, row in dict.fromkeys((*follows, *has)):
        mine, theirs = has.get((table, row)), follows.get((table, row))
        if mine is None or theirs is None:
            yield Parting(table=table, row=row, has=mine, follows=theirs)
            continue
        for column in theirs:
            if column != _ORDER.get(table) and mine[column] != theirs[column]:
                yield Parting(table=table, row=row, column=column, has=mine[column], follows=theirs[column])
