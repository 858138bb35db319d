"""What PostgreSQL does not start with: a port that is taken, a data directory of others, a lock file of the living."""

from __future__ import annotations

import tomllib

from hamn_flow.errors import Refused
from hamn_flow.lab import host
from hamn_flow.lab.faults import holding, where
from hamn_flow.lab.faults.fault import Fault, Note
from hamn_flow.lab.place import Lab, labelled

_PORT = "5432"
_USER = "postgres"
_POINT = labelled("postgres").mount_point


def take_port(lab: Lab, fault: Fault, note: Note) -> None:
    """Something else listens on PostgreSQL's port, on all addresses."""
    note()
    note(**holding.begin(lab, fault.node, "port", _PORT))


def take_owner(lab: Lab, fault: Fault, note: Note) -> None:
    """The data directory belongs to root."""
    data = _data_directory(lab, fault.node)
    _refuse_running(lab, fault.node, data)
    note(data=data, was=_standing(lab, fault.node, data))
    host.run(lab, fault.node, "chown", "root:root", data)


def open_mode(lab: Lab, fault: Fault, note: Note) -> None:
    """The data directory may be read by everybody. A server that runs goes on, none starts."""
    data = _data_directory(lab, fault.node)
    note(data=data, was=_standing(lab, fault.node, data))
    host.run(lab, fault.node, "chmod", "0755", data)


def own_again(lab: Lab, fault: Fault) -> bool:
    """Give the data directory its owner and its mode back, on whichever host it is now."""
    node, data = where.must_hold(lab, _POINT), fault.known["data"]
    owner, mode = fault.known["was"].split()
    there: bool = _standing(lab, node, data) != fault.known["was"]
    host.run(lab, node, "chown", owner, data)
    host.run(lab, node, "chmod", mode, data)
    return there


def name_living(lab: Lab, fault: Fault, note: Note) -> None:
    """The data directory's postmaster.pid names a living process of this host, which is no server of that directory.

    Debian's pg_ctlcluster takes it for one by its user and its name; of any other it would say that the file is stale.
    """
    holder = where.must_hold(lab, _POINT)
    data = _data_directory(lab, holder)
    _refuse_running(lab, holder, data)
    note()
    process = holding.begin(lab, fault.node, "postgres", _USER)
    text = f"{process['pid']}\n{data}\n"  # a server's own has more lines
    note(**process, path=f"{data}/postmaster.pid", text=text)
    to_user = (f"--owner={_USER}", f"--group={_USER}", "--mode=0600")
    host.run(lab, holder, "install", *to_user, "/dev/stdin", f"{data}/postmaster.pid", text_in=text)


def name_nobody(lab: Lab, fault: Fault) -> bool:
    """End the process, and remove the file if it is still the one that was written."""
    there = holding.end(lab, fault)
    if "path" in fault.known:
        node = where.must_hold(lab, _POINT)
        if host.exec(lab, node, ("cat", fault.known["path"])).stdout == fault.known["text"]:
            where.remove(lab, fault.known["path"])
            there = True
    return there


def _data_directory(lab: Lab, node: str) -> str:
    """As the pair's file names it; Refused if the host does not have it mounted."""
    data: str = tomllib.loads(lab.cluster_file.read_text())["database"]["data_directory"]
    if where.holder(lab, _POINT) != node:
        raise Refused(
            f"{node} has not mounted {_POINT}", hint=f"Name the host that has it: {lab.typed('status')} tells which."
        )
    return data


def _refuse_running(lab: Lab, node: str, data: str) -> None:
    if (where.root(lab, node) / data.lstrip("/") / "postmaster.pid").exists():
        raise Refused(
            f"a PostgreSQL server runs on {data}, or its postmaster.pid was left there",
            hint="Stop it first; it would be hurt while it runs.",
        )


def _standing(lab: Lab, node: str, data: str) -> str:
    """Owner and mode: `105:113 700`."""
    return host.run(lab, node, "stat", "--format=%u:%g %a", data).strip()
