"""The standard pair: mn1 active, mn2 standby, one shared disk; and the cluster.toml that describes it.

Debian 12 with xCAT 2.19.0. The standby has an installation of its own below the mount points, as xCAT's procedure
leaves it (guide L306): commands on a node where nothing is mounted answer from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from hamn_flow.cluster.loading import parse
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster, VirtualIp
from hamn_flow.model.pair import FileSystem as SharedFileSystem
from hamn_flow.simulator.machine import boot
from hamn_flow.simulator.state import (
    Address,
    Disk,
    File,
    FileSystem,
    Node,
    PostgresInstall,
    State,
    Tables,
    Unit,
)
from hamn_flow.simulator.world import World

VIRTUAL_IP = VirtualIp(address="10.97.0.100", prefix=24, interface="eth0", host_name="mn")
MN1, MN2 = NodeName("mn1"), NodeName("mn2")
ADDRESSES: Mapping[NodeName, str] = {MN1: "10.97.0.11", MN2: "10.97.0.12"}
DATA_DIRECTORY = "/var/lib/postgresql/15/main"
_MOUNT_POINTS = {
    "xcat": "/etc/xcat",
    "install": "/install",
    "root-xcat": "/root/.xcat",
    "postgresql": "/var/lib/postgresql",
    "tftpboot": "/tftpboot",
}
_COMPUTE_NODES = ("cn1", "cn2", "cn3")
_EXPORTS = (
    "/install *(rw,no_root_squash,sync,no_subtree_check)\n"
    "/tftpboot *(rw,no_root_squash,sync,no_subtree_check,insecure)\n"
)
_CFGLOC = f"Pg:dbname=xcatdb;host={VIRTUAL_IP.address}|xcatadm|cluster-secret\n"

DatabaseName = Literal["postgresql", "sqlite"]
Size = Literal["whole", "small"]
"""`small`: the least that has the role: tables and a database on a disk each, xcatd, httpd; nothing for its nodes."""

_LEFT_OUT: Mapping[Size, tuple[str, ...]] = {"whole": (), "small": ("install", "root-xcat", "tftpboot")}
_FEATURES: Mapping[Size, str] = {
    "whole": "",
    "small": 'features = { nfs = false, dns = false, dhcp = "none", console = "none", resolver = false }\n',
}


def _kinds(database: DatabaseName, size: Size) -> list[str]:
    left_out = (*_LEFT_OUT[size], *(("postgresql",) if database == "sqlite" else ()))
    return [name for name in _MOUNT_POINTS if name not in left_out]


def standard_pair(
    database: DatabaseName = "postgresql",
    *,
    arping: tuple[str, str] = ("iputils", "habets"),
    size: Size = "whole",
) -> World:
    """A world whose mn1 is active and whose mn2 stands by; nothing in its log.

    `arping` is the flavour on each of the two nodes ("iputils", "habets", or "" where there is none).
    """
    kinds = _kinds(database, size)
    disks = {name: _disk(number, name, database) for number, name in enumerate(kinds, start=1)}
    nodes = {
        name: _node(number, name, kinds, database, flavour)
        for number, (name, flavour) in enumerate(zip((MN1, MN2), arping, strict=True), start=1)
    }
    shared = {_MOUNT_POINTS[name]: name for name in kinds}
    state = State(nodes=nodes, disks=disks, shared=shared, virtual_ip=VIRTUAL_IP.address)
    for node in nodes.values():
        node.powered = False
        boot(state, node)
    world = World(state)
    _activate(world, database, size)
    return world


def _activate(world: World, database: DatabaseName, size: Size) -> None:
    """Give mn1 the role, by the commands that a person would type."""
    for file_system in file_systems(database, size):
        how = ("-t", file_system.type, "-o", file_system.options)
        _run(world, "mount", *how, file_system.device, file_system.mount_point)
    vip = VIRTUAL_IP
    _run(world, "ip", "addr", "add", vip.cidr, "brd", "+", "dev", vip.interface, "label", vip.label)
    if database == "postgresql":
        _run(world, "systemctl", "start", "postgresql@15-main")
    _run(world, "systemctl", "start", "xcatd")
    commands: tuple[tuple[str, ...], ...] = (
        ("makedns", "-n"),
        ("makedhcp", "-n"),
        ("makedhcp", "-a"),
        ("makeconservercf",),
        ("systemctl", "start", "conserver"),
        ("resolver.pl", "add", vip.address),
    )
    for words in commands if size == "whole" else ():
        _run(world, *words)
    for unit in ("apache2", "nfs-server") if size == "whole" else ("apache2",):
        _run(world, "systemctl", "start", unit)


def _run(world: World, *words: str) -> None:
    result = world.run(MN1, *words)
    if result.status:
        message = f"{' '.join(words)}: {result.error_text}"
        raise RuntimeError(message)


def file_systems(database: DatabaseName = "postgresql", size: Size = "whole") -> tuple[SharedFileSystem, ...]:
    """The shared file systems as cluster.toml has them."""
    kinds = _kinds(database, size)
    return tuple(
        SharedFileSystem(mount_point=_MOUNT_POINTS[name], source=f"UUID={_uuid(number)}")
        for number, name in enumerate(kinds, start=1)
    )


def _uuid(number: int) -> str:
    return f"5e1f0c6a-0000-4000-8000-{number:012d}"


# --- the shared disk ---------------------------------------------------------------------------------------------


def _disk(number: int, name: str, database: DatabaseName) -> FileSystem:
    file_system = FileSystem(
        name=name, uuid=_uuid(number), label=f"ha-{name}"[:16], hardware_id=f"scsi-3600a0b80000{number:04d}-part1"
    )
    if name == "xcat":
        file_system.files["/cert/server-cert.pem"] = File("certificate of mn\n")
        if database == "postgresql":
            file_system.files["/cfgloc"] = File(_CFGLOC, "0600")
        else:
            file_system.databases["/"] = _tables()
    if name == "install":
        file_system.files["/postscripts/xcatdsklspost"] = File("#!/bin/sh\n", "0755")
    if name == "root-xcat":
        file_system.files["/client-cred.pem"] = File("credentials of root\n", "0600")
    if name == "tftpboot":
        file_system.directories["/xcat"] = "root"
    if name == "postgresql":
        file_system.directories |= {"/15": "postgres", "/15/main": "postgres"}
        file_system.files["/15/main/PG_VERSION"] = File("15\n", "0600", "postgres")
        file_system.databases["/15/main"] = _tables()
    return file_system


def _tables(master: str = VIRTUAL_IP.address, *, compute_nodes: tuple[str, ...] = _COMPUTE_NODES) -> Tables:
    settings = {
        "blademaxp": "64",
        "dhcpinterfaces": "eth0",
        "domain": "lab",
        "installdir": "/install",
        "master": master,
        "nameservers": master,
        "tftpdir": "/tftpboot",
        "timezone": "UTC",
        "xcatdport": "3001",
        "xcatiport": "3002",
    }
    network = {"netname": "10_97_0_0-255_255_255_0", "net": "10.97.0.0", "mask": "255.255.255.0"}
    network |= {"mgtifname": "eth0", "gateway": "<xcatmaster>", "mtu": "1500", "tftpserver": master}
    trusted = [VIRTUAL_IP.host_name, *ADDRESSES]
    return {
        "site": [{"key": key, "value": value} for key, value in settings.items()],
        "policy": [
            {"priority": "1", "name": "root", "rule": "allow"},
            *({"priority": f"1.{index}", "name": name, "rule": "trusted"} for index, name in enumerate(trusted, 2)),
        ],
        "nodelist": [{"node": name, "groups": "compute,all"} for name in compute_nodes],
        "mac": [{"node": name, "mac": f"aa:bb:cc:dd:ee:0{index}"} for index, name in enumerate(compute_nodes, 1)],
        "nodehm": [{"node": name, "mgt": "ipmi", "cons": "ipmi"} for name in compute_nodes],
        "noderes": [{"node": name, "netboot": "xnba", "xcatmaster": master} for name in compute_nodes],
        "nodetype": [{"node": name, "os": "debian12", "arch": "x86_64"} for name in compute_nodes],
        "networks": [network],
    }


# --- the nodes ---------------------------------------------------------------------------------------------------


def _node(number: int, name: NodeName, kinds: list[str], database: DatabaseName, arping: str) -> Node:
    letter = "bc"[number - 1]  # the kernels name the shared disk differently
    return Node(
        name=name,
        number=number,
        own_name=name,
        host_name=name,
        root=_root(name, database),
        disks={kind: Disk(f"sd{letter}{index}", f"8:{16 * number + index}") for index, kind in enumerate(kinds, 1)},
        addresses=[Address("eth0", ADDRESSES[name], VIRTUAL_IP.prefix)],
        units={unit.id: unit for unit in _units(database)},
        promote_secondaries={"eth0": False},
        postgres=_postgres() if database == "postgresql" else None,
        arping=arping,
    )


def _postgres() -> PostgresInstall:
    return PostgresInstall(
        unit="postgresql@15-main.service",
        version="15",
        config_directory="/etc/postgresql/15/main",
        data_directory=DATA_DIRECTORY,
        listen_addresses=",".join(("localhost", VIRTUAL_IP.address, *ADDRESSES.values())),
        port=5432,
        access=[
            "local all postgres peer",
            "host all all 127.0.0.1/32 md5",
            *(f"host all all {address}/32 md5" for address in (VIRTUAL_IP.address, *ADDRESSES.values())),
        ],
    )


def _root(name: NodeName, database: DatabaseName) -> FileSystem:
    """The node's own disk: below the mount points lies what its own installation put there."""
    root = FileSystem(name=f"root-{name}")
    for path in ("/etc/dhcp", "/etc/systemd/network", "/install", "/root/.xcat", "/tftpboot", "/var/lib/hamn-flow",
                 "/var/backups", "/run", "/var/lib/goconserver"):  # fmt: skip
        root.directories[path] = "root"
    hosts = {VIRTUAL_IP.address: f"{VIRTUAL_IP.host_name} {VIRTUAL_IP.host_name}.lab"}
    hosts |= {address: f"{node} {node}.lab" for node, address in ADDRESSES.items()}
    hosts |= {f"10.97.0.2{index}": f"{node} {node}.lab" for index, node in enumerate(_COMPUTE_NODES, 1)}
    texts = {
        "/etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n',
        "/etc/hostname": f"{name}\n",
        "/etc/hosts": "127.0.0.1 localhost\n" + "".join(f"{key} {value}\n" for key, value in hosts.items()),
        "/etc/resolv.conf": "search lab\nnameserver 10.97.0.1\n",
        "/etc/exports": _EXPORTS,
        "/etc/xCATMN": "",
        "/etc/dhcp/dhcpd.conf": "subnet 10.97.0.0 netmask 255.255.255.0 {\n}\n",
        "/etc/conserver.cf": "access * {\n}\n",
        "/etc/xcat/cert/server-cert.pem": f"certificate of {name}\n",
        "/root/.xcat/client-cred.pem": f"credentials of root on {name}\n",
    }
    root.files |= {path: File(text) for path, text in texts.items()}
    if name == MN2:
        root.databases["/etc/xcat"] = _tables(ADDRESSES[name], compute_nodes=())
    if database == "postgresql":
        root.directories |= {"/var/lib/postgresql": "postgres", "/var/lib/postgresql/15": "postgres"}
        if name == MN2:
            root.directories[DATA_DIRECTORY] = "postgres"
            root.files[f"{DATA_DIRECTORY}/PG_VERSION"] = File("15\n", "0600", "postgres")
    return root


def _units(database: DatabaseName) -> list[Unit]:
    """In the order in which they start at boot; what follows the role is not enabled."""
    units = [
        _unit("ssh", "sshd", enabled=True),
        _unit("chrony", "chrony", "chronyd", enabled=True),
        _unit("rpcbind", "rpcbind", enabled=True),
        _unit("xcatd", "xcatd", kind="forking"),
        _unit("named", "named"),  # its other name, bind9, goes when it is disabled
        _unit("isc-dhcp-server", "dhcpd", kind="forking"),
        _unit("conserver", "conserver", kind="forking"),
        _unit("nfs-server", "nfs", "nfs-kernel-server", kind="oneshot"),
        _unit("apache2", "apache2", kind="forking"),
    ]
    units[3].restart_on_failure = True  # Restart=on-failure, RestartSec=5s
    if database == "postgresql":
        server = _unit("postgresql@15-main", "postgresql", kind="forking")
        umbrella = _unit("postgresql", "umbrella", kind="oneshot")
        umbrella.brings = (server.id,)
        units += [umbrella, server]
    return units


def _unit(name: str, daemon: str, *aliases: str, kind: str = "simple", enabled: bool = False) -> Unit:
    names = tuple(f"{each}.service" for each in (name, *aliases))
    template = f"{name.partition('@')[0]}@.service" if "@" in name else names[0]
    return Unit(
        id=names[0],
        names=names,
        type=kind,
        daemon=daemon,
        fragment_path=f"/lib/systemd/system/{template}",
        unit_file_state="enabled" if enabled else "disabled",
    )


# --- the cluster file
# -----------------------------------------------------------------------------------------


def cluster_toml(
    database: DatabaseName = "postgresql",
    *,
    ports: Mapping[str, int] | None = None,
    identity_file: str = "",
    size: Size = "whole",
) -> str:
    """The text of a cluster.toml for the standard pair; with `ports` the nodes are reached on loopback."""
    nodes = []
    for name, address in ADDRESSES.items():
        ssh = ""
        if ports is not None:
            ssh = f', ssh = {{ host = "127.0.0.1", port = {ports[name]}, user = "root"'
            ssh += f', identity_file = "{identity_file}" }}' if identity_file else " }"
        nodes.append(f'    {{ name = "{name}", address = "{address}"{ssh} }},\n')
    vip = VIRTUAL_IP
    disks = "".join(
        f'    {{ mount_point = "{each.mount_point}", source = "{each.source}" }},\n'
        for each in file_systems(database, size)
    )
    data = f', data_directory = "{DATA_DIRECTORY}"' if database == "postgresql" else ""
    address = f'address = "{vip.address}", prefix = {vip.prefix}'
    return (
        f'name = "standard"\nnodes = [\n{"".join(nodes)}]\n'
        f'virtual_ip = {{ {address}, interface = "{vip.interface}", host_name = "{vip.host_name}" }}\n'
        f"file_systems = [\n{disks}]\n"
        f'database = {{ engine = "{database}"{data} }}\n'
        f"{_FEATURES[size]}"
    )


def standard_cluster(
    database: DatabaseName = "postgresql", *, path: Path = Path("cluster.toml"), size: Size = "whole"
) -> Cluster:
    """The same as a value, for connections in memory."""
    found = parse(cluster_toml(database, size=size).encode(), path)
    if not isinstance(found, Cluster):
        message = f"the standard pair's own cluster.toml has mistakes: {found}"
        raise TypeError(message)
    return found
