"""Deactivate: one node lets go of the role, and leaves the shared disks to the other.

The guide's "On the current primary management node" (L447-L494): the daemons are stopped in the reverse order of
their start and kept from starting again, the shared paths are withdrawn from NFS, the database is stopped, the file
systems are unmounted, the virtual IP is taken off, and the host name is set back. On a clean standby nothing is
done. The xCAT daemons of service nodes are left alone (L455): since xCAT 2.6.10 they find the database again (L536).
What does not need each other goes side by side: the daemons stop at once; the exports and the database stop while
systemd learns that the others must not start again; then all is unmounted.
"""

from __future__ import annotations

from collections.abc import Iterator

from hamn_flow.catalog import Site, Workflow
from hamn_flow.facts.node import Node
from hamn_flow.facts.storage import Mounts, mount_at
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Engine, Service
from hamn_flow.steps import order
from hamn_flow.steps.addresses import AddressFree, ReleaseVirtualIp
from hamn_flow.steps.checks import ArpingThere, NfsClientsToldOf, Reachable, RoomForDump, not_clean
from hamn_flow.steps.databases import StopDatabase, database_service, database_unit
from hamn_flow.steps.exports import UnexportShared, mount_points_of
from hamn_flow.steps.file_systems import Unmount, WriteMarker, layers
from hamn_flow.steps.names import SetHostName
from hamn_flow.steps.preflight import dump_directory
from hamn_flow.steps.services import HoldServices, StopService, unit_of
from hamn_flow.steps.step import Check, Stage, Step
from hamn_flow.steps.xcat import DumpTables


def stages(site: Site) -> Iterator[Stage]:
    """The stages in the guide's order, for the node that the option names."""
    node = site.node_named("node")
    here, cluster = site.nodes[node], site.cluster
    clean = not_clean(site.nodes, node) is None
    postgresql = cluster.database.engine is Engine.POSTGRESQL

    yield Stage(name="check", steps=_checks(site, node))
    if "dump" in site.options:
        directory = f"{dump_directory(cluster, site.options['dump'])}/hamn-flow-{site.run}"
        yield Stage(name="dump", steps=(DumpTables(node=node, directory=directory),))
    mounts = here.get(Mounts())
    mounted = [one for one in cluster.file_systems if mount_at(mounts, one.mount_point)]
    markers = tuple(WriteMarker(node=node, file_system=one, cluster=cluster.name) for one in mounted)
    yield Stage(name="mark", steps=markers)

    stopped = "mark"
    late = [one for one in cluster.services if cluster.features.nfs and one.name == "nfs"]
    for group in order.stopping(cluster.services):
        steps: list[Step] = [_stop(here, service) for service in group if service not in late]
        if len(steps) < len(group):  # the shared paths are withdrawn before their server stops
            steps.append(UnexportShared(node=node, mount_points=mount_points_of(cluster.file_systems)))
        stopped = f"stop-{order.chief(group)}"
        yield Stage(name=stopped, steps=tuple(steps))
    database = database_unit(here, cluster.database) if postgresql else ""
    server = (StopDatabase(node=node, service=database_service(database), unit=database),) if database else ()
    units = tuple(unit_of(here, one) for one in reversed(cluster.services) if one not in late)
    yield Stage(name="hold", steps=() if clean else (HoldServices(node=node, units=units),), after=(stopped,))
    yield Stage(name="stop-exports", steps=tuple(_stop(here, one) for one in late), after=(stopped,))
    yield Stage(name="stop-database", steps=server, after=(stopped,))

    # Beside the unmounts, but undone after them: only when all is mounted again may these start.
    last = (*(unit_of(here, one) for one in late), *([database] if database else []))
    holds = (HoldServices(node=node, units=last, subject="last"),) if last and not clean else ()
    yield Stage(name="hold-last", steps=holds, after=("stop-exports", "stop-database"))

    inner: tuple[str, ...] = ("hold", "stop-exports", "stop-database")
    for depth, layer in reversed(list(enumerate(layers(cluster.file_systems)))):
        name = f"unmount-{depth}" if depth else "unmount"
        yield Stage(name=name, steps=tuple(Unmount(node=node, file_system=one) for one in layer), after=inner)
        inner = (name,)
    release = ReleaseVirtualIp(node=node, virtual_ip=cluster.virtual_ip)
    yield Stage(name="release-virtual-ip", steps=(release,), after=inner)
    peer = cluster.peer_of(node)  # asks whether anybody answers for it still
    yield Stage(name="address-free", steps=(AddressFree(node=peer, virtual_ip=cluster.virtual_ip),))
    if cluster.features.set_host_name:
        yield Stage(name="own-host-name", steps=(SetHostName(node=node, host_name=node),))


def _stop(node: Node, service: Service) -> Step:
    return StopService(node=node.name, service=service, unit=unit_of(node, service))


def _checks(site: Site, node: NodeName) -> tuple[Check, ...]:
    checks: list[Check] = [Reachable(node=node), ArpingThere(node=site.cluster.peer_of(node))]
    if site.cluster.features.nfs:
        checks.append(NfsClientsToldOf(node=node))
    if "dump" in site.options:
        checks.append(RoomForDump(node=node, directory=dump_directory(site.cluster, site.options["dump"])))
    return tuple(checks)


workflow = Workflow(
    stages=lambda site: tuple(stages(site)),
    options={
        "node": "the node that lets go",
        "dump": "a directory outside the shared disks, below which xCAT's tables are dumped first",
    },
)
