"""What is true of a run now: its rows say how far it came, the driver's lock whether anybody is carrying it."""

from __future__ import annotations

from enum import StrEnum

from hamn_flow.model.run import Holder, Run, RunState, RunSummary, StepRecord, StepState
from hamn_flow.report.line import Tone


class Life(StrEnum):
    """What `status` tells apart."""

    RUNNING = "running"
    ROLLING_BACK = "rolling_back"
    ORPHANED = "orphaned"  # its driver is gone without a word
    WAITING = "waiting"
    IN_DOUBT = "in_doubt"  # it waits, and the outcome of a step is not known
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    ABANDONED = "abandoned"

    @property
    def words(self) -> str:
        """As a person reads it."""
        return self.value.replace("_", " ")

    @property
    def tone(self) -> Tone:
        """How urgent it is."""
        return _TONES.get(self, Tone.PLAIN)


_TONES = {
    Life.ORPHANED: Tone.BAD,
    Life.IN_DOUBT: Tone.BAD,
    Life.WAITING: Tone.WARN,
    Life.DONE: Tone.GOOD,
    Life.ROLLED_BACK: Tone.GOOD,
}


def drives(holder: Holder | None, summary: RunSummary) -> bool:
    """Whether the lock's holder carries this very run.

    A start takes the lock before its run has a name: it carries the run of its procedure that was made since.
    """
    if holder is None:
        return False
    verb, _, what = holder.what.partition(" ")
    if verb == "start":
        return what == summary.procedure and summary.created_at >= holder.since
    return verb in {"resume", "rollback", "adopt"} and what == summary.id


def life_of(run: Run, holder: Holder | None) -> Life:
    """What is true of the run, given who holds the driver's lock at this moment."""
    state = run.summary.state
    if state in {RunState.PLANNED, RunState.RUNNING, RunState.ROLLING_BACK}:
        if not drives(holder, run.summary):
            return Life.ORPHANED
        return Life.ROLLING_BACK if state is RunState.ROLLING_BACK else Life.RUNNING
    if state is RunState.WAITING:
        return Life.IN_DOUBT if in_doubt(run, holder) else Life.WAITING
    return Life(state.value)


def in_doubt(run: Run, holder: Holder | None) -> tuple[StepRecord, ...]:
    """The steps that were begun and of which nobody alive knows how they ended."""
    if run.summary.state.ended or drives(holder, run.summary):
        return ()
    return tuple(step for step in run.steps if step.state in {StepState.BEGUN, StepState.IN_DOUBT})
