"""Reaching a goal, forwards or back: attempts, remedies between them, and the halt when they are used up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hamn_flow.engine.act import Acting
from hamn_flow.engine.halt import halt
from hamn_flow.engine.retry import GoalMissed, attempts
from hamn_flow.model.command import Command
from hamn_flow.model.events import AttemptFailed, StepSettled
from hamn_flow.model.probe import Finding, Probe
from hamn_flow.model.run import Direction, StepState
from hamn_flow.steps.step import Failure, Step


@dataclass(frozen=True, kw_only=True)
class Way:
    """One direction of one step: what objects, what is done, how it is judged, and what it is when reached."""

    step: Step
    direction: Direction
    objection: Callable[[], str | None]
    commands: Callable[[], Iterator[Command]]
    look: Callable[[], Probe]

    def reached(self, run: str, reason: str) -> StepSettled:
        """The outcome to record when the goal is true."""
        forward = self.direction is Direction.FORWARD
        state = StepState.DONE if forward else StepState.UNDONE
        return StepSettled(run=run, step=self.step.name, state=state, reason=reason, changed=forward)


def reach(acting: Acting, way: Way, found: Probe) -> None:
    """Try until the goal is reached or the policy's attempts are used up; then the run halts."""
    step = way.step
    record = acting.step(step.name)
    spent = record.attempts if record.direction is way.direction else 0
    policy = acting.links.cluster.policy

    def failed(error: GoalMissed, wait: float | None) -> AttemptFailed:
        number = acting.step(step.name).attempts
        return AttemptFailed(run=acting.run, step=step.name, number=number, reason=error.sentence, wait=wait)

    retrying = attempts(
        policy,
        spent=spent,
        sleep=acting.world.sleep,
        before_sleep=lambda error, wait: acting.record(failed(error, wait)),
    )
    try:
        retrying(_attempt_with_remedies, acting, way, found)
    except GoalMissed as error:
        reason, hint = step.explain(acting.links.nodes, error.failure)
        open_ended = error.failure.probe.finding is Finding.UNKNOWN
        state = StepState.IN_DOUBT if open_ended else StepState.FAILED
        acting.record(failed(error, None), StepSettled(run=acting.run, step=step.name, state=state, reason=reason))
        said = reason if way.direction is Direction.FORWARD else f"it cannot be undone: {reason}"
        raise halt(acting, step.name, said, hint, unreachable=open_ended) from error


def _attempt_with_remedies(acting: Acting, way: Way, first: Probe) -> None:
    """One attempt, and one more after each remedy that the step offers; GoalMissed if none reached the goal."""
    failure = _attempt(acting, way, first)
    if failure is None:
        return
    if failure.probe.finding is Finding.UNKNOWN:
        raise GoalMissed(failure)
    for command in way.step.remedy(acting.links.nodes, failure):
        acting.remedy(way.step, way.direction, command)
        failure = _attempt(acting, way, failure.probe)
        if failure is None:
            return
        if failure.probe.finding is Finding.UNKNOWN:
            break
    raise GoalMissed(failure)


def _attempt(acting: Acting, way: Way, before: Probe) -> Failure | None:
    objection = way.objection()
    if objection is not None:
        raise halt(acting, way.step.name, objection, "")
    attempt = acting.attempt(way.step, way.direction, before, way.commands(), way.look)
    if attempt.failure is None:
        acting.record(*attempt.pending, way.reached(acting.run, attempt.found.reason))
    else:
        acting.record(*attempt.pending)
    return attempt.failure
