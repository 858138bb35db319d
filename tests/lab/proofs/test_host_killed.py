"""A host loses its power within a half of a failover: nobody takes its place before it has been heard of again.

Silence proves nothing, whoever asks. When the host is back, the run looks at everything again, and goes on or back.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hamn_flow.errors import Busy, StepFailed, Unreachable
from hamn_flow.lab import faults
from tests.lab.proofs.driving import Begin, assert_once, commands, state, with_policy
from tests.lab.proofs.gate import DATABASE, gate
from tests.lab.proofs.pair import STARTED, Pair, until_running, wait_for
from tests.lab.proofs.standing import watched
from tests.waiting import until

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("brisk"),
]

RECONNECT = 3.0  # seconds
LONG = 400.0  # seconds


@contextmanager
def powerless(pair: Pair, node: str, driver: subprocess.Popen[str], step: str) -> Iterator[None]:
    """Cut a host's power within a step of a driver, which must halt in doubt of it; the host boots at the end."""
    with faults.during(pair.lab, "power", node):
        status, said = wait_for(driver, LONG)
        assert status == Unreachable.exit_status, said
        story = pair.last_run()
        assert f"{node} (root@" in story["halt"]["reason"]
        assert state(story, step) == "in_doubt"
        yield
        assert state(pair.last_run(), step) == "in_doubt"


def refused(pair: Pair, *words: str) -> None:
    """It ends with who it is that does not answer."""
    ended = pair.flow(*words, "--yes", timeout=LONG)
    assert ended.returncode == Unreachable.exit_status, ended.stdout + ended.stderr
    assert "cannot be reached" in " ".join(ended.stderr.split())


def test_one_that_dies_while_it_lets_go_is_not_taken_for_gone(pair: Pair, begin: Begin, tmp_path: Path) -> None:
    """Not by somebody either who knows nothing of the run."""
    here, there = pair.roles()
    impatient = with_policy(pair, tmp_path, reconnect=RECONNECT)
    stranger = ("--journal", str(tmp_path / "journal.db"))
    with gate(pair, here, "stop", DATABASE) as stop, watched(pair.lab) as standing:
        driver = begin(*impatient, "start", STARTED, "--yes")
        stop.until_reached(driver)
        with powerless(pair, here, driver, f"{here}.stop.database"):
            ended = pair.flow(*stranger, "start", "activate", f"node={there}", "--yes", timeout=LONG)
            assert ended.returncode == Busy.exit_status, ended.stdout + ended.stderr
            pair.succeed(*stranger, "release", there, "--because", "I was told to", "--yes")
            refused(pair, *stranger, "start", "activate", f"node={there}")
            assert pair.empty(there)
        pair.succeed("resume", "--yes")
    pair.assert_active(there)
    assert_once(pair, pair.last_run())
    standing.assert_moved(here, there)


def test_one_that_dies_while_it_unmounts(pair: Pair, begin: Begin, tmp_path: Path) -> None:
    """The commands are lost with it: what became of them is looked at, and none is launched again without need."""
    here, there = pair.roles()
    impatient = with_policy(pair, tmp_path, reconnect=RECONNECT)
    with faults.during(pair.lab, "hangs", here, "umount"), watched(pair.lab) as standing:
        driver = begin(*impatient, "start", STARTED, "--yes")
        until_running(pair, here, ("sleep",))
        step = f"{here}.unmount./install"
        until(lambda: bool(commands(pair.last_run(), step)))  # it is one of several that are launched at once
        with powerless(pair, here, driver, step):
            assert pair.empty(there)
        pair.succeed("resume", "--yes")
    story = pair.last_run()
    assert [each["status"] for each in commands(story, step)] == [None]
    pair.assert_active(there)
    assert_once(pair, story)
    standing.assert_moved(here, there)


def test_one_that_dies_after_it_let_go_keeps_the_other_from_going_on(pair: Pair, begin: Begin, tmp_path: Path) -> None:
    """It may have been booted by now, and given the role by somebody. The database takes long to start."""
    here, there = pair.roles()
    impatient = with_policy(pair, tmp_path, reconnect=RECONNECT)
    with gate(pair, there, "prepare", DATABASE) as start, watched(pair.lab) as standing:
        driver = begin(*impatient, "start", STARTED, "--yes")
        start.until_reached(driver)
        with faults.during(pair.lab, "power", here):
            start.open()
            status, said = wait_for(driver, LONG)
            assert status == StepFailed.exit_status, said
            halt = pair.last_run()["halt"]
            assert halt["step"] == f"{there}.start.database"
            assert f"{here} does not answer, and silence is not proof that it has let go" in halt["reason"]
            assert not pair.running(there, "xcatd")
        pair.succeed("resume", "--yes")
    pair.assert_active(there)
    assert_once(pair, pair.last_run())
    standing.assert_moved(here, there)


@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_one_that_dies_while_it_takes_over(pair: Pair, begin: Begin, tmp_path: Path, way: str) -> None:
    """Its database ran already: the other host must not start one before this one is known to be without."""
    here, there = pair.roles()
    impatient = with_policy(pair, tmp_path, reconnect=RECONNECT)
    with gate(pair, there, "start", DATABASE) as start, watched(pair.lab) as standing:
        driver = begin(*impatient, "start", STARTED, "--yes")
        start.until_reached(driver)
        with powerless(pair, there, driver, f"{there}.await.database"):
            refused(pair, way)
            assert pair.empty(here)
        pair.succeed(way, "--yes")
    taken = {"resume": (here, there, there), "rollback": (here, there, here)}[way]
    pair.assert_active(taken[-1])
    assert_once(pair, pair.last_run())
    standing.assert_moved(*taken)
