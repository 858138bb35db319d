"""Power: what is left of a node when it goes off, and what comes up when it boots."""

from __future__ import annotations

from hamn_flow.simulator.host import spawn
from hamn_flow.simulator.state import Launcher, Node, State
from hamn_flow.simulator.units import forget_masks, start


def power_off(state: State, node: Node) -> None:
    """The power is gone: nothing is unmounted in order, and locks on the shared disk stay behind."""
    for mount in node.mounts:
        if mount.file_system in state.disks and "ro" not in mount.options.split(","):
            state.disks[mount.file_system].clean = False
    node.powered = False
    node.links += 1
    node.mounts.clear()
    node.lingering.clear()
    node.loops.clear()
    node.processes.clear()
    node.exports.clear()
    node.nfs_clients.clear()
    node.launcher = Launcher()


def boot(state: State, node: Node) -> None:
    """The node comes up: its own addresses and name, nothing masked for the moment, and what is enabled started."""
    if node.powered:
        power_off(state, node)
    node.powered = True
    node.boots += 1
    node.ticks = 100
    node.host_name = node.own_name
    node.addresses[:] = [address for address in node.addresses if not address.label]
    init = spawn(node, "/sbin/init", command="systemd")
    del node.processes[init.pid]
    init.pid = 1
    node.processes[1] = init
    for unit in node.units.values():
        unit.active_state, unit.sub_state, unit.main_pid, unit.restart_due = "inactive", "dead", 0, False
        unit.started_on, unit.settling = "", 0
        if unit.masked == "runtime":
            unit.masked = ""
    forget_masks(node)
    for unit in node.units.values():
        if unit.unit_file_state == "enabled":
            start(state, node, unit)
