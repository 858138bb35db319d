"""Writing the journal: by the one driver that holds its lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from hamn_flow.journal import lock, place
from hamn_flow.journal.chain import Commit, commit_text, first_sum, next_sum
from hamn_flow.journal.codec import event_text, time_text
from hamn_flow.journal.projections import project
from hamn_flow.journal.reader import PATIENCE, Reader, connect
from hamn_flow.journal.schema import VERSION, migrate, version_of
from hamn_flow.journal.trouble import translated
from hamn_flow.model.events import Event
from hamn_flow.model.run import Holder

_PRAGMAS = (
    # Readers go on while the driver writes, and a commit is one sync of one file. The mode stays in the file.
    # SQLite up to 3.51.2 may lose commits when two connections write or checkpoint a WAL at the same time
    # (sqlite.org/wal.html#walresetbug): only the holder of the lock opens the journal for writing, and
    # connections with mode=ro never checkpoint.
    "PRAGMA journal_mode = WAL",
    # FULL: a commit is on the disk when it returns. NORMAL may lose the last ones when the power fails, and
    # this machine may be the one that is failing.
    "PRAGMA synchronous = FULL",
    # Off by default: a command or an attempt of a step that does not exist would be kept.
    "PRAGMA foreign_keys = ON",
)


class Journal(Reader):
    """The journal in its driver's hands; steps that run side by side record in turn."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Callable[[], datetime]) -> None:
        super().__init__(path, connection)
        self._database = connection
        self._clock = clock

    def record(self, *events: Event) -> None:
        """Append the events and carry them into the tables, in one commit that is on the disk when this returns.

        All or nothing: JournalUnusable (disk full, read-only, locked) leaves the journal as it was, and a later
        call works once the cause is gone. Mistakes of the caller pass as they are, see `project`.
        """
        with self._turn, translated(self.path), self._commit():
            at = time_text(self._clock())
            told = [(event, type(event).__name__, event_text(event)) for event in events]
            for event, kind, text in told:
                self._append(event, at, kind, text)
            for run in dict.fromkeys(event.run for event in events):
                mine = [(kind, text) for event, kind, text in told if event.run == run]
                self._link(run, VERSION, commit_text(VERSION, at, mine))

    def take_over(self, run: str, commits: Sequence[Commit]) -> None:
        """Append the commits of a copy to those that the journal has of the run, all of them or none.

        ValueError if they do not follow from what is there, or are no commits of ours.
        """
        with self._turn, translated(self.path), self._commit():
            for commit in commits:
                for kind, text, event in commit.events():
                    self._append(event, time_text(commit.at), kind, text)
                if self._link(run, commit.version, commit.text) != commit.sum:
                    raise ValueError(f"the commit {commit.sum} does not follow from those of run {run}")

    def _append(self, event: Event, at: str, kind: str, text: str) -> None:
        project(event, self._database, at)
        self._database.execute(
            "INSERT INTO events (run, at, kind, event) VALUES (?, ?, ?, ?)", (event.run, at, kind, text)
        )

    def _link(self, run: str, version: int, text: str) -> str:
        """Chain a commit, whose events were just appended, to the one before it; its sum."""
        last = self._database.execute(
            "SELECT number, sum FROM commits WHERE run = ? ORDER BY number DESC LIMIT 1", (run,)
        ).fetchone()
        number, before = last or (0, first_sum(run))
        said = next_sum(before, text)
        self._database.execute(
            "INSERT INTO commits (run, number, version, last_event, sum) "
            "VALUES (?1, ?2, ?3, (SELECT max(number) FROM events WHERE run = ?1), ?4)",
            (run, number + 1, version, said),
        )
        return said

    def close(self) -> None:
        """Close it in turn: a second Ctrl-C leaves threads behind, and what they would still record is refused."""
        with self._turn:
            self._database.close()

    @contextmanager
    def _commit(self) -> Iterator[None]:
        # IMMEDIATE: a transaction that turns from reading to writing halfway fails at once if another program
        # has written meanwhile, whatever the timeout.
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:  # a full disk may have ended it already
                self._database.execute("ROLLBACK")
            raise


@contextmanager
def drive(
    path: Path, *, holder: Holder, clock: Callable[[], datetime], patience: float = PATIENCE
) -> Iterator[Journal]:
    """Take the journal for writing and hold its lock until the end; at most one driver does so at a time.

    Directory, file and tables are made where they are missing, and those of an older version are migrated.
    `clock` says the time with its zone; `patience` is how many seconds to wait for a program that locks the file.
    Busy, naming the driver, if one holds the lock; JournalUnusable if the file cannot be written, is damaged,
    is no journal or is newer than this program, or lies on a network file system.
    """
    path = place.real(path)
    place.demand_file(path)
    place.make_directory(path)
    with lock.held(path, holder):
        place.make_file(path)
        with translated(path):
            connection = connect(path, "rw", patience=patience)
        with closing(connection):
            with translated(path):
                version = version_of(connection, path)
                place.keep_private(path)
                for pragma in _PRAGMAS:
                    connection.execute(pragma)
                if version < VERSION:
                    migrate(connection)
            journal = Journal(path, connection, clock)
            try:
                yield journal
            finally:
                journal.close()
