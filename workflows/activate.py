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
    AwaitDatabase,
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

After = tuple[str, ...] | None
ON_THE_NODE = ("allow", "claim-virtual-ip")  # what needs the file systems and the virtual IP, and no more


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
    yield from _disks(taking)
    claim = ClaimVirtualIp(node=node, virtual_ip=cluster.virtual_ip)  # guide step 1; it needs no disk, nor they it
    yield Stage(name="claim-virtual-ip", steps=(claim,), after=("check",))
    yield from _database(taking)
    yield from _daemons(taking)
    engine, vip = ENGINES[cluster.database.engine], cluster.virtual_ip
    answers = XcatAnswers(node=node, engine=engine, master=vip.address, host_name=vip.host_name)
    yield Stage(name="accept", steps=(answers,))


def _disks(taking: Taking) -> Iterator[Stage]:
    """Guide step 3: outer ones first."""
    before = "check"
    for depth, layer in enumerate(layers(taking.cluster.file_systems)):
        name = f"mount-{depth}" if depth else "mount"
        steps = tuple(Mount(node=taking.node, file_system=one) for one in layer)
        yield Stage(name=name, steps=steps, after=(before,))
        before = name
    yield from _recognised(taking, before)


def _allowed(taking: Taking) -> Iterator[Step]:
    """The daemons may start again; but DHCP not before its turn, as starting xcatd may bring it up (T26)."""
    late = "" if taking.complete else taking.dhcp
    units = tuple(unit for name, unit in taking.units.items() if name != late)
    yield AllowServices(node=taking.node, units=(*units, *([taking.database] if taking.database else [])))
    if late:
        yield HoldBack(node=taking.node, units=(taking.units[late],), subject=late)


def _recognised(taking: Taking, mounted: str) -> Iterator[Stage]:
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
    yield Stage(name="recognise", steps=(*disks, database), after=(mounted,))
    steps: list[Step] = list(_allowed(taking))
    if cluster.features.set_host_name:
        steps.append(SetHostName(node=node, host_name=vip.host_name))
    if not marked and not taking.complete:
        steps += (WriteMarker(node=node, file_system=one, cluster=cluster.name) for one in cluster.file_systems)
    yield Stage(name="allow", steps=tuple(steps), after=("recognise",))


def _database(taking: Taking) -> Iterator[Stage]:
    """Guide step 4; beside it, the segment is told where the virtual IP is now."""
    node, cluster, unit = taking.node, taking.cluster, taking.database
    vip, data = cluster.virtual_ip, cluster.database.data_directory
    start = [StartDatabase(node=node, service=database_service(unit), unit=unit, data_directory=data)] if unit else []
    yield Stage(name="start-database", steps=tuple(start))
    announce = () if taking.complete else (AnnounceVirtualIp(node=node, virtual_ip=vip),)
    yield Stage(name="announce", steps=announce, after=ON_THE_NODE)
    await_ = (AwaitDatabase(node=node, service=database_service(unit), unit=unit),) if unit else ()
    yield Stage(name="await-database", steps=await_, after=("start-database",))
    answers = DatabaseAnswers(node=node, master=vip.address, host_name=vip.host_name)
    yield Stage(name="database-answers", steps=(answers,), after=("start-database",))


def _daemons(taking: Taking) -> Iterator[Stage]:
    """Guide steps 4 to 10: xCAT and the other daemons, and what is made for them or by them.

    Of a service that is not xCAT's own it is not known what it needs: it waits for all before it, and all after it
    waits for it.
    """
    on_the_node: After = ON_THE_NODE
    xcatd: After = ("database-answers",)
    tables: After = None
    started: dict[str, str] = {}  # by which stage
    for group in order.starting(taking.cluster.services):
        name, names = f"start-{order.chief(group)}", {service.name for service in group}
        if not order.known(group):
            yield Stage(name=name, steps=tuple(_starts(taking, group)))
            on_the_node = xcatd = tables = None
        elif order.need_only_the_node(group):
            yield Stage(name=name, steps=tuple(_starts(taking, group)), after=on_the_node)
            if "nfs" in names:
                yield Stage(name="export", steps=tuple(_exported(taking)), after=(name,))
        elif "xcatd" in names:
            yield from _xcatd(taking, group, xcatd)
            tables = ("nodes-defined",)
        else:
            yield from _fed_by_xcatd(taking, group, tables)
        started |= dict.fromkeys(names, name)
        if names & {"xcatd", "named"} and {"xcatd", "named"} <= started.keys():
            yield Stage(name="make-dns", steps=tuple(_zones(taking)), after=("nodes-defined", started["named"]))
    resolver = UseNameserver(node=taking.node, address=taking.cluster.virtual_ip.address)  # once it has its zones
    yield Stage(name="nameserver", steps=(resolver,) if taking.cluster.features.resolver else ())


def _xcatd(taking: Taking, group: tuple[Service, ...], after: After) -> Iterator[Stage]:
    """Nothing is made of other tables than those that the other node had."""
    yield Stage(name="start-xcatd", steps=tuple(_starts(taking, group)), after=after)
    count = taking.before.nodes
    defined = (NodesDefined(node=taking.node, count=count),) if count else ()
    yield Stage(name="nodes-defined", steps=defined, after=("start-xcatd",))
    yield Stage(name="tables-readable", steps=(TablesReadable(node=taking.node),), after=("start-xcatd",))


def _fed_by_xcatd(taking: Taking, group: tuple[Service, ...], after: After) -> Iterator[Stage]:
    """Leases and consoles: conserver reads its list when it starts, goconserver must run to be told of it."""
    leasing = tuple(service for service in group if _leases(taking, service))
    if leasing:
        yield from _dhcp(taking, leasing, after)
    others = tuple(service for service in group if service not in leasing)
    if others:
        name = order.chief(others)
        yield Stage(name=f"configure-{name}", steps=tuple(_consoles(taking, others, "conserver")), after=after)
        yield Stage(name=f"start-{name}", steps=tuple(_starts(taking, others)), after=(f"configure-{name}",))
        yield Stage(
            name=f"tell-{name}", steps=tuple(_consoles(taking, others, "goconserver")), after=(f"start-{name}",)
        )


def _dhcp(taking: Taking, services: tuple[Service, ...], after: After) -> Iterator[Stage]:
    """Its daemons start only once their configuration is made (T26), and are told of the nodes when they run."""
    node, name = taking.node, order.chief(services)
    units = {service.name: taking.units[service.name] for service in services}
    server = [service for service in services if service.name == taking.dhcp]
    also = tuple(unit for other, unit in taking.units.items() if other.startswith("kea-"))
    allow = (AllowServices(node=node, units=(units[one.name],), subject=one.name) for one in server)
    make = (MakeDhcp(node=node, service=one, unit=units[one.name], also=also) for one in server)
    leases = (MakeLeases(node=node, samples=taking.before.leases) for _ in server)
    yield Stage(name=f"allow-{name}", steps=tuple(allow), after=after and ("start-xcatd",))
    yield Stage(name=f"configure-{name}", steps=tuple(make), after=after and (*after, f"allow-{name}"))
    yield Stage(name=f"start-{name}", steps=tuple(_starts(taking, services)), after=(f"configure-{name}",))
    yield Stage(name=f"tell-{name}", steps=tuple(leases), after=(f"start-{name}",))


def _leases(taking: Taking, service: Service) -> bool:
    """Whether a service is one of those whose configuration makedhcp writes now."""
    return not taking.complete and taking.dhcp != "" and service.name.startswith((taking.dhcp, "kea-"))


def _consoles(taking: Taking, group: tuple[Service, ...], console: str) -> Iterator[Step]:
    if not taking.complete and console in {service.name for service in group}:
        yield MakeConsoles(node=taking.node, console=console, expected=taking.before.consoles)


def _zones(taking: Taking) -> Iterator[Step]:
    if not taking.complete and taking.cluster.features.dns:
        server = taking.cluster.virtual_ip.address
        yield MakeDns(node=taking.node, server=server, samples=taking.before.samples)


def _starts(taking: Taking, group: tuple[Service, ...]) -> Iterator[Step]:
    for service in group:
        start = StartXcatd if service.name == "xcatd" else StartService
        yield start(node=taking.node, service=service, unit=taking.units[service.name])


def _exported(taking: Taking) -> Iterator[Step]:
    """Guide step 10: the exports as they were, or, if nobody knows, as this node's own /etc/exports has them."""
    cluster, exports = taking.cluster, taking.before.exports
    if cluster.features.nfs and exports:
        yield ExportShared(node=taking.node, exports=exports, server=cluster.virtual_ip.address)
    elif cluster.features.nfs and not taking.complete:
        yield ExportAgain(node=taking.node, mount_points=mount_points_of(cluster.file_systems))


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
