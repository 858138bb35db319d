from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from hamn_flow.journal import Journal
from hamn_flow.journal.codec import event_of, event_text
from hamn_flow.journal.projections import project
from hamn_flow.model import events
from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.events import (
    AttemptFailed,
    CheckpointReached,
    CommandEnded,
    CommandLaunched,
    Event,
    Knocked,
    RunBegun,
    RunEnded,
    RunHalted,
    RunPlanned,
    StepBegun,
    StepSettled,
)
from hamn_flow.model.outage import Answer
from hamn_flow.model.run import Direction, RunState, StepState

KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Event])
def test_every_kind_of_event_can_be_projected(kind: type[Event]) -> None:
    assert project.dispatch(kind) is not project.dispatch(Event)


def test_an_event_that_no_table_follows_from_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="Event"):
        project(Event(run="r1"), sqlite3.connect(":memory:"), "")


def test_events_are_text_that_reads_back_as_it_was(planned: Callable[[str], RunPlanned]) -> None:
    at = datetime(2026, 5, 1, 5, 14, 0, 731000, tzinfo=timezone(timedelta(hours=2)))
    for event in (planned("r1"), Knocked(run="r1", knocked_at=at, answer=Answer.ADDRESS, first=True)):
        assert event_of(type(event).__name__, event_text(event)) == event


MISTAKES: dict[str, tuple[type[Exception], Event]] = {
    "unknown run": (LookupError, RunHalted(run="none", step="", reason="", hint="")),
    "unknown run begun": (LookupError, RunBegun(run="none", direction=Direction.BACK, who="", anew=True)),
    "unknown step": (LookupError, StepSettled(run="r1", step="none", state=StepState.DONE, reason="")),
    "unknown step of an attempt": (
        sqlite3.IntegrityError,
        AttemptFailed(run="r1", step="none", number=1, reason="", wait=None),
    ),
    "unknown command": (LookupError, CommandEnded(run="r1", key=Key("none"), status=0, seconds=0, last_lines="")),
    "an intent twice": (
        ValueError,
        StepBegun(run="r1", step="mn1.stop", direction=Direction.FORWARD, intent=1, reason="", seen=None),
    ),
    "a key twice": (
        sqlite3.IntegrityError,
        CommandLaunched(
            run="r1",
            step="mn1.stop",
            intent=1,
            number=0,
            direction=Direction.FORWARD,
            key=Key("key"),
            node=NodeName("mn1"),
            text="",
        ),
    ),
    "a run twice": (
        sqlite3.IntegrityError,
        RunPlanned(run="r1", procedure="", cluster="", cluster_path="", options={}, steps=()),
    ),
    "no such state": (sqlite3.IntegrityError, RunEnded(run="r1", state=RunState.RUNNING)),
    "a knock in an unknown run": (
        sqlite3.IntegrityError,
        Knocked(run="none", knocked_at=datetime(2026, 5, 1, tzinfo=UTC), answer=Answer.XCATD, first=True),
    ),
    "no plain data": (
        TypeError,
        StepBegun(run="r1", step="mn1.stop", direction=Direction.FORWARD, intent=2, reason="", seen={1, 2}),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_the_caller_leaves_nothing_behind(
    mistake: str,
    driving: Callable[[], AbstractContextManager[Journal]],
    planned: Callable[[str], RunPlanned],
) -> None:
    error, event = MISTAKES[mistake]
    begun = StepBegun(run="r1", step="mn1.stop", direction=Direction.FORWARD, intent=1, reason="", seen=None)
    launched = MISTAKES["a key twice"][1]
    with driving() as journal:
        journal.record(planned("r1"), begun, launched)
        before = journal.run("r1"), journal.events("r1")
        with pytest.raises(error):
            journal.record(CheckpointReached(run="r1", checkpoint="release"), event)
        assert (journal.run("r1"), journal.events("r1")) == before
        journal.record(CheckpointReached(run="r1", checkpoint="release"))


@pytest.mark.parametrize("act", ["UPDATE events SET at = ''", "DELETE FROM events"])
def test_events_are_only_ever_added(
    act: str, driving: Callable[[], AbstractContextManager[Journal]], planned: Callable[[str], RunPlanned], path: Path
) -> None:
    with driving() as journal:
        journal.record(planned("r1"))
    shell = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
        shell.execute(act)
    shell.close()


def test_a_commit_is_on_the_disk_when_it_returns(journal: Journal) -> None:
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}  # synchronous 2: FULL
    assert {name: journal._database.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas} == pragmas
