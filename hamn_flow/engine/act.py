"""One attempt at a step, forwards or back: intent, act, look, outcome.

The intent is committed together with the first command's key before that command is sent; the outcome after the
world was looked at again. What a command's exit status says is recorded, never believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hamn_flow.engine.links import Links
from hamn_flow.engine.world import World
from hamn_flow.errors import Interrupted, Unreachable
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.journal import Journal
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.model.events import CommandCancelled, CommandEnded, CommandLaunched, Event, StepBegun
from hamn_flow.model.probe import Finding, Probe, todo, unknown
from hamn_flow.model.run import CommandRecord, Decision, Direction, Run, StepRecord
from hamn_flow.steps.step import Failure, Step

LAST_LINES = 20  # of a command's output, kept in the journal
LONGEST_LINE = 400  # characters
REATTACHED_DEADLINE = 600.0  # seconds: the original deadline is not kept


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What an attempt came to, with the events still to be recorded in the same commit as its outcome."""

    found: Probe
    failure: Failure | None
    pending: tuple[Event, ...]


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One intent of a step; its commands' keys follow from it."""

    step: str
    position: int
    number: int
    direction: Direction


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The hands of one driver on one run."""

    run: str
    journal: Journal
    links: Links
    world: World

    def record(self, *events: Event) -> None:
        """Commit events, then show them to whoever watches."""
        self.journal.record(*events)
        for event in events:
            self.world.watch(event)

    def now(self) -> Run:
        """The run as the journal has it."""
        return self.journal.run(self.run)

    def step(self, name: str) -> StepRecord:
        """One step as the journal has it now."""
        return self.journal.step(self.run, name)

    def decided(self, kind: Decision, step: str) -> bool:
        """Whether a person decided so about the step in this run."""
        return self.journal.decided(self.run, kind, step)

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
        """Carry one attempt out: the intent, the commands until one does not end with status 0, and a look."""
        self.stop_if_asked()
        record = self.step(step.name)
        intent = Intent(step=step.name, position=record.position, number=record.intents + 1, direction=direction)
        pending: tuple[Event, ...] = (
            StepBegun(
                run=self.run,
                step=step.name,
                direction=direction,
                intent=intent.number,
                reason=before.reason,
                seen=before.seen,
            ),
        )
        command: Command | None = None
        job: Job | None = None
        result: Result | None = None
        for number, command in enumerate(commands):
            if number:
                self.stop_if_asked(pending)
            job, pending = self._run(intent, number, command, pending)
            result = job.result
            if result is None or result.status not in step.fine_statuses:
                break
        found = self.look(after)
        if step.once and direction is Direction.FORWARD and (result is None or result.status not in step.fine_statuses):
            found = todo(_said(command, result), hint=found.hint)
        if command and job and job.state is JobState.LOST and found.finding is not Finding.DONE:
            found = unknown(f"{_lost(command.text, command.node)}; {found.reason}")
        failed = found.finding is not Finding.DONE
        failure = Failure(command=command, result=result, probe=found) if failed else None
        return Attempt(found=found, failure=failure, pending=pending)

    def remedy(self, step: Step, direction: Direction, command: Command) -> None:
        """Run one command that a step offers between two attempts, under the intent of the last one."""
        self.stop_if_asked()
        record = self.step(step.name)
        number = len(self.commands(step.name, record.intents))
        intent = Intent(step=step.name, position=record.position, number=record.intents, direction=direction)
        self.record(*self._run(intent, number, command, ())[1])

    def resolve(self, step: str) -> str:
        """Learn what became of commands whose end is not recorded; a running one is waited for.

        A sentence, once, for one of which nobody can say whether it still runs; empty otherwise.
        """
        doubt = ""
        for row in self.journal.commands(self.run, step):
            if row.ended_at is None:
                job = self.links.attach(row.node, row.key, REATTACHED_DEADLINE, self._cancelling)
                self.record(self._ended(row.key, job))
                doubt = _lost(row.text, row.node) if job.state is JobState.LOST else doubt
        return doubt

    def look_at_open(self, step: str, question: Callable[[], Probe]) -> Probe:
        """Look at a step whose last attempt may have been cut off: first at its commands, then at the world."""
        doubt = self.resolve(step)
        found = self.look(question)
        return found if found.finding is Finding.DONE or not doubt else unknown(f"{doubt}; {found.reason}")

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
        job = self.links.run(key, command, self._cancelling)
        return job, (self._ended(key, job),)

    def _cancelling(self, key: Key, signal: str) -> None:
        self.record(CommandCancelled(run=self.run, key=key, signal=signal))

    def _ended(self, key: Key, job: Job) -> CommandEnded:
        if job.result is None:
            said = _WITHOUT_RESULT[job.state]
            return CommandEnded(run=self.run, key=key, status=None, seconds=None, last_lines=said)
        return CommandEnded(
            run=self.run,
            key=key,
            status=job.result.status,
            seconds=job.result.seconds,
            last_lines=last_lines(job.result),
        )


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
