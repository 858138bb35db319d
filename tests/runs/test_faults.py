"""A fault at every command of the planned failover: it halts or goes on, and what a resume makes of it is the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hamn_flow.engine.begin import resume, start
from hamn_flow.errors import HamnError
from hamn_flow.model.run import RunState
from hamn_flow.simulator import standard_pair
from hamn_flow.simulator.faults import Fails, Fault, Lies, LinkLost, Moment, Strikes
from tests.runs.conftest import Pair

FAULTS: dict[str, Callable[[int], Fault]] = {
    "fails": lambda passes: Fails(passes=passes, status=1, errors="something went wrong"),
    "lies": lambda passes: Lies(passes=passes),
    "link lost before": lambda passes: LinkLost(passes=passes, moment=Moment.BEFORE),
    "link lost during": lambda passes: LinkLost(passes=passes, moment=Moment.DURING),
    "link lost after": lambda passes: LinkLost(passes=passes, moment=Moment.AFTER),
}
RESUMES = 3
LONGEST = 1023  # looks and launches of a failover, at most
EVERY = 31  # looks and launches from one cut to the next, so that no step is struck twice


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_at_every_command_changes_nothing_of_the_end(
    tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    undisturbed = fresh(tmp_path / "undisturbed")
    with undisturbed.desk() as desk:
        start(desk, "planned-failover", {})
    end, commands = undisturbed.world.picture(), len(undisturbed.world.state.log)
    for passes in range(commands):
        pair = fresh(tmp_path / f"{passes}")
        fault = FAULTS[name](passes)
        pair.world.fault(fault)
        where = f"{name}, command {passes + 1} of {commands}"
        with pair.desk() as desk:
            try:
                start(desk, "planned-failover", {})
            except HamnError:
                assert any(resumed(pair) is RunState.DONE for _ in range(RESUMES)), where
        assert pair.world.picture() == end, where
        pair.assert_safe()
    record_property("cases", commands)
    record_property("of", f"a command of the planned failover: {name}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
def test_a_short_cut_at_any_look_or_launch_halts_no_run(
    tmp_path: Path, moment: Moment, record_property: Callable[[str, object], None]
) -> None:
    """The node is away for some tries, for whatever its steps that run side by side need it."""
    cuts = 0
    for first in range(EVERY):
        pair = fresh(tmp_path / f"{first}")
        for passes in range(first, LONGEST, EVERY):
            pair.world.fault(LinkLost(passes=passes, moment=moment, strikes=Strikes.BOTH, refusals=3))
        with pair.desk() as desk:
            start(desk, "planned-failover", {})
        assert pair.last_run().summary.state is RunState.DONE
        pair.assert_safe()
        assert pair.world.state.faults, "its end was not cut"
        cuts += LONGEST // EVERY - len(pair.world.state.faults)
    record_property("cases", cuts)
    record_property("of", f"a short cut {moment.value} a look or a launch")


def resumed(pair: Pair) -> RunState:
    with pair.desk() as desk:
        try:
            return resume(desk, desk.journal.runs()[0].id)
        except HamnError:
            return RunState.WAITING


def fresh(folder: Path) -> Pair:
    folder.mkdir()
    world = standard_pair("postgresql")
    world.sleep = lambda _seconds: None
    return Pair(folder=folder, database="postgresql", world=world)
