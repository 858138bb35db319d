"""The pair of management nodes and what it shares, as cluster.toml says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hamn_flow.model.command import NodeName


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """How a node is reached; empty values are left to ~/.ssh/config and its defaults."""

    host: str = ""
    port: int = 0
    user: str = ""
    identity_file: str = ""
    sudo: bool = False
    local: bool = False  # this very machine: no SSH


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One of the two management nodes: its name, its own address, and how it is reached."""

    name: NodeName
    address: str
    ssh: Ssh = field(default_factory=Ssh)


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """A shared file system. `source` is `UUID=...`, `LABEL=...` or a path below /dev/disk/ that does not move."""

    mount_point: str
    source: str
    type: str = "ext4"
    options: str = "rw"

    @property
    def device(self) -> str:
        """The path of the block device on a node, by a name that does not move."""
        tag, found, value = self.source.partition("=")
        return f"/dev/disk/by-{tag.lower()}/{value}" if found else self.source


@dataclass(frozen=True, kw_only=True)
class VirtualIp:
    """The address that follows the role, with the name that the cluster knows it by."""

    address: str
    prefix: int
    interface: str
    host_name: str

    @property
    def cidr(self) -> str:
        """Address and prefix as `ip addr` takes them."""
        return f"{self.address}/{self.prefix}"

    @property
    def label(self) -> str:
        """The alias label, so that `ifconfig eth0:0` and `xcatprobe -i eth0:0` go on working; 15 characters at most."""
        return f"{self.interface}:0"


class Engine(StrEnum):
    """The database that holds xCAT's tables."""

    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"


@dataclass(frozen=True, kw_only=True)
class Database:
    """xCAT's database. SQLite lives in /etc/xcat and has no daemon; `unit` empty means: ask the node."""

    engine: Engine
    data_directory: str = ""
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A daemon that follows the role.

    `units` are the names it may have, first one loaded wins. It runs exactly when its unit is active, and it is
    proven gone by `ports` (`tcp/3001`) that nobody listens on and by `titles`, beginnings of process titles
    that no process bears.
    """

    name: str
    units: tuple[str, ...]
    ports: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Features:
    """What this site uses; what it does not use is neither checked nor touched."""

    nfs: bool = True
    dns: bool = True
    dhcp: str = "isc"  # "isc", "kea" or "" for none
    console: str = "conserver"  # "conserver", "goconserver" or "" for none
    set_host_name: bool = False
    resolver: bool = True  # `nameserver VIP` in /etc/resolv.conf


class OnBusy(StrEnum):
    """What may be done to those who hold a file system that must be unmounted."""

    WAIT = "wait"  # try again, then halt and name them
    TERMINATE = "terminate"  # TERM, an attempt after each signal, then halt
    KILL = "kill"  # TERM, then KILL, then halt


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the operator may change while a run waits. Times in seconds."""

    on_busy: OnBusy = OnBusy.WAIT
    attempts: int = 3
    first_wait: float = 1.0
    longest_wait: float = 15.0
    clock_skew: float = 5.0
    reconnect: float = 60.0  # how long a node that was reached and is lost is sought
    deadline_factor: float = 1.0  # multiplies every command's own deadline


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A pair and what it shares. Mounts are in the order in which they are mounted (outer before inner)."""

    name: str
    nodes: tuple[NodeSpec, NodeSpec]
    virtual_ip: VirtualIp
    file_systems: tuple[FileSystem, ...]
    database: Database
    services: tuple[Service, ...]  # in the order in which they start
    features: Features = field(default_factory=Features)
    policy: Policy = field(default_factory=Policy)
    path: Path = Path("cluster.toml")

    def node(self, name: NodeName) -> NodeSpec:
        """The node of that name; KeyError if there is none."""
        return {node.name: node for node in self.nodes}[name]

    def peer_of(self, name: NodeName) -> NodeName:
        """The other node's name."""
        first, second = self.nodes
        return second.name if name == first.name else first.name
