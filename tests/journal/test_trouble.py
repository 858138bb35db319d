"""Each way in which a journal can be unusable, with the real thing: a sentence, a hint, and nothing lost."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from subprocess import Popen

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamn_flow.errors import JournalUnusable, Refused
from hamn_flow.journal import Journal, Reader, read, trouble
from hamn_flow.model.events import CheckpointReached, RunBegun, RunPlanned
from hamn_flow.model.run import Direction, Run, RunSummary

NOBODY = 65534
PAGE = 4096

Driving = Callable[[], AbstractContextManager[Journal]]
Planned = Callable[[str], RunPlanned]


def reached(number: int) -> CheckpointReached:
    return CheckpointReached(run="r1", checkpoint=str(number))


def may_mount() -> bool:
    return subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0


def unusable(*words: str) -> AbstractContextManager[object, bool]:
    return pytest.raises(JournalUnusable, match=".*".join(map(re.escape, words)))


def test_every_sentence_has_a_hint_what_to_type() -> None:
    for sentence, hint in (*trouble._SENTENCES.values(), *trouble._KERNEL.values(), trouble._OTHERWISE):
        assert sentence.startswith("the ")
        assert "{path}" in sentence
        assert hint.endswith(".")


def test_a_full_journal_keeps_what_was_committed_and_goes_on_once_there_is_room(
    journal: Journal, planned: Planned
) -> None:
    journal.record(planned("r1"))
    pages = journal._database.execute("PRAGMA page_count").fetchone()[0]
    journal._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    recorded = 0
    with unusable("the journal", "could not grow: its file system is full"):
        for recorded in range(10_000):
            journal.record(*(reached(recorded) for _ in range(20)))
    assert recorded > 0
    assert journal.runs()[0].checkpoint == str(recorded - 1)
    assert len(journal.events("r1")) == 1 + 20 * recorded
    journal._database.execute(f"PRAGMA max_page_count = {1 << 30}")
    journal.record(reached(recorded))
    assert journal.runs()[0].checkpoint == str(recorded)


@pytest.mark.skipif(not may_mount(), reason="mounting a small file system needs root")
def test_a_full_file_system_is_said_to_be_full(tmp_path: Path, spawn: Callable[..., Popen[str]]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    prepare = 'mount -t tmpfs -o size=1m none "$1" && head -c 600k /dev/zero >"$1/ballast" && shift && exec "$@"'
    inside = ("unshare", "--mount", "sh", "-c", prepare, "sh", str(disk))
    said = spawn("fill", disk / "journal.db", before=inside).communicate()[0].splitlines()
    assert said[0] == f"the journal {disk}/journal.db could not grow: its file system is full"
    failed, checkpoint, kept = said[1].split()
    assert (int(checkpoint), int(kept)) == (int(failed) - 1, int(failed))
    assert int(said[2]) == int(kept) + 1


@pytest.mark.skipif(not may_mount(), reason="mounting a small file system needs root")
def test_a_file_system_without_room_for_sqlites_shared_memory_is_said_to_be_full(
    tmp_path: Path, spawn: Callable[..., Popen[str]]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    prepare = 'mount -t tmpfs -o size=1m none "$1" && shift && exec "$@"'
    inside = ("unshare", "--mount", "sh", "-c", prepare, "sh", str(disk))
    said = spawn("full", disk / "journal.db", before=inside).communicate()[0].splitlines()
    assert said == [f"the journal {disk}/journal.db could not grow: its file system is full"] * 2


@pytest.mark.skipif(not may_mount(), reason="mounting a small file system needs root")
@pytest.mark.parametrize("killed", [False, True])
def test_a_read_only_file_system_can_be_read_and_not_be_written(
    tmp_path: Path, spawn: Callable[..., Popen[str]], path: Path, driving: Driving, *, killed: bool
) -> None:
    if killed:
        writer = spawn("write", path)
        assert writer.stdout
        writer.stdout.readline()
        writer.kill()
        writer.wait()
    else:
        with driving():
            pass
    prepare = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    inside = ("unshare", "--mount", "sh", "-c", prepare, "sh", str(tmp_path))
    said = spawn("use", path, before=inside).communicate()[0].splitlines()
    assert said == ["fine", f"the journal {path} cannot be written: the file or its file system is read-only"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o000, ["is not open to this user: Permission denied", "is not open to this user: Permission denied"]),
        (0o400, ["fine", "is not open to this user: Permission denied"]),
    ],
)
def test_a_journal_that_one_may_not_open(
    mode: int, expected: list[str], path: Path, driving: Driving, spawn: Callable[..., Popen[str]]
) -> None:
    with driving():
        pass
    path.chmod(mode)
    user = os.geteuid()
    if user == 0:  # whom no mode keeps out
        user = NOBODY
        for name in (path.parent, *path.parent.iterdir()):
            os.chown(name, NOBODY, NOBODY)
        for directory in path.parents:
            if directory.stat().st_uid == 0 and directory.stat().st_mode & 0o777 == 0o700:
                directory.chmod(0o711)
    said = spawn("use", path, user).communicate()[0].splitlines()
    assert len(said) == 2
    for sentence, words in zip(said, expected, strict=True):
        assert words in sentence


def test_a_journal_locked_by_another_program(path: Path, driving: Driving, planned: Planned) -> None:
    with driving() as journal:
        journal.record(planned("r1"))
        shell = sqlite3.connect(path, isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with unusable("is locked by another program"):
            journal.record(reached(1))
        assert journal.runs()[0].checkpoint == "start"
        shell.execute("ROLLBACK")
        journal.record(reached(2))
        assert journal.runs()[0].checkpoint == "2"
        shell.close()


def test_no_other_program_writes_in_the_midst_of_a_commit(path: Path, journal: Journal, planned: Planned) -> None:
    journal.record(planned("r1"))
    shell = sqlite3.connect(path, isolation_level=None, timeout=0)
    refused: list[str] = []

    def meddle(statement: str) -> None:
        if statement.startswith("SELECT direction"):
            try:
                shell.execute("UPDATE runs SET checkpoint = 'elsewhere'")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    journal._database.set_trace_callback(meddle)
    journal.record(RunBegun(run="r1", direction=Direction.FORWARD, who="anna", anew=True))
    assert refused == ["database is locked"]
    assert journal.runs()[0].checkpoint == "start"
    shell.close()


def test_a_journal_that_cannot_be_opened_because_another_program_has_locked_it(path: Path, driving: Driving) -> None:
    with driving():
        pass
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("PRAGMA locking_mode = EXCLUSIVE")
    shell.execute("BEGIN EXCLUSIVE")
    with unusable("is locked by another program"), driving():
        pytest.fail("opened")
    shell.close()


def test_a_journal_whose_directory_has_no_parent(tmp_path: Path, path: Path, driving: Driving) -> None:
    shutil.rmtree(tmp_path)
    with unusable(str(path), "No such file or directory"), driving():
        pytest.fail("opened")
    assert not tmp_path.exists()


def test_a_file_that_is_no_journal(path: Path, driving: Driving) -> None:
    path.parent.mkdir()
    text = b"this is not a database but a letter\n" * 200
    path.write_bytes(text)
    with unusable("is not a journal"), driving():
        pytest.fail("opened")
    with unusable("is not a journal"), read(path) as reader:
        reader.runs()
    assert path.read_bytes() == text


def test_a_database_of_something_else(path: Path, driving: Driving) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE site (key, value)")
    other.close()
    before = path.read_bytes()
    with unusable("is a database of something else", "`site`"), driving():
        pytest.fail("opened")
    with unusable("is a database of something else"), read(path) as reader:
        reader.runs()
    assert path.read_bytes() == before


def everything(reader: Reader) -> tuple[tuple[RunSummary, ...], list[Run], list[object]]:
    runs = reader.runs()
    return runs, [reader.run(run.id) for run in runs], [reader.events(run.id) for run in runs]


@pytest.fixture
def whole(path: Path, driving: Driving, planned: Planned) -> Path:
    """A copy of a closed journal of some twenty pages."""
    with driving() as journal:
        for number in range(6):
            journal.record(planned(f"r{number}"))
            for _ in range(20):
                journal.record(CheckpointReached(run=f"r{number}", checkpoint="x" * 100))
    return Path(shutil.copy(path, path.with_name("whole")))


def test_a_journal_cut_off_at_any_page_is_said_to_be_damaged(path: Path, driving: Driving, whole: Path) -> None:
    content = whole.read_bytes()
    assert len(content) > 15 * PAGE
    for size in range(PAGE, len(content), PAGE):
        path.write_bytes(content[:size])
        with unusable("is damaged"), read(path) as reader:
            everything(reader)
        with unusable("is damaged"), driving():
            pytest.fail("opened")
        assert path.read_bytes() == content[:size]


def test_an_empty_file_is_a_journal_just_begun(path: Path, driving: Driving, planned: Planned) -> None:
    path.parent.mkdir()
    path.touch()
    with read(path) as reader:
        assert reader.runs() == ()
    with driving() as journal:
        journal.record(planned("r1"))
        assert [run.id for run in journal.runs()] == ["r1"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), garbage=st.binary(min_size=1, max_size=200))
def test_damaged_bytes_never_end_in_anything_but_a_sentence(
    place: float, garbage: bytes, path: Path, whole: Path
) -> None:
    content = whole.read_bytes()
    start = int(place * len(content))
    path.write_bytes((content[:start] + garbage + content[start + len(garbage) :])[: len(content)])
    with suppress(JournalUnusable, Refused), read(path) as reader:  # an index may lack a run: "there is no run"
        everything(reader)


@pytest.mark.parametrize(
    ("column", "text"),
    [("at", "yesterday"), ("kind", "Nothing"), ("event", "["), ("event", "[]"), ("event", "{}"), ("event", b"\xff")],
)
def test_a_row_that_we_did_not_write_is_damage(
    column: str, text: str | bytes, path: Path, driving: Driving, planned: Planned
) -> None:
    with driving() as journal:
        journal.record(planned("r1"))
    shell = sqlite3.connect(path)
    shell.execute("DROP TRIGGER events_no_update")
    shell.execute(f"UPDATE events SET {column} = CAST(? AS TEXT)", (text,))  # noqa: S608 - names of our own
    shell.commit()
    shell.close()
    with unusable("is damaged"), read(path) as reader:
        reader.events("r1")
