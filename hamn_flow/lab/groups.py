"""A host's control groups: all of its processes are in them, and nobody else's.

That is how a host is found and ended: a process cannot leave its group, and a pid that the kernel gave to another
program is not in it. A machine has one hierarchy, or (the older way) one of its own for systemd beside it.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from hamn_flow.errors import StepFailed
from hamn_flow.lab.place import Lab

_END = 20.0  # seconds that killed processes may take to be gone


def hierarchies(mountinfo: Path = Path("/proc/self/mountinfo")) -> list[Path]:
    """Where the hierarchies are mounted that systemd sorts processes into (cgroups(7))."""
    found = []
    for line in mountinfo.read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(before.split(" ")[4]))
    return found


def of(lab: Lab, node: str) -> list[Path]:
    """A host's groups, whether or not they are there."""
    return [hierarchy / lab.host(node) for hierarchy in hierarchies()]


def make(lab: Lab, node: str) -> list[Path]:
    """Make a host's groups."""
    made = of(lab, node)
    for group in made:
        group.mkdir()
    return made


def members(lab: Lab, node: str) -> set[int]:
    """The pids of all that runs in a host, and of what keeps it."""
    return {int(pid) for group in of(lab, node) for pid in _pids(group)}


def _pids(group: Path) -> Iterator[str]:
    for folder, _, _ in os.walk(group):
        try:
            yield from (Path(folder) / "cgroup.procs").read_text().split()
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENODEV}:  # of a group that ended meanwhile
                raise


def leader(lab: Lab, node: str) -> int | None:
    """The pid, on this machine, of the host's process 1; None where no host runs."""
    return next((pid for pid in sorted(members(lab, node)) if _pids_inside(pid) == ["1"]), None)


def _pids_inside(pid: int) -> list[str]:
    """A process's pids in the namespaces below this one, the host's first (proc(5): NSpid)."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return line.split()[2:]
    return []


def end(
    lab: Lab, node: str, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Kill all that is in a host's groups, as a power cut would, and remove the groups; StepFailed if some live on.

    With process 1 the kernel kills all others of its namespace, those that entered it from outside included.
    """
    last = clock() + _END
    while alive := members(lab, node):
        first = leader(lab, node)
        for pid in [first] if first else alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if clock() > last:
            raise StepFailed(f"processes of {node} do not end: {', '.join(map(str, sorted(alive)))}")
        sleep(0.02)
    for group in of(lab, node):
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError as error:  # something has begun there since
                raise StepFailed(f"{folder} cannot be removed: {error.strerror}") from error
