"""A run's whole story: its steps as they stand, and what happened, in its order."""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from typing import Any

from hamn_flow.model import events
from hamn_flow.model.events import Story
from hamn_flow.model.run import Decision, Direction, Holder, Run, StepRecord, StepState
from hamn_flow.report.line import Line, Span, Tone, hanging, line, one_line, seconds_text
from hamn_flow.report.outage import Share, outage_words, share_data, shares_of, whole_outage_data
from hamn_flow.report.status import status_data
from hamn_flow.report.telling import Telling

_CLOCK = 10  # columns of the time before each line


def who_last(story: Story) -> str:
    """The person who took the run up last; empty if nobody did."""
    return next((event.who for _, _, event in reversed(story) if isinstance(event, events.RunBegun)), "")


def steps_lines(run: Run, width: int) -> list[Line]:
    """Each step of the run as it stands, under its stage."""
    wide = max((len(step.name) for step in run.steps), default=0) + 2
    lines: list[Line] = []
    for stage, group in groupby(run.steps, key=lambda step: step.planned.stage):
        here = "  <- checkpoint" if stage == run.summary.checkpoint else ""
        lines.append(line(Span(stage, Tone.HEAD), Span(here, Tone.WARN)))
        for step in group:
            word, tone = _word(run, step)
            tries = f"{step.attempts} attempts; " if step.attempts > 1 else ""
            label = line(f"  {step.name:<{wide}}", Span(f"{word:<11}", tone))
            lines += hanging(label, f"{tries}{step.reason}" if step.reason else step.planned.title, width, Tone.DIM)
    return lines


def timeline_lines(run: Run, story: Story, zone: datetime, width: int) -> list[Line]:
    """What happened, each line with its time in the zone of `zone`."""
    telling = Telling((step.planned for step in run.steps), whole=True)
    ended = {event.key for _, _, event in story if isinstance(event, events.CommandEnded)}
    lines: list[Line] = []
    day = ""
    for _, at, event in story:
        local = at.astimezone(zone.tzinfo)
        if f"{local:%Y-%m-%d %Z}" != day:
            day = f"{local:%Y-%m-%d %Z}"
            lines.append(line(Span(day, Tone.DIM)))
        told = telling.tell(event, at, width - _CLOCK)
        if isinstance(event, events.CommandLaunched) and event.key not in ended:
            label = line(Span(f"    {event.node}$ ", Tone.DIM))
            told += hanging(
                label, f"{one_line(event.text)}  (launched; how it ended is not known)", width - _CLOCK, Tone.BAD
            )
        for number, each in enumerate(told):
            clock = f"{local:%H:%M:%S}" if number == 0 else ""
            lines.append((Span(f"{clock:<{_CLOCK}}", Tone.DIM), *each))
    return lines


def show_data(run: Run, story: Story, holder: Holder | None) -> dict[str, Any]:
    """A run with everything that was recorded of it, as plain data."""
    shares = shares_of(run, story).steps
    return {
        **status_data(run, holder),
        "who": who_last(story),
        "outage": whole_outage_data(run, story),
        "steps": [_step_data(run, step, shares[step.name]) for step in run.steps],
        "decisions": [
            {"kind": each.kind.value, "step": each.step, "who": each.who, "why": each.why, "at": each.at.isoformat()}
            for each in run.decisions
        ],
        "halts": [
            {"step": event.step, "reason": event.reason, "hint": event.hint, "at": at.isoformat()}
            for _, at, event in story
            if isinstance(event, events.RunHalted)
        ],
    }


def outcome_line(run: Run, seconds: float, zone: datetime) -> Line:
    """One line at the end of a start, a resume or a rollback that came to its end; times in the zone of `zone`."""
    done = sum(step.state is StepState.DONE for step in run.steps)
    skipped = sum(step.state is StepState.SKIPPED for step in run.steps)
    undone = sum(step.state is StepState.UNDONE for step in run.steps)
    let_out = sum(step.state is StepState.SKIPPED and run.decided(Decision.SKIP, step.name) for step in run.steps)
    counts = [(done, "steps done"), (skipped - let_out, "already so"), (let_out, "skipped")]
    if run.summary.direction is Direction.BACK:
        counts = [(undone, "steps undone")]
    said = ", ".join(f"{count} {word}" for count, word in counts if count) or "nothing had to be done"
    state = run.summary.state.value.replace("_", " ")
    outage = f"; {words}" if (words := outage_words(run, zone)) else ""
    return line(f"run {run.summary.id} is ", Span(state, Tone.GOOD), f": {said} ({seconds_text(seconds)}){outage}")


def _word(run: Run, step: StepRecord) -> tuple[str, Tone]:
    match step.state:
        case StepState.SKIPPED if not run.decided(Decision.SKIP, step.name):
            return "already so", Tone.DIM
        case StepState.DONE | StepState.UNDONE:
            return step.state.value, Tone.GOOD
        case StepState.FAILED | StepState.IN_DOUBT | StepState.BEGUN:
            return step.state.value.replace("_", " "), Tone.BAD
    return step.state.value, Tone.DIM


def _step_data(run: Run, step: StepRecord, share: Share) -> dict[str, Any]:
    return {
        "name": step.name,
        "stage": step.planned.stage,
        "node": step.planned.node,
        "title": step.planned.title,
        "state": step.state.value,
        "direction": step.direction.value,
        "reason": step.reason,
        "intents": step.intents,
        "begun_at": step.begun_at.isoformat() if step.begun_at else None,
        "ended_at": step.ended_at.isoformat() if step.ended_at else None,
        "outage": share_data(share),
        "commands": [
            {
                "key": row.key,
                "node": row.node,
                "text": row.text,
                "direction": row.direction.value,
                "launched_at": row.launched_at.isoformat(),
                "ended_at": row.ended_at.isoformat() if row.ended_at else None,
                "status": row.status,
                "seconds": row.seconds,
                "last_lines": row.last_lines.splitlines(),
            }
            for row in run.commands
            if row.step == step.name
        ],
        "attempts": [
            {"number": row.number, "at": row.at.isoformat(), "reason": row.reason, "wait": row.wait}
            for row in run.attempts
            if row.step == step.name
        ],
    }
