from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from hamn_flow import content
from hamn_flow.errors import JournalUnusable
from hamn_flow.journal import Journal, Reader, read
from hamn_flow.journal.chain import first_unfit
from hamn_flow.journal.schema import SET, VERSION, migrations_file
from hamn_flow.model.events import CheckpointReached, Knocked, RunPlanned
from hamn_flow.model.outage import Answer, of_virtual_ip, of_xcat
from hamn_flow.model.run import Decision, Direction, RunState, StepState

RECORDED = Path(__file__).parent / "recorded"
README = content.folder("state") / "README.md"

Driving = Callable[[], AbstractContextManager[Journal]]


@pytest.fixture(params=sorted(file.name for file in RECORDED.iterdir()))
def old(request: pytest.FixtureRequest, path: Path) -> Path:
    """A journal as an older hamn-flow left it."""
    text = (RECORDED / request.param).read_text()
    if sqlite3.sqlite_version_info < (3, 37):
        text = text.replace(") STRICT;", ");")
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(text)
    connection.close()
    return path


def says_what_was_recorded(reader: Reader) -> None:
    assert [(run.id, run.state) for run in reader.runs()] == [
        ("zebra2", RunState.ABANDONED),
        ("k7m2qx", RunState.WAITING),
    ]
    run = reader.run("k7m2qx")
    assert run.summary.checkpoint == "stop services"
    assert run.summary.halt
    assert run.summary.halt.reason == "/install on mn1 is held by rsync (4711)"
    assert [step.state for step in run.steps] == [StepState.DONE, StepState.FAILED]
    assert run.steps[1].seen == {"source": "/dev/vdb", "options": "rw"}
    assert (run.steps[0].completed, run.steps[1].attempts) == (1, 2)
    assert [step.acted for step in run.steps] == [True, True]
    assert [command.status for command in run.commands] == [0, 32, 32]
    assert [attempt.wait for attempt in run.attempts] == [1.0, None]
    assert len(reader.events("k7m2qx")) == 19
    assert [decision.kind for decision in reader.run("zebra2").decisions] == [Decision.ABANDON]
    assert [decision.direction for decision in reader.run("zebra2").decisions] == [Direction.FORWARD]
    assert run.boot_ids == {
        "mn1": "11111111-2222-3333-4444-555555555555",
        "mn2": "66666666-7777-8888-9999-000000000000",
    }
    assert run.knocks == ()
    assert reader.run("zebra2").boot_ids == {"mn1": "aaaaaaaa-2222-3333-4444-555555555555"}
    chain_is_whole(reader)


def chain_is_whole(reader: Reader) -> None:
    for summary in reader.runs():
        commits = reader.commits(summary.id)
        told = [event for commit in commits for _, _, event in commit.events()]
        assert told == [event for _, _, event in reader.events(summary.id)]
        assert first_unfit(summary.id, commits) is None


def test_an_older_journal_is_migrated_by_its_driver_and_goes_on(old: Path, driving: Driving) -> None:
    with driving() as journal:
        says_what_was_recorded(journal)
        journal.record(CheckpointReached(run="k7m2qx", checkpoint="unmount"))
        assert journal.run("k7m2qx").summary.checkpoint == "unmount"
        chain_is_whole(journal)
    connection = sqlite3.connect(old)
    applied = connection.execute("SELECT count(*) FROM _sqlite_migrations WHERE migration_set = ?", (SET,)).fetchone()
    assert applied == (VERSION,)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_an_older_journal_is_read_without_being_changed(old: Path) -> None:
    before = old.read_bytes()
    with read(old) as reader:
        says_what_was_recorded(reader)
    assert old.read_bytes() == before


def test_a_newer_journal_is_refused_and_left_alone(path: Path, driving: Driving) -> None:
    with driving():
        pass
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'm9999_later', '')", (SET,)
    )
    connection.commit()
    connection.close()
    before = path.read_bytes()
    sentence = f"was written by a newer hamn-flow \\(version {VERSION + 1}\\); this one knows {VERSION}$"
    with pytest.raises(JournalUnusable, match=sentence), driving():
        pytest.fail("opened")
    with pytest.raises(JournalUnusable, match=sentence), read(path):
        pytest.fail("opened")
    assert path.read_bytes() == before


def test_the_version_is_the_number_of_migrations() -> None:
    assert len(content.load(migrations_file()).migrations._migrations) == VERSION


def test_a_migration_that_journals_went_through_is_not_edited(old: Path) -> None:
    def schema(connection: sqlite3.Connection) -> list[tuple[str, str]]:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL ORDER BY name").fetchall()
        return [(name, re.sub(r"\s+", " ", sql)) for name, sql in rows]

    recorded = sqlite3.connect(old)
    versions = recorded.execute("SELECT count(*) FROM _sqlite_migrations").fetchone()[0]
    migrations = content.load(migrations_file()).migrations
    later = [migration.name for migration in migrations._migrations[versions:]]
    today = sqlite3.connect(":memory:", isolation_level=None)
    migrations.apply(Database(today), stop_before=later)
    assert schema(today) == schema(recorded)
    assert later
    today.close()
    recorded.close()


def test_the_tables_are_strict_where_the_library_has_it(journal: Journal) -> None:
    if sqlite3.sqlite_version_info < (3, 37):
        pytest.skip("this SQLite has no STRICT")
    tables = journal._database.execute("PRAGMA table_list").fetchall()
    ours = {row["name"]: row["strict"] for row in tables if not row["name"].startswith(("sqlite_", "_sqlite_"))}
    assert ours == dict.fromkeys(
        ["attempts", "commands", "commits", "decisions", "drivers", "events", "knocks", "nodes", "runs", "steps"], 1
    )


def test_every_table_is_told_in_words(journal: Journal) -> None:
    text = README.read_text()
    for table in journal._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        assert f"### {table['name']}\n" in text
        section = text.partition(f"### {table['name']}\n")[2].partition("\n### ")[0]
        for column in journal._database.execute("SELECT name FROM pragma_table_info(?)", (table["name"],)).fetchall():
            assert f"`{column['name']}`" in section, (table["name"], column["name"])


QUERIES = re.findall(r"```sql\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("query", QUERIES)
def test_the_queries_of_the_readme_answer(query: str, old: Path, driving: Driving) -> None:
    with driving():
        pass
    connection = sqlite3.connect(f"{old.as_uri()}?mode=ro", uri=True)
    assert connection.execute(query).fetchall()
    connection.close()


def test_the_query_for_the_outage_counts_as_we_do(
    driving: Driving, planned: Callable[[str], RunPlanned], path: Path
) -> None:
    answers = [Answer.XCATD, Answer.ADDRESS, Answer.NOTHING, Answer.ADDRESS, Answer.XCATD, Answer.XCATD]
    at = datetime(2026, 5, 1, 23, 59, 50, tzinfo=UTC)
    knocks = [
        Knocked(run="r1", knocked_at=at + timedelta(seconds=number**2), answer=answer, first=not number)
        for number, answer in enumerate(answers)
    ]
    with driving() as journal:
        journal.record(planned("r1"), planned("r2"), *knocks)
        kept = journal.run("r1").knocks
    address, xcat = of_virtual_ip(kept), of_xcat(kept)
    assert address
    assert xcat
    (query,) = (query for query in QUERIES if "FROM knocks" in query)
    connection = sqlite3.connect(path)
    assert connection.execute(query).fetchall() == [("r1", address.seconds, xcat.seconds), ("r2", None, None)]
    connection.close()


def test_the_readme_has_queries() -> None:
    assert len(QUERIES) >= 6


def test_sqlite_utils_applies_the_same_file_by_hand(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    command = [sys.executable, "-m", "sqlite_utils", "migrate", str(journal), str(migrations_file())]
    subprocess.run(command, check=True, capture_output=True)
    with read(journal) as reader:
        assert reader.runs() == ()
