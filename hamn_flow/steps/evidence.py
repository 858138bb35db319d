"""Evidence that the other node has let go, as sentences that say why it cannot be proven (promise 4).

Plain functions: None means proven now, by looking; a sentence is an objection. A node that does not answer, or
whose answer cannot be read, has proven nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from hamn_flow.errors import Unreachable
from hamn_flow.facts.fact import Fact
from hamn_flow.facts.network import Addresses, ListeningPorts
from hamn_flow.facts.node import Node, Nodes
from hamn_flow.facts.postgresql import PostgresServer
from hamn_flow.facts.services import Process, Processes, Unit, Units
from hamn_flow.facts.storage import BlockDevice, BlockDevices, Device, Mount, Mounts
from hamn_flow.facts.unreadable import Unreadable
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster, Database, Engine, FileSystem, Service, VirtualIp

XCATD = "xcatd"  # the name of xCAT's own daemon among the services, and how its process titles begin


def address_held(node: Node, virtual_ip: VirtualIp) -> str | None:
    """Say that a node has the virtual IP, on whatever interface."""
    for address in node.get(Addresses()):
        if address.address == virtual_ip.address:
            return f"{node.name} has the virtual IP {virtual_ip.address} on {address.interface}"
    return None


def file_system_held(
    node: Node,
    file_system: FileSystem,
    mounts: tuple[Mount, ...] | None = None,
    devices: Mapping[str, Device] | None = None,
) -> str | None:
    """Say that a node's kernel still has a file system, mounted in any namespace or not mounted any more.

    After a lazy unmount nothing shows it as mounted, yet its superblock lives and late writes land on the disk
    (T19): so the superblock's entry in /sys and an exclusive open are asked too. `mounts` and `devices` are the
    node's own, if they were looked at just now.
    """
    point = file_system.mount_point
    device = node.get(BlockDevice(file_system.device)) if devices is None else devices[file_system.device]
    for mount in node.get(Mounts()) if mounts is None else mounts:
        if device.present and mount.device == device.number:
            where = "" if mount.own else f" in the mount namespace of process {mount.pid}"
            return f"{node.name} has {point} mounted at {mount.mount_point}{where}"
        if not device.present and mount.mount_point == point:
            return f"{node.name} has {mount.source} mounted at {point} and does not see {file_system.device}"
    if not device.present:
        return f"{node.name} does not see {file_system.device}, so nothing proves that its kernel has let go of {point}"
    if device.superblock:
        return f"{node.name} has {point} unmounted, but its kernel still holds it ({device.superblock} is there)"
    if device.exclusive != "free":
        return f"{node.name} still uses the device of {point} (an exclusive open says {device.exclusive})"
    return None


def xcatd_running(node: Node, processes: tuple[Process, ...] | None = None) -> str | None:
    """Say that a node runs xCAT's daemon, started by systemd or not (restartxcatd does not, xcat-core #2742)."""
    for process in node.get(Processes()) if processes is None else processes:
        if process.title.startswith(f"{XCATD}:"):
            return f"{node.name} runs xCAT's daemon (process {process.pid}, {process.title})"
    return None


def is_postgres(process: Process) -> bool:
    """Whether a process is a PostgreSQL server or one of its children, by its title."""
    program = process.title.split(maxsplit=1)[0] if process.title.strip() else ""
    return program.rpartition("/")[2].rstrip(":") in {"postgres", "postmaster"}


def database_running(node: Node, database: Database) -> str | None:
    """Say that a node runs the PostgreSQL server of the shared data directory.

    A server that was started past systemd is not told by its unit; but its data directory lies on a shared file
    system, which it then holds.
    """
    unit = database.unit
    if not unit:
        server = node.get(PostgresServer(database.data_directory))
        unit = server.unit if server else ""
    return service_running(node, Service(name="the database", units=(unit,))) if unit else None


def _each(node: Node, units: tuple[str, ...]) -> tuple[Unit, ...]:
    """The units once each, though several of their names may be asked for."""
    return tuple({unit.id: unit for unit in node.get(Units(units)).values()}.values()) if units else ()


def signs_asked(units: tuple[str, ...], service: Service) -> Iterator[Fact[Any]]:
    """What `signs_of_life` asks of a node."""
    if units:
        yield Units(units)
    if service.ports:
        yield ListeningPorts()
    if service.titles:
        yield Processes()


def signs_of_life(node: Node, units: tuple[str, ...], service: Service) -> tuple[str, ...]:
    """What shows that a service runs: an active unit, an open port, a process title. Empty: it does not run."""
    signs = [f"its unit {unit.id} is {unit.active_state}" for unit in _each(node, units) if not unit.stopped]
    listening = node.get(ListeningPorts()) if service.ports else frozenset()
    signs += [f"something listens on {port}" for port in service.ports if port in listening]
    processes = node.get(Processes()) if service.titles else ()
    for title in service.titles:
        signs += [f"process {one.pid} is `{one.title}`" for one in processes if one.title.startswith(title)][:1]
    return tuple(signs)


def service_running(node: Node, service: Service) -> str | None:
    """Say that a node runs a service that follows the role."""
    signs = signs_of_life(node, service.units, service)
    return f"{node.name} runs {service.name}: {', '.join(signs)}" if signs else None


def still_holds(nodes: Nodes, other: NodeName, service: Service | None = None) -> str | None:
    """Why it is not proven that a node has let go of the role, and of one service; None if it is proven.

    Asked: the virtual IP, every shared file system, xCAT's daemon, the database. An unreachable node is an
    objection: silence is not proof.
    """
    cluster = nodes.cluster

    def held(asked: Node) -> str | None:
        node = asked.at_once(*_asked_of(cluster, service))
        processes = node.get(Processes())
        questions: list[Callable[[], str | None]] = [
            lambda: address_held(node, cluster.virtual_ip),
            lambda: xcatd_running(node, processes),
        ]
        if cluster.database.engine is Engine.POSTGRESQL:
            questions.append(lambda: database_running(node, cluster.database))
        devices, mounts = node.get(_devices_of(cluster)), node.get(Mounts())
        questions += [partial(file_system_held, node, one, mounts, devices) for one in cluster.file_systems]
        if service is not None:
            questions.append(lambda: service_running(node, service))
        return next((sentence for question in questions if (sentence := question())), None)

    return answered(nodes[other], held)


def _asked_of(cluster: Cluster, service: Service | None) -> Iterator[Fact[Any]]:
    """What tells whether a node has let go, as far as it is known which units are meant."""
    yield from (Addresses(), Processes(), Mounts(), _devices_of(cluster))
    if cluster.database.unit:
        yield Units((cluster.database.unit,))
    if service is not None:
        yield from signs_asked(service.units, service)


def answered(node: Node, question: Callable[[Node], str | None]) -> str | None:
    """Ask a node; that it does not answer, or not in a way that can be read, is a sentence as well."""
    try:
        return question(node)
    except Unreachable as error:
        return f"{node.name} does not answer, and silence is not proof that it has let go ({error.sentence})"
    except Unreadable as error:
        return f"it cannot be read whether {node.name} has let go ({error.sentence})"


def not_standing(nodes: Nodes, name: NodeName) -> str | None:
    """Why nothing that serves the cluster may start on a node yet: what it needs below is not there.

    Without its shared file systems a daemon would run on the node's own, stale data (a mount failure that
    is ignored brings up a second management node).
    """
    cluster = nodes.cluster
    node = nodes[name].at_once(Mounts(), _devices_of(cluster), Addresses())
    objection = _not_mounted(cluster, node)
    if objection is None and address_held(node, cluster.virtual_ip) is None:
        objection = f"{name} does not have the virtual IP {cluster.virtual_ip.address}"
    return objection


def not_mounted(nodes: Nodes, name: NodeName) -> str | None:
    """Which shared file system a node does not have mounted; None if it has them all."""
    cluster = nodes.cluster
    return _not_mounted(cluster, nodes[name].at_once(Mounts(), _devices_of(cluster)))


def _not_mounted(cluster: Cluster, node: Node) -> str | None:
    mounts, devices = node.get(Mounts()), node.get(_devices_of(cluster))
    for file_system in cluster.file_systems:
        here = [mount for mount in mounts if mount.own and mount.mount_point == file_system.mount_point]
        if not here or here[-1].device != devices[file_system.device].number:
            return f"{file_system.mount_point} is not mounted from {file_system.device} on {node.name}"
    return None


def _devices_of(cluster: Cluster) -> BlockDevices:
    return BlockDevices(tuple(one.device for one in cluster.file_systems))
