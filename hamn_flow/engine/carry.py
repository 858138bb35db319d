"""Carrying a run: stage by stage to its end, or step by step back, with a checkpoint after each."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Lock

from hamn_flow.engine.act import Acting
from hamn_flow.engine.backward import look_at_open, order_of_undo, settle_doubt, undo
from hamn_flow.engine.course import Course
from hamn_flow.engine.forward import OPEN, SETTLED, look_again, settle
from hamn_flow.engine.halt import Halt, halt_of, together
from hamn_flow.engine.machine import START, Checkpoints
from hamn_flow.errors import HamnError, JournalUnusable, Refused
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import CheckpointReached, NodeSeen, RunEnded, RunHalted
from hamn_flow.model.run import Run, RunState, StepRecord, StepState, of_stage, stages_before, stages_of
from hamn_flow.steps.step import Step


@dataclass(frozen=True, kw_only=True)
class Carrying:
    """One driver's way through a run."""

    acting: Acting
    steps: Mapping[str, Step]
    new_boots: Mapping[NodeName, NodeSeen]

    def forward(self) -> None:
        """Go on from the first stage that is not settled, to the end; a halt is raised as its error."""
        with _halting(self.acting):
            self.acting.links.connect()
            look_again(self.acting, self.steps, self.new_boots)
            if self.new_boots:
                self.acting.record(*self.new_boots.values())
            run = self.acting.now()
            checkpoints = self._checkpoints(run, at=_settled_so_far(run))
            self._note(run, checkpoints.state)
            left = _unsettled(run)
            turn, settled = Lock(), set(stages_of(run)) - left.keys()

            def settle(stage: str) -> None:
                self._settle(of_stage(run, stage))
                with turn:
                    settled.add(stage)
                    self._advance(checkpoints, settled)

            course = Course(after=left, settle=settle, abreast=self.acting.world.abreast)
            _raise_together(self.acting, [("", error) for error in course.run()])
            self.acting.record(RunEnded(run=self.acting.run, state=RunState.DONE))

    def back(self, to: str) -> None:
        """Undo what this run changed, last first; with `to`, keep that step's stage and what came before it.

        What a driver before may have done has its turn there too: a person who is asked to bring a node back must not
        do so while what comes after it still stands.
        """
        with _halting(self.acting):
            run = self.acting.now()
            kept = kept_by(run, to)
            checkpoints = self._checkpoints(run, at=run.summary.checkpoint)
            due = [record for record in order_of_undo(run) if record.planned.stage not in kept]
            for record in due:
                if record.ours and record.state in OPEN:
                    look_at_open(self.acting, self.steps[record.name])
            for record in due:
                (undo if record.ours else settle_doubt)(self.acting, self.steps[record.name])
                self._retreat(checkpoints, kept)
            self._retreat(checkpoints, kept)
            if kept:
                self._wait_at(kept[-1])
            else:
                self.acting.record(RunEnded(run=self.acting.run, state=RunState.ROLLED_BACK))

    def _settle(self, records: tuple[StepRecord, ...]) -> None:
        """Bring the steps of one stage to their goals, side by side; what stops one lets the others finish."""
        names = [record.name for record in records if record.state not in SETTLED]
        ended = self.acting.world.abreast([partial(self._settle_one, name) for name in names])
        failed = [(name, error) for name, error in zip(names, ended, strict=True) if error is not None]
        _raise_together(self.acting, failed)

    def _settle_one(self, name: str) -> None:
        """One step; why it failed is told at once, also where others still run."""
        try:
            settle(self.acting, self.steps[name])
        except Halt as halt:
            if halt.doubtful or not halt.events:
                raise
            self.acting.record(*halt.events)
            raise halt.without_events() from halt

    def _advance(self, checkpoints: Checkpoints, settled: Container[str]) -> None:
        """Move the checkpoint on as far as all is settled."""
        while (stage := checkpoints.following) is not None and stage in settled:
            self.acting.record(CheckpointReached(run=self.acting.run, checkpoint=stage))
            checkpoints.move("advance")

    def _retreat(self, checkpoints: Checkpoints, kept: tuple[str, ...]) -> None:
        """Move the checkpoint back over every stage of which nothing is ours any more."""
        run = self.acting.now()
        while checkpoints.state not in {START, *kept}:
            if any(step.ours or step.doubted for step in of_stage(run, checkpoints.state)):
                break
            checkpoints.move("retreat")
        self._note(run, checkpoints.state)

    def _note(self, run: Run, checkpoint: str) -> None:
        if run.summary.checkpoint != checkpoint:
            self.acting.record(CheckpointReached(run=self.acting.run, checkpoint=checkpoint))

    def _wait_at(self, stage: str) -> None:
        run = self.acting.run
        hint = f"Type hamn-flow resume {run} --forward to go on, or hamn-flow rollback {run} to undo the rest."
        self.acting.record(RunHalted(run=run, step="", reason=f"rolled back to the end of {stage}", hint=hint))

    def _checkpoints(self, run: Run, at: str) -> Checkpoints:
        """The rule book of this run; its guards ask the journal."""
        names = {stage: [step.name for step in of_stage(run, stage)] for stage in stages_of(run)}

        def records(stage: str) -> Iterator[StepRecord]:
            return (self.acting.step(name) for name in names[stage])

        def no_return(stage: str) -> str:
            reasons = (self.steps[step.name].irreversible for step in records(stage) if step.ours)
            return next((reason for reason in reasons if reason), "")

        return Checkpoints(
            stages=tuple(names),
            at=at,
            settled=lambda stage: all(step.state in SETTLED for step in records(stage)),
            undone=lambda stage: not any(step.ours for step in records(stage)),
            no_return=no_return,
        )


@contextmanager
def _halting(acting: Acting) -> Iterator[None]:
    """Whatever ends a run early is recorded as the reason why it waits, and raised as the command's own error."""
    try:
        yield
    except JournalUnusable:
        raise
    except (Halt, HamnError) as stopped:
        run = acting.now()
        halt = stopped if isinstance(stopped, Halt) else halt_of(stopped, run, _under_way(run))
        acting.record(*halt.recorded(acting.run))
        error = halt.error(acting.now())
        if error is stopped:
            raise
        raise error from stopped


def _raise_together(acting: Acting, failed: Sequence[tuple[str, BaseException]]) -> None:
    """What stopped some of what ran side by side, each by its step's name, as one halt.

    An error that says that no run can go on is raised itself.
    """
    halts: list[Halt] = []
    for step, error in failed:
        if isinstance(error, Halt):
            halts.append(error)
        elif isinstance(error, HamnError) and not isinstance(error, JournalUnusable):
            halts.append(halt_of(error, acting.now(), step))
        else:
            raise error
    if halts:
        raise together(halts)


def _under_way(run: Run) -> str:
    return next((step.name for step in run.steps if step.state is StepState.BEGUN), "")


def refuse_past_no_return(run: Run, steps: Mapping[str, Step], to: str) -> None:
    """Refused if what would be undone includes something that cannot be."""
    kept = kept_by(run, to)
    for record in order_of_undo(run):
        reason = steps[record.name].irreversible
        if reason and record.planned.stage not in kept:
            raise Refused(
                f"{record.name} cannot be undone: {reason}",
                hint=f"Type hamn-flow rollback {run.summary.id} --to {record.name} to undo what came after it.",
            )


def kept_by(run: Run, to: str) -> tuple[str, ...]:
    """The stages that a rollback to a step leaves as they are: none if it goes all the way."""
    stages = stages_of(run)
    return stages[: stages.index(run.step(to).planned.stage) + 1] if to else ()


def _unsettled(run: Run) -> dict[str, tuple[str, ...]]:
    """The stages that are left, in order, each with those of them that it comes after."""
    left = [name for name in stages_of(run) if not all(step.state in SETTLED for step in of_stage(run, name))]
    before = stages_before(run)
    return {stage: tuple(name for name in left if name in before[stage]) for stage in left}


def _settled_so_far(run: Run) -> str:
    """The last stage up to which everything is settled."""
    at = START
    for stage in stages_of(run):
        if not all(step.state in SETTLED for step in of_stage(run, stage)):
            break
        at = stage
    return at
