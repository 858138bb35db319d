"""What status says of a run in each of its states, and runs and show with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from hamn_flow.journal import Journal
from hamn_flow.model.events import (
    AttemptFailed,
    CheckpointReached,
    CommandEnded,
    Decided,
    RunBegun,
    RunEnded,
    RunHalted,
)
from hamn_flow.model.run import Decision, Direction, RunState, StepState
from tests.cli.desk import WHO, Desk, begun, launched, settled

RUN = "k7m2qx"
UNMOUNT = "mn1.unmount./install"


def _under_way(journal: Journal) -> None:
    begun(journal, RUN)
    settled(journal, RUN, "mn1.look")
    journal.record(CheckpointReached(run=RUN, checkpoint="check"))
    launched(journal, RUN, UNMOUNT)


def _halted(journal: Journal) -> None:
    begun(journal, RUN)
    settled(journal, RUN, "mn1.look")
    key = launched(journal, RUN, UNMOUNT)
    journal.record(CommandEnded(run=RUN, key=key, status=32, seconds=0.02, last_lines="umount: target is busy."))
    journal.record(AttemptFailed(run=RUN, step=UNMOUNT, number=1, reason="still mounted", wait=None))
    settled(journal, RUN, UNMOUNT, StepState.FAILED)
    journal.record(RunHalted(run=RUN, step=UNMOUNT, reason="/install is busy: pid 42", hint="End pid 42."))


def _in_doubt(journal: Journal) -> None:
    _under_way(journal)
    settled(journal, RUN, UNMOUNT, StepState.IN_DOUBT)
    journal.record(RunHalted(run=RUN, step=UNMOUNT, reason="mn1 does not answer", hint=""))


def _going_back(journal: Journal) -> None:
    _halted(journal)
    journal.record(RunBegun(run=RUN, direction=Direction.BACK, who="bob@admin2", anew=True))


def _ended(state: RunState) -> Callable[[Journal], None]:
    def make(journal: Journal) -> None:
        _halted(journal)
        journal.record(RunEnded(run=RUN, state=state))

    return make


CASES = [
    (
        _under_way,
        f"resume {RUN}",
        "running",
        ["`resume k7m2qx` of alice, process 4711 on admin1", "Wait for its driver"],
    ),
    (_going_back, f"rollback {RUN}", "rolling back", ["process 4711 on admin1", "Wait for its driver"]),
    (_under_way, "start planned-failover", "orphaned", [f"{UNMOUNT}: begun", f"hamn-flow resume {RUN}"]),
    (_under_way, "confirm k7m2qx", "orphaned", [f"hamn-flow resume {RUN}"]),
    (_under_way, "", "orphaned", ["nobody carries the run", f"{UNMOUNT}: begun, and how it ended is not known"]),
    (_going_back, "", "orphaned", ["while going back", f"hamn-flow rollback {RUN}"]),
    (_halted, "", "waiting", [f"{UNMOUNT}: Do unmount", "/install is busy: pid 42", "End pid 42."]),
    (_in_doubt, "", "in doubt", ["mn1 does not answer", f"in doubt    {UNMOUNT}", f"hamn-flow resume {RUN}"]),
    (_ended(RunState.DONE), "", "done", [f"hamn-flow rollback {RUN} goes back"]),
    (_ended(RunState.ROLLED_BACK), "", "rolled back", [f"hamn-flow show {RUN}"]),
    (_ended(RunState.ABANDONED), "", "abandoned", [f"hamn-flow show {RUN}"]),
]


@pytest.mark.parametrize(("make", "driver", "word", "said"), CASES, ids=[f"{case[2]} {case[1]}" for case in CASES])
def test_status_tells_the_states_apart(
    desk: Desk, make: Callable[[Journal], None], driver: str, word: str, said: list[str]
) -> None:
    with desk.drive() as journal:
        make(journal)
    held: AbstractContextManager[object] = desk.drive(driver) if driver else nullcontext()
    with held:
        text, data = desk.type("status"), json.loads(desk.type("status", "--json").out)
        listed = desk.type("runs")
    assert text.status == 0
    assert f"run {RUN}  planned-failover  {word}\n" in text.out
    assert [each for each in said if each not in text.out] == []
    assert data["runs"][0]["state"] == word.replace(" ", "_")
    assert (data["driver"] is not None) == bool(driver)
    assert f"  {word} " in listed.out


def test_a_start_that_looks_before_its_run_is_made_is_named_as_the_driver(desk: Desk) -> None:
    with desk.drive("start planned-failover"):
        said = desk.type("status").out
    assert "driver" in said
    assert "`start planned-failover` of alice" in said
    assert "There is no run yet" in said


def test_a_run_made_by_the_start_that_holds_the_lock_is_running(desk: Desk) -> None:
    with desk.drive("start planned-failover") as journal:
        _under_way(journal)
        said = desk.type("status").out
    assert f"run {RUN}  planned-failover  running\n" in said


def test_all_open_runs_are_shown_and_otherwise_the_newest(desk: Desk) -> None:
    with desk.drive() as journal:
        _ended(RunState.DONE)(journal)
        begun(journal, "bbbbbb")
        begun(journal, "cccccc")
        shown = [run["id"] for run in json.loads(desk.type("status", "--json").out)["runs"]]
        assert shown == ["cccccc", "bbbbbb"]
        journal.record(RunEnded(run="bbbbbb", state=RunState.DONE), RunEnded(run="cccccc", state=RunState.ABANDONED))
    assert [run["id"] for run in json.loads(desk.type("status", "--json").out)["runs"]] == ["cccccc"]
    assert [run["id"] for run in json.loads(desk.type("runs", "--limit", "2", "--json").out)["runs"]] == [
        "cccccc",
        "bbbbbb",
    ]


def test_show_tells_the_whole_story(desk: Desk) -> None:
    with desk.drive() as journal:
        _halted(journal)
        journal.record(Decided(run=RUN, kind=Decision.CONFIRM, step="mn1.look", who=WHO, why="I saw it"))
    said = desk.type("show", RUN[:2])
    assert said.status == 0
    for words in (
        "mn1$ umount /install  status 32, 0.02 s",
        "| umount: target is busy.",
        "attempt 1",
        "still mounted; no attempt is left",
        f"waits at {UNMOUNT}: /install is busy: pid 42",
        "HINT: End pid 42.",
        f"mn1.look confirmed by {WHO}: I saw it",
        "pending",
    ):
        assert words in said.out
    data = json.loads(desk.type("show", RUN, "--json").out)
    step = next(step for step in data["steps"] if step["name"] == UNMOUNT)
    assert (step["commands"][0]["status"], step["commands"][0]["last_lines"]) == (32, ["umount: target is busy."])
    assert step["attempts"][0]["reason"] == "still mounted"
    assert data["decisions"][0]["why"] == "I saw it"
    assert data["halts"][0]["hint"] == "End pid 42."


def test_a_command_whose_end_is_not_recorded_is_shown_as_such(desk: Desk) -> None:
    with desk.drive() as journal:
        _under_way(journal)
    assert "umount /install  (launched; how it ended is not known)" in desk.type("show").out


def test_a_run_is_found_by_the_beginning_of_its_id_if_no_other_begins_so(desk: Desk) -> None:
    with desk.drive() as journal:
        begun(journal, "kaaaaa")
        begun(journal, "kbbbbb")
    assert desk.type("show", "ka").status == 0
    several = desk.type("show", "k")
    assert several.status == 5
    assert "kaaaaa, kbbbbb" in several.errors
    assert desk.type("show", "x").status == 5
