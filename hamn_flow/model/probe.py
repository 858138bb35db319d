"""What a look at the world says of a step's goal."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Finding(StrEnum):
    """The four answers of a probe."""

    DONE = "done"
    TODO = "todo"
    PARTIAL = "partial"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Whether a step's goal is true, why we think so, and what was seen that an undo will need.

    `seen` is plain data (a frozen dataclass, str, int, tuple, dict, None), or what `revert` takes.
    `warning` is said to the person although the goal is true.
    `coming` says that it may become true within seconds, if what makes it true was just done.
    """

    finding: Finding
    reason: str
    seen: Any = None
    warning: str = ""
    hint: str = ""
    coming: bool = False


def done(reason: str, *, seen: Any = None, warning: str = "") -> Probe:
    """The goal is true."""
    return Probe(finding=Finding.DONE, reason=reason, seen=seen, warning=warning)


def todo(reason: str, *, seen: Any = None, hint: str = "", coming: bool = False) -> Probe:
    """The goal is not true, and nothing of it is; or, where it is `coming`, not yet."""
    return Probe(finding=Finding.TODO, reason=reason, seen=seen, hint=hint, coming=coming)


def partial(reason: str, *, seen: Any = None, hint: str = "", coming: bool = False) -> Probe:
    """Some of the goal is true; doing the step again completes it, or, where it is `coming`, a moment does."""
    return Probe(finding=Finding.PARTIAL, reason=reason, seen=seen, hint=hint, coming=coming)


def unknown(reason: str, *, hint: str = "") -> Probe:
    """The world could not be read; a person may settle it."""
    return Probe(finding=Finding.UNKNOWN, reason=reason, hint=hint)
