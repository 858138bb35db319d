"""What must never be true of the pair, whatever is done to it: looked at after every command that changes something."""

from __future__ import annotations

from collections.abc import Iterator

from hamn_flow.simulator.state import Node, State

_DAEMONS = {"postgresql": "the database", "xcatd": "xcatd"}


def violations(state: State) -> Iterator[str]:
    """A sentence for each promise that is broken now."""
    nodes = [node for node in state.nodes.values() if node.powered]
    for mount_point, name in state.shared.items():
        writers = [node.name for node in nodes if _writes(node, name)]
        if len(writers) > 1:
            yield f"{mount_point} is mounted for writing on {' and '.join(writers)}"
    holders = [str(node.name) for node in nodes if any(each.address == state.virtual_ip for each in node.addresses)]
    holders += ["another host"] if state.virtual_ip in state.strangers else []
    if len(holders) > 1:
        yield f"the virtual IP {state.virtual_ip} is up on {' and '.join(holders)}"
    for daemon, what in _DAEMONS.items():
        running = [node.name for node in nodes if _started_on(node, daemon)]
        if len(running) > 1:
            yield f"{what} runs on {' and '.join(running)}"
        for node in nodes:
            for name in _started_on(node, daemon):
                if name not in state.disks:
                    yield f"{what} on {node.name} runs on a local directory"
                elif not any(mount.file_system == name for mount in node.mounts):
                    yield f"{what} on {node.name} runs on {name}, which is not mounted there"


def _writes(node: Node, file_system: str) -> bool:
    mounted = any(mount.file_system == file_system and "ro" not in mount.options.split(",") for mount in node.mounts)
    return mounted or file_system in node.lingering


def _started_on(node: Node, daemon: str) -> list[str]:
    found = (unit for unit in node.units.values() if unit.daemon == daemon and unit.main_pid in node.processes)
    return [unit.started_on for unit in found]
