"""What would be done: a plan with what is true now, as lines and as plain data."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby, takewhile
from typing import Any

from hamn_flow.engine.plan import Foreseen, Preview
from hamn_flow.model.probe import Finding
from hamn_flow.report.line import Line, Span, Tone, hanging, line, one_line

_WORD = 12  # columns of the word that begins a step


def checks_first(steps: Sequence[Foreseen]) -> list[Foreseen]:
    """The checks that come before anything is changed: what they say now is what they will say."""
    return [step for step in takewhile(lambda step: not step.will_change, steps) if step.kind == "check"]


def unsatisfied(steps: Sequence[Foreseen]) -> list[Foreseen]:
    """Those of them that are not satisfied: the run would stop there."""
    return [step for step in checks_first(steps) if step.finding is not Finding.DONE]


def preview_lines(preview: Preview, width: int) -> list[Line]:
    """A procedure's plan: by stage each step with what is so, what would be run, and what is in the way."""
    head = line(Span(preview.procedure, Tone.HEAD), f"  {preview.title}")
    after = {stage.name: stage.after for stage in preview.stages}
    return [head, *steps_lines(preview.steps, width, after), line(), *summary_lines(preview.steps, width)]


def steps_lines(
    steps: Sequence[Foreseen], width: int, after: Mapping[str, Sequence[str] | None] | None = None
) -> list[Line]:
    """Steps under the names of their stages; what they are for is said once for steps alike.

    `after` names the stages that a stage waits for, where those are not all before it.
    """
    first = {step.name for step in checks_first(steps)}
    lines: list[Line] = []
    for stage, of_stage in groupby(steps, key=lambda step: step.stage):
        waits_for = (after or {}).get(stage)
        beside = line(Span(f" after {', '.join(waits_for)}", Tone.DIM)) if waits_for else ()
        head = (*line(Span(stage, Tone.HEAD)), *beside)
        lines.append(line())
        for title, alike in groupby(of_stage, key=lambda step: step.title if _wants_title(step, first) else ""):
            lines += hanging((*head, Span("  ")), title, width, Tone.DIM) if title else [head] if head else []
            head = line()
            for step in alike:
                lines += _step_lines(step, width, later=step.kind == "check" and step.name not in first)
    return lines


def summary_lines(steps: Sequence[Foreseen], width: int) -> list[Line]:
    """Counts, then everything that a person must know before saying yes."""
    acting = sum(step.will_change for step in steps)
    so = sum(step.finding is Finding.DONE and step.kind != "check" and not step.will_change for step in steps)
    first, in_the_way = checks_first(steps), unsatisfied(steps)
    later = sum(step.kind == "check" for step in steps) - len(first)
    said = [f"{len(first) - len(in_the_way)} of {len(first)} checks satisfied"] if first else []
    said += [f"{acting} steps to do, {so} already so"] if acting or so else []
    said += [f"{later} checks on the way"] if later else []
    lines = [line("; ".join(said) + "." if said else "Nothing is left to do.")]
    for step in in_the_way:
        lines += hanging(line(Span(f"{'in the way':<{_WORD}}", Tone.BAD)), f"{step.name}: {step.reason}", width)
    for step in steps:
        if step.warning:
            lines += hanging(line(Span(f"{'warning':<{_WORD}}", Tone.WARN)), f"{step.name}: {step.warning}", width)
    wall = _point_of_no_return(steps)
    if wall is not None:
        text = f"{wall.name} is the point of no return: {wall.irreversible}"
        lines += hanging(line(Span(f"{'no way back':<{_WORD}}", Tone.BAD)), text, width)
    return lines


def preview_data(preview: Preview) -> dict[str, Any]:
    """A plan as plain data."""
    data = steps_data(preview.steps)
    after = {stage.name: stage.after for stage in preview.stages}
    stages = [{**stage, "after": after.get(stage["name"])} for stage in data["stages"]]
    return {"procedure": preview.procedure, "title": preview.title, **data, "stages": stages}


def steps_data(steps: Sequence[Foreseen]) -> dict[str, Any]:
    """Steps by stage as plain data, with what is in the way now and the point of no return."""
    wall = _point_of_no_return(steps)
    return {
        "stages": [
            {"name": stage, "steps": [_step_data(step) for step in group]}
            for stage, group in groupby(steps, key=lambda step: step.stage)
        ],
        "in_the_way": [step.name for step in unsatisfied(steps)],
        "point_of_no_return": wall.name if wall else None,
    }


def _point_of_no_return(steps: Sequence[Foreseen]) -> Foreseen | None:
    return next((step for step in steps if step.irreversible and step.finding is not Finding.DONE), None)


def _wants_title(step: Foreseen, first: Collection[str]) -> bool:
    """What is so already, and a check that speaks for itself, need not be said what they are for."""
    open_ended = step.will_change or step.finding is not Finding.DONE
    return open_ended and not (step.kind == "check" and step.name in first)


def _step_data(step: Foreseen) -> dict[str, Any]:
    return {
        "name": step.name,
        "node": step.node,
        "title": step.title,
        "kind": step.kind,
        "finding": step.finding.value,
        "reason": step.reason,
        "hint": step.hint,
        "warning": step.warning,
        "commands": list(step.commands),
        "irreversible": step.irreversible,
    }


def _step_lines(step: Foreseen, width: int, *, later: bool) -> list[Line]:
    if later:
        return [line("  ", Span(f"{'then':<{_WORD}}", Tone.DIM), step.name)]
    word, tone = _word(step)
    lines = hanging(line("  ", Span(f"{word:<{_WORD}}", tone), f"{step.name}  "), step.reason, width, Tone.DIM)
    indent = " " * (_WORD + 2)
    for command in step.commands:
        lines += hanging(line(indent, Span(f"{step.node}$ ", Tone.DIM)), one_line(command), width)
    if step.hint and not step.will_change and step.finding is not Finding.DONE:
        lines += hanging(line(indent, Span("HINT: ", Tone.WARN)), step.hint, width)
    return lines


def _word(step: Foreseen) -> tuple[str, Tone]:
    """One word for a step: satisfied, in the way, to do, so already, not known, a person's."""
    if step.kind == "check":
        return {Finding.DONE: ("ok", Tone.GOOD), Finding.UNKNOWN: ("not known", Tone.WARN)}.get(
            step.finding, ("in the way", Tone.BAD)
        )
    if step.will_change:
        return "do", Tone.HEAD
    if step.finding is Finding.DONE:
        return "stays" if step.kind == "left" else "so already", Tone.DIM
    if step.kind == "person":
        return "person", Tone.WARN
    return ("not known", Tone.WARN) if step.finding is Finding.UNKNOWN else ("look", Tone.DIM)
