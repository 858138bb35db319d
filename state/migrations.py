"""The journal's schema, one function for each change; README.md has the tables in words.

A function that was released is never edited: journals that went through it lie on other machines. A change
is a new function at the end, with `VERSION` in hamn_flow/journal/schema.py raised by one; so is a new kind
of event or a new field of one, even if its function has nothing to do, so that an older hamn-flow refuses
what it could not read.

The same file works by hand: `sqlite-utils migrate journal.db migrations.py --list`.
"""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import groupby
from operator import itemgetter

from sqlite_utils import Database, Migrations

migrations = Migrations("hamn-flow")


def _create(db: Database, table: str, *options: str) -> None:
    """Create a table, STRICT where the library has it (SQLite 3.37): a text in a number's place is refused."""
    db.execute(f"CREATE TABLE {table} {', '.join((*options, 'STRICT') if db.supports_strict else options)}")


@migrations()
def m0001_runs(db: Database) -> None:
    """Runs with their steps, commands, attempts and decisions, and the events that all of it follows from."""
    _create(
        db,
        """runs (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            procedure TEXT NOT NULL,
            cluster TEXT NOT NULL,
            cluster_path TEXT NOT NULL,
            options TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN
                ('planned', 'running', 'waiting', 'rolling_back', 'done', 'rolled_back', 'abandoned')),
            direction TEXT NOT NULL CHECK (direction IN ('forward', 'back')),
            checkpoint TEXT NOT NULL,
            epoch INTEGER NOT NULL CHECK (epoch >= 0),
            back_to TEXT NOT NULL,
            created_at TEXT NOT NULL,
            ended_at TEXT,
            halt_step TEXT,
            halt_reason TEXT,
            halt_hint TEXT,
            CHECK ((ended_at IS NOT NULL) = (state IN ('done', 'rolled_back', 'abandoned'))),
            CHECK ((halt_reason IS NOT NULL) = (state = 'waiting'))
        )""",
    )
    db.execute("CREATE INDEX runs_open ON runs (number) WHERE ended_at IS NULL")
    _create(
        db,
        """steps (
            run TEXT NOT NULL REFERENCES runs (id),
            position INTEGER NOT NULL CHECK (position >= 0),
            name TEXT NOT NULL,
            stage TEXT NOT NULL,
            node TEXT NOT NULL,
            title TEXT NOT NULL,
            kind TEXT NOT NULL,
            version INTEGER NOT NULL,
            fields TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN
                ('pending', 'begun', 'done', 'skipped', 'failed', 'in_doubt', 'undone')),
            direction TEXT NOT NULL CHECK (direction IN ('forward', 'back')),
            seen TEXT,
            attempts INTEGER NOT NULL CHECK (attempts >= 0),
            intents INTEGER NOT NULL CHECK (intents >= attempts),
            reason TEXT NOT NULL,
            completed INTEGER NOT NULL CHECK (completed >= 0),
            begun_at TEXT,
            ended_at TEXT,
            PRIMARY KEY (run, position),
            UNIQUE (run, name)
        )""",
    )
    _create(
        db,
        """commands (
            number INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            run TEXT NOT NULL,
            step TEXT NOT NULL,
            intent INTEGER NOT NULL,
            command INTEGER NOT NULL,
            direction TEXT NOT NULL CHECK (direction IN ('forward', 'back')),
            node TEXT NOT NULL,
            text TEXT NOT NULL,
            launched_at TEXT NOT NULL,
            ended_at TEXT,
            status INTEGER,
            seconds REAL,
            last_lines TEXT NOT NULL,
            FOREIGN KEY (run, step) REFERENCES steps (run, name)
        )""",
    )
    db.execute("CREATE INDEX commands_run ON commands (run)")
    _create(
        db,
        """attempts (
            id INTEGER PRIMARY KEY,
            run TEXT NOT NULL,
            step TEXT NOT NULL,
            number INTEGER NOT NULL,
            at TEXT NOT NULL,
            reason TEXT NOT NULL,
            wait REAL,
            FOREIGN KEY (run, step) REFERENCES steps (run, name)
        )""",
    )
    db.execute("CREATE INDEX attempts_run ON attempts (run)")
    _create(
        db,
        """decisions (
            id INTEGER PRIMARY KEY,
            run TEXT NOT NULL REFERENCES runs (id),
            kind TEXT NOT NULL CHECK (kind IN ('confirm', 'skip', 'abandon')),
            step TEXT NOT NULL,
            who TEXT NOT NULL,
            why TEXT NOT NULL,
            at TEXT NOT NULL
        )""",
    )
    db.execute("CREATE INDEX decisions_run ON decisions (run)")
    _create(
        db,
        """events (
            number INTEGER PRIMARY KEY,
            run TEXT NOT NULL REFERENCES runs (id),
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            event TEXT NOT NULL
        )""",
    )
    db.execute("CREATE INDEX events_run ON events (run)")
    for act in ("UPDATE", "DELETE"):
        db.execute(
            f"CREATE TRIGGER events_no_{act.lower()} BEFORE {act} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END"
        )


@migrations()
def m0002_nodes(db: Database) -> None:
    """What each run last saw of its nodes: their boot ids and the generation that its driver holds there."""
    _create(
        db,
        """nodes (
            run TEXT NOT NULL REFERENCES runs (id),
            node TEXT NOT NULL,
            boot_id TEXT NOT NULL,
            generation INTEGER NOT NULL,
            seen_at TEXT NOT NULL,
            PRIMARY KEY (run, node)
        )""",
    )
    for at, text in db.execute("SELECT at, event FROM events WHERE kind = 'NodeSeen' ORDER BY number").fetchall():
        seen = json.loads(text)
        db.execute(
            "INSERT OR REPLACE INTO nodes (run, node, boot_id, generation, seen_at) VALUES (?, ?, ?, ?, ?)",
            [seen["run"], seen["node"], seen["boot_id"], seen["generation"], at],
        )


@migrations()
def m0003_what_was_acted(db: Database) -> None:
    """Which way a run went when a person decided, which steps launched a command, and how often each failed."""
    db.execute(
        "ALTER TABLE decisions ADD COLUMN direction TEXT NOT NULL DEFAULT 'forward' "
        "CHECK (direction IN ('forward', 'back'))"
    )
    db.execute("ALTER TABLE steps ADD COLUMN acted INTEGER NOT NULL DEFAULT 0 CHECK (acted IN (0, 1))")
    db.execute("ALTER TABLE steps ADD COLUMN failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0)")
    db.execute(
        "UPDATE steps SET acted = 1 WHERE seen IS NOT NULL AND EXISTS (SELECT 1 FROM commands "
        "WHERE commands.run = steps.run AND commands.step = steps.name AND commands.direction = 'forward')"
    )


@migrations()
def m0004_knocks(db: Database) -> None:
    """What answered at the virtual IP while a run was carried; older runs did not ask."""
    _create(
        db,
        """knocks (
            id INTEGER PRIMARY KEY,
            run TEXT NOT NULL REFERENCES runs (id),
            at TEXT NOT NULL,
            answer TEXT NOT NULL CHECK (answer IN ('xcatd', 'address', 'nothing')),
            first INTEGER NOT NULL CHECK (first IN (0, 1))
        )""",
    )
    db.execute("CREATE INDEX knocks_run ON knocks (run)")


@migrations()
def m0005_after(db: Database) -> None:
    """Which stages a step's stage comes after; in older runs each came after all before it."""
    db.execute("ALTER TABLE steps ADD COLUMN after TEXT")


@migrations()
def m0006_drivers(db: Database) -> None:
    """Who drove a run, as the nodes name it, and which nodes' copies an adopter could not read."""
    _create(
        db,
        """drivers (
            id INTEGER PRIMARY KEY,
            driver TEXT NOT NULL,
            run TEXT NOT NULL REFERENCES runs (id),
            who TEXT NOT NULL,
            at TEXT NOT NULL
        )""",
    )
    db.execute("CREATE INDEX drivers_driver ON drivers (driver)")
    db.execute("ALTER TABLE runs ADD COLUMN unseen TEXT NOT NULL DEFAULT '[]'")


@migrations()
def m0007_commits(db: Database) -> None:
    """The chain of each run's commits; of older runs, what bears one time is one commit."""
    _create(
        db,
        """commits (
            run TEXT NOT NULL REFERENCES runs (id),
            number INTEGER NOT NULL CHECK (number > 0),
            version INTEGER NOT NULL,
            last_event INTEGER NOT NULL,
            sum TEXT NOT NULL,
            PRIMARY KEY (run, number)
        )""",
    )
    for (run,) in db.execute("SELECT id FROM runs ORDER BY number").fetchall():
        said = sha256(f"hamn-flow run {run}".encode()).hexdigest()
        rows = db.execute("SELECT at, number, kind, event FROM events WHERE run = ? ORDER BY number", [run]).fetchall()
        for number, (at, group) in enumerate(groupby(rows, key=itemgetter(0)), 1):
            mine = list(group)
            told = ",".join(f"[{json.dumps(kind)},{event}]" for _, _, kind, event in mine)
            text = f'{{"version":7,"at":{json.dumps(at)},"events":[{told}]}}'
            said = sha256(f"{said}\n{text}".encode()).hexdigest()
            db.execute("INSERT INTO commits VALUES (?, ?, 7, ?, ?)", [run, number, mine[-1][1], said])


@migrations()
def m0008_fewer_pages(db: Database) -> None:
    """What each commit must read and write: the chain is one tree, and an index says how many steps became done."""
    _create(
        db,
        """chain (
            run TEXT NOT NULL REFERENCES runs (id),
            number INTEGER NOT NULL CHECK (number > 0),
            version INTEGER NOT NULL,
            last_event INTEGER NOT NULL,
            sum TEXT NOT NULL,
            PRIMARY KEY (run, number)
        )""",
        "WITHOUT ROWID",
    )
    db.execute("INSERT INTO chain SELECT * FROM commits")
    db.execute("DROP TABLE commits")
    db.execute("ALTER TABLE chain RENAME TO commits")
    db.execute("CREATE INDEX steps_completed ON steps (run, completed)")


@migrations()
def m0009_copies_brought(db: Database) -> None:
    """That a copy which an adopter could not read was brought up to the journal; older runs do not say so."""
    del db


@migrations()
def m0010_doubted_steps(db: Database) -> None:
    """Which steps a driver before may have carried out, of which an adopted journal does not say so."""
    db.execute("ALTER TABLE steps ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0 CHECK (doubted IN (0, 1))")
    db.execute("UPDATE steps SET doubted = 1 WHERE state = 'in_doubt' AND NOT acted AND completed = 0")
