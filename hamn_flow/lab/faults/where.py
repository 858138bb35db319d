"""Where things are now: which host is on, since which boot, which one has a shared file system, and what a path is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hamn_flow.errors import Refused
from hamn_flow.lab import groups, host
from hamn_flow.lab.faults.fault import Fault
from hamn_flow.lab.place import FILE_SYSTEMS, NODES, Lab
from hamn_flow.lab.status import mounted


def root(lab: Lab, node: str) -> Path:
    """A host's files, seen from the machine and without any program of the host; Refused if the host is off."""
    leader = groups.leader(lab, node)
    if leader is None:
        raise Refused(f"{node} is off", hint=f"Type {lab.typed('up')}, which boots it; or {lab.typed('fault list')}.")
    return Path(f"/proc/{leader}/root")


def disk(lab: Lab, node: str) -> Path:
    """A host's own disk: what it sees of it, or, while it is off, the layer that everything is written to."""
    return lab.folder(node) / "upper" if groups.leader(lab, node) is None else root(lab, node)


def boot(lab: Lab, node: str) -> str:
    """The identity of a host's boot; empty if it is off."""
    with suppress(Refused, FileNotFoundError, ProcessLookupError):
        return (root(lab, node) / "proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def same_boot(lab: Lab, fault: Fault) -> bool:
    """Whether the host still runs that the fault was set in: else what lay in its memory is gone."""
    return boot(lab, fault.node) == fault.boot


def entry(lab: Lab, node: str, path: str) -> str:
    """A path whose folders are no links; its last part may be one."""
    folder, _, name = path.rpartition("/")
    return f"{host.run(lab, node, 'realpath', '--', folder or '/').strip().rstrip('/')}/{name}"


def shared(lab: Lab, node: str, path: str) -> tuple[str, str]:
    """A folder's real path, and the mount point of the shared file system that it lies on; Refused if on none."""
    resolved = host.run(lab, node, "realpath", "--", path).strip()
    for point in _mounted(lab, node):
        if (resolved + "/").startswith(point + "/"):
            return resolved, point
    raise Refused(
        f"{path} is on no shared file system that {node} has mounted",
        hint=f"Type {lab.typed('status')} to see what is mounted where.",
    )


def holder(lab: Lab, mount_point: str) -> str | None:
    """The host that has a shared file system mounted; None if neither has."""
    return next((node for node in NODES if mount_point in _mounted(lab, node)), None)


def must_hold(lab: Lab, mount_point: str) -> str:
    """The host that has a shared file system mounted; Refused if neither has."""
    node = holder(lab, mount_point)
    if node is None:
        raise Refused(f"{mount_point} is mounted on neither host", hint=f"Mount {mount_point} on one of them first.")
    return node


def remove(lab: Lab, path: str) -> None:
    """Remove a file from a shared file system, on whichever host it is now; Refused if on neither."""
    (point,) = (each.mount_point for each in FILE_SYSTEMS if path.startswith(each.mount_point + "/"))
    host.run(lab, must_hold(lab, point), "rm", "--force", "--", path)


def _mounted(lab: Lab, node: str) -> tuple[str, ...]:
    leader = groups.leader(lab, node)
    with suppress(FileNotFoundError, ProcessLookupError):
        return mounted(lab, node, leader) if leader else ()
    return ()
