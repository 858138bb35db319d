"""What must be equal before a run and after its rollback, and between an undisturbed run and a resumed one.

Left out, because nothing depends on it or because each activation makes it anew:

- zones that named has loaded, dhcpd.conf, DHCP's leases, conserver.cf, goconserver's nodes (made from the tables);
- dumps of the tables (copies, kept on purpose), the content of postmaster.pid (that it is there counts);
- pids, start times, counters, the order of addresses and exports, units' journals, the world's own log;
- the launcher's generations and jobs, boot ids, links.
"""

from __future__ import annotations

import hashlib
import json

from hamn_flow.simulator.exports import in_force
from hamn_flow.simulator.state import FileSystem, Node, State

_REMADE = frozenset({"/etc/dhcp/dhcpd.conf", "/etc/dhcp/dhcpd.conf.xcatbak", "/etc/conserver.cf"})
_REMADE_BELOW = ("/var/lib/goconserver/",)


def digest(state: State) -> str:
    """A short name for the picture: equal pictures have equal names."""
    text = json.dumps(picture(state), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def picture(state: State) -> dict[str, object]:
    """The state that matters, as plain values in a fixed order."""
    nodes: dict[str, object] = {name: _node(node) for name, node in state.nodes.items()}
    return {"nodes": nodes, "disks": {name: _file_system(each) for name, each in state.disks.items()}}


def _node(node: Node) -> dict[str, object]:
    return {
        "powered": node.powered,
        "host name": node.host_name,
        "clock": node.clock_offset,
        "xcat": node.xcat_version,
        "mounts": [
            (each.mount_point, each.file_system, each.source, each.type, each.options, each.own)
            for each in sorted(node.mounts, key=lambda each: (each.mount_point, each.own, each.pid))
        ],
        "lingering": sorted(node.lingering),
        "loops": sorted((each.kind, each.file_system, each.detail) for each in node.loops),
        "addresses": sorted(
            (each.address, each.prefix, each.interface, each.secondary, each.label) for each in node.addresses
        ),
        "promote secondaries": node.promote_secondaries,
        "units": {
            name: (
                unit.active_state,
                unit.sub_state,
                unit.settling > 0,
                unit.unit_file_state,
                unit.masked,
                unit.started_on,
            )
            for name, unit in node.units.items()
        },
        "processes": sorted(
            [
                each.title,
                each.user,
                each.unit,
                sorted((hold.kind, hold.file_system, hold.detail) for hold in each.holds),
            ]
            for each in node.processes.values()
        ),
        "ports": sorted({port for each in node.processes.values() for port in each.ports}),
        "exports": sorted((each.path, each.client, in_force(each.options)) for each in node.exports),
        "nfs clients": sorted((each.client, each.path, each.opens) for each in node.nfs_clients),
        "postgres": vars(node.postgres) if node.postgres else None,
        "disks": sorted(node.disks),
        "root": _file_system(node.root),
    }


def _file_system(file_system: FileSystem) -> dict[str, object]:
    return {
        "identity": (file_system.uuid, file_system.label, file_system.hardware_id, file_system.type),
        "clean": file_system.clean,
        "room": file_system.free_kib,
        "directories": {path: owner for path, owner in file_system.directories.items() if not _dump(file_system, path)},
        "files": {
            path: ("" if path.endswith("/postmaster.pid") else file.content, file.mode, file.owner)
            for path, file in file_system.files.items()
            if not (path in _REMADE or path.startswith(_REMADE_BELOW) or path.endswith(".csv"))
        },
        "databases": {
            place: {name: sorted(sorted(row.items()) for row in rows) for name, rows in tables.items()}
            for place, tables in file_system.databases.items()
        },
    }


def _dump(file_system: FileSystem, directory: str) -> bool:
    return f"{directory.rstrip('/')}/site.csv" in file_system.files
