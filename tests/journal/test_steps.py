"""What the engine relies on, one sentence each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hamn_flow.journal import Journal
from hamn_flow.model.events import RunBegun, RunEnded, RunHalted, RunPlanned, StepBegun, StepSettled
from hamn_flow.model.run import Direction, Halt, RunState, RunSummary, StepRecord, StepState

FIRST, SECOND = "mn1.stop", "mn1.unmount"
BACK, FORWARD = Direction.BACK, Direction.FORWARD


class Short:
    """A run with three steps, written and read in few words."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def begin(self, *, direction: Direction = FORWARD, anew: bool = False, back_to: str = "") -> None:
        self.journal.record(RunBegun(run="r1", direction=direction, who="anna", anew=anew, back_to=back_to))

    def intend(self, step: str = FIRST, *, direction: Direction = FORWARD, seen: Any = None) -> None:
        intent = self.step(step).intents + 1
        self.journal.record(
            StepBegun(run="r1", step=step, direction=direction, intent=intent, reason="to do", seen=seen)
        )

    def settle(self, state: StepState, step: str = FIRST, *, changed: bool = False) -> None:
        self.journal.record(StepSettled(run="r1", step=step, state=state, reason="looked", changed=changed))

    def step(self, step: str = FIRST) -> StepRecord:
        return self.journal.run("r1").step(step)

    @property
    def summary(self) -> RunSummary:
        return self.journal.runs()[0]


@pytest.fixture
def run(journal: Journal, planned: Callable[[str], RunPlanned]) -> Short:
    journal.record(planned("r1"))
    short = Short(journal)
    short.begin(anew=True)
    return short


def test_what_was_seen_with_the_first_intent_is_never_overwritten(run: Short) -> None:
    run.intend(seen={"source": "/dev/vdb"})
    run.settle(StepState.FAILED)
    run.intend(seen="half of it")
    assert (run.step().seen, run.step().attempts, run.step().intents) == ({"source": "/dev/vdb"}, 2, 2)
    run.settle(StepState.PENDING)
    run.begin(anew=True)
    run.intend(seen="another")
    assert run.step().seen == {"source": "/dev/vdb"}


def test_nothing_seen_is_something_seen(run: Short) -> None:
    assert not run.step().has_seen
    run.intend(seen=None)
    assert run.step().has_seen
    run.settle(StepState.FAILED)
    run.intend(seen="half of it")
    assert run.step().seen is None


def test_an_undone_step_is_seen_afresh_by_a_later_forward_run(run: Short) -> None:
    run.intend(seen="first")
    run.settle(StepState.DONE, changed=True)
    run.begin(direction=BACK)
    run.intend(direction=BACK, seen="going back")
    assert (run.step().seen, run.step().completed, run.step().direction) == ("first", 1, BACK)
    run.settle(StepState.UNDONE)
    assert (run.step().has_seen, run.step().completed, run.step().intents) == (False, 0, 2)
    run.begin(direction=FORWARD)
    run.intend(seen="second")
    assert run.step().seen == "second"


def test_steps_are_numbered_in_the_order_in_which_they_became_ours(run: Short) -> None:
    for step in (SECOND, FIRST):
        run.intend(step)
        run.settle(StepState.DONE, step, changed=True)
    run.settle(StepState.PENDING, SECOND)
    run.settle(StepState.DONE, SECOND, changed=True)
    run.settle(StepState.DONE, FIRST)
    run.settle(StepState.SKIPPED, "mn1.mount", changed=True)
    assert [run.step(step).completed for step in (FIRST, SECOND, "mn1.mount")] == [2, 1, 0]


@pytest.mark.parametrize(
    ("direction", "anew", "epoch", "attempts"), [(FORWARD, False, 1, 2), (FORWARD, True, 2, 1), (BACK, False, 2, 1)]
)
def test_a_retry_budget_counts_over_a_kill_and_begins_anew_with_a_person_or_a_turn(
    direction: Direction, epoch: int, attempts: int, run: Short, *, anew: bool
) -> None:
    run.intend()
    run.begin(direction=direction, anew=anew)
    run.intend(direction=direction)
    assert (run.summary.epoch, run.step().attempts, run.step().intents) == (epoch, attempts, 2)


def test_a_duration_holds_retries_and_not_the_wait_for_a_person(run: Short) -> None:
    run.intend()
    begun = run.step().begun_at
    run.settle(StepState.FAILED)
    assert run.step().ended_at
    run.intend()
    assert (run.step().begun_at, run.step().ended_at) == (begun, None)
    run.begin(anew=True)
    run.intend()
    again = run.step().begun_at
    assert begun
    assert again
    assert again > begun


def test_a_halt_is_told_while_the_run_waits_and_no_longer(run: Short) -> None:
    halt = Halt(step=FIRST, reason="target is busy", hint="Type hamn-flow resume r1.")
    halted = RunHalted(run="r1", step=halt.step, reason=halt.reason, hint=halt.hint)
    run.journal.record(halted)
    assert (run.summary.state, run.summary.halt) == (RunState.WAITING, halt)
    run.begin(direction=BACK, back_to=SECOND)
    assert (run.summary.state, run.summary.halt, run.summary.back_to) == (RunState.ROLLING_BACK, None, SECOND)
    run.journal.record(halted, RunEnded(run="r1", state=RunState.ABANDONED))
    assert (run.summary.state, run.summary.halt) == (RunState.ABANDONED, None)


def test_a_run_that_is_done_can_be_begun_again_for_its_rollback(run: Short) -> None:
    run.journal.record(RunEnded(run="r1", state=RunState.DONE))
    assert run.journal.runs(open_only=True) == ()
    run.begin(direction=BACK)
    assert run.summary.ended_at is None
    assert run.journal.runs(open_only=True) == (run.summary,)
