"""What is printed: results on standard output, what happens meanwhile and errors on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from hamn_flow.errors import HamnError, Invalid, Refused
from hamn_flow.report.line import UNLIMITED, Line, Span, Tone, hanging, line

_CODES = {Tone.HEAD: "1", Tone.GOOD: "32", Tone.WARN: "33", Tone.BAD: "1;31", Tone.DIM: "2"}


@dataclass(frozen=True, kw_only=True)
class Paper:
    """Where a command prints. With `as_json`, standard output takes one JSON document and nothing else."""

    out: TextIO
    errors: TextIO
    as_json: bool = False

    @classmethod
    def of(cls, *, as_json: bool) -> Paper:
        """The process's own streams, as they are now."""
        return cls(out=sys.stdout or _nowhere(), errors=sys.stderr or _nowhere(), as_json=as_json)

    @property
    def told(self) -> TextIO:
        """Where a person is told what happens: not among JSON."""
        return self.errors if self.as_json else self.out

    @property
    def width(self) -> int:
        """Columns to fold lines at; a file or a pipe is never folded."""
        return columns(self.told)

    def tell(self, lines: Iterable[Line]) -> None:
        """Print lines for a person."""
        for each in lines:
            self.told.write(rendered(each, self.told) + "\n")
        self.told.flush()

    def result(self, lines: Iterable[Line], data: Mapping[str, Any], wrong: HamnError | None = None) -> None:
        """Print a result: as JSON if that was asked for, as lines otherwise. What it shows to be wrong is raised."""
        if wrong and self.as_json:
            wrong.shown_by = data  # `error` prints both, as one document
        elif self.as_json:
            self.json(data)
        else:
            self.tell(lines)
        if wrong:
            raise wrong

    def json(self, data: Mapping[str, Any]) -> None:
        """Print a JSON document."""
        import json

        self.out.write(json.dumps(data, indent=2) + "\n")
        self.out.flush()

    def error(self, error: HamnError) -> None:
        """Print the sentence and the hint."""
        if self.as_json:
            said = {"error": error.sentence, "hint": error.hint, "exit_status": error.exit_status, "run": error.run}
            problems = {"problems": list(error.problems)} if isinstance(error, Invalid) else {}
            self.json({**said, **problems, **error.shown_by})
        self.out.flush()
        for sentence in error.problems if isinstance(error, Invalid) else (error.sentence,):
            self._complain("hamn-flow: ", sentence, Tone.BAD)
        if error.hint:
            self._complain("HINT: ", error.hint, Tone.WARN)

    def _complain(self, label: str, text: str, tone: Tone) -> None:
        for each in hanging(line(Span(label, tone)), text, columns(self.errors)):
            self.errors.write(rendered(each, self.errors) + "\n")

    def need_an_answer(self, *, yes: bool) -> None:
        """Refused where a question will have to be asked and nobody can be."""
        if not yes and not (sys.stdin and sys.stdin.isatty() and self.errors.isatty()):
            raise Refused(
                "nobody can be asked: this is not a terminal, and nothing was changed",
                hint="Say --yes if it shall be done without asking.",
            )

    def ask(self, question: str, *, yes: bool = False) -> None:
        """Go on only with a person's yes, or with one given beforehand; Refused otherwise."""
        if yes:
            return
        self.need_an_answer(yes=yes)
        self.errors.write(f"{question} [y/N] ")
        self.errors.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise Refused("not done, because the answer was not yes; nothing was changed")


def _nowhere() -> TextIO:
    """In place of a stream that was closed before the program began (`>&-`)."""
    return Path(os.devnull).open("w", encoding="utf-8")


def rendered(each: Line, stream: TextIO) -> str:
    """A line as the stream shows its tones."""
    if not colours(stream):
        return "".join(span.text for span in each).rstrip()
    return "".join(f"\x1b[{_CODES[tone]}m{text}\x1b[0m" if tone in _CODES else text for text, tone in each)


def colours(stream: TextIO) -> bool:
    """Whether the stream shows colours and whoever reads it wants them (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns(stream: TextIO) -> int:
    """The columns that COLUMNS says, or the terminal has; no limit where neither is there."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    return (os.get_terminal_size(stream.fileno()).columns or UNLIMITED) if stream.isatty() else UNLIMITED
