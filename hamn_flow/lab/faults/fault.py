"""A fault of a lab as a value, the kinds that there are of it, and the file that remembers what is set."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

from hamn_flow.lab.place import Lab

LASTS = 3600  # seconds: after so long whatever only waits ends by itself


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault that is set: `boot` tells the boot of the host in which it was."""

    id: str
    kind: str
    node: str
    what: tuple[str, ...] = ()
    boot: str = ""
    known: Mapping[str, Any] = field(default_factory=dict)  # what it takes to lift it

    @property
    def own(self) -> str:
        """The name of what is put into a host for it."""
        return f"fault-{self.id}"

    def __str__(self) -> str:
        """Its number, and what was asked for: `fault 3 (full mn1 /install)`."""
        return f"fault {self.id} ({' '.join((self.kind, self.node, *self.what))})"


class Note(Protocol):
    """Writes down what will be done, before it is done, and what must be known to lift it."""

    def __call__(self, **known: Any) -> None:
        """Add these to what is known; without any, only that the fault is set from now on."""


class Turn(IntEnum):
    """When all are lifted: what others need to be lifted goes first, as commands that work do for a boot."""

    COMMANDS = 0
    POWER = 1
    OTHERS = 2


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of fault: how it is set and lifted.

    `lift` may be called again after it was cut off, and also for what was set only half. It returns whether there was
    something to lift: what lives in a host's memory is gone when its power is. Two faults of one `subject`, on one
    node and of one thing, exclude each other. What does not last is done once, and never lifted.
    """

    does: str
    set: Callable[[Lab, Fault, Note], None]
    lift: Callable[[Lab, Fault], bool]
    words: tuple[str, ...] = ()  # what is said after the node; in brackets what may be left out
    subject: str = ""
    turn: Turn = Turn.OTHERS
    lasts: bool = True

    @property
    def takes(self) -> range:
        """How many words it takes after the node."""
        return range(sum(not word.startswith("[") for word in self.words), len(self.words) + 1)


def recorded(lab: Lab) -> tuple[Fault, ...]:
    """What is set, the oldest first."""
    try:
        entries = json.loads(_record(lab).read_text())
    except FileNotFoundError:
        return ()
    return tuple(Fault(**entry | {"what": tuple(entry["what"])}) for entry in entries)


def record(lab: Lab, faults: tuple[Fault, ...]) -> None:
    """Remember these, and no others. Whoever reads meanwhile sees the old ones or the new ones."""
    beside = _record(lab).with_suffix(".new")
    beside.write_text(json.dumps([asdict(fault) for fault in faults], indent=2) + "\n")
    beside.replace(_record(lab))


def _record(lab: Lab) -> Path:
    return lab.place / "faults.json"
