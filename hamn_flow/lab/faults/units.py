"""Units that do not start: one that fails, one that is not there, and a named whose configuration is broken."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hamn_flow.errors import Refused, StepFailed
from hamn_flow.lab import host
from hamn_flow.lab.faults import where
from hamn_flow.lab.faults.fault import Fault, Note
from hamn_flow.lab.place import Lab

_NAMED, _CONFIGURATION = "named.service", "/etc/bind/named.conf.options"  # makedns leaves this one alone
_FILES = 3  # that one unit may come from, one hidden by the other


def fail(lab: Lab, fault: Fault, note: Note) -> None:
    """Starting the unit fails: what it would run is replaced by `false` until the host is booted anew."""
    unit = _told(lab, fault.node, fault.what[0])["Id"]
    if not unit.endswith(".service"):
        raise Refused(f"{unit} runs nothing that could fail", hint="Name a service.")
    folder = f"/run/systemd/system/{unit}.d"
    note(unit=unit, path=f"{folder}/{fault.own}.conf")
    host.run(lab, fault.node, "mkdir", "--parents", folder)
    host.write(lab, fault.node, f"{folder}/{fault.own}.conf", "[Service]\nExecStart=\nExecStart=/bin/false\n")
    host.run(lab, fault.node, "systemctl", "daemon-reload")


def mend(lab: Lab, fault: Fault) -> bool:
    """Let the unit run what it ran before, and may start at once."""
    there = where.same_boot(lab, fault)
    if there:
        path = where.root(lab, fault.node) / fault.known["path"].lstrip("/")
        path.unlink(missing_ok=True)
        with suppress(OSError):  # others may have put something beside it
            path.parent.rmdir()
        _forget(lab, fault.node, fault.known["unit"])
    return there


def take_away(lab: Lab, fault: Fault, note: Note) -> None:
    """Move the unit's file away, so that systemd knows no such unit; of an instance that is its template's.

    Behind it may be one that systemd makes of a script in /etc/init.d; then the script goes, too.
    """
    unit, moved = _told(lab, fault.node, fault.what[0])["Id"], dict[str, str]()
    root = where.root(lab, fault.node)
    for _ in range(_FILES):
        told = _told(lab, fault.node, unit)
        file = where.entry(lab, fault.node, told["SourcePath"] or told["FragmentPath"])
        moved[file] = str(Path(file).with_name(f".{fault.own}-{Path(file).name}"))  # a hidden file is not read
        note(unit=unit, moved=moved)
        (root / file.lstrip("/")).replace(root / moved[file].lstrip("/"))
        host.run(lab, fault.node, "systemctl", "daemon-reload")
        state = host.run(lab, fault.node, "systemctl", "show", "--property=LoadState", "--value", "--", unit).strip()
        if state == "not-found":
            return
    raise StepFailed(f"{unit} on {fault.node} is {state} although its files are moved away")


def put_back(lab: Lab, fault: Fault) -> bool:
    """Put the unit's files back."""
    root, there = where.disk(lab, fault.node), False
    for file, aside in fault.known["moved"].items():
        if os.path.lexists(root / aside.lstrip("/")):
            (root / aside.lstrip("/")).replace(root / file.lstrip("/"))
            there = True
    _forget(lab, fault.node, fault.known["unit"])
    return there


def break_named(lab: Lab, fault: Fault, note: Note) -> None:
    """Add a line to named's configuration that it does not understand: it refuses to start, or to read it anew."""
    file = where.root(lab, fault.node) / _CONFIGURATION.lstrip("/")
    if not file.is_file():
        raise Refused(f"there is no {_CONFIGURATION} on {fault.node}", hint="Only Debian's named can be broken so.")
    note()
    with file.open("a") as text:
        text.write(_line(fault))


def mend_named(lab: Lab, fault: Fault) -> bool:
    """Take the line out again; what else was changed meanwhile stays."""
    file = where.disk(lab, fault.node) / _CONFIGURATION.lstrip("/")
    text = file.read_text()
    there = _line(fault) in text
    if there:
        file.write_text(text.replace(_line(fault), ""))
    _forget(lab, fault.node, _NAMED)
    return there


def _line(fault: Fault) -> str:
    return f"no-such-clause-{fault.own};\n"


def _told(lab: Lab, node: str, unit: str) -> dict[str, str]:
    """What systemd knows of a unit, by whatever name; Refused if it knows no such unit."""
    asked = ("--property=Id", "--property=LoadState", "--property=FragmentPath", "--property=SourcePath")
    said = host.run(lab, node, "systemctl", "show", *asked, "--", unit)
    told = dict(line.split("=", 1) for line in said.splitlines() if line)
    if told["LoadState"] != "loaded":
        raise Refused(
            f"{told['Id']} is {told['LoadState']} on {node}",
            hint=f"Type {lab.typed('exec', f'{node} -- systemctl list-unit-files')} to see what there is.",
        )
    return told


def _forget(lab: Lab, node: str, unit: str) -> None:
    """Read the units anew, and forget that this one failed: it may be started at once, however often it was tried."""
    if where.boot(lab, node):
        host.run(lab, node, "systemctl", "daemon-reload")
        host.exec(lab, node, ("systemctl", "reset-failed", unit))  # it fails for a unit that nobody has started
