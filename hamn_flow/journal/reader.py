"""Reading the journal: by anybody, at any time, also while a driver writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any

from hamn_flow.errors import Refused
from hamn_flow.journal import lock, place
from hamn_flow.journal.chain import Commit, commit_text
from hamn_flow.journal.codec import event_of, time_of
from hamn_flow.journal.rows import NAMED_BY, Recorded
from hamn_flow.journal.schema import VERSION, migrate, version_of
from hamn_flow.journal.trouble import damaged, translated
from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.events import Event
from hamn_flow.model.outage import Answer, Knock
from hamn_flow.model.run import (
    AttemptRecord,
    CommandRecord,
    Decision,
    DecisionRecord,
    Direction,
    Halt,
    Holder,
    PlannedStep,
    Run,
    RunState,
    RunSummary,
    StepRecord,
    StepState,
)

_BEYOND = (
    "SELECT number FROM events WHERE run = ?1 "
    "AND number > coalesce((SELECT max(last_event) FROM commits WHERE run = ?1), 0)"
)
PATIENCE = 30.0  # seconds to wait for another program that locks the file


class Reader:
    """The journal's runs. Every method raises JournalUnusable if the file cannot be read or is damaged.

    Several threads may ask; each has its turn on the one connection.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection | None) -> None:
        self.path = path
        self._connection = connection
        self._turn = RLock()
        if connection is not None:
            connection.row_factory = sqlite3.Row

    def runs(self, limit: int | None = None, *, open_only: bool = False) -> tuple[RunSummary, ...]:
        """The runs, newest first: so many at most, or those that have not ended."""
        number = -1 if limit is None else limit
        with self._readable():
            if open_only:
                rows = self._rows("SELECT * FROM runs WHERE ended_at IS NULL ORDER BY number DESC LIMIT ?", number)
            else:
                rows = self._rows("SELECT * FROM runs ORDER BY number DESC LIMIT ?", number)
            return tuple(_summary(row) for row in rows)

    def find(self, id_or_prefix: str) -> str:
        """The id of the one run that is called so, or begins so; Refused if there is none or several."""
        with self._readable():
            rows = self._rows(
                "SELECT id FROM runs WHERE id >= ?1 AND id < ?1 || char(1114111) ORDER BY id LIMIT 6", id_or_prefix
            )
            ids = [str(row["id"]) for row in rows]
        if id_or_prefix in ids:
            return id_or_prefix
        if not id_or_prefix or not ids:
            raise _no_run(id_or_prefix)
        if len(ids) > 1:
            names = ", ".join(ids[:5]) + (" and more" if len(ids) > 5 else "")
            raise Refused(f"more than one run begins with `{id_or_prefix}`: {names}", hint="Type more of its id.")
        return ids[0]

    def run(self, run: str) -> Run:
        """Everything recorded of the run of that id, as of one moment; Refused if there is none."""
        with self._readable(), self._moment():
            summaries = [_summary(row) for row in self._rows("SELECT * FROM runs WHERE id = ?", run)]
            if not summaries:
                raise _no_run(run)
            seen = self._rows("SELECT node, boot_id, generation FROM nodes WHERE run = ? ORDER BY node", run)
            return Run(
                summary=summaries[0],
                steps=tuple(map(_step, self._rows("SELECT * FROM steps WHERE run = ? ORDER BY position", run))),
                commands=tuple(map(_command, self._rows("SELECT * FROM commands WHERE run = ? ORDER BY number", run))),
                attempts=tuple(map(_attempt, self._rows("SELECT * FROM attempts WHERE run = ? ORDER BY id", run))),
                decisions=tuple(map(_decision, self._rows("SELECT * FROM decisions WHERE run = ? ORDER BY id", run))),
                boot_ids={NodeName(row["node"]): row["boot_id"] for row in seen},
                generations={NodeName(row["node"]): row["generation"] for row in seen},
                knocks=tuple(map(_knock, self._rows("SELECT * FROM knocks WHERE run = ? ORDER BY id", run))),
            )

    def step(self, run: str, name: str) -> StepRecord:
        """One step of a run; KeyError if the run has none of that name."""
        with self._readable():
            found = list(map(_step, self._rows("SELECT * FROM steps WHERE run = ? AND name = ?", run, name)))
        if not found:
            raise KeyError(name)
        return found[0]

    def commands(self, run: str, step: str) -> tuple[CommandRecord, ...]:
        """The commands of one step, in the order in which they were launched."""
        with self._readable():
            rows = self._rows("SELECT * FROM commands WHERE run = ? AND step = ? ORDER BY number", run, step)
            return tuple(map(_command, rows))

    def decided(self, run: str, kind: Decision, step: str, direction: Direction) -> bool:
        """Whether a person decided so about the step while this run went in that direction."""
        with self._readable():
            sql = "SELECT 1 FROM decisions WHERE run = ? AND kind = ? AND step = ? AND direction = ?"
            return bool(self._rows(sql, run, kind.value, step, direction.value))

    def drivers(self) -> frozenset[str]:
        """Every driver that ever sat down at a run of this journal, as the nodes name them."""
        with self._readable():
            return frozenset(row["driver"] for row in self._rows("SELECT driver FROM drivers"))

    def events(self, run: str) -> tuple[tuple[int, datetime, Event], ...]:
        """What happened to the run, in its order: the event's number in the journal, when, and what."""
        with self._readable():
            rows = self._rows("SELECT number, at, kind, event FROM events WHERE run = ? ORDER BY number", run)
            return tuple((row["number"], time_of(row["at"]), event_of(row["kind"], row["event"])) for row in rows)

    def commits(self, run: str, after: int = 0) -> tuple[Commit, ...]:
        """The chain of a run, from the commit after so many on."""
        with self._readable(), self._moment():
            return self._commits(run, after)

    def recorded(self, run: str) -> Recorded:
        """The chain of a run, the rows that are to follow from it, and what lies beyond it, as of one moment."""
        with self._readable(), self._moment():
            return Recorded(
                commits=self._commits(run),
                rows={
                    (table, str(row[name] if name else place)): dict(row)
                    for table, name in NAMED_BY.items()
                    for place, row in enumerate(self._rows_of(table, run), 1)
                },
                beyond=len(self._rows(_BEYOND, run)),
            )

    def _rows_of(self, table: str, run: str) -> list[sqlite3.Row]:
        whose = "id" if table == "runs" else "run"
        return self._rows(f"SELECT * FROM {table} WHERE {whose} = ? ORDER BY rowid", run)  # noqa: S608 -- our own names

    def _commits(self, run: str, after: int = 0) -> tuple[Commit, ...]:
        rows = self._rows("SELECT * FROM commits WHERE run = ? AND number >= ? ORDER BY number", run, after)
        began = rows[0]["last_event"] if rows and rows[0]["number"] == after else 0
        told = self._rows(
            "SELECT number, at, kind, event FROM events WHERE run = ? AND number > ? ORDER BY number", run, began
        )
        found: list[Commit] = []
        at = 0
        for row in rows:
            end = at
            while end < len(told) and told[end]["number"] <= row["last_event"]:
                end += 1
            if row["number"] > after:
                mine = [(each["kind"], each["event"]) for each in told[at:end]]
                text = commit_text(row["version"], told[at]["at"] if mine else "", mine)
                found.append(Commit(text=text, sum=row["sum"]))
            at = end
        return tuple(found)

    def holder(self) -> Holder | None:
        """The driver that holds the journal's lock at this moment; None if nobody does."""
        return lock.holder_now(self.path)

    def _rows(self, sql: str, *values: str | int) -> list[sqlite3.Row]:
        return [] if self._connection is None else self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """JournalUnusable for what SQLite refuses, and for rows that are not what we write."""
        with self._turn, translated(self.path):
            try:
                yield
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise damaged(self.path, f"{type(error).__name__}: {error}") from error

    @contextmanager
    def _moment(self) -> Iterator[None]:
        """One view for several queries, while a driver goes on writing."""
        if self._connection is None:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")


@contextmanager
def read(path: Path) -> Iterator[Reader]:
    """Open the journal for reading alone; one that is not there yet reads as no runs.

    A journal of an older version is read through a copy in memory that is brought up to ours; the file stays
    as it is until a driver takes it.
    """
    path = place.real(path)
    if not place.exists(path):
        yield Reader(path, None)
        return
    with translated(path):
        # SQLite reads a WAL journal only where it can put its shared memory beside it, or if nothing can change.
        connection = connect(path, "ro&immutable=1" if place.is_frozen(path) else "ro")
    with closing(connection):
        with translated(path):
            version = version_of(connection, path)
            if version < VERSION:
                connection = _migrated(connection)
        with closing(connection):
            yield Reader(path, connection)


def connect(path: Path, mode: str, *, patience: float = PATIENCE) -> sqlite3.Connection:
    """A connection in autocommit: transactions are begun in words where they are meant.

    Not bound to one thread: its users take turns.
    """
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )


def _migrated(connection: sqlite3.Connection) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:", isolation_level=None)
    connection.backup(copy)
    migrate(copy)
    return copy


def _no_run(run: str) -> Refused:
    return Refused(f"there is no run `{run}`", hint="Type `hamn-flow runs` to see all of them.")


def _summary(row: sqlite3.Row) -> RunSummary:
    halt = Halt(step=row["halt_step"], reason=row["halt_reason"], hint=row["halt_hint"])
    return RunSummary(
        id=row["id"],
        procedure=row["procedure"],
        cluster=row["cluster"],
        cluster_path=row["cluster_path"],
        options=json.loads(row["options"]),
        state=RunState(row["state"]),
        direction=Direction(row["direction"]),
        checkpoint=row["checkpoint"],
        epoch=row["epoch"],
        back_to=row["back_to"],
        created_at=time_of(row["created_at"]),
        ended_at=_time(row["ended_at"]),
        halt=None if row["halt_reason"] is None else halt,
        unseen=tuple(NodeName(node) for node in json.loads(row["unseen"])),
    )


_PLANNED = ("name", "stage", "node", "title", "kind", "version", "fields", "after")


@lru_cache(maxsize=1024)
def _planned(  # noqa: PLR0917 - the columns in their order
    name: str, stage: str, node: str, title: str, kind: str, version: int, fields: str, after: str | None
) -> PlannedStep:
    """A step as it was planned never changes, and is read again with each look at the run."""
    return PlannedStep(
        name=name,
        stage=stage,
        node=NodeName(node),
        title=title,
        kind=kind,
        version=version,
        fields=json.loads(fields),
        after=None if after is None else tuple(json.loads(after)),
    )


def _step(row: sqlite3.Row) -> StepRecord:
    return StepRecord(
        planned=_planned(*(row[name] for name in _PLANNED)),
        position=row["position"],
        state=StepState(row["state"]),
        direction=Direction(row["direction"]),
        seen=_data(row["seen"]),
        has_seen=row["seen"] is not None,
        acted=bool(row["acted"]),
        doubted=bool(row["doubted"]),
        attempts=row["attempts"],
        failures=row["failures"],
        intents=row["intents"],
        reason=row["reason"],
        completed=row["completed"],
        begun_at=_time(row["begun_at"]),
        ended_at=_time(row["ended_at"]),
    )


def _command(row: sqlite3.Row) -> CommandRecord:
    return CommandRecord(
        key=Key(row["key"]),
        step=row["step"],
        intent=row["intent"],
        number=row["command"],
        direction=Direction(row["direction"]),
        node=NodeName(row["node"]),
        text=row["text"],
        launched_at=time_of(row["launched_at"]),
        ended_at=_time(row["ended_at"]),
        status=row["status"],
        seconds=row["seconds"],
        last_lines=row["last_lines"],
    )


def _attempt(row: sqlite3.Row) -> AttemptRecord:
    return AttemptRecord(
        step=row["step"], number=row["number"], at=time_of(row["at"]), reason=row["reason"], wait=row["wait"]
    )


def _decision(row: sqlite3.Row) -> DecisionRecord:
    return DecisionRecord(
        kind=Decision(row["kind"]),
        step=row["step"],
        direction=Direction(row["direction"]),
        who=row["who"],
        why=row["why"],
        at=time_of(row["at"]),
    )


def _knock(row: sqlite3.Row) -> Knock:
    return Knock(at=time_of(row["at"]), answer=Answer(row["answer"]), first=bool(row["first"]))


def _time(text: str | None) -> datetime | None:
    return None if text is None else time_of(text)


def _data(text: str | None) -> Any:
    return None if text is None else json.loads(text)
