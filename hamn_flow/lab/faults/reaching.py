"""What keeps a host from being reached: its cable, its packets, its sshd, its power."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hamn_flow.errors import Refused, StepFailed
from hamn_flow.lab import groups, host, network
from hamn_flow.lab.faults import where
from hamn_flow.lab.faults.fault import Fault, Note
from hamn_flow.lab.place import Lab
from hamn_flow.lab.programs import run

_ROUNDS, _PAUSE = 250, 0.02  # how often killed processes are looked for, and seconds between two looks


def link_down(lab: Lab, fault: Fault, note: Note) -> None:
    """Take the cable out: both ends lose their carrier."""
    note()
    run("ip", "-n", lab.network, "link", "set", fault.node, "down")


def link_up(lab: Lab, fault: Fault) -> bool:
    """Put the cable back in; nothing where the power took it away. A new one is in from the beginning."""
    there = fault.node in network.ports(lab)
    if there:
        run("ip", "-n", lab.network, "link", "set", fault.node, "up")
    return there


def drop(lab: Lab, fault: Fault, note: Note) -> None:
    """Drop all that comes from the host and all that goes to it, as a switch does whose port is disabled.

    That is every frame: ARP, TCP that is established, pings. The carrier stays, and nobody gets an answer or an error.
    """
    note()
    _port(lab, fault.node, "disabled")


def forward(lab: Lab, fault: Fault) -> bool:
    """Let all through again."""
    there = fault.node in network.ports(lab)
    if there:
        _port(lab, fault.node, "forwarding")
    return there


def _port(lab: Lab, node: str, state: str) -> None:
    run("bridge", "-n", lab.network, "link", "set", "dev", node, "state", state)


def stop_sshd(lab: Lab, fault: Fault, note: Note) -> None:
    """End sshd and all its sessions; the programs that these had started live on, as they do on a real host."""
    unit, listener = _listener(lab, fault.node)
    program = _program(lab, fault.node, listener)
    note(unit=unit)
    host.run(lab, fault.node, "systemctl", "stop", unit)
    _kill(lab, fault.node, program)


def start_sshd(lab: Lab, fault: Fault) -> bool:
    """Start sshd again."""
    there = where.same_boot(lab, fault)
    if there:
        host.start_unit(lab, fault.node, fault.known["unit"])
    return there


def cut_sessions(lab: Lab, fault: Fault, note: Note) -> None:
    """Kill the sshd of every present session; who comes anew is let in."""
    del note
    _, listener = _listener(lab, fault.node)
    _kill(lab, fault.node, _program(lab, fault.node, listener), but=listener)


def _listener(lab: Lab, node: str) -> tuple[str, int]:
    """The unit of sshd, and its main process as the host counts."""
    for name in ("ssh.service", "sshd.service"):  # as Debian calls it, and as others do
        pid = int(host.run(lab, node, "systemctl", "show", "--property=MainPID", "--value", "--", name))
        if pid:
            return name, pid
    raise Refused(f"no sshd runs on {node}", hint=f"Type {lab.typed('exec', f'{node} -- systemctl start ssh')}.")


def _program(lab: Lab, node: str, pid: int) -> os.stat_result:
    """The program that a process of the host runs."""
    return (where.root(lab, node) / f"proc/{pid}/exe").stat()


def _kill(
    lab: Lab, node: str, program: os.stat_result, *, but: int = 0, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Kill the processes of the host's control groups that run this program, until there are none."""
    for _ in range(_ROUNDS):
        if not [pid for pid in groups.members(lab, node) if _killed(pid, program, but)]:
            return
        sleep(_PAUSE)
    raise StepFailed(f"sshd's processes on {node} do not end")


def _killed(pid: int, program: os.stat_result, but: int) -> bool:
    """Kill a process if it is one of those; whether it was. Its descriptor is its own, whatever becomes of its pid."""
    with suppress(FileNotFoundError, ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            if os.path.samestat(Path(f"/proc/{pid}/exe").stat(), program) and _inside(pid) != but:
                signal.pidfd_send_signal(process, signal.SIGKILL)
                return True
        finally:
            os.close(process)
    return False


def _inside(pid: int) -> int:
    """The pid as the host counts (proc(5), NSpid)."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid:"))
    return int(line.split()[-1])


def power_off(lab: Lab, fault: Fault, note: Note) -> None:
    """Cut the power: nothing is stopped or written back."""
    note()
    host.power_off(lab, fault.node)


def power_on(lab: Lab, fault: Fault) -> bool:
    """Boot the host, and wait for it."""
    off = groups.leader(lab, fault.node) is None
    if off:
        host.power_off(lab, fault.node)  # what a `power` that was cut off left
        host.power_on(lab, fault.node)
    host.wait(lab, fault.node)
    return off
