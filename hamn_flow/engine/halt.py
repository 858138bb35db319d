"""A run that waits: why, at which step, and what to type; and the error in which the command ends."""

from __future__ import annotations

from hamn_flow.engine.act import Acting
from hamn_flow.errors import HamnError, Refused, RollbackFailed, StepFailed, Unreachable
from hamn_flow.model.events import RunHalted
from hamn_flow.model.run import Direction


def halt(acting: Acting, step: str, reason: str, hint: str, *, unreachable: bool = False) -> HamnError:
    """Record that the run waits, and give the error to raise.

    Unreachable where a node did not answer, RollbackFailed on the way back, Refused where this run has changed
    nothing yet, StepFailed otherwise.
    """
    hint = hint or f"Mend that, then type hamn-flow resume {acting.run}, or hamn-flow rollback {acting.run}."
    acting.record(RunHalted(run=acting.run, step=step, reason=reason, hint=hint))
    run = acting.now()
    kind: type[HamnError] = StepFailed
    if unreachable:
        kind = Unreachable
    elif run.summary.direction is Direction.BACK:
        kind = RollbackFailed
    elif not any(record.intents for record in run.steps):
        kind = Refused
    return kind(f"{step}: {reason}" if step else reason, hint=hint)
