"""Commands of a host that hang, fail, or do nothing: a script stands in the place of each."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from hamn_flow.errors import Refused
from hamn_flow.lab import host
from hamn_flow.lab.faults import where
from hamn_flow.lab.faults.fault import LASTS, Fault, Note
from hamn_flow.lab.place import Lab

_ALL_OF_THE_NAME = ("bash", "-c", 'type -aP -- "$1"', "type")


def hang(lab: Lab, fault: Fault, note: Note) -> None:
    """The command never ends, and does nothing."""
    _replace(lab, fault, note, f"exec sleep {LASTS}")


def fail(lab: Lab, fault: Fault, note: Note) -> None:
    """The command does nothing, says something on standard error, and ends with a status."""
    command, status, *words = fault.what
    if not status.isdigit() or not 0 < int(status) < 256:
        raise Refused(f"{status!r} is no exit status of a failure", hint="Say a number from 1 to 255.")
    said = words[0] if words else f"{Path(command).name}: failed by {fault.own} of the lab"
    _replace(lab, fault, note, f"printf '%s\\n' {shlex.quote(said)} >&2\nexit {status}")


def lie(lab: Lab, fault: Fault, note: Note) -> None:
    """The command does nothing and says nothing, and ends with 0."""
    _replace(lab, fault, note, "exit 0")


def restore(lab: Lab, fault: Fault) -> bool:
    """Put the command back. No program of the host takes part, for it may be the one that hangs; it may also be off."""
    there = False
    for path in _places(where.disk(lab, fault.node), fault):
        if os.path.lexists(_aside(path, fault)):
            _aside(path, fault).replace(path)
            there = True
        for left in (_aside(path, fault), _new(path, fault)):  # of one that was cut off
            left.unlink(missing_ok=True)
    return there


def _replace(lab: Lab, fault: Fault, note: Note, script: str) -> None:
    """Set the script in the place of all that is run by that name; at no moment is there none."""
    root = where.root(lab, fault.node)
    entries = _entries(lab, fault.node, fault.what[0])
    struck = [entry for entry in entries if _others(root / entry.lstrip("/"))]
    if struck:
        raise Refused(
            f"another fault has replaced {struck[0]} on {fault.node}",
            hint=f"Type {lab.typed('fault list')} to see which, and lift it first.",
        )
    note(entries=entries)
    for path in _places(root, fault, entries):
        os.link(path, _aside(path, fault), follow_symlinks=False)
        _new(path, fault).write_text(f"#!/bin/sh\n{script}\n")
        _new(path, fault).chmod(0o755)
        _new(path, fault).replace(path)


def _entries(lab: Lab, node: str, command: str) -> list[str]:
    """The files that are run by that name, whichever folder is searched first; Refused if there is none.

    A link among them is one of them, not what it leads to: that may be many commands in one.
    """
    found = host.exec(lab, node, (*_ALL_OF_THE_NAME, command)).stdout.splitlines()
    if not found:
        raise Refused(f"there is no command {command} on {node}", hint="Say its name, or its path from the root.")
    return list(dict.fromkeys(where.entry(lab, node, path) for path in found))


def _places(root: Path, fault: Fault, entries: list[str] | None = None) -> list[Path]:
    return [root / entry.lstrip("/") for entry in entries or fault.known.get("entries", [])]


def _aside(path: Path, fault: Fault) -> Path:
    return path.with_name(f".{path.name}.{fault.own}")


def _new(path: Path, fault: Fault) -> Path:
    return path.with_name(f".{path.name}.{fault.own}.new")


def _others(path: Path) -> bool:
    return any(path.parent.glob(f".{path.name}.fault-*"))
