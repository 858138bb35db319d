"""The lab's pair in a test's hands: hamn-flow on the controlling side, and what is true of the two hosts.

What is true is read from outside: from the kernel's own tables of each host, past its sshd and past hamn-flow.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hamn_flow.errors import StepFailed
from hamn_flow.lab import control, faults, groups, host
from hamn_flow.lab.place import FILE_SYSTEMS, NODES, VIRTUAL_IP, Lab
from tests.waiting import until

SHARED = frozenset(each.mount_point for each in FILE_SYSTEMS)
STARTED = "planned-failover"
UNITS = ("xcatd", "postgresql@15-main", "named", "isc-dhcp-server", "conserver", "nfs-server")
XCATD_PORT = 3001
_LISTENS = "0A"  # TCP_LISTEN


def mounted(lab: Lab, node: str) -> frozenset[str]:
    """Where the host has the shared disk's partitions mounted, in the namespace of its process 1."""
    leader = groups.leader(lab, node)
    try:
        lines = Path(f"/proc/{leader}/mountinfo").read_text().splitlines() if leader else []
    except OSError:  # it was powered off meanwhile
        return frozenset()
    return frozenset(line.split(" ")[4] for line in lines) & SHARED


def has_address(lab: Lab, node: str) -> bool:
    """Whether the host has the virtual IP, by its kernel's own list of local addresses."""
    leader = groups.leader(lab, node)
    try:
        return leader is not None and f"|-- {VIRTUAL_IP}\n" in Path(f"/proc/{leader}/net/fib_trie").read_text()
    except OSError:
        return False


def listens(lab: Lab, node: str, port: int) -> bool:
    """Whether anybody in the host listens on a TCP port over IPv4, by its kernel's own table (proc(5): net/tcp)."""
    leader = groups.leader(lab, node)
    try:
        lines = Path(f"/proc/{leader}/net/tcp").read_text().splitlines()[1:] if leader else []
    except OSError:
        return False
    sockets = (line.split() for line in lines)
    return any(fields[1].endswith(f":{port:04X}") and fields[3] == _LISTENS for fields in sockets)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One lab; every method is one look, one command or one state to come back to."""

    lab: Lab

    def flow(self, *words: str, timeout: float = 110.0) -> subprocess.CompletedProcess[str]:
        """hamn-flow on the controlling side."""
        return control.run(self.lab, ("hamn-flow", *words), timeout=timeout)

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """hamn-flow on the controlling side, going on while the test does; the process is the driver itself."""
        return control.popen(self.lab, ("hamn-flow", *words))

    def succeed(self, *words: str) -> str:
        """The same, which must end well; what it printed."""
        ended = self.flow(*words)
        assert ended.returncode == 0, f"{words} ended with {ended.returncode}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def succeed_at_a_terminal(self, *words: str, says: str) -> None:
        """hamn-flow where a person is asked and says that; it must end well."""
        typed = shlex.join((sys.executable, "-m", "hamn_flow", *words))
        ended = control.run(self.lab, ("script", "-qec", typed, os.devnull), text_in=f"{says}\n")
        assert ended.returncode == 0, f"{words} ended with {ended.returncode}:\n{ended.stdout}"

    def last_run(self) -> dict[str, Any]:
        """The newest run, as `show --json` tells it."""
        runs = json.loads(self.succeed("runs", "--json"))["runs"]
        shown: dict[str, Any] = json.loads(self.succeed("show", runs[0]["id"], "--json"))
        return shown

    def inside(self, node: str, *argv: str, text_in: str = "", timeout: float = 60.0) -> str:
        """A program in a host, past its sshd, which must end well; what it printed."""
        return host.run(self.lab, node, *argv, text_in=text_in, timeout=timeout)

    def tried(self, node: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """A program in a host, however it ends."""
        return host.exec(self.lab, node, argv)

    def running(self, node: str, unit: str) -> bool:
        """Whether a unit is active in a host."""
        return self.tried(node, "systemctl", "is-active", unit).stdout.strip() == "active"

    def active(self) -> list[str]:
        """The hosts that have the whole role: address, all file systems, database and xcatd."""
        return [node for node in NODES if self.complete(node)]

    def roles(self) -> tuple[str, str]:
        """The host that has the role, and the other one."""
        (here,) = self.active()
        (there,) = (node for node in NODES if node != here)
        return here, there

    def complete(self, node: str) -> bool:
        """Whether a host has the address and all file systems, and xCAT answers there from the shared database."""
        if not has_address(self.lab, node) or mounted(self.lab, node) != SHARED:
            return False
        said = self.tried(node, "lsxcatd", "-a")
        return said.returncode == 0 and f"dbhost={VIRTUAL_IP}" in said.stdout

    def empty(self, node: str) -> bool:
        """Whether a host has nothing of the role."""
        return (
            not has_address(self.lab, node)
            and not mounted(self.lab, node)
            and not any(self.running(node, unit) for unit in UNITS)
        )

    def assert_active(self, node: str) -> None:
        """This host alone has the role, and the other one nothing of it."""
        (other,) = (each for each in NODES if each != node)
        assert self.complete(node), f"{node} does not have the role"
        assert self.empty(other), f"{other} still has something of the role"

    def powered(self) -> list[str]:
        """The hosts that are on."""
        return [node for node in NODES if groups.leader(self.lab, node) is not None]

    def holder(self, node: str) -> str:
        """Who holds a host, as its launcher has it; empty if nobody does."""
        root = Path(f"/proc/{groups.leader(self.lab, node)}/root")
        owners = sorted(root.glob("run/hamn-flow/*/gen/*/owner"), key=lambda path: int(path.parent.name))
        said = owners[-1].read_text() if owners else ""
        return "" if said.startswith("- ") else said

    def recover(self) -> str:
        """From whatever a test left: both hosts on, no fault, no run open, one of them active with all of it; which."""
        for node in NODES:
            if node not in self.powered():
                host.power_on(self.lab, node)
        for node in NODES:
            host.wait(self.lab, node)
        for run in json.loads(self.succeed("runs", "--json"))["runs"]:
            if run["ended_at"] is None:
                self.succeed("abandon", run["id"], "--because", "the next test begins", "--yes")
        if any(self.holder(node) for node in NODES):
            self.succeed("release", "--because", "the next test begins", "--yes")
        with suppress(StepFailed):  # what lies on a file system that neither host has mounted is lifted at the end
            faults.lift_all(self.lab)
        active = self.active()
        if active:
            (other,) = (each for each in NODES if each != active[0])
            if self.empty(other) and all(self.running(active[0], unit) for unit in UNITS):
                return active[0]
        for node in NODES:
            self.flow("start", "deactivate", f"node={node}", "--yes")
        self.succeed("start", "activate", f"node={NODES[0]}", "--yes")
        self.assert_active(NODES[0])
        faults.lift_all(self.lab)
        return NODES[0]


def wait_for(process: subprocess.Popen[str], seconds: float = 110.0) -> tuple[int, str]:
    """How a process that a test began ended: its status, and what it printed."""
    said, _ = process.communicate(timeout=seconds)
    return process.returncode, said


def runs(pair: Pair, node: str, words: Sequence[str]) -> bool:
    """Whether a host runs a program with these first words, by whatever path."""
    for pid in groups.members(pair.lab, node):
        try:
            program, *arguments = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        except OSError:
            continue
        if (program.rpartition("/")[2], *arguments[: len(words) - 1]) == tuple(words):
            return True
    return False


def until_running(pair: Pair, node: str, words: Sequence[str]) -> None:
    """Wait until a host runs a program with these first words."""
    until(lambda: runs(pair, node, words))
