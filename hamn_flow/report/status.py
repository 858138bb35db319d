"""How runs stand: the block that `status` prints, the row of `runs`, and the same as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from hamn_flow.model.run import Direction, Holder, Run, RunSummary, StepState
from hamn_flow.report.life import Life, drives, in_doubt, life_of
from hamn_flow.report.line import Line, Span, Tone, hanging, line, seconds_text
from hamn_flow.report.outage import outage_data, outage_words

_LABEL = 14  # columns of a label with what stands before it


def status_lines(run: Run, holder: Holder | None, now: datetime, width: int, *, who: str = "") -> list[Line]:
    """What a person needs to know of a run: how it stands, where it stopped, why, and what to type next.

    Times are shown in the zone of `now`; `who` is the person that took the run up last.
    """
    summary, life = run.summary, life_of(run, holder)
    by = f" by {who}" if who else ""
    stages = _stages(run)
    reached = stages.index(summary.checkpoint) + 1 if summary.checkpoint in stages else 0
    facts = [
        ("pair", f"{summary.cluster} ({summary.cluster_path})", Tone.PLAIN),
        ("options", " ".join(f"{name}={value}" for name, value in summary.options.items()), Tone.PLAIN),
        ("begun", f"{_time(summary.created_at, now)}{by}", Tone.PLAIN),
        ("ended", _time(summary.ended_at, now) if summary.ended_at else "", Tone.PLAIN),
        (
            "checkpoint",
            f"{summary.checkpoint} ({reached} of {len(stages)} stages, {_counted(run)})",
            Tone.PLAIN,
        ),
        ("outage", outage_words(run, now), Tone.PLAIN),
    ]
    if holder is not None and life in {Life.RUNNING, Life.ROLLING_BACK}:
        facts.append(("driver", driver_text(holder, now), Tone.PLAIN))
    if life is Life.ORPHANED:
        going = "going back" if summary.direction is Direction.BACK else "going on"
        facts.append(("orphaned", f"its driver ended without a word while {going}; nobody carries the run", Tone.BAD))
    if summary.halt is not None:
        facts.append(("stopped at", _at(run, summary.halt.step), Tone.PLAIN))
        facts.append(("because", summary.halt.reason, Tone.WARN))
    facts += [
        ("in doubt", f"{step.name}: begun, and how it ended is not known", Tone.BAD) for step in in_doubt(run, holder)
    ]
    facts.append(("next", next_words(run, life), Tone.HEAD))
    lines = [line("run ", Span(summary.id, Tone.HEAD), f"  {summary.procedure}  ", Span(life.words, life.tone))]
    for label, text, tone in facts:
        if text:
            lines += hanging(line(f"  {label:<{_LABEL - 2}}"), text, width, tone)
    return lines


def next_words(run: Run, life: Life) -> str:
    """What to type next."""
    name = run.summary.id
    halt = run.summary.halt
    match life:
        case Life.RUNNING | Life.ROLLING_BACK:
            return "Wait for its driver, or press Ctrl-C where it runs: it stops after what is under way."
        case Life.ORPHANED if run.summary.direction is Direction.BACK:
            return f"Type hamn-flow rollback {name}: it looks at what was under way first, then goes on undoing."
        case Life.ORPHANED:
            return (
                f"Type hamn-flow resume {name}: it looks at what was under way first, then goes on; "
                f"or hamn-flow rollback {name}."
            )
        case Life.WAITING | Life.IN_DOUBT:
            return halt.hint if halt and halt.hint else f"Type hamn-flow resume {name} or hamn-flow rollback {name}."
        case Life.DONE:
            return f"Nothing; hamn-flow rollback {name} goes back as long as no later run has changed the pair."
        case Life.ROLLED_BACK | Life.ABANDONED:
            return f"Nothing; hamn-flow show {name} tells what it did."


def status_data(run: Run, holder: Holder | None) -> dict[str, Any]:
    """The same as plain data."""
    summary, life = run.summary, life_of(run, holder)
    return {
        **summary_data(summary, life),
        "in_doubt": [step.name for step in in_doubt(run, holder)],
        "stages": _stages(run),
        "steps": {state.value: sum(step.state is state for step in run.steps) for state in StepState},
        "outage": outage_data(run),
        "next": next_words(run, life),
    }


def summary_data(summary: RunSummary, life: Life) -> dict[str, Any]:
    """A run's row as plain data; `state` is what is true of it now."""
    halt = summary.halt
    return {
        "id": summary.id,
        "procedure": summary.procedure,
        "options": summary.options,
        "cluster": summary.cluster,
        "cluster_path": summary.cluster_path,
        "state": life.value,
        "direction": summary.direction.value,
        "checkpoint": summary.checkpoint,
        "back_to": summary.back_to,
        "created_at": summary.created_at.isoformat(),
        "ended_at": summary.ended_at.isoformat() if summary.ended_at else None,
        "halt": {"step": halt.step, "reason": halt.reason, "hint": halt.hint} if halt else None,
    }


def driver_data(holder: Holder | None) -> dict[str, Any] | None:
    """The driver that holds the journal, as plain data."""
    if holder is None:
        return None
    return {
        "pid": holder.pid,
        "host": holder.host,
        "user": holder.user,
        "since": holder.since.isoformat(),
        "what": holder.what,
    }


def driver_text(holder: Holder, now: datetime) -> str:
    """The driver, as a person finds it."""
    since = seconds_text((now - holder.since).total_seconds())
    return f"`{holder.what}` of {holder.user}, process {holder.pid} on {holder.host}, for {since}"


def idle_driver_lines(runs: Iterable[Run], holder: Holder | None, now: datetime, width: int) -> list[Line]:
    """The driver that holds the journal but carries none of these runs (it is about to start one, or decides)."""
    if holder is None or any(drives(holder, run.summary) for run in runs):
        return []
    return hanging(line(f"{'driver':<{_LABEL}}"), driver_text(holder, now), width)


def runs_lines(rows: Iterable[tuple[RunSummary, Life]], now: datetime) -> list[Line]:
    """A table of runs, newest first."""
    found = [
        (summary, life, f"{summary.created_at.astimezone(now.tzinfo):%Y-%m-%d %H:%M:%S}") for summary, life in rows
    ]
    if not found:
        return [line("There is no run yet.")]
    wide = max(len(summary.procedure) for summary, _, _ in found)
    head = f"{'run':<8}{'begun':<21}{'procedure':<{wide + 2}}{'state':<14}{'checkpoint'}"
    lines = [line(Span(head, Tone.DIM))]
    for summary, life, begun in found:
        lines.append(
            line(
                Span(f"{summary.id:<8}", Tone.HEAD),
                f"{begun:<21}{summary.procedure:<{wide + 2}}",
                Span(f"{life.words:<14}", life.tone),
                summary.checkpoint,
            )
        )
    return lines


def _stages(run: Run) -> list[str]:
    return [stage for stage, _ in groupby(step.planned.stage for step in run.steps)]


def _counted(run: Run) -> str:
    if run.summary.direction is Direction.BACK:
        undone = sum(step.state is StepState.UNDONE for step in run.steps)
        return f"{undone} steps undone, {sum(step.ours for step in run.steps)} left to undo"
    settled = sum(step.state in {StepState.DONE, StepState.SKIPPED} for step in run.steps)
    return f"{settled} of {len(run.steps)} steps"


def _at(run: Run, name: str) -> str:
    titles = {step.name: step.planned.title for step in run.steps}
    return f"{name}: {titles[name]}" if name in titles else name


def _time(at: datetime, now: datetime) -> str:
    local = at.astimezone(now.tzinfo)
    ago = (now - at).total_seconds()
    return f"{local:%Y-%m-%d %H:%M:%S %Z} ({seconds_text(ago)} ago)" if ago >= 0 else f"{local:%Y-%m-%d %H:%M:%S %Z}"
