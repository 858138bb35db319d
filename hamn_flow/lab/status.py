"""How a lab stands: what there is of it, and who has the role."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hamn_flow.errors import HamnError
from hamn_flow.lab import disk, groups, host, network
from hamn_flow.lab.alone import held
from hamn_flow.lab.network import INTERFACE
from hamn_flow.lab.place import FILE_SYSTEMS, NODES, VIRTUAL_IP, Lab
from hamn_flow.lab.programs import run


@dataclass(frozen=True, kw_only=True)
class Host:
    """One of the two hosts. What is asked of a host that is off is empty."""

    name: str
    leader: int | None  # the pid of its process 1 on this machine
    age: float  # seconds that it has been running
    addresses: tuple[str, ...]
    mounted: tuple[str, ...]  # the shared file systems, by mount point
    xcatd: str  # "active", "inactive" ...

    @property
    def has_virtual_ip(self) -> bool:
        """Whether the virtual IP is one of its addresses."""
        return VIRTUAL_IP in self.addresses

    @property
    def role(self) -> str:
        """Active with all of the role, standby with none of it, else what it has."""
        held = (self.has_virtual_ip, bool(self.mounted), self.xcatd == "active")
        if all(held) and len(self.mounted) == len(FILE_SYSTEMS):
            return "active"
        return "has a part of the role" if any(held) else "standby" if self.leader else "off"


@dataclass(frozen=True, kw_only=True)
class Status:
    """A lab. `state` is "up", "changing" under a command, "half" if an `up` or a `down` was cut off, or "none"."""

    name: str
    place: Path
    state: str
    namespaces: tuple[str, ...] = ()
    image: Path | None = None
    written: int = 0  # bytes of the image that take room
    loops: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()


def status(lab: Lab) -> Status:
    """Look at all of it; nothing is changed."""
    if not lab.begun:
        return Status(name=lab.name, place=lab.place, state="none")
    return Status(
        name=lab.name,
        place=lab.place,
        state=_state(lab),
        namespaces=tuple(network.namespaces(lab)),
        image=lab.image,
        written=lab.image.stat().st_blocks * 512 if lab.image.exists() else 0,
        loops=tuple(disk.loops(lab)),
        hosts=tuple(_host(lab, node) for node in NODES),
    )


def _state(lab: Lab) -> str:
    if lab.complete.exists() and network.there(lab.network):
        return "up"
    return "changing" if held(lab) else "half"


def _host(lab: Lab, node: str) -> Host:
    leader = groups.leader(lab, node)
    if leader is not None:
        with suppress(FileNotFoundError, ProcessLookupError, HamnError):  # it went off under our eyes
            return Host(
                name=node,
                leader=leader,
                age=_age(leader),
                addresses=_addresses(lab, node),
                mounted=mounted(lab, node, leader),
                xcatd=host.exec(lab, node, ("systemctl", "is-active", "xcatd")).stdout.strip(),
            )
    return Host(name=node, leader=None, age=0.0, addresses=(), mounted=(), xcatd="")


def _age(pid: int) -> float:
    """Seconds since a process began (proc(5): field 22 of stat, in clock ticks since boot)."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")


def _addresses(lab: Lab, node: str) -> tuple[str, ...]:
    (link,) = json.loads(run("ip", "-n", lab.host(node), "-4", "-j", "addr", "show", "dev", INTERFACE))
    return tuple(str(each["local"]) for each in link.get("addr_info", ()))


def mounted(lab: Lab, node: str, leader: int) -> tuple[str, ...]:
    """The shared file systems that are at their places in a host's mountinfo, by mount point (proc(5))."""
    lines = Path(f"/proc/{leader}/mountinfo").read_text().splitlines()
    there = {(line.split(" ")[4], line.partition(" - ")[2].split(" ")[1]) for line in lines}
    shared = ((each.mount_point, str(disk.partition(lab, node, each))) for each in FILE_SYSTEMS)
    return tuple(place for place, device in shared if (place, device) in there)


def data(status: Status) -> dict[str, object]:
    """For --json."""
    return {
        "name": status.name,
        "place": str(status.place),
        "state": status.state,
        "namespaces": list(status.namespaces),
        "disk": {"image": str(status.image or ""), "written": status.written, "loops": list(status.loops)},
        "hosts": [
            {
                "name": each.name,
                "running": each.leader is not None,
                "age": round(each.age, 1),
                "leader": each.leader,
                "addresses": list(each.addresses),
                "mounted": list(each.mounted),
                "virtual_ip": each.has_virtual_ip,
                "xcatd": each.xcatd,
                "role": each.role,
            }
            for each in status.hosts
        ],
    }
