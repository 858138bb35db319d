"""The way to a node is cut within a command, in each half of a failover: for a moment, and until nobody waits any more.

Whatever becomes of the way, the command goes on on its node, is launched once, and its end is read there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hamn_flow.errors import Unreachable
from hamn_flow.lab import faults
from tests.lab.proofs.driving import Begin, assert_once, commands, state, with_policy
from tests.lab.proofs.gate import DATABASE, Gate, gate
from tests.lab.proofs.pair import STARTED, Pair, wait_for
from tests.lab.proofs.standing import watched

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

MOMENT = 5.0  # seconds
RECONNECT = 3.0  # seconds
UNITS = ("xcatd", DATABASE)


@contextmanager
def gates(pair: Pair, here: str, there: str, *units: str) -> Iterator[tuple[Gate, ...]]:
    """For each unit one in its stop and one in its start, in the order in which a failover comes to them."""
    with ExitStack() as shut:
        stops = [shut.enter_context(gate(pair, here, "stop", unit)) for unit in units]
        starts = [shut.enter_context(gate(pair, there, "start", unit)) for unit in reversed(units)]
        yield (*stops, *starts)


def step_of(shut: Gate) -> str:
    if shut.unit == DATABASE:
        return f"{shut.node}.{'await' if shut.verb == 'start' else shut.verb}.database"
    return f"{shut.node}.{shut.verb}.{shut.unit}"


def assert_read_once(pair: Pair, *cut: Gate) -> None:
    """Each command that was cut off was launched once, ran once, and its status is known."""
    story = pair.last_run()
    assert_once(pair, story)
    for shut in cut:
        assert [each["status"] for each in commands(story, step_of(shut))] == [0]
        assert (state(story, step_of(shut)), shut.times) == ("done", 1)


@pytest.mark.parametrize("cuts", [("link-down", "link-drop"), ("sshd",)], ids="-".join)
def test_after_a_short_cut_the_run_goes_on_by_itself(pair: Pair, begin: Begin, cuts: tuple[str, ...]) -> None:
    """In each half a command for each cut, which ends while nobody can hear of it."""
    here, there = pair.roles()
    with gates(pair, here, there, *UNITS[: len(cuts)]) as shut, watched(pair.lab) as standing:
        driver = begin("start", STARTED, "--yes")
        for cut, each in zip((*cuts, *cuts), shut, strict=True):
            each.until_reached(driver)
            with faults.during(pair.lab, cut, each.node):
                each.open()
                time.sleep(MOMENT)
        status, said = wait_for(driver)
        assert status == 0, said
        assert_read_once(pair, *shut)
    pair.assert_active(there)
    standing.assert_moved(here, there)
    standing.assert_taken_once(here, there)


@pytest.mark.usefixtures("brisk")
def test_a_cut_that_lasts_halts_the_run_and_the_command_goes_on(pair: Pair, begin: Begin, tmp_path: Path) -> None:
    """The run says what is not known; a resume finds what became of the command, and does not launch it again."""
    here, there = pair.roles()
    impatient = with_policy(pair, tmp_path, reconnect=RECONNECT)
    with gates(pair, here, there, "xcatd") as (stop, start), watched(pair.lab) as standing:
        driver = begin(*impatient, "start", STARTED, "--yes")
        for cut, shut in (("link-down", stop), ("link-drop", start)):
            shut.until_reached(driver)
            with faults.during(pair.lab, cut, shut.node):
                status, said = wait_for(driver)
                assert status == Unreachable.exit_status, said
                story = pair.last_run()
                assert f"the link to {shut.node} was lost while a command was under way" in story["halt"]["reason"]
                assert state(story, step_of(shut)) == "in_doubt"
                assert shut.waits
                shut.open()
            driver = begin(*impatient, "resume", "--yes")
        status, said = wait_for(driver)
        assert status == 0, said
        assert_read_once(pair, stop, start)
    pair.assert_active(there)
    standing.assert_moved(here, there)
    standing.assert_taken_once(here, there)
