"""What the real xCAT said, read from transcripts/ (its README.txt says how they are written)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PLACE = Path(__file__).parent / "transcripts"


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """A command and what it printed; `argv` is without `bypass`, the XCATBYPASS=1 before it."""

    argv: tuple[str, ...]
    bypass: bool
    status: int
    lines: tuple[str, ...]

    def pattern(self, host: str) -> str:
        """A regular expression that what is printed on a node of that name matches as a whole."""
        return "".join(_pattern(line.replace("<host>", host)) for line in self.lines)

    def check(self, host: str, status: int, printed: str) -> None:
        assert re.fullmatch(self.pattern(host), printed), printed
        assert status == self.status, printed


def _pattern(line: str) -> str:
    if line == "...":
        return r"(?:.*\n)*"
    if counted := re.fullmatch(r"\.\.\. (\d+) lines", line):
        return rf"(?:.*\n){{{counted[1]}}}"
    if line.endswith(" ..."):
        return rf"{re.escape(line[:-3])}.*\n"
    return rf"{re.escape(line)}\n"


def _read(block: str) -> Transcript:
    command, status, *lines = block.splitlines()
    words = command.split()
    bypass = words[0] == "XCATBYPASS=1"
    return Transcript(
        argv=tuple(words[bypass:]), bypass=bypass, status=int(status.removeprefix("exit ")), lines=tuple(lines)
    )


def transcripts(state: str) -> dict[str, Transcript]:
    """Those of a state of the node, by their command; one that is there again has its number behind it."""
    found: dict[str, Transcript] = {}
    for block in re.split(r"\n*^\$ ", (PLACE / f"{state}.txt").read_text(), flags=re.MULTILINE)[1:]:
        name = block.partition("\n")[0]
        again = sum(each.partition(" #")[0] == name for each in found)
        found[f"{name} #{again + 1}" if again else name] = _read(block.rstrip("\n"))
    return found
