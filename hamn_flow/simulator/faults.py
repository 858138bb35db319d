"""What can go wrong, as plain values put into the world.

Each fault names the commands that it strikes: on which node, by the first words of the command (for one of our
scripts its file name stands in the place of `perl -`), whether looks or jobs, how many are let pass before, and how
many are struck.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Strikes(StrEnum):
    """Which commands a fault strikes."""

    LOOKS = "looks"
    JOBS = "jobs"
    BOTH = "both"


class Moment(StrEnum):
    """When something happens, seen from the command's effect."""

    BEFORE = "before"  # the command then has no effect
    DURING = "during"  # the command takes effect all the same, nobody waits for it
    AFTER = "after"  # it took effect, its answer is lost


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Which commands are struck: `passes` are let through first, then `times` are struck (0: all of them)."""

    node: str = ""  # empty: either
    words: tuple[str, ...] = ()  # the first words of the command; none: any command
    strikes: Strikes = Strikes.JOBS
    passes: int = 0
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Fails(Fault):
    """The command does nothing and ends with this status and these words."""

    status: int = 1
    errors: str = ""
    output: str = ""


@dataclass(frozen=True, kw_only=True)
class Lies(Fault):
    """The command does nothing and ends with status 0."""

    output: str = ""


@dataclass(frozen=True, kw_only=True)
class Hangs(Fault):
    """The command does nothing and never ends by itself."""


@dataclass(frozen=True, kw_only=True)
class Lingers(Fault):
    """A job goes on running until the world is told to finish it; only then it takes effect."""

    outlives: bool = False  # or until a later driver waits for it


@dataclass(frozen=True, kw_only=True)
class LinkLost(Fault):
    """The link to the node is lost, and cannot be made again at the next so many tries."""

    moment: Moment = Moment.AFTER
    refusals: int = 0


@dataclass(frozen=True, kw_only=True)
class PowerLost(Fault):
    """The node loses its power; it stays off until it is told to boot."""

    moment: Moment = Moment.BEFORE


@dataclass(frozen=True, kw_only=True)
class DriverKilled(Fault):
    """The driver's process is killed by SIGKILL, where the world runs beside it (world_process.py)."""

    moment: Moment = Moment.BEFORE


@dataclass(frozen=True, kw_only=True)
class HolderAppears(Fault):
    """Just before the command somebody begins to hold a file system by a path on it."""

    path: str = "/install"
    kind: str = "cwd"
    user: str = "alice"
    command: str = "bash"
    ignores: tuple[str, ...] = ()
