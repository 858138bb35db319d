"""What the simulated pair is made of: plain values that can be copied, pickled and compared.

A path is looked up as a kernel does it: the topmost mount above it decides which file system answers. So a path
below a shared mount point shows the shared disk where it is mounted, and the node's own local tree where it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hamn_flow.model.command import Command, JobState, Key, NodeName, Result
from hamn_flow.simulator.faults import Fault

Row = dict[str, str]
Tables = dict[str, list[Row]]


@dataclass
class File:
    """A regular file: text, mode and owner."""

    content: str
    mode: str = "0644"
    owner: str = "root"


@dataclass
class FileSystem:
    """A file system: a node's own root, or one on the shared disk.

    `databases` holds xCAT's tables by the directory of their database, relative to this file system: the data
    directory of a PostgreSQL cluster, or the directory of the SQLite files.
    """

    name: str
    uuid: str = ""
    label: str = ""
    hardware_id: str = ""  # below /dev/disk/by-id/
    type: str = "ext4"
    free_kib: int = 20_000_000
    files: dict[str, File] = field(default_factory=dict)
    directories: dict[str, str] = field(default_factory=lambda: {"/": "root"})  # path -> owner
    databases: dict[str, Tables] = field(default_factory=dict)
    clean: bool = True  # False: a node lost its power while it was mounted


@dataclass
class Disk:
    """A shared file system's block device as one node's kernel knows it."""

    kernel_name: str
    number: str  # major:minor


@dataclass
class Mount:
    """An entry of a mount namespace; `own` is the namespace that commands run in, others belong to `pid`."""

    file_system: str
    source: str
    mount_point: str
    type: str
    options: str
    own: bool = True
    pid: int = 1


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What keeps a file system busy: `kind` as holders.pl names it, `detail` a path below its root or a device."""

    kind: str
    file_system: str
    detail: str = "/"


@dataclass
class Process:
    """A process; `ports` are `(protocol, address, port)`, `ignores` the signals that it survives."""

    pid: int
    started: int
    user: str
    unit: str
    title: str
    command: str
    holds: list[Hold] = field(default_factory=list)
    ports: list[tuple[str, str, int]] = field(default_factory=list)
    ignores: tuple[str, ...] = ()


@dataclass
class Unit:
    """A systemd unit. `daemon` says which behaviour it has (daemons.py); `brings` are units that follow it."""

    id: str
    names: tuple[str, ...]
    type: str
    daemon: str
    fragment_path: str
    active_state: str = "inactive"
    sub_state: str = "dead"
    unit_file_state: str = "disabled"
    masked: str = ""  # "runtime" or "permanent"
    restart_on_failure: bool = False
    restart_due: bool = False
    due: bool = False  # a job of systemd waits for its turn
    settling: int = 0  # how many more commands of the node find it on its way up, though its daemon serves
    main_pid: int = 0
    brings: tuple[str, ...] = ()
    journal: list[str] = field(default_factory=list)
    started_on: str = ""  # the file system that held its data when it started

    @property
    def active(self) -> bool:
        """Whether systemd calls it active."""
        return self.active_state == "active"


@dataclass
class Address:
    """An IPv4 address of an interface."""

    interface: str
    address: str
    prefix: int
    secondary: bool = False
    label: str = ""


@dataclass
class Export:
    """An NFS export as the kernel's table has it."""

    client: str
    path: str
    options: str


@dataclass
class NfsClient:
    """A client with something mounted from here; `opens`: NFSv4 state that only a stop of the server ends."""

    client: str
    path: str
    name: str = ""
    opens: bool = False


@dataclass
class PostgresInstall:
    """The server that a unit runs on a node, and its own configuration there."""

    unit: str
    version: str
    config_directory: str
    data_directory: str
    listen_addresses: str
    port: int
    access: list[str]  # pg_hba.conf without comments


@dataclass
class KeyedJob:
    """A launched command; `command` is kept while it is still to take effect: by itself, or when it is waited for.

    The latter by a driver of the generation `awaited`, or of a newer one.
    """

    state: JobState
    result: Result | None = None
    command: Command | None = None
    awaited: int | None = None


@dataclass
class Launcher:
    """What the launcher keeps on a node under /run: gone after a reboot."""

    generation: int = 0
    owner: str = ""
    jobs: dict[Key, KeyedJob] = field(default_factory=dict)


@dataclass
class Node:
    """One management node."""

    name: NodeName
    number: int
    own_name: str  # /etc/hostname: what it is called after a boot
    host_name: str
    root: FileSystem
    disks: dict[str, Disk]  # by file system
    addresses: list[Address]
    units: dict[str, Unit]  # by id, in the order in which they start at boot
    promote_secondaries: dict[str, bool]
    postgres: PostgresInstall | None
    arping: str  # "iputils", "habets" or "" for none
    xcat_version: str = "2.19.0"
    powered: bool = True
    boots: int = 1
    links: int = 1  # raised when the link to it is lost: older connections are dead
    refusals: int = 0  # so many tries to connect are still in vain
    clock_offset: float = 0.0
    next_pid: int = 1000
    ticks: int = 10_000
    mounts: list[Mount] = field(default_factory=list)
    lingering: set[str] = field(default_factory=set)  # unmounted lazily while in use: written to until the node boots
    loops: list[Hold] = field(default_factory=list)  # kind loop or swap, held by the kernel
    processes: dict[int, Process] = field(default_factory=dict)
    exports: list[Export] = field(default_factory=list)
    nfs_clients: list[NfsClient] = field(default_factory=list)
    zones: dict[str, str] = field(default_factory=dict)  # what named has loaded: name -> address
    leases: dict[str, tuple[str, str]] = field(default_factory=dict)  # dhcp: node -> (ip, mac)
    launcher: Launcher = field(default_factory=Launcher)
    copies: dict[str, bytes] = field(default_factory=dict)  # of runs' journals, on its own disk
    full: bool = False  # that disk, for copies

    @property
    def boot_id(self) -> str:
        """Changes with each boot (proc(5), /proc/sys/kernel/random/boot_id)."""
        return f"00000000-0000-4000-8000-{self.number:04d}{self.boots:08d}"


@dataclass(frozen=True, kw_only=True)
class Executed:
    """A line of the world's own log: a command that may change something, and how it ended."""

    node: NodeName
    key: Key
    argv: tuple[str, ...]
    text: str
    status: int | None  # None: it did not end


@dataclass
class State:
    """The whole world."""

    nodes: dict[NodeName, Node]
    disks: dict[str, FileSystem]  # the shared file systems
    shared: dict[str, str]  # mount point -> the file system that belongs there
    virtual_ip: str
    strangers: set[str] = field(default_factory=set)  # addresses that a third host has: it answers ARP, and no ping
    log: list[Executed] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # commands that no simulated program understood
    faults: list[Fault] = field(default_factory=list)
    looks: int = 0  # how many commands of either kind came so far
    jobs: int = 0

    def file_system(self, node: Node, name: str) -> FileSystem:
        """A file system by its name, as seen from a node."""
        return node.root if name == node.root.name else self.disks[name]

    def locate(self, node: Node, path: str) -> tuple[FileSystem, str]:
        """The file system that answers for a path on a node, and the path below its root."""
        best: Mount | None = None
        for mount in node.mounts:
            below = path == mount.mount_point or path.startswith(mount.mount_point.rstrip("/") + "/")
            if mount.own and below and (best is None or len(mount.mount_point) >= len(best.mount_point)):
                best = mount
        if best is None:
            return node.root, path
        return self.file_system(node, best.file_system), path[len(best.mount_point.rstrip("/")) :] or "/"

    def peer_of(self, node: Node) -> Node:
        """The other node."""
        return next(other for other in self.nodes.values() if other is not node)

    def at(self, address: str) -> Node | None:
        """The powered node that holds an address, if one does."""
        for node in self.nodes.values():
            if node.powered and any(held.address == address for held in node.addresses):
                return node
        return None
