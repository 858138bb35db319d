"""Reaching a goal, forwards or back: attempts, remedies between them, and the halt when they are used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hamn_flow.engine.act import Acting, Attempt
from hamn_flow.engine.retry import GoalMissed, attempts
from hamn_flow.errors import Unreachable
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.model.command import Command
from hamn_flow.model.events import AttemptFailed, StepSettled
from hamn_flow.model.probe import Finding, Probe
from hamn_flow.model.run import Direction, StepRecord, StepState
from hamn_flow.steps.step import Failure, Step

LOST_LINKS = 3  # in a row over which nothing was launched: together one try of the step


@dataclass(frozen=True, kw_only=True)
class Way:
    """One direction of one step: what objects, what is done, how it is judged, and what it is when reached."""

    step: Step
    direction: Direction
    objection: Callable[[], str | None]
    commands: Callable[[], Iterator[Command]]
    look: Callable[[], Probe]

    def reached(self, run: str, reason: str, *, acted: bool) -> StepSettled:
        """The outcome to record when the goal is true; without a command of ours it was found so."""
        state = StepState.UNDONE
        if self.direction is Direction.FORWARD:
            state = StepState.DONE if acted else StepState.SKIPPED
        return StepSettled(run=run, step=self.step.name, state=state, reason=reason, changed=state is StepState.DONE)


def reach(acting: Acting, way: Way, found: Probe) -> None:
    """Try until the goal is reached or the policy's attempts are used up; then the run halts."""
    step = way.step
    policy = acting.links.cluster.policy

    def failed(error: GoalMissed, wait: float | None) -> AttemptFailed:
        number = acting.step(step.name).failures + 1
        return AttemptFailed(run=acting.run, step=step.name, number=number, reason=error.sentence, wait=wait)

    retrying = attempts(
        policy,
        spent=_spent(acting.step(step.name), way.direction),
        sleep=acting.world.sleep,
        before_sleep=lambda error, wait: acting.record(failed(error, wait)),
    )
    try:
        retrying(_attempt_with_remedies, acting, way, found)
    except GoalMissed as error:
        reason, hint = step.explain(acting.links.nodes, error.failure)
        failure = StepSettled(run=acting.run, step=step.name, state=StepState.FAILED, reason=reason)
        said = reason if way.direction is Direction.FORWARD else f"it cannot be undone: {reason}"
        raise acting.halt(step.name, said, hint, failed(error, None), failure) from error


def _spent(record: StepRecord, direction: Direction) -> int:
    """What is spent of the budget: the tries that failed, and one that a kill cut off."""
    cut_off = record.state is StepState.BEGUN and record.direction is direction and record.attempts > 0
    return record.failures + int(cut_off)


def _attempt_with_remedies(acting: Acting, way: Way, first: Probe) -> None:
    """One attempt, and one more after each remedy that the step offers; GoalMissed if none reached the goal."""
    failure = _attempt(acting, way, first)
    if failure is None:
        return
    for command in way.step.remedy(acting.links.nodes, failure):
        acting.remedy(way.step, way.direction, first, command)
        failure = _attempt(acting, way, first)
        if failure is None:
            return
    raise GoalMissed(failure)


def _attempt(acting: Acting, way: Way, before: Probe) -> Failure | None:
    """Why the attempt did not reach the goal; None if it did. What is in doubt then halts, and is not tried again.

    One that lost its link before it launched anything begins anew, with the objection: time has passed meanwhile.
    """
    for _ in range(LOST_LINKS):
        attempt = _attempt_once(acting, way, before)
        if attempt.failure is None or not attempt.lost_its_link:
            break
    return attempt.failure


def _attempt_once(acting: Acting, way: Way, before: Probe) -> Attempt:
    """Ask whether the other node objects, act, look, and record what came of it."""
    name = way.step.name
    try:
        objection = way.objection()
    except (Unreachable, Unreadable) as error:  # what it asks for cannot be known
        raise acting.halt(name, error.sentence, error.hint, unreachable=True) from error
    if objection is not None:
        raise acting.halt(name, objection, "")
    attempt = acting.attempt(way.step, way.direction, before, way.commands(), way.look)
    found = attempt.found
    if attempt.failure is None:
        acting.record(*attempt.pending, way.reached(acting.run, found.reason, acted=acting.step(name).acted))
    elif found.finding is Finding.UNKNOWN:
        record = acting.step(name)
        if not (attempt.pending or record.ours or record.doubted):  # nothing was launched: it is as it was
            raise acting.halt(name, found.reason, found.hint, unreachable=True)
        raise acting.in_doubt(name, found.reason, found.hint, *attempt.pending)
    elif attempt.pending:
        acting.record(*attempt.pending)
    return attempt
