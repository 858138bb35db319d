"""What a node said could not be understood, so its state is not known."""

from __future__ import annotations

from typing import ClassVar

from hamn_flow.errors import HamnError
from hamn_flow.model.command import Result


class Unreadable(HamnError):
    """A look ended, but its answer makes no sense: nothing may be concluded from it, least of all that all is well."""

    exit_status: ClassVar[int] = 7  # as for a node that does not answer: its state is not known


def unreadable(what: str, result: Result, *, why: str = "") -> Unreadable:
    """The error for `what` (a noun phrase): `why`, or else the last line of the program's own errors, or its status.

    What the program printed on standard output is never quoted: it may be long, and it may hold what nobody asked for.
    """
    lines = result.error_text.strip().splitlines()
    reason = why or (lines[-1].strip().rstrip(".") if lines else f"the command ended with status {result.status}")
    return Unreadable(f"{what} could not be read: {reason}")


def succeeded(what: str, result: Result) -> str:
    """The output of a program whose exit status can be trusted; Unreadable if it says that it failed."""
    if result.status != 0:
        raise unreadable(what, result)
    return result.text


def missing(result: Result) -> bool:
    """Whether the program failed only because the file that it should read is not there."""
    lines = result.error_text.strip().splitlines()
    return result.status != 0 and bool(lines) and all(line.endswith("No such file or directory") for line in lines)
