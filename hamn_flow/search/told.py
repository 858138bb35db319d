"""A search's judgement as lines for a person and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hamn_flow.report.line import Line, Span, Tone, hanging, line, one_line, seconds_text
from hamn_flow.search.explore import Progress
from hamn_flow.search.judgement import Judgement


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A judgement, and the seconds that it took to come to it."""

    judgement: Judgement
    seconds: float


@dataclass(frozen=True)
class NotSearched:
    """A procedure that cannot be searched, and a sentence why."""

    procedure: str
    problem: str


def progress_line(procedure: str, progress: Progress, seconds: float) -> Line:
    """How far the search of a procedure has come."""
    text = f"{procedure}: {progress.states} states after {seconds_text(seconds)}"
    return line(Span(f"{text}; {progress.done} of this round's {progress.of} parts are done", Tone.DIM))


def searched_lines(searched: Searched, width: int) -> Iterator[Line]:
    """The figures in one line; below it what waits for a person, then each violation with the way to it."""
    found = searched.judgement
    yield line(
        Span(found.procedure, Tone.HEAD),
        f": {found.states} states, {found.edges} edges, depth {found.depth}, {seconds_text(searched.seconds)}; ",
        Span(f"{len(found.violations)} violations", Tone.BAD) if found.violations else Span("no violation", Tone.GOOD),
    )
    if found.waiting_for_person:
        yield line(f"  {len(found.waiting_for_person)} kinds of state wait for a person:")
        for one in found.waiting_for_person:
            yield from hanging(line("    "), one, width)
    for violation in found.violations:
        yield line()
        yield from hanging(line(Span("  VIOLATION: ", Tone.BAD)), violation.sentence, width)
        for number, text in enumerate(violation.trace, start=1):
            yield from hanging(line(f"  {number:4}  "), one_line(text), width)


def searched_data(searched: Sequence[Searched], left_out: Sequence[NotSearched]) -> dict[str, Any]:
    """All of them together, and each alone; of one alone the same twice. Then what is not searched."""
    judgements = [one.judgement for one in searched]
    return {
        "procedure": judgements[0].procedure if len(judgements) == 1 else "all",
        "states": sum(one.states for one in judgements),
        "edges": sum(one.edges for one in judgements),
        "depth": max((one.depth for one in judgements), default=0),
        "violations": [each for one in searched for each in _data(one)["violations"]],
        "waiting_for_person": [f"{one.procedure}: {each}" for one in judgements for each in one.waiting_for_person],
        "seconds": round(sum(one.seconds for one in searched), 1),
        "procedures": [_data(one) for one in searched],
        "not_searched": [{"procedure": one.procedure, "problem": one.problem} for one in left_out],
    }


def _data(searched: Searched) -> dict[str, Any]:
    found = searched.judgement
    return {
        "procedure": found.procedure,
        "states": found.states,
        "edges": found.edges,
        "depth": found.depth,
        "violations": [
            {"procedure": found.procedure, "sentence": one.sentence, "trace": list(one.trace)}
            for one in found.violations
        ],
        "waiting_for_person": list(found.waiting_for_person),
        "seconds": round(searched.seconds, 1),
    }
