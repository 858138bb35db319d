from __future__ import annotations

import fcntl
import re
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

import pytest

from hamn_flow.errors import Busy
from hamn_flow.journal import Journal, drive, lock, read
from hamn_flow.model.events import RunPlanned
from hamn_flow.model.run import Holder

HOLDER = Holder(pid=4711, host="mn2", user="anna", since=datetime(2026, 5, 1, 3, 14, tzinfo=UTC), what="resume k7m2qx")
ROUNDS = 5


def line(process: Popen[str], text: str | None = None) -> str:
    if text is not None:
        assert process.stdin
        process.stdin.write(text)
        process.stdin.flush()
    assert process.stdout
    return process.stdout.readline().strip()


def test_the_second_driver_is_refused_by_name_and_the_first_goes_on(
    path: Path, planned: Callable[[str], RunPlanned]
) -> None:
    with drive(path, holder=HOLDER, clock=lambda: HOLDER.since) as first:
        with (
            pytest.raises(Busy) as refusal,
            drive(path, holder=HOLDER, clock=lambda: HOLDER.since),
        ):
            pytest.fail("two drivers")
        for word in ("`resume k7m2qx`", "anna", "process 4711", "mn2", "2026-05-01 03:14:00 UTC", str(path)):
            assert word in refusal.value.sentence
        first.record(planned("r1"))
        assert first.holder() == HOLDER
        with read(path) as reader:
            assert reader.holder() == HOLDER
            assert [run.id for run in reader.runs()] == ["r1"]
    with read(path) as reader:
        assert reader.holder() is None
    with drive(path, holder=HOLDER, clock=lambda: HOLDER.since):
        pass


def test_a_link_to_the_journal_leads_to_the_same_lock(
    path: Path, tmp_path: Path, driving: Callable[[], AbstractContextManager[Journal]]
) -> None:
    link = tmp_path / "elsewhere.db"
    link.symlink_to(path)
    with driving(), pytest.raises(Busy), drive(link, holder=HOLDER, clock=lambda: HOLDER.since):
        pytest.fail("two drivers")


def test_of_processes_that_race_exactly_one_wins_and_the_others_name_it(
    path: Path, spawn: Callable[..., Popen[str]]
) -> None:
    for _ in range(ROUNDS):
        racers = [spawn("hold", path) for _ in range(3)]
        for racer in racers:
            assert racer.stdin
            racer.stdin.write("go\n")
            racer.stdin.flush()
        said = {racer.pid: line(racer) for racer in racers}
        winners = [pid for pid, words in said.items() if words == "held"]
        assert len(winners) == 1, said
        for pid, words in said.items():
            assert pid in winners or re.search(rf"^Busy .*process {winners[0]} on mn1", words), said
        for racer in racers:
            racer.communicate()
        assert [racer.returncode for racer in racers] == [0, 0, 0]


def test_the_lock_of_a_killed_driver_is_free_although_its_name_is_still_there(
    path: Path, spawn: Callable[..., Popen[str]], driving: Callable[[], AbstractContextManager[Journal]]
) -> None:
    driver = spawn("hold", path)
    assert line(driver, "go\n") == "held"
    with read(path) as reader:
        alive = reader.holder()
        assert alive
        assert alive.pid == driver.pid
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        assert str(driver.pid) in path.with_name("journal.db.lock").read_text()
        assert reader.holder() is None
    with driving():
        pass


def test_somebody_who_only_looks_is_not_taken_for_a_driver(
    path: Path,
    spawn: Callable[..., Popen[str]],
    driving: Callable[[], AbstractContextManager[Journal]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed = spawn("hold", path)  # whose name stays in the file
    assert line(killed, "go\n") == "held"
    killed.kill()
    killed.wait()
    with lock.lock_path(path).open() as looking, read(path) as reader:
        fcntl.flock(looking, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert reader.holder() is None
        monkeypatch.setattr(time, "sleep", lambda _: fcntl.flock(looking, fcntl.LOCK_UN))
        with driving():
            pass


def test_a_driver_that_is_just_writing_its_name_is_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    with lock.lock_path(path).open("w") as driver, read(path) as reader:
        fcntl.flock(driver, fcntl.LOCK_EX | fcntl.LOCK_NB)

        def write_name(_: float) -> None:
            driver.write(lock._text(HOLDER).decode())
            driver.flush()

        monkeypatch.setattr(time, "sleep", write_name)
        assert reader.holder() == HOLDER


def test_a_driver_that_never_writes_its_name_is_a_driver_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    path.parent.mkdir()
    with lock.lock_path(path).open("w") as driver, read(path) as reader:
        fcntl.flock(driver, fcntl.LOCK_EX | fcntl.LOCK_NB)
        holder = reader.holder()
        assert holder
        assert (holder.pid, holder.what) == (0, "unknown")
