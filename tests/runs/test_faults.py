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
    "link lost before": lambda passes: LinkLost(passes=passes, moment=Moment.BEFORE, refusals=REFUSALS),
    "link lost during": lambda passes: LinkLost(passes=passes, moment=Moment.DURING, refusals=REFUSALS),
    "link lost after": lambda passes: LinkLost(passes=passes, moment=Moment.AFTER, refusals=REFUSALS),
}
MAY_HALT = frozenset({"fails", "lies"})
RESUMES = 3
MINUTE = 60.0  # seconds: far longer than any cut
REFUSALS = 3  # tries to connect that are in vain after a cut
LOOKS = 2000  # of a failover, at most
EVERY = 11  # looks from one cut to the next


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
                assert name in MAY_HALT, where
                assert any(resumed(pair) is RunState.DONE for _ in range(RESUMES)), where
        assert pair.world.picture() == end, where
        pair.assert_safe()
    record_property("cases", commands)
    record_property("of", f"a command of the planned failover: {name}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
def test_a_short_cut_at_any_look_halts_no_run(
    tmp_path: Path, moment: Moment, record_property: Callable[[str, object], None]
) -> None:
    """The node is away for some tries, for whatever its steps that run side by side need it."""
    cuts = 0
    for first in range(EVERY):
        pair = fresh(tmp_path / f"{first}")
        for passes in range(first, LOOKS, EVERY):
            pair.world.fault(LinkLost(passes=passes, moment=moment, strikes=Strikes.LOOKS, refusals=REFUSALS))
        with pair.desk() as desk:
            start(desk, "planned-failover", {})
        assert pair.last_run().summary.state is RunState.DONE
        pair.assert_safe()
        assert pair.world.state.faults, "its end was not cut"
        cuts += len(range(first, LOOKS, EVERY)) - len(pair.world.state.faults)
    record_property("cases", cuts)
    record_property("of", f"a short cut {moment.value} a look")


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
    return Pair(folder=folder, database="postgresql", world=world, reconnect=MINUTE)
