"""The machine that drove is gone, its journal with it: another one finishes the run, or takes it back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hamn_flow.errors import Busy, StaleDriver, StepFailed
from hamn_flow.lab import faults
from tests.lab.proofs.driving import Begin, assert_once
from tests.lab.proofs.gate import gate
from tests.lab.proofs.pair import STARTED, Pair, wait_for
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def gone(pair: Pair, journal: Path) -> None:
    """What was on the machine that drove."""
    del pair
    for path in journal.parent.glob(f"{journal.name}*"):
        path.unlink()


def story_of(pair: Pair, *options: str) -> dict[str, object]:
    """The newest run of a journal."""
    run = json.loads(pair.succeed(*options, "runs", "--json"))["runs"][0]["id"]
    shown: dict[str, object] = json.loads(pair.succeed(*options, "show", run, "--json"))
    return shown


@pytest.mark.parametrize("way", ["resume", "rollback"])
def test_a_run_whose_driver_was_killed_within_a_command(pair: Pair, begin: Begin, tmp_path: Path, way: str) -> None:
    """The command goes on; the adopter waits for its end, and launches nothing twice."""
    here, there = pair.roles()
    first, second = tmp_path / "first.db", tmp_path / "second.db"
    one, other = ("--journal", str(first)), ("--journal", str(second))
    with gate(pair, here, "stop", "xcatd") as stop, watched(pair.lab) as standing:
        driver = begin(*one, "start", STARTED, "--yes")
        stop.until_reached(driver)
        driver.kill()
        driver.communicate(timeout=30)
        gone(pair, first)
        stop.open()
        if way == "resume":
            pair.succeed(*other, "adopt", there, "--yes")
        else:
            pair.succeed(*other, "adopt", here, "--stay", "--yes")
            pair.succeed(*other, "rollback", "--yes")
        assert stop.times == 1
    taken = (here, there) if way == "resume" else (here,)
    pair.assert_active(taken[-1])
    assert_once(pair, story_of(pair, *other))
    standing.assert_moved(*taken)


def test_a_run_that_waited_and_a_machine_that_wakes_up(pair: Pair, begin: Begin, tmp_path: Path) -> None:
    """The nodes refuse the first machine, also within its run; by its own journal it cannot go on either."""
    here, there = pair.roles()
    first, second = ("--journal", str(tmp_path / "first.db")), ("--journal", str(tmp_path / "second.db"))
    with gate(pair, here, "stop", "xcatd") as stop, watched(pair.lab) as standing:
        driver = begin(*first, "start", STARTED, "--yes")
        stop.until_reached(driver)
        pair.succeed(*second, "adopt", there, "--stay", "--yes")
        stop.open()
        status, said = wait_for(driver)
        assert status == StaleDriver.exit_status, said
        assert f"{here} was taken" in " ".join(said.split())
        for words in (("resume",), ("rollback",)):
            ended = pair.flow(*first, *words, "--yes")
            assert ended.returncode == Busy.exit_status, ended.stdout + ended.stderr
            assert "was taken over by another driver" in " ".join(ended.stderr.split())
        with faults.during(pair.lab, "hold", here, "/install", "cwd"):
            ended = pair.flow(*second, "resume", "--yes")
            assert ended.returncode == StepFailed.exit_status, ended.stdout + ended.stderr
        pair.succeed(*second, "resume", "--yes")
        assert stop.times == 1
    assert "whole" in pair.succeed(*second, "audit")
    pair.assert_active(there)
    assert_once(pair, story_of(pair, *second))
    standing.assert_moved(here, there)
