"""Why a run waits: what one step says, and what several steps that ran side by side say together.

A halt is recorded once, when everything that ran side by side has ended: until then the run is running.
"""

from __future__ import annotations

from collections.abc import Sequence

from hamn_flow.errors import HamnError, Interrupted, Refused, RollbackFailed, StaleDriver, StepFailed, Unreachable
from hamn_flow.model.events import Event, RunHalted, StepSettled
from hamn_flow.model.run import Direction, Run, StepState


class Halt(Exception):
    """One step cannot go on.

    `events` led to it. `unreachable` says that a node did not answer, or that an outcome is not known. `cause` is
    the error that it comes from, if the step did not say so itself.
    """

    def __init__(
        self,
        *,
        step: str,
        reason: str,
        hint: str,
        events: tuple[Event, ...] = (),
        unreachable: bool = False,
        cause: HamnError | None = None,
    ) -> None:
        super().__init__(reason)
        self.step = step
        self.reason = reason
        self.hint = hint
        self.events = events
        self.unreachable = unreachable
        self.cause = cause

    @property
    def doubtful(self) -> bool:
        """Whether what led to it may be recorded only together with the halt.

        The end of a lost command, recorded alone, would let a resume after a kill launch it again without a word.
        """
        return any(isinstance(one, StepSettled) and one.state is StepState.IN_DOUBT for one in self.events)

    def without_events(self) -> Halt:
        """The same, once its events are recorded."""
        return Halt(step=self.step, reason=self.reason, hint=self.hint, unreachable=self.unreachable, cause=self.cause)

    def recorded(self, run: str) -> tuple[Event, ...]:
        """All of it, for one commit."""
        return (*self.events, RunHalted(run=run, step=self.step, reason=self.reason, hint=self.hint))

    def error(self, run: Run) -> HamnError:
        """What the command ends with.

        Unreachable where a node did not answer, RollbackFailed on the way back, Refused where this run has launched
        nothing yet, StepFailed otherwise; an error that came from below as it is.
        """
        if self.cause and not (isinstance(self.cause, Refused) and run.commands):
            same = self.reason == self.cause.sentence
            return self.cause if same else type(self.cause)(self.reason, hint=self.hint)
        kind: type[HamnError] = StepFailed
        if self.unreachable:
            kind = Unreachable
        elif self.cause is None and run.summary.direction is Direction.BACK:
            kind = RollbackFailed
        elif not run.commands:
            kind = Refused
        named = self.step and self.cause is None
        return kind(f"{self.step}: {self.reason}" if named else self.reason, hint=self.hint)

    @property
    def _gravity(self) -> int:
        """Another driver took over; an outcome is not known; a step failed; a person wants to stop."""
        if isinstance(self.cause, StaleDriver):
            return 0
        if self.unreachable or isinstance(self.cause, Unreachable):
            return 1
        return 3 if isinstance(self.cause, Interrupted) else 2


def halt_of(error: HamnError, run: Run, step: str) -> Halt:
    """The halt that an error means; the step, if it is under way, is in doubt after it."""
    begun = step != "" and run.step(step).state is StepState.BEGUN
    doubt = StepSettled(run=run.summary.id, step=step, state=StepState.IN_DOUBT, reason=error.sentence)
    return Halt(
        step=step if begun else "",
        reason=error.sentence,
        hint=error.hint or f"Type hamn-flow resume {run.summary.id}.",
        events=(doubt,) if begun and not isinstance(error, Interrupted) else (),
        cause=error,
    )


def together(halts: Sequence[Halt]) -> Halt:
    """What several steps say that ran side by side: the gravest first, and all of it is told."""
    first, *others = sorted(halts, key=lambda halt: halt._gravity)  # noqa: SLF001 -- its own module
    if not others:
        return first
    told = [other for other in others if other.reason != first.reason]
    also = (f"also {other.step}: {other.reason}" if other.step else f"also: {other.reason}" for other in told)
    return Halt(
        step=first.step,
        reason="; ".join([first.reason, *also]),
        hint=" ".join(dict.fromkeys(halt.hint for halt in (first, *others) if halt.hint)),
        events=tuple(event for halt in (first, *others) for event in halt.events),
        unreachable=first.unreachable,
        cause=first.cause,
    )
