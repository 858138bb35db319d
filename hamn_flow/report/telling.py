"""Events told as they happen, and a run's whole story told afterwards: one wording for both."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import singledispatchmethod
from typing import NamedTuple

from hamn_flow.model import events
from hamn_flow.model.events import Event
from hamn_flow.model.outage import Answer
from hamn_flow.model.run import Decision, Direction, PlannedStep, StepState
from hamn_flow.report.line import Line, Span, Tone, hanging, line, one_line, seconds_text

_WIDEST_NAME = 40
_TONES = {
    StepState.DONE: Tone.GOOD,
    StepState.UNDONE: Tone.GOOD,
    StepState.SKIPPED: Tone.DIM,
    StepState.FAILED: Tone.BAD,
    StepState.IN_DOUBT: Tone.BAD,
    StepState.PENDING: Tone.WARN,
}
_DECIDED = {Decision.CONFIRM: "confirmed", Decision.SKIP: "skipped", Decision.ABANDON: "abandoned"}
_ANSWERING = {
    Answer.XCATD: "the virtual IP and xCAT answer",
    Answer.ADDRESS: "the virtual IP answers, xCAT does not",
    Answer.NOTHING: "neither the virtual IP nor xCAT answers",
}


class Now(NamedTuple):
    """What is under way: the step or what is done about it, or several that run side by side; and since when."""

    text: str
    since: datetime


class Telling:
    """Turns each event into the lines that say it; remembers when steps and commands began.

    `whole` tells everything, for a run's history; otherwise what a person who follows it wants to see: not a command
    that reached its step's goal, whatever its status.
    """

    def __init__(self, steps: Iterable[PlannedStep] = (), *, whole: bool = False) -> None:
        self._whole = whole
        self._steps: dict[str, PlannedStep] = {}
        self._learn(steps)
        self._begun: dict[str, datetime] = {}
        self._attempts: dict[str, int] = {}
        self._launched: dict[str, events.CommandLaunched] = {}
        self._failing: dict[str, list[Line]] = {}  # by step: commands of its attempt that did not end with status 0
        self._let_out: set[str] = set()
        self._settled: set[str] = set()
        self._stage = ""
        self._back = False
        self._answer: Answer | None = None  # of the last knock at the virtual IP
        self._between: Now | None = None  # while no step is under way
        self._under_way: dict[str, Now] = {}

    @property
    def now(self) -> Now | None:
        """What is under way after the last event told."""
        under_way = dict(self._under_way)  # at once: another thread draws while events come
        if len(under_way) < 2:
            return next(iter(under_way.values()), self._between)
        since = min(one.since for one in under_way.values())
        return Now(f"{len(under_way)} steps: {', '.join(under_way)}", since)

    @singledispatchmethod
    def tell(self, event: Event, at: datetime, width: int) -> list[Line]:
        """The lines that say what happened."""
        raise TypeError(f"nothing is said of {type(event).__name__} ({self} at {at}, {width} columns)")

    @tell.register
    def _(self, event: events.RunPlanned, at: datetime, width: int) -> list[Line]:
        del at, width
        self._learn(event.steps)
        return [line(f"run {event.run}: {event.procedure}, {len(event.steps)} steps")]

    @tell.register
    def _(self, event: events.RunBegun, at: datetime, width: int) -> list[Line]:
        del width
        self._back = event.direction is Direction.BACK
        to = f" as far as {event.back_to}" if event.back_to else ""
        self._stage = ""
        self._under_way.clear()
        self._between = Now("looking at what was under way" if self._back else "looking at what is so", at)
        if not self._whole:
            return []
        return [line(f"going back{to}, {event.who}" if self._back else f"going on, {event.who}")]

    @tell.register
    def _(self, event: events.DriverCame, at: datetime, width: int) -> list[Line]:
        del at, width
        return [line(Span(f"  driver {event.driver}, {event.who}", Tone.DIM))] if self._whole else []

    @tell.register
    def _(self, event: events.JobsFound, at: datetime, width: int) -> list[Line]:
        del at
        what = "a command" if len(event.keys) == 1 else f"{len(event.keys)} commands"
        label = line(Span(f"  {event.node} still runs {what} of an earlier driver: ", Tone.WARN))
        return hanging(label, f"{', '.join(event.keys)}; nothing is launched meanwhile", width)

    @tell.register
    def _(self, event: events.CopyMissed, at: datetime, width: int) -> list[Line]:
        del at
        label = line(Span(f"  {event.node} got no copy of the journal: ", Tone.WARN))
        return hanging(label, event.reason, width)

    @tell.register
    def _(self, event: events.Adopted, at: datetime, width: int) -> list[Line]:
        del at
        unseen = f"; that of {' and '.join(event.unseen)} could not be read" if event.unseen else ""
        said = f"from the copy on {event.node}, {event.commits} commits{unseen}"
        return hanging(line(Span(f"  adopted by {event.who} ", Tone.WARN)), said, width) if self._whole else []

    @tell.register
    def _(self, event: events.CopyBrought, at: datetime, width: int) -> list[Line]:
        del at, width
        return [line(Span(f"  {event.node} has a copy of the journal again", Tone.DIM))] if self._whole else []

    @tell.register
    def _(self, event: events.NodeReleased, at: datetime, width: int) -> list[Line]:
        del at
        label = line(Span(f"  {event.node} released by {event.who}: ", Tone.WARN))
        return hanging(label, f"{event.why} (it was held by {event.holder})", width)

    @tell.register
    def _(self, event: events.NodeRegained, at: datetime, width: int) -> list[Line]:
        del at
        label = line(Span(f"  {event.node} was in other hands meanwhile: ", Tone.WARN))
        return hanging(label, f"{event.since}; {event.who} goes on all the same", width)

    @tell.register
    def _(self, event: events.NodeSeen, at: datetime, width: int) -> list[Line]:
        del at, width
        text = f"  {event.node} answers: boot {event.boot_id}, generation {event.generation}"
        return [line(Span(text, Tone.DIM))] if self._whole else []

    @tell.register
    def _(self, event: events.Knocked, at: datetime, width: int) -> list[Line]:
        del at, width
        news = event.first or event.answer is not self._answer
        self._answer = event.answer
        return [line(Span(f"  {_ANSWERING[event.answer]}", Tone.DIM))] if self._whole and news else []

    @tell.register
    def _(self, event: events.NotMeasured, at: datetime, width: int) -> list[Line]:
        del at
        label = line(Span("  the outage is not measured: ", Tone.DIM))
        return hanging(label, event.reason, width, Tone.DIM) if self._whole else []

    @tell.register
    def _(self, event: events.StepBegun, at: datetime, width: int) -> list[Line]:
        self._attempts[event.step] = self._attempts.get(event.step, 0) + 1
        self._begun.setdefault(event.step, at)
        self._failing.pop(event.step, None)
        self._under_way[event.step] = Now(event.step, at)
        if not self._whole:  # where others are under way, the stage is named when there is something to tell of it
            return self._heading(event.step) if len(self._under_way) == 1 else []
        word = "undo begun" if event.direction is Direction.BACK else "begun"
        return self._row(event.step, word, Tone.PLAIN, event.reason, width=width)

    @tell.register
    def _(self, event: events.CommandLaunched, at: datetime, width: int) -> list[Line]:
        del width
        self._launched[event.key] = event
        self._under_way[event.step] = Now(f"{event.step}  {event.node}$ {one_line(event.text)}", at)
        return []

    @tell.register
    def _(self, event: events.CommandEnded, at: datetime, width: int) -> list[Line]:
        launched = self._launched.pop(event.key, None)
        node, text = "", f"the command {event.key} of an earlier driver"
        if launched is not None:
            node, text = f"{launched.node}$ ", one_line(launched.text)
            self._under_way[launched.step] = Now(f"{launched.step}  looking", at)
        lines = hanging(line(Span(f"    {node}", Tone.DIM)), f"{text}  {_how(event)}", width, Tone.DIM)
        for said in event.last_lines.splitlines():
            lines += hanging(line("      | "), said, width, Tone.DIM)
        if self._whole:
            return lines
        if launched is not None and event.status != 0:
            self._failing.setdefault(launched.step, []).extend(lines)
        return []

    @tell.register
    def _(self, event: events.CommandCancelled, at: datetime, width: int) -> list[Line]:
        del at, width
        return [line(Span(f"    past its deadline: its process group is sent {event.signal}", Tone.WARN))]

    @tell.register
    def _(self, event: events.AttemptFailed, at: datetime, width: int) -> list[Line]:
        after = "no attempt is left" if event.wait is None else f"the next in {seconds_text(event.wait)}"
        self._under_way[event.step] = Now(f"{event.step}  attempt {event.number} failed, {after}", at)
        failing = self._failing.pop(event.step, [])
        said = f"{event.reason}; {after}"
        row = self._row(event.step, f"attempt {event.number}", Tone.WARN, said, width=width)
        return [*self._heading(event.step), *failing, *row]

    @tell.register
    def _(self, event: events.StepSettled, at: datetime, width: int) -> list[Line]:
        begun = self._begun.pop(event.step, None)
        self._attempts.pop(event.step, 0)
        self._under_way.pop(event.step, None)
        if event.state is StepState.PENDING:
            self._settled.discard(event.step)
        else:
            self._settled.add(event.step)
        self._between = Now(self._looking_after(event.step), at)
        word = event.state.value.replace("_", " ")
        if event.state is StepState.SKIPPED and event.step not in self._let_out:
            word = "already so"
        took = seconds_text((at - begun).total_seconds()) if begun else ""
        row = self._row(event.step, word, _TONES.get(event.state, Tone.PLAIN), event.reason, took=took, width=width)
        return [*self._heading(event.step), *row]

    @tell.register
    def _(self, event: events.CheckpointReached, at: datetime, width: int) -> list[Line]:
        del at, width
        return [line(Span(f"  checkpoint {event.checkpoint}", Tone.DIM))] if self._whole else []

    @tell.register
    def _(self, event: events.RunHalted, at: datetime, width: int) -> list[Line]:
        del at
        if not self._whole:
            return []
        where = f" at {event.step}" if event.step else ""
        lines = hanging(line("  ", Span(f"waits{where}: ", Tone.WARN)), event.reason, width)
        return lines + (hanging(line("  ", Span("HINT: ", Tone.WARN)), event.hint, width) if event.hint else [])

    @tell.register
    def _(self, event: events.RunEnded, at: datetime, width: int) -> list[Line]:
        del at, width
        return [line(Span(event.state.value.replace("_", " "), Tone.GOOD))] if self._whole else []

    @tell.register
    def _(self, event: events.Decided, at: datetime, width: int) -> list[Line]:
        del at
        if event.kind is Decision.SKIP:
            self._let_out.add(event.step)
        what = f"  {event.step or 'the run'} {_DECIDED[event.kind]} by {event.who}: "
        return hanging(line(Span(what, Tone.WARN)), event.why, width)

    def _learn(self, steps: Iterable[PlannedStep]) -> None:
        self._steps |= {step.name: step for step in steps}
        longest = max((len(name) for name in self._steps), default=0)
        self._wide = min(longest, _WIDEST_NAME) + 2

    def _heading(self, step: str) -> list[Line]:
        """For somebody who follows: the step's stage, where it is another one than that of the line before."""
        stage = self._steps[step].stage if step in self._steps else self._stage
        if self._whole or stage == self._stage:
            return []
        self._stage = stage
        return [line(Span(stage, Tone.HEAD))]

    def _row(self, step: str, word: str, tone: Tone, reason: str, *, took: str = "", width: int) -> list[Line]:
        said = (Span(f"{word:<9}", tone), f"{took:>8}") if took else (Span(f"{word:<17}", tone),)
        label = line(f"  {step:<{self._wide}}", *said, "  ")
        return hanging(label, reason, width)

    def _looking_after(self, step: str) -> str:
        """What is looked at, now that a step is settled: on the way back the one before it, else what is left."""
        names = list(self._steps)
        if step not in names:
            return "looking"
        if self._back:
            before = names[: names.index(step)][-1:]
            return "  ".join((*before, "looking"))
        stages = list(dict.fromkeys(planned.stage for planned in self._steps.values()))
        for stage in stages[stages.index(self._steps[step].stage) :]:
            left = [name for name in names if self._steps[name].stage == stage and name not in self._settled]
            if left:
                return f"{', '.join(left)}  looking"
        return "looking"


def _how(event: events.CommandEnded) -> str:
    if event.status is None:
        return "its end is not known"
    took = seconds_text(event.seconds or 0.0)
    return f"{took}" if event.status == 0 else f"status {event.status}, {took}"
