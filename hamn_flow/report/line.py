"""Lines of text with tones; whoever prints them decides whether a tone is a colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

UNLIMITED = 1_000_000  # columns: where nobody's terminal is to be respected, a line stays one line
_NARROWEST = 24  # columns left to a text before it goes below its label


class Tone(StrEnum):
    """How a piece of text is meant."""

    PLAIN = "plain"
    HEAD = "head"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    DIM = "dim"


class Span(NamedTuple):
    """A piece of a line in one tone."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Span, ...]


def line(*parts: str | Span) -> Line:
    """A line of its parts; what is only text has no tone."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def text_of(lines: Iterable[Line]) -> str:
    """The lines without their tones, one below the other."""
    return "".join("".join(span.text for span in each).rstrip() + "\n" for each in lines)


def hanging(label: Line, text: str, width: int, tone: Tone = Tone.PLAIN) -> list[Line]:
    """The label and beside it the text, folded at the width, each further line below the first one's beginning.

    Where it does not fit and too little room is left beside the label, the text begins on the next line.
    """
    used = sum(len(span.text) for span in label)
    indent = used
    lines: list[Line] = []
    if width - used < min(len(text), _NARROWEST):
        lines.append(label)
        label, indent = line(" " * 6), 6
    folded = [piece for part in text.splitlines() or [""] for piece in fold(part, width - indent)]
    lines.append((*label, Span(folded[0], tone)))
    lines += [line(" " * indent, Span(piece, tone)) for piece in folded[1:]]
    return lines


def fold(text: str, width: int) -> list[str]:
    """The text in pieces of at most the width, cut between words; a longer word stays whole."""
    return textwrap.wrap(text, max(width, 10), break_long_words=False, break_on_hyphens=False) or [""]


def one_line(command: str) -> str:
    """A command whose arguments have several lines, as one line to look at."""
    return command.replace("\n", "\\n")


def seconds_text(seconds: float) -> str:
    """A duration as people say it: `0.03 s`, `12.3 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for size, unit, smaller, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {small_unit}"
    raise AssertionError(f"{seconds} s is no minute and no less")
