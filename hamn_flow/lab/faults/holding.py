"""What keeps a shared file system from being unmounted, and what keeps it from being written to."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hamn_flow.errors import Refused, StepFailed
from hamn_flow.facts.scripts import source
from hamn_flow.lab import host
from hamn_flow.lab.faults import where
from hamn_flow.lab.faults.fault import LASTS, Fault, Note
from hamn_flow.lab.place import Lab

_HOLDER = Path(__file__).with_name("holder.pl")
_PROCESSES = {"cwd": False, "file": True, "binary": True, "tftp": False}  # whether it holds a file of its own
_LOOP_CONTROL = "/dev/loop-control"
_MOUNTS = {"loop": True, "bind": False}
HOWS = (*_PROCESSES, *_MOUNTS)
_ROUNDS, _PAUSE = 100, 0.02  # how often one more try is made, and seconds between two looks


def begin(lab: Lab, node: str, how: str, subject: str) -> dict[str, str]:
    """Start a process in a host that holds something, as holder.pl says; its pid there, and its start time.

    It is no child of anything of ours, and ends by itself after an hour.
    """
    script = _HOLDER.read_text()
    pid, started = host.run(lab, node, "perl", "-", how, subject, str(LASTS), text_in=script).split()
    return {"pid": pid, "started": started}


def end(lab: Lab, fault: Fault, sleep: Callable[[float], None] = time.sleep) -> bool:
    """End the process that was started, and no other one that has its pid now; whether it was there."""
    if "pid" not in fault.known or not where.same_boot(lab, fault):
        return False
    words = ("perl", "-", "KILL", fault.known["pid"], fault.known["started"])
    for tries in range(_ROUNDS):
        if host.run(lab, fault.node, *words, text_in=source("signal.pl")).strip() == "gone":
            return tries > 0
        sleep(_PAUSE)
    raise StepFailed(f"process {fault.known['pid']} on {fault.node} does not end")


def hold(lab: Lab, fault: Fault, note: Note) -> None:
    """Hold a shared file system by a process or by a mount, at one of its folders."""
    given, how = fault.what
    if how not in HOWS:
        raise Refused(f"{how!r} is no way to hold a file system", hint=f"Say one of {', '.join(HOWS)}.")
    folder, _ = where.shared(lab, fault.node, given)
    own = f"{folder}/{fault.own}"
    note(**({"path": own} if {**_PROCESSES, **_MOUNTS}[how] else {}))
    if how in _MOUNTS:
        place = f"/run/{fault.own}"
        note(place=place)
        host.run(lab, fault.node, "mkdir", place)
        if how == "bind":
            host.run(lab, fault.node, "mount", "--bind", folder, place)
        else:
            _mount_image(lab, fault.node, own, place, note)
        return
    if how == "binary":
        host.run(lab, fault.node, "cp", "/bin/sleep", own)
    note(**begin(lab, fault.node, how, own if _PROCESSES[how] else folder))


def _mount_image(lab: Lab, node: str, image: str, place: str, note: Note) -> None:
    """Mount a file system that lies in a file; its loop device goes when it is unmounted, or with the host's power."""
    host.run(lab, node, "truncate", "--size=1M", image)
    host.run(lab, node, "mkfs.ext4", "-q", "-F", "-O", "^has_journal", image)
    if not (where.root(lab, node) / _LOOP_CONTROL.lstrip("/")).exists():
        host.run(lab, node, "mknod", "--mode=0600", _LOOP_CONTROL, "c", "10", "237")  # its number never changes
    for tries in range(_ROUNDS):
        device = host.run(lab, node, "losetup", "--find").split()[0]
        note(device=device)
        if not (where.root(lab, node) / device.lstrip("/")).exists():
            host.run(lab, node, "mknod", "--mode=0600", device, "b", "7", device.removeprefix("/dev/loop"))
        mounted = host.exec(lab, node, ("mount", "-o", f"loop={device}", image, place))
        if not mounted.returncode:
            return
        host.run(lab, node, "rm", device)  # somebody else on this machine has taken it meanwhile
        if tries == _ROUNDS - 1:
            raise StepFailed(f"{image} cannot be mounted on {node}: {mounted.stderr.strip()}")


def let_go(lab: Lab, fault: Fault) -> bool:
    """End the process, or unmount; then remove the file, on whichever host its file system is now."""
    there = end(lab, fault)
    if "place" in fault.known and where.same_boot(lab, fault):
        there = _unmount(lab, fault)
    if "path" in fault.known:
        where.remove(lab, fault.known["path"])
    return there


def _unmount(lab: Lab, fault: Fault) -> bool:
    place = fault.known["place"]
    there = host.exec(lab, fault.node, ("mountpoint", "--quiet", place)).returncode == 0
    if there:
        host.run(lab, fault.node, "umount", place)
    host.run(lab, fault.node, "rm", "--force", "--dir", place, *_nodes(fault.known.get("device")))
    return there


def _nodes(device: str | None) -> tuple[str, ...]:
    """The device nodes that were made for it."""
    return (device, _LOOP_CONTROL) if device else ()


def fill(lab: Lab, fault: Fault, note: Note) -> None:
    """Fill a shared file system with one file, to the last block that root may have; nothing is written into it."""
    _, point = where.shared(lab, fault.node, fault.what[0])
    path = f"{point}/{fault.own}"
    note(path=path)
    more_than_there_is = str(_bytes(lab, fault.node, point, "%b"))
    host.exec(lab, fault.node, ("fallocate", "--length", more_than_there_is, path))  # ends with ENOSPC, and keeps all
    if left := _bytes(lab, fault.node, point, "%a"):
        raise StepFailed(f"{point} on {fault.node} could not be filled: {left} bytes are left")


def _bytes(lab: Lab, node: str, point: str, which: str) -> int:
    """The size of a file system: %b in all, %a of what is free."""
    blocks, size = host.run(lab, node, "stat", "--file-system", f"--format={which} %S", point).split()
    return int(blocks) * int(size)


def empty(lab: Lab, fault: Fault) -> bool:
    """Remove the file, on whichever host the file system is now."""
    where.remove(lab, fault.known["path"])
    return True
