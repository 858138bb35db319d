"""A command on a node, and what came of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

NodeName = NewType("NodeName", str)
Key = NewType("Key", str)


@dataclass(frozen=True, kw_only=True)
class Command:
    """One program with its arguments, to be run on one node; never a shell string.

    `deadline` is in seconds. `text_in` is what the program reads on standard input (otherwise /dev/null);
    `script` is the file name a person knows that text by, when it is a program (`perl - ... < holders.pl`).
    """

    node: NodeName
    argv: tuple[str, ...]
    deadline: float = 60.0
    environment: tuple[tuple[str, str], ...] = ()
    text_in: str = ""
    script: str = ""

    @property
    def text(self) -> str:
        """The command as a person would type it on the node."""
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment]
        words.append(shlex.join(self.argv))
        if self.script:
            words.append(f"< {self.script}")
        return " ".join(words)


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a command ended: `status` as the shell counts it, or minus the signal that ended it."""

    status: int
    output: bytes = b""
    errors: bytes = b""
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are shown as replacement marks."""
        return self.output.decode(errors="replace")

    @property
    def error_text(self) -> str:
        """Standard error as text; bytes that are not UTF-8 are shown as replacement marks."""
        return self.errors.decode(errors="replace")


class JobState(StrEnum):
    """What a node says of a key (see transport/launcher)."""

    NONE = "none"  # never launched under this key
    UNSTARTED = "unstarted"  # claimed, never ran; the key stays used
    REFUSED = "refused"  # claimed under a generation that is not the node's; never ran
    RUNNING = "running"
    DONE = "done"
    LOST = "lost"  # it may have run: only the world can tell


@dataclass(frozen=True, kw_only=True)
class Job:
    """A keyed command on a node; `result` is there when it is done."""

    key: Key
    state: JobState
    result: Result | None = None
