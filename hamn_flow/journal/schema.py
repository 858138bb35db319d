"""The journal's version: how many of the migrations in state/migrations.py it has seen."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hamn_flow import content
from hamn_flow.errors import JournalUnusable

VERSION = 10  # the number of migrations; written here because reading a journal must not load them
FOLLOWS = 10  # since this version the tables follow from the events alone: what is older, migrations filled in part
SET = "hamn-flow"


def migrations_file() -> Path:
    """The file that `sqlite-utils migrate JOURNAL FILE` takes as well."""
    return content.folder("state") / "migrations.py"


def version_of(connection: sqlite3.Connection, path: Path) -> int:
    """How many migrations the journal has seen; 0 if it is empty, JournalUnusable if it is newer or no journal."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    applied = "SELECT count(*) FROM _sqlite_migrations WHERE migration_set = ?"
    version = int(connection.execute(applied, [SET]).fetchone()[0]) if "_sqlite_migrations" in tables else 0
    if version > VERSION:
        raise JournalUnusable(
            f"the journal {path} was written by a newer hamn-flow (version {version}); this one knows {VERSION}",
            hint="Use the newer hamn-flow, on this machine or the one that the journal comes from.",
        )
    if version == 0 and tables - {"_sqlite_migrations"}:
        raise JournalUnusable(
            f"the file {path} is a database of something else: it has a table `{min(tables)}` and no journal",
            hint="Name the journal's own file.",
        )
    return version


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the journal to our version: each migration is a transaction of its own, so it can be cut off."""
    from sqlite_utils import Database  # noqa: PLC0415 - takes 150 ms to load, and is needed once per version

    content.load(migrations_file()).migrations.apply(Database(connection))
