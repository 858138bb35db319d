"""One attempt at a step, forwards or back: intent, act, look, outcome.

The intent is committed together with the first command's key before that command is sent; the outcome after the
world was looked at again. What a command's exit status says is recorded, never believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import RLock

from hamn_flow.engine.halt import Halt
from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import Interrupted, StaleDriver, Unreachable
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.journal import Journal
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.model.events import (
    CommandCancelled,
    CommandEnded,
    CommandLaunched,
    Event,
    StepBegun,
    StepSettled,
)
from hamn_flow.model.probe import Finding, Probe, todo, unknown
from hamn_flow.model.run import CommandRecord, Decision, Direction, Run, StepRecord, StepState
from hamn_flow.steps.step import Failure, Step

LAST_LINES = 20  # of a command's output, kept in the journal
LONGEST_LINE = 400  # characters
SETTLING = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # seconds between the looks at what comes a moment later
REATTACHED_DEADLINE = 600.0  # seconds: the original deadline is not kept


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What an attempt came to, with the events still to be recorded in the same commit as its outcome."""

    found: Probe
    failure: Failure | None
    pending: tuple[Event, ...]
    lost_its_link: bool  # before its last command was launched


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One intent of a step; its commands' keys follow from it."""

    step: str
    position: int
    number: int
    direction: Direction


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The hands of one driver on one run; steps that run side by side share them."""

    run: str
    journal: Journal
    links: Links
    world: World
    _turn: RLock = field(default_factory=RLock, repr=False)

    def record(self, *events: Event) -> None:
        """Commit events, then show them to whoever watches, in the order of the commits."""
        with self._turn:
            self.journal.record(*events)
            for event in events:
                self.world.watch(event)

    def now(self) -> Run:
        """The run as the journal has it."""
        return self.journal.run(self.run)

    def step(self, name: str) -> StepRecord:
        """One step as the journal has it now."""
        return self.journal.step(self.run, name)

    def decided(self, kind: Decision, step: str, direction: Direction = Direction.FORWARD) -> bool:
        """Whether a person decided so about the step while this run went in that direction."""
        return self.journal.decided(self.run, kind, step, direction)

    def commands(self, step: str, intent: int) -> tuple[CommandRecord, ...]:
        """The commands of one intent of a step, in order."""
        return tuple(row for row in self.journal.commands(self.run, step) if row.intent == intent)

    def look(self, question: Callable[[], Probe]) -> Probe:
        """Ask the world; a node that does not answer, or not in a way to be read, makes the answer unknown."""
        try:
            return question()
        except (Unreachable, Unreadable) as error:
            return unknown(error.sentence, hint=error.hint)

    def attempt(
        self,
        step: Step,
        direction: Direction,
        before: Probe,
        commands: Iterator[Command],
        after: Callable[[], Probe],
    ) -> Attempt:
        """Carry one attempt out: the intent, the commands until one does not end well, and a look.

        Where there is nothing to run there is no intent either: what the world then is, is not this run's doing.
        """
        self.stop_if_asked()
        record = self.step(step.name)
        intent = Intent(step=step.name, position=record.position, number=record.intents + 1, direction=direction)
        pending: tuple[Event, ...] = ()
        command: Command | None = None
        job: Job | None = None
        for number, command in enumerate(commands):
            if number:
                self.stop_if_asked(pending)
            job, pending = self._run(intent, number, command, pending or (self._begun(intent, before),))
            if not _well(step, job.result):
                break
        result = job.result if job else None
        found = self._look_while_coming(after) if _well(step, result) else self.look(after)
        if found.coming:
            self.stop_if_asked(pending)
        if step.once and direction is Direction.FORWARD and not _well(step, result):
            found = todo(_said(command, result), hint=found.hint)
        if command and job and job.state is JobState.LOST and found.finding is not Finding.DONE:
            found = unknown(f"{_lost(command.text, command.node)}; {found.reason}", hint=self._see(command.node))
        failed = found.finding is not Finding.DONE
        failure = Failure(command=command, result=result, probe=found) if failed else None
        lost_its_link = job is not None and job.state is JobState.NONE
        return Attempt(found=found, failure=failure, pending=pending, lost_its_link=lost_its_link)

    def _look_while_coming(self, question: Callable[[], Probe]) -> Probe:
        """Look, and again with growing pauses while the effect is coming; a person who stops is not kept waiting."""
        found = self.look(question)
        for pause in SETTLING:
            if not found.coming or self.world.stop_requested():
                break
            self.world.sleep(pause)
            found = self.look(question)
        return found

    def remedy(self, step: Step, direction: Direction, before: Probe, command: Command) -> None:
        """Run one command that a step offers between two attempts, under their intent or, without one, its own."""
        self.stop_if_asked()
        record = self.step(step.name)
        begun = record.state is StepState.BEGUN
        number = record.intents if begun else record.intents + 1
        intent = Intent(step=step.name, position=record.position, number=number, direction=direction)
        launched = len(self.commands(step.name, number))
        self.record(*self._run(intent, launched, command, () if begun else (self._begun(intent, before),))[1])

    def look_at_open(self, step: str, question: Callable[[], Probe]) -> Probe:
        """Look at a step whose last attempt may have been cut off: first at its commands, then at the world.

        A command that still runs is waited for. One of which nobody can say whether it still runs halts the run,
        unless the world shows that it did its work: its end and the halt are one commit, so that it is always said.
        """
        lost = self.see_ended(step)
        found = self.look(question)
        if lost and found.finding is not Finding.DONE:
            reason = f"{_lost(lost[-1][0].text, lost[-1][0].node)}; {found.reason}"
            raise self.in_doubt(step, reason, self._see(lost[-1][0].node), *(event for _, event in lost))
        if lost:
            self.record(*(event for _, event in lost))
        return found

    def see_ended(self, step: str) -> list[tuple[CommandRecord, Event]]:
        """Wait for what a step's last attempt has left running, and record how it ended.

        What is returned may still run, for all that anybody can say: each with the event of its end, not yet recorded.
        """
        lost: list[tuple[CommandRecord, Event]] = []
        for row in self.journal.commands(self.run, step):
            if row.ended_at is None:
                job = self.links.attach(row.node, row.key, REATTACHED_DEADLINE, self._cancelling)
                if job.state is JobState.LOST:
                    lost.append((row, self._ended(row.key, job)))
                else:
                    self.record(self._ended(row.key, job, node=row.node))
        return lost

    def _see(self, node: NodeName) -> str:
        return f"See on {node} whether it still runs (ps ax); when it has ended, type hamn-flow resume {self.run}."

    def in_doubt(self, step: str, reason: str, hint: str, *events: Event) -> Halt:
        """The halt of a step whose outcome nobody knows; what led to it is recorded with it, and not before."""
        settled = StepSettled(run=self.run, step=step, state=StepState.IN_DOUBT, reason=reason)
        return self.halt(step, reason, hint, *events, settled, unreachable=True)

    def halt(self, step: str, reason: str, hint: str, *events: Event, unreachable: bool = False) -> Halt:
        """What to raise so that the run waits; the events that led to it are recorded with the halt."""
        hint = hint or f"Mend that, then type hamn-flow resume {self.run}, or hamn-flow rollback {self.run}."
        return Halt(step=step, reason=reason, hint=hint, events=events, unreachable=unreachable)

    def stop_if_asked(self, pending: tuple[Event, ...] = ()) -> None:
        """Interrupted, between two commands, if the person wants to stop."""
        if self.world.stop_requested():
            if pending:
                self.record(*pending)
            raise Interrupted("stopped between two commands", hint=f"Type hamn-flow resume {self.run} to go on.")

    def _run(
        self, intent: Intent, number: int, command: Command, pending: tuple[Event, ...]
    ) -> tuple[Job, tuple[Event, ...]]:
        key = Key(f"{self.run}-{intent.position}-{intent.number}-{number}")
        launched = CommandLaunched(
            run=self.run,
            step=intent.step,
            intent=intent.number,
            number=number,
            direction=intent.direction,
            key=key,
            node=command.node,
            text=command.text,
        )
        self.record(*pending, launched)
        job = self._launch(intent.step, key, command)
        return job, (self._ended(key, job),)

    def _launch(self, step: str, key: Key, command: Command) -> Job:
        """Launch a command and wait for its end; the step halts, and is not in doubt, if another driver took over."""
        never = Job(key=key, state=JobState.NONE)
        try:
            launched = self.links.launch(key, command)
        except StaleDriver as error:
            failed = StepSettled(run=self.run, step=step, state=StepState.FAILED, reason=error.sentence)
            events = (self._ended(key, never), failed)
            raise Halt(step=step, reason=error.sentence, hint=error.hint, events=events, cause=error) from error
        return self.links.attach(command.node, key, command.deadline, self._cancelling) if launched else never

    def _begun(self, intent: Intent, before: Probe) -> StepBegun:
        return StepBegun(
            run=self.run,
            step=intent.step,
            direction=intent.direction,
            intent=intent.number,
            reason=before.reason,
            seen=before.seen,
        )

    def _cancelling(self, key: Key, signal: str) -> None:
        self.record(CommandCancelled(run=self.run, key=key, signal=signal))

    def _ended(self, key: Key, job: Job, *, node: NodeName | None = None) -> CommandEnded:
        if job.result is None:
            forgotten = job.state is JobState.NONE and node in self.links.new_boots
            said = "(not known: the node was booted since)" if forgotten else _WITHOUT_RESULT[job.state]
            return CommandEnded(run=self.run, key=key, status=None, seconds=None, last_lines=said)
        return CommandEnded(
            run=self.run,
            key=key,
            status=job.result.status,
            seconds=job.result.seconds,
            last_lines=last_lines(job.result),
        )


def _well(step: Step, result: Result | None) -> bool:
    return result is not None and result.status in step.fine_statuses


_WITHOUT_RESULT = {
    JobState.NONE: "(never launched)",
    JobState.UNSTARTED: "(never ran)",
    JobState.REFUSED: "(refused by the node, never ran)",
    JobState.LOST: "(its end is not known)",
    JobState.RUNNING: "(still running)",
    JobState.DONE: "",
}


def last_lines(result: Result) -> str:
    """The end of what a command printed, errors last, short enough to keep."""
    lines = [line[:LONGEST_LINE] for line in (result.text.splitlines() + result.error_text.splitlines())]
    return "\n".join(lines[-LAST_LINES:])


def _lost(text: str, node: NodeName) -> str:
    return f"it is not known how `{text}` on {node} ended, nor whether it still runs"


def _said(command: Command | None, result: Result | None) -> str:
    if command is None:
        return "no command was run"
    if result is None:
        return f"it is not known how `{command.text}` ended"
    words = last_lines(result).splitlines()
    return f"`{command.text}` ended with status {result.status}" + (f": {words[-1]}" if words else "")
