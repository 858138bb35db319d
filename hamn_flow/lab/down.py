"""Taking a lab down: everything that it consists of, however far `up` had come."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress

from hamn_flow.lab import disk, groups, network
from hamn_flow.lab.alone import alone, lock_of
from hamn_flow.lab.place import NODES, Lab

_PATIENCE = 60.0  # seconds, in which what a killed `up` has left running comes to its end


def down(lab: Lab, say: Callable[[str], None]) -> None:
    """Take the lab down; nothing if there is none. StepFailed if something cannot be removed; it may be tried again.

    Refused if what lies there is not a lab.

    A host is ended as by a power cut: nothing of it is needed any more.
    """
    if not lab.place.exists():
        say(f"there is no lab {lab.name} in {lab.directory}")
        return
    with alone(lab, _PATIENCE):
        remove(lab)
    say(f"lab {lab.name} is down, and {lab.place} is removed")


def remove(lab: Lab) -> None:
    """Take the lab down and remove its folder, while its lock is held. The lock goes last."""
    clear(lab)
    lock_of(lab).unlink(missing_ok=True)
    with suppress(OSError):  # an `up` that waited for the lock has begun anew there
        lab.place.rmdir()


def clear(lab: Lab) -> None:
    """Take the lab down, while its lock is held, to an empty folder."""
    for node in NODES:
        groups.end(lab, node)
    network.clear(lab)
    disk.detach(lab)
    for path in lab.place.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != lock_of(lab):
            path.unlink()
