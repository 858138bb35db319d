"""What the real xCAT said, read from transcripts/ (its README.txt says how they are written)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hamn_flow.model.command import Result

PLACE = Path(__file__).parent / "transcripts"


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """A command and what it printed; `argv` is without `bypass`, the XCATBYPASS=1 before it."""

    argv: tuple[str, ...]
    bypass: bool
    status: int
    seconds: float  # that it took at least
    lines: tuple[str, ...]

    def pattern(self, host: str) -> str:
        """A regular expression that what is printed on a node of that name matches as a whole."""
        return "".join(_pattern(line.replace("<host>", host)) for line in self.lines)

    def check(self, host: str, result: Result) -> None:
        printed = result.error_text + result.text  # warnings come first on a terminal
        assert re.fullmatch(self.pattern(host), printed), printed
        assert result.status == self.status, printed
        assert result.seconds >= self.seconds


def _pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*"
    if counted := re.fullmatch(r"\.\.\. (\d+) lines", line):
        return rf"(?:.*\n){{{counted[1]}}}"
    if line.endswith(" ..."):
        return rf"{re.escape(line[:-3])}.*\n"
    return rf"{re.escape(line)}\n"


def _read(block: str) -> Transcript:
    command, end, *lines = block.splitlines()
    words = command.split()
    bypass = words[0] == "XCATBYPASS=1"
    ended = re.fullmatch(r"exit (\d+)(?:, ([\d.]+) s or more)?", end)
    assert ended, f"{end!r} does not say how {command} ended"
    return Transcript(
        argv=tuple(words[bypass:]),
        bypass=bypass,
        status=int(ended[1]),
        seconds=float(ended[2] or 0),
        lines=tuple(lines),
    )


def transcripts(state: str) -> dict[str, Transcript]:
    """Those of a state of the node, by their command; one that is there again has its number behind it."""
    found: dict[str, Transcript] = {}
    for block in re.split(r"\n*^\$ ", (PLACE / f"{state}.txt").read_text(), flags=re.MULTILINE)[1:]:
        name = block.partition("\n")[0]
        again = sum(each.partition(" #")[0] == name for each in found)
        found[f"{name} #{again + 1}" if again else name] = _read(block.rstrip("\n"))
    return found
