"""What is said of an outage: how long, by which steps, and what nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hamn_flow.journal import drive
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import (
    CheckpointReached,
    Decided,
    Event,
    Knocked,
    NodeSeen,
    NotMeasured,
    RunBegun,
    RunEnded,
    RunHalted,
    RunPlanned,
    StepBegun,
    StepSettled,
    Story,
)
from hamn_flow.model.outage import Answer
from hamn_flow.model.run import Decision, Direction, Holder, PlannedStep, Run, RunState, StepState
from hamn_flow.report.history import outcome_line, show_data
from hamn_flow.report.line import text_of
from hamn_flow.report.outage import outage_lines
from hamn_flow.report.status import status_lines

RUN, MN1 = "k7m2qx", NodeName("mn1")
THREE = datetime(2026, 3, 1, 3, tzinfo=UTC)
STEPS = ("mn1.mark", "mn1.stop.xcatd", "mn1.stop.dhcp", "mn1.release", "mn2.start.xcatd")
XCATD, ADDRESS, NOTHING = Answer.XCATD, Answer.ADDRESS, Answer.NOTHING

Told = Sequence[tuple[float, Event]]


def knocked(at: float, answer: Answer, *, first: bool = False) -> tuple[float, Event]:
    return at, Knocked(run=RUN, knocked_at=THREE + timedelta(seconds=at), answer=answer, first=first)


def begun(at: float, step: str, intent: int = 1, direction: Direction = Direction.FORWARD) -> tuple[float, Event]:
    return at, StepBegun(run=RUN, step=step, direction=direction, intent=intent, reason="", seen=None)


def settled(at: float, step: str, state: StepState = StepState.DONE) -> tuple[float, Event]:
    return at, StepSettled(run=RUN, step=step, state=state, reason="", changed=state is StepState.DONE)


def reached(at: float, stage: str) -> tuple[float, Event]:
    return at, CheckpointReached(run=RUN, checkpoint=stage)


def taken_up(at: float) -> tuple[float, Event]:
    return at, RunBegun(run=RUN, direction=Direction.FORWARD, who="root", anew=True)


DONE = RunEnded(run=RUN, state=RunState.DONE)
FAILOVER: Told = [
    taken_up(0),
    knocked(0, XCATD, first=True),
    begun(1, "mn1.mark"),
    settled(9, "mn1.mark"),
    reached(9.5, "mn1.mark"),
    begun(10, "mn1.stop.xcatd"),
    begun(10, "mn1.stop.dhcp"),
    knocked(10.5, ADDRESS),
    settled(11, "mn1.stop.xcatd"),
    settled(12, "mn1.stop.dhcp"),
    reached(12, "mn1.stop.dhcp"),
    begun(13, "mn1.release"),
    knocked(13.25, NOTHING),
    settled(14, "mn1.release"),
    reached(14, "mn1.release"),
    knocked(17, ADDRESS),
    begun(18, "mn2.start.xcatd"),
    knocked(19, XCATD),
    settled(20, "mn2.start.xcatd"),
    (21, DONE),
    knocked(21, XCATD),
]
HALTED: Told = [
    *FAILOVER[:15],
    (15, RunHalted(run=RUN, step="mn2.start.xcatd", reason="no", hint="")),
    knocked(15, NOTHING),
]
KILLED: Told = [*FAILOVER[:13], (4000, NodeSeen(run=RUN, node=MN1, boot_id="b", generation=1))]


def recorded(folder: Path, told: Told) -> tuple[Run, Story]:
    """The run as the journal gives it after these events, at so many seconds after three."""
    at = THREE
    holder = Holder(pid=1, host="here", user="root", since=THREE, what="test")
    steps = tuple(
        PlannedStep(name=name, stage=name, node=MN1, title="", kind="a:B", version=1, fields={}) for name in STEPS
    )
    planned = RunPlanned(run=RUN, procedure="toy", cluster="c", cluster_path="/c", options={}, steps=steps)
    with drive(folder / "journal.db", holder=holder, clock=lambda: at) as journal:
        journal.record(planned)
        for seconds, event in told:
            at = THREE + timedelta(seconds=seconds)
            journal.record(event)
        return journal.run(RUN), journal.events(RUN)


def said(run: Run, story: Story) -> list[str]:
    return text_of(outage_lines(run, story, THREE, 200)).splitlines()[1:]


SHARED = "  Steps that ran side by side share the same time: the shares may add up to more than the whole."


def test_a_failover_with_the_share_of_each_step(tmp_path: Path) -> None:
    run, story = recorded(tmp_path, FAILOVER)
    assert said(run, story) == [
        "  the virtual IP was away for 3.75 s, xCAT for 8.50 s",
        "                       virtual IP          xCAT",
        "  mn1.stop.xcatd                -        0.50 s",
        "  mn1.stop.dhcp                 -        1.50 s",
        "  mn1.release              0.75 s        2.00 s",
        "  mn2.start.xcatd          3.00 s        5.00 s",
        SHARED,
    ]
    outcome = text_of([outcome_line(run, 21.0, THREE)])
    assert outcome.endswith("(21.0 s); the virtual IP was away for 3.75 s, xCAT for 8.50 s\n")
    assert "outage      the virtual IP was away for 3.75 s" in text_of(status_lines(run, None, THREE, 200))


def test_the_same_as_plain_data(tmp_path: Path) -> None:
    run, story = recorded(tmp_path, FAILOVER)
    data = show_data(run, story, None)
    assert data["outage"] == {
        "virtual_ip": {
            "seconds": 3.75,
            "away": [{"begun": "2026-03-01T03:00:13.250000+00:00", "ended": "2026-03-01T03:00:17+00:00"}],
            "lasting": False,
        },
        "xcatd": {
            "seconds": 8.5,
            "away": [{"begun": "2026-03-01T03:00:10.500000+00:00", "ended": "2026-03-01T03:00:19+00:00"}],
            "lasting": False,
        },
        "not_observed": [],
        "between_steps": {"virtual_ip": 0.0, "xcatd": 0.0},
        "while_waiting": {"virtual_ip": 0.0, "xcatd": 0.0},
        "not_measured": [],
    }
    assert [(step["outage"]["virtual_ip"], step["outage"]["xcatd"]) for step in data["steps"]] == [
        (0.0, 0.0),
        (0.0, 0.5),
        (0.0, 1.5),
        (0.75, 2.0),
        (3.0, 5.0),
    ]


def test_a_run_that_waits_says_since_when(tmp_path: Path) -> None:
    run, story = recorded(tmp_path, HALTED)
    assert said(run, story)[0] == "  the virtual IP was away from 03:00:13 on, xCAT from 03:00:10 on"


def test_a_second_outage_that_lasts_is_told_after_the_first(tmp_path: Path) -> None:
    again = [*FAILOVER, taken_up(30), knocked(30, XCATD, first=True), knocked(31, ADDRESS), knocked(40, ADDRESS)]
    run, story = recorded(tmp_path, again)
    assert said(run, story)[0] == "  the virtual IP was away for 3.75 s, xCAT for 8.50 s and from 03:00:31 on"


def test_what_nobody_observed_between_two_sittings_is_said_and_counted(tmp_path: Path) -> None:
    went_on: Told = [
        (600, Decided(run=RUN, kind=Decision.CONFIRM, step="mn1.mark", who="root", why="seen")),
        taken_up(915),
        knocked(915, NOTHING, first=True),
        begun(916, "mn2.start.xcatd"),
        knocked(917, XCATD),
        settled(918, "mn2.start.xcatd"),
    ]
    run, story = recorded(tmp_path, [*HALTED, *went_on])
    assert said(run, story) == [
        "  the virtual IP was away for 15 min 3 s, xCAT for 15 min 6 s",
        "  not observed between 2026-03-01 03:00:15 and 2026-03-01 03:15:15; what was away before is counted on",
        "                         virtual IP          xCAT",
        "  mn1.stop.xcatd                  -        0.50 s",
        "  mn1.stop.dhcp                   -        1.50 s",
        "  mn1.release                0.75 s        2.00 s",
        "  mn2.start.xcatd            2.00 s        2.00 s",
        "  between the steps          1.00 s        1.00 s",
        "  not observed           15 min 0 s    15 min 0 s",
        SHARED,
    ]


def test_a_step_whose_driver_was_killed_ended_with_it(tmp_path: Path) -> None:
    """Not when the next driver took the run up, an hour later."""
    resumed: Told = [taken_up(4001), knocked(4001, NOTHING, first=True), knocked(4002, XCATD), (4003, DONE)]
    run, story = recorded(tmp_path, [*KILLED, *resumed])
    data = show_data(run, story, None)
    release = next(step for step in data["steps"] if step["name"] == "mn1.release")
    assert release["outage"] == {"virtual_ip": 0.0, "xcatd": 1.25}
    assert data["outage"]["while_waiting"] == {"virtual_ip": 3987.75, "xcatd": 3987.75}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], ["  not measured: nobody knocked at the virtual IP"]),
        ([(0, NotMeasured(run=RUN, reason="no sockets"))] * 2, ["  not measured: no sockets"]),
        (
            [knocked(0, NOTHING, first=True), begun(1, STEPS[0]), settled(2, STEPS[0]), knocked(9, NOTHING)],
            ["  not measured: the virtual IP did not answer from here at any time"],
        ),
        (
            [knocked(0, ADDRESS, first=True), knocked(9, ADDRESS)],
            [
                "  the virtual IP answered at every knock",
                "  not measured: xCAT did not answer from here at any time",
            ],
        ),
        (
            [knocked(0, XCATD, first=True), knocked(9, XCATD)],
            ["  the virtual IP and xCAT answered at every knock"],
        ),
    ],
    ids=["nobody knocked", "it could not", "another network", "a closed port", "no outage"],
)
def test_no_outage_is_claimed_where_none_was_seen(told: Told, expected: list[str], tmp_path: Path) -> None:
    run, story = recorded(tmp_path, [*told, (9, DONE)])
    assert said(run, story) == expected
    assert "away" not in text_of([*status_lines(run, None, THREE, 200), outcome_line(run, 1.0, THREE)])
