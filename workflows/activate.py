"""Activate: one node takes the role, once the other one has let go.

The guide's "On the new primary management node" (L495-L567): the virtual IP is found free, claimed and announced,
the shared file systems are mounted and recognised, the database is started and answers, then xCAT and the other
daemons; DNS, DHCP, consoles and NFS exports are made anew and proven by what they answer. Also for a node that comes
back from its own reboot. On the node that has the role nothing is done. What does not need each other goes side by
side: the virtual IP and the file systems; the database and the daemons that need only those two; zones, leases and
consoles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hamn_flow.catalog import Site, Workflow
from hamn_flow.facts.exports import Export
from hamn_flow.facts.xcat import Consoles
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster, Engine, Service
from hamn_flow.steps import order
from hamn_flow.steps.addresses import AddressFree, AnnounceVirtualIp, ClaimVirtualIp
from hamn_flow.steps.checks import IsStandby, Reachable, holder_of_address, lacking_of_role
from hamn_flow.steps.databases import (
    ENGINES,
    DatabaseAnswers,
    RecogniseDatabase,
    StartDatabase,
    database_service,
    database_unit,
)
from hamn_flow.steps.exports import ExportAgain, ExportShared, mount_points_of, shared_exports
from hamn_flow.steps.file_systems import CheckIdentity, Mount, WriteMarker, layers
from hamn_flow.steps.names import MakeDns, SetHostName, UseNameserver, node_names, resolvable
from hamn_flow.steps.preflight import of_node, of_pair
from hamn_flow.steps.services import AllowServices, HoldBack, StartService, unit_of
from hamn_flow.steps.step import Stage, Step
from hamn_flow.steps.xcat import (
    MakeConsoles,
    MakeDhcp,
    MakeLeases,
    NodesDefined,
    StartXcatd,
    TablesReadable,
    XcatAnswers,
    leased,
)


@dataclass(frozen=True, kw_only=True)
class Before:
    """What the node that has the role now says of it; all unknown if neither has it."""

    holder: NodeName | None
    exports: tuple[Export, ...] = ()
    nodes: int | None = None
    samples: tuple[str, ...] = ()  # nodes that DNS must know
    leases: tuple[str, ...] = ()  # nodes that DHCP must know
    consoles: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Taking:
    """A node that takes the role. `complete`: it has it already, so that nothing is made anew."""

    node: NodeName
    cluster: Cluster
    before: Before
    complete: bool
    units: dict[str, str]  # of the services, as this node names them
    database: str  # the unit; empty for SQLite

    @property
    def dhcp(self) -> str:
        """The service that hands out leases; empty if none does."""
        name = {"isc": "dhcp", "kea": "kea"}.get(self.cluster.features.dhcp, "")
        return name if name in self.units else ""


def stages(site: Site) -> Iterator[Stage]:
    """The stages in the order of what needs what, for the node that the option names."""
    node, cluster = site.node_named("node"), site.cluster
    postgresql = cluster.database.engine is Engine.POSTGRESQL
    before = _before(site)
    taking = Taking(
        node=node,
        cluster=cluster,
        before=before,
        complete=before.holder == node and not lacking_of_role(site.nodes, node),
        units={service.name: unit_of(site.nodes[node], service) for service in cluster.services},
        database=database_unit(site.nodes[node], cluster.database) if postgresql else "",
    )
    peer = cluster.peer_of(node)
    others = (Reachable(node=peer), IsStandby(node=peer), AddressFree(node=node, virtual_ip=cluster.virtual_ip))
    yield Stage(name="check", steps=(*of_node(site.nodes, node), *others, *of_pair(cluster, node)))
    yield from _disks_and_address(taking)
    yield from _recognised(taking)
    yield from _daemons(taking)
    yield _accepted(taking)


def _disks_and_address(taking: Taking) -> Iterator[Stage]:
    """Guide steps 1 and 3: neither needs the other."""
    node, cluster = taking.node, taking.cluster
    beside: tuple[Step, ...] = (ClaimVirtualIp(node=node, virtual_ip=cluster.virtual_ip),)
    for depth, layer in enumerate(layers(cluster.file_systems)):
        inner = f"-{depth}" if depth else ""
        mounts = tuple(Mount(node=node, file_system=one) for one in layer)
        yield Stage(name=f"mount{inner}", steps=(*mounts, *beside))
        beside = ()


def _allowed(taking: Taking) -> Iterator[Step]:
    """The daemons may start again; but DHCP not before its turn, as starting xcatd may bring it up (T26)."""
    late = "" if taking.complete else taking.dhcp
    units = tuple(unit for name, unit in taking.units.items() if name != late)
    yield AllowServices(node=taking.node, units=(*units, *([taking.database] if taking.database else [])))
    if late:
        yield HoldBack(node=taking.node, units=(taking.units[late],), subject=late)


def _recognised(taking: Taking) -> Iterator[Stage]:
    """What is mounted must be the pair's own, and xCAT set to the pair's database; guide step 2, the host's name.

    Only then may the daemons start again, by whoever's hand.
    """
    node, cluster, vip = taking.node, taking.cluster, taking.cluster.virtual_ip
    marked = taking.before.holder not in {None, node}  # the node that let go has seen or written the markers
    disks = (
        CheckIdentity(node=node, file_system=one, cluster=cluster.name, marked=marked) for one in cluster.file_systems
    )
    engine = cluster.database.engine
    database = RecogniseDatabase(node=node, engine=engine, host=vip.address, host_name=vip.host_name)
    yield Stage(name="recognise", steps=(*disks, database))
    steps: list[Step] = list(_allowed(taking))
    if cluster.features.set_host_name:
        steps.append(SetHostName(node=node, host_name=vip.host_name))
    if not marked and not taking.complete:
        steps += (WriteMarker(node=node, file_system=one, cluster=cluster.name) for one in cluster.file_systems)
    yield Stage(name="allow", steps=tuple(steps))


def _daemons(taking: Taking) -> Iterator[Stage]:
    """Guide steps 4 to 10: the database, xCAT and the other daemons, and what is made for them or by them."""
    groups = order.starting(taking.cluster.services)
    first = groups[:1] if groups and order.need_only_the_node(groups[0]) else ()
    started = {service.name for group in first for service in group}
    yield from _database(taking, beside=[step for group in first for step in _starts(taking, group)])
    due: list[Step] = []
    for group in groups[len(first) :]:
        if not order.known(group):
            yield Stage(name=f"make-{order.chief(group)}", steps=tuple(due))
            due = []
        yield Stage(name=f"prepare-{order.chief(group)}", steps=tuple(_prepared(taking, group)))
        yield Stage(name=f"start-{order.chief(group)}", steps=(*due, *_starts(taking, group)))
        started |= {service.name for service in group}
        if "xcatd" in {service.name for service in group} and taking.before.nodes:  # nothing is made of other tables
            count = NodesDefined(node=taking.node, count=taking.before.nodes)
            yield Stage(name="nodes-defined", steps=(count,))
        due = list(_made(taking, group, started))
    resolver = UseNameserver(node=taking.node, address=taking.cluster.virtual_ip.address)
    named_last = any(isinstance(step, MakeDns) for step in due)  # it is asked for names only when it has its zones
    wanted = [resolver] if taking.cluster.features.resolver else []
    yield Stage(name="make", steps=(*due, *([] if named_last else wanted)))
    yield Stage(name="nameserver", steps=tuple(wanted if named_last else []))


def _database(taking: Taking, beside: list[Step]) -> Iterator[Stage]:
    """Guide step 4, and beside it what needs only the file systems and the virtual IP."""
    node, cluster, unit = taking.node, taking.cluster, taking.database
    vip, data = cluster.virtual_ip, cluster.database.data_directory
    start = [StartDatabase(node=node, service=database_service(unit), unit=unit, data_directory=data)] if unit else []
    announce = [] if taking.complete else [AnnounceVirtualIp(node=node, virtual_ip=vip)]
    yield Stage(name="start-database" if unit else "start-first", steps=(*start, *announce, *beside))
    answers = DatabaseAnswers(node=node, master=vip.address, host_name=vip.host_name)
    exports = _exported(taking) if any(step.what == "start.nfs" for step in beside) else ()
    yield Stage(name="database-answers", steps=(answers, *exports))


def _starts(taking: Taking, group: tuple[Service, ...]) -> Iterator[Step]:
    """The daemons of a group; but those of DHCP only once their configuration is made."""
    for service in group:
        unit = taking.units[service.name]
        if not _leases(taking, service):
            start = StartXcatd if service.name == "xcatd" else StartService
            yield start(node=taking.node, service=service, unit=unit)
        elif service.name == taking.dhcp:
            also = tuple(one for other, one in taking.units.items() if other.startswith("kea-"))
            yield MakeDhcp(node=taking.node, service=service, unit=unit, also=also)


def _leases(taking: Taking, service: Service) -> bool:
    """Whether a service is one of those whose configuration makedhcp writes now."""
    return not taking.complete and taking.dhcp != "" and service.name.startswith((taking.dhcp, "kea-"))


def _prepared(taking: Taking, group: tuple[Service, ...]) -> Iterator[Step]:
    """What must be so before the daemons of a group start."""
    for service in () if taking.complete else group:
        if service.name == taking.dhcp:
            yield AllowServices(node=taking.node, units=(taking.units[taking.dhcp],), subject=taking.dhcp)
        elif service.name == "conserver":  # it reads its list when it starts
            yield MakeConsoles(node=taking.node, console="conserver", expected=taking.before.consoles)


def _made(taking: Taking, group: tuple[Service, ...], started: set[str]) -> Iterator[Step]:
    """What can be made, or asked, once a group runs; zones once both xcatd and named do: makedns needs them."""
    names = {service.name for service in group}
    if "xcatd" in names:
        yield TablesReadable(node=taking.node)
    if taking.complete:
        return
    if taking.cluster.features.dns and {"xcatd", "named"} <= started and names & {"xcatd", "named"}:
        server = taking.cluster.virtual_ip.address
        yield MakeDns(node=taking.node, server=server, samples=taking.before.samples)
    for service in group:
        if _leases(taking, service):
            yield StartService(node=taking.node, service=service, unit=taking.units[service.name])
    if "goconserver" in names:
        yield MakeConsoles(node=taking.node, console="goconserver", expected=taking.before.consoles)
    if "nfs" in names:
        yield from _exported(taking)


def _exported(taking: Taking) -> Iterator[Step]:
    """Guide step 10: the exports as they were, or, if nobody knows, as this node's own /etc/exports has them."""
    cluster, exports = taking.cluster, taking.before.exports
    if cluster.features.nfs and exports:
        yield ExportShared(node=taking.node, exports=exports, server=cluster.virtual_ip.address)
    elif cluster.features.nfs and not taking.complete:
        yield ExportAgain(node=taking.node, mount_points=mount_points_of(cluster.file_systems))


def _accepted(taking: Taking) -> Stage:
    """At the end the nodes have their leases, xCAT answers, and what it answers is the pair's."""
    cluster, vip = taking.cluster, taking.cluster.virtual_ip
    engine = ENGINES[cluster.database.engine]
    leases = (
        (MakeLeases(node=taking.node, samples=taking.before.leases),) if taking.dhcp and not taking.complete else ()
    )
    answers = XcatAnswers(node=taking.node, engine=engine, master=vip.address, host_name=vip.host_name)
    return Stage(name="accept", steps=(*leases, answers))


def _before(site: Site) -> Before:
    """What must be so afterwards as well, read from the node that has the role now."""
    cluster, holder = site.cluster, holder_of_address(site.nodes)
    if holder is None:
        return Before(holder=None)
    node, features = site.nodes[holder], cluster.features
    names = node_names(node)
    listed = node.get(Consoles(features.console)) if features.console else ()  # also of nodes removed since
    return Before(
        holder=holder,
        exports=shared_exports(node, mount_points_of(cluster.file_systems)) if features.nfs else (),
        nodes=len(names) or None,
        samples=resolvable(node) if features.dns else (),
        leases=leased(node) if features.dhcp else (),
        consoles=tuple(each for each in listed if each in names),
    )


workflow = Workflow(stages=lambda site: tuple(stages(site)), options={"node": "the node that takes the role"})
