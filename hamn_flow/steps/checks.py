"""What must be true on both nodes before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hamn_flow.errors import Unreachable
from hamn_flow.facts.exports import NfsClients
from hamn_flow.facts.network import ArpingFlavour, HostName, MadeToLast, ResolvesTo
from hamn_flow.facts.node import Nodes
from hamn_flow.facts.postgresql import PostgresServer
from hamn_flow.facts.services import Clock, Units
from hamn_flow.facts.storage import BlockDevices, Directories, Mounts, Room, mount_at
from hamn_flow.facts.xcat import Daemon, OsRelease, XcatVersion, numbers
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster, Database, Engine, FileSystem, Service, VirtualIp
from hamn_flow.model.probe import Probe, done, todo
from hamn_flow.steps.evidence import address_held, service_running, still_holds
from hamn_flow.steps.step import Check

ROOM_FOR_A_DUMP = 102_400  # KiB: a table of a large cluster takes some megabytes


@dataclass(frozen=True, kw_only=True)
class Reachable(Check):
    """The node answers."""

    @property
    def what(self) -> str:
        """Identity."""
        return "reachable"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when it says its name. Silence is a no, that nobody can confirm away."""
        try:
            return done(f"it answers as {nodes[self.node].get(HostName())}")
        except Unreachable as error:
            return todo(error.sentence, hint=error.hint)


@dataclass(frozen=True, kw_only=True)
class _BeforeStart(Check):
    """A check of how things stand at the start: the run itself changes that."""

    lasting: ClassVar[bool] = False


def lacking_of_role(nodes: Nodes, name: NodeName) -> tuple[str, ...]:
    """What a node lacks to be the active one: by address, mounts, database and daemon."""
    cluster, node = nodes.cluster, nodes[name]
    lacking = [] if address_held(node, cluster.virtual_ip) else [f"the virtual IP {cluster.virtual_ip.address}"]
    mounts = node.get(Mounts())
    devices = node.get(BlockDevices(tuple(one.device for one in cluster.file_systems)))
    for file_system in cluster.file_systems:
        mount = mount_at(mounts, file_system.mount_point)
        if mount is None or mount.device != devices[file_system.device].number:
            lacking.append(f"{file_system.mount_point} mounted")
    if node.get(Daemon()) is None:
        lacking.append("xCAT's daemon")
    return tuple(lacking)


def holder_of_address(nodes: Nodes) -> NodeName | None:
    """The node that has the virtual IP; None if neither has."""
    return next((name for name in nodes if address_held(nodes[name], nodes.cluster.virtual_ip)), None)


@dataclass(frozen=True, kw_only=True)
class IsActive(_BeforeStart):
    """The node has the role: the virtual IP, the shared file systems and xCAT's daemon."""

    @property
    def what(self) -> str:
        """Identity."""
        return "is-active"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when nothing of the role is lacking."""
        lacking = lacking_of_role(nodes, self.node)
        if lacking:
            return todo(
                f"{self.node} is not the active node, it lacks {', '.join(lacking)}",
                hint=f"Type hamn-flow start activate node={self.node} to complete it, or "
                f"hamn-flow start deactivate node={self.node} to let it go.",
            )
        return done(f"{self.node} has the virtual IP, the shared file systems and xCAT's daemon")


def not_clean(nodes: Nodes, name: NodeName) -> str | None:
    """Why a node is no clean standby: something of the role that it holds, any of its daemons included."""
    held = still_holds(nodes, name)
    if held is None:
        running = (service_running(nodes[name], service) for service in nodes.cluster.services)
        held = next((sentence for sentence in running if sentence), None)
    return held


@dataclass(frozen=True, kw_only=True)
class IsStandby(_BeforeStart):
    """The node has let go of everything: no address, no file system, no daemon of the role."""

    @property
    def what(self) -> str:
        """Identity."""
        return "is-standby"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when nothing of the role is held."""
        held = not_clean(nodes, self.node)
        if held:
            return todo(
                f"{self.node} is not a clean standby: {held}",
                hint=f"Type hamn-flow start deactivate node={self.node}, then start this anew.",
            )
        return done(f"{self.node} holds nothing of the role")


def compare(one: str, other: str) -> int:
    """Which version is newer, number by number: 2.6.9 is older than 2.6.10 (T29). Negative: the first is older."""
    first, second = numbers(one), numbers(other)
    length = max(len(first), len(second))
    padded = [(*value, *(0,) * (length - len(value))) for value in (first, second)]
    return (padded[0] > padded[1]) - (padded[0] < padded[1])


@dataclass(frozen=True, kw_only=True)
class SameXcat(Check):
    """Both nodes have the same version of xCAT: a newer one changes the tables in a way that nothing undoes."""

    other: NodeName

    @property
    def what(self) -> str:
        """Identity."""
        return "same-xcat"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the versions are equal."""
        one, other = (nodes[name].get(XcatVersion()) for name in (self.node, self.other))
        if compare(one, other) == 0:
            return done(f"xCAT {one} on both nodes")
        older, newer = (self.node, self.other) if compare(one, other) < 0 else (self.other, self.node)
        return todo(
            f"xCAT is {one} on {self.node} and {other} on {self.other}",
            hint=f"Update xCAT on {older} to the version of {newer}.",
        )


@dataclass(frozen=True, kw_only=True)
class SameSystem(Check):
    """Both nodes have the same operating system."""

    other: NodeName

    @property
    def what(self) -> str:
        """Identity."""
        return "same-system"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the name and the first number agree; a difference further back is said."""
        one, other = (nodes[name].get(OsRelease()) for name in (self.node, self.other))
        texts = f"{one.id} {one.version} on {self.node}, {other.id} {other.version} on {self.other}"
        if one.id != other.id or numbers(one.version)[:1] != numbers(other.version)[:1]:
            return todo(f"the operating systems differ: {texts}", hint="Bring both nodes to the same release.")
        if compare(one.version, other.version):
            return done(texts, warning="the operating systems differ in their minor release")
        return done(f"{one.id} {one.version} on both nodes")


@dataclass(frozen=True, kw_only=True)
class ClocksAgree(_BeforeStart):
    """The clocks of both nodes agree, since leases, certificates and logs go from one to the other."""

    other: NodeName

    @property
    def what(self) -> str:
        """Identity."""
        return "clocks-agree"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when they differ by less than cluster.toml allows; asked on both sides of the other's answer."""
        before, there, after = (nodes[name].get(Clock()) for name in (self.node, self.other, self.node))
        skew = max(before - there, there - after, 0.0)
        allowed = nodes.policy.clock_skew
        if skew > allowed:
            return todo(
                f"the clocks of {self.node} and {self.other} differ by {skew:.1f} s, {allowed:g} s are allowed",
                hint="Set the clocks, by chronyc makestep for instance.",
            )
        return done(f"the clocks differ by less than {max(allowed, 0):g} s")


@dataclass(frozen=True, kw_only=True)
class StorageThere(_BeforeStart):
    """The node sees every shared device, and has every mount point."""

    file_systems: tuple[FileSystem, ...]

    @property
    def what(self) -> str:
        """Identity."""
        return "storage"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when none is missing. A mount point inside another file system is there only once that is mounted."""
        node = nodes[self.node]
        devices = node.get(BlockDevices(tuple(one.device for one in self.file_systems)))
        unseen = [path for path, device in devices.items() if not device.present]
        points = tuple(one.mount_point for one in self.file_systems if not self._inside(one))
        there = node.get(Directories(points))
        missing = [point for point in points if point not in there]
        if unseen:
            return todo(
                f"{self.node} does not see {', '.join(unseen)}",
                hint=f"Look at the cabling and zoning, and at lsblk -f on {self.node}.",
            )
        if missing:
            return todo(
                f"{', '.join(missing)} is no directory on {self.node}",
                hint=f"Type mkdir -p {' '.join(missing)} on {self.node}.",
            )
        return done(f"{len(self.file_systems)} shared devices are seen, and their mount points are there")

    def _inside(self, one: FileSystem) -> bool:
        points = (other.mount_point.rstrip("/") + "/" for other in self.file_systems)
        return any(one.mount_point.startswith(point) for point in points)


@dataclass(frozen=True, kw_only=True)
class RoomForDump(_BeforeStart):
    """There is room for a dump of xCAT's tables, outside of the shared disks."""

    directory: str  # where the dump's own directory will be made

    @property
    def what(self) -> str:
        """Identity."""
        return "room-for-dump"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when the directory is there and has room."""
        node = nodes[self.node]
        if self.directory not in node.get(Directories((self.directory,))):
            hint = f"Type mkdir -p {self.directory} on {self.node}."
            return todo(f"{self.directory} is no directory on {self.node}", hint=hint)
        free = node.get(Room(self.directory))
        if free < ROOM_FOR_A_DUMP:
            return todo(
                f"{free} KiB are free in {self.directory}, {ROOM_FOR_A_DUMP} are wanted",
                hint="Make room there, or name another directory.",
            )
        return done(f"{free // 1024} MiB are free in {self.directory}")


@dataclass(frozen=True, kw_only=True)
class ArpingThere(_BeforeStart):
    """The node has arping, of either kind, to ask who has the virtual IP."""

    @property
    def what(self) -> str:
        """Identity."""
        return "arping"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when one is there."""
        flavour = nodes[self.node].get(ArpingFlavour())
        if flavour is None:
            return todo(f"arping is not installed on {self.node}", hint="Install iputils-arping (Debian) or iputils.")
        return done(f"arping is the one of {flavour}")


@dataclass(frozen=True, kw_only=True)
class VirtualIpResolves(Check):
    """The name of the virtual IP means the virtual IP on this node."""

    virtual_ip: VirtualIp

    @property
    def what(self) -> str:
        """Identity."""
        return "virtual-ip-resolves"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when its name resolves to it, and to nothing else."""
        name, address = self.virtual_ip.host_name, self.virtual_ip.address
        found = nodes[self.node].get(ResolvesTo(name))
        if found == (address,):
            return done(f"{name} is {address}")
        return todo(
            f"{name} is {', '.join(found) or 'not known'} on {self.node}, not {address}",
            hint=f"Write a line `{address} {name}` into /etc/hosts on {self.node}.",
        )


@dataclass(frozen=True, kw_only=True)
class VirtualIpNotKept(Check):
    """Nothing on this node brings the virtual IP up at boot (T24)."""

    virtual_ip: VirtualIp

    @property
    def what(self) -> str:
        """Identity."""
        return "virtual-ip-not-kept"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when no file of the boot names it: a node that boots must come up without it (guide L234, L494)."""
        address = self.virtual_ip.address
        found = nodes[self.node].get(MadeToLast(address))
        if not found:
            return done(f"{self.node} boots without {address}")
        return todo(
            f"{self.node} may come up with {address} when it boots: {', '.join(found)}",
            hint=f"Take {address} out of {found[0]} on {self.node}.",
        )


@dataclass(frozen=True, kw_only=True)
class UnitsThere(_BeforeStart):
    """systemd knows a unit for each daemon of the role on this node."""

    services: tuple[Service, ...]

    @property
    def what(self) -> str:
        """Identity."""
        return "units"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when each has one; said as well if one starts at boot, when the other node may have the role."""
        node = nodes[self.node]
        missing, at_boot = [], []
        for service in self.services:
            present = [unit for unit in node.get(Units(service.units)).values() if unit.present]
            if not present:
                missing.append(f"{service.name} ({' or '.join(service.units)})")
            at_boot += [unit.id for unit in present[:1] if unit.unit_file_state == "enabled"]
        if missing:
            return todo(
                f"{self.node} has no unit for {', '.join(missing)}",
                hint="Install it there, or take it out of the services in cluster.toml.",
            )
        warning = f"started at boot, whoever has the role then: {', '.join(at_boot)}" if at_boot else ""
        return done(f"{len(self.services)} daemons have their units", warning=warning)


@dataclass(frozen=True, kw_only=True)
class NfsClientsToldOf(_BeforeStart):
    """Nodes that run over NFS from here are named: they hang until the other node serves them."""

    @property
    def what(self) -> str:
        """Identity."""
        return "nfs-clients"

    def probe(self, nodes: Nodes) -> Probe:
        """Always done: what is found is a warning."""
        clients = nodes[self.node].get(NfsClients())
        if not clients:
            return done("nobody has anything mounted from here")
        paths: dict[str, list[str]] = {}
        for client in clients:
            paths.setdefault(client.name or client.client, []).append(client.path)
        named = [f"{name} ({', '.join(sorted(set(filter(None, of)))) or 'NFS 4'})" for name, of in paths.items()]
        warning = f"will hang until the other node serves them: {', '.join(named)}"
        return done(f"{len(named)} NFS clients", warning=warning)


@dataclass(frozen=True, kw_only=True)
class SameDatabase(_BeforeStart):
    """Both nodes run the shared database with the same major version of PostgreSQL."""

    database: Database
    other: NodeName

    @property
    def what(self) -> str:
        """Identity."""
        return "same-database"

    def probe(self, nodes: Nodes) -> Probe:
        """Done when both have a server for the data directory, of one version, which is that of the data."""
        directory = self.database.data_directory
        servers = {name: nodes[name].get(PostgresServer(directory)) for name in (self.node, self.other)}
        for name, server in servers.items():
            if server is None or not server.version:
                hint = f"Install PostgreSQL on {name} and set its data directory, or name its unit in cluster.toml."
                return todo(f"no PostgreSQL server of {name} has {directory} as its data directory", hint=hint)
        versions = {name: server.version for name, server in servers.items() if server}
        vip = nodes.cluster.virtual_ip  # only on its holder the data directory is the shared one
        of_data = {server.data_version for name, server in servers.items() if server and address_held(nodes[name], vip)}
        if len({numbers(version) for version in (*versions.values(), *filter(None, of_data))}) > 1:
            texts = [f"{version} on {name}" for name, version in versions.items()]
            data = f", the data is of {', '.join(sorted(filter(None, of_data)))}" if any(of_data) else ""
            return todo(f"PostgreSQL is {', '.join(texts)}{data}", hint="Install the same major version on both nodes.")
        return done(f"PostgreSQL {versions[self.node]} on both nodes")


def daemons_of(cluster: Cluster, unit: str) -> tuple[Service, ...]:
    """All daemons of the role on a node, the database among them, for the check of their units."""
    if cluster.database.engine is not Engine.POSTGRESQL:
        return cluster.services
    return (Service(name="database", units=(unit or "postgresql",)), *cluster.services)
