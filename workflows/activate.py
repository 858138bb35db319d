"""Activate: one node takes the role, once the other one has let go.

The guide's "On the new primary management node" (L495-L567): the virtual IP is found free, claimed and announced,
the shared file systems are mounted and recognised, the database is started and answers, then xCAT and the other
daemons; DNS, DHCP, consoles and NFS exports are made anew and proven by what they answer. Also for a node that comes
back from its own reboot. On the node that has the role nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hamn_flow.catalog import Site, Workflow
from hamn_flow.facts.exports import Export
from hamn_flow.facts.xcat import Consoles
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster, Engine, Service
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
from hamn_flow.steps.services import AllowService, HoldBack, StartService, unit_of
from hamn_flow.steps.step import Stage, Step
from hamn_flow.steps.xcat import (
    MakeConsoles,
    MakeDhcp,
    MakeLeases,
    StartXcatd,
    TablesReadable,
    XcatAnswers,
    leased,
)

NEED_XCATD = ("dhcp", "kea", "conserver", "goconserver")  # their configuration is made by xCAT's own commands


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
    """The stages in the guide's order, for the node that the option names."""
    node, cluster = site.node_named("node"), site.cluster
    services = _starting_order(cluster.services)
    postgresql = cluster.database.engine is Engine.POSTGRESQL
    taking = Taking(
        node=node,
        cluster=cluster,
        before=_before(site),
        complete=not lacking_of_role(site.nodes, node),
        units={service.name: unit_of(site.nodes[node], service) for service in services},
        database=database_unit(site.nodes[node], cluster.database) if postgresql else "",
    )
    peer = cluster.peer_of(node)
    others = (Reachable(node=peer), IsStandby(node=peer))
    yield Stage(name="check", steps=(*of_node(site.nodes, node), *others, *of_pair(cluster, node)))
    yield from _address(taking)
    yield _allowed(taking)
    yield from _file_systems(taking)
    yield from _database(taking)
    for number, service in enumerate(services, start=1):
        yield from _started(taking, service)
        if service.name == "nfs" and cluster.features.nfs:
            yield from _exported(taking)
        yield from _names(taking, started={one.name for one in services[:number]}, last=service.name)
    if cluster.features.resolver:
        resolver = UseNameserver(node=node, address=cluster.virtual_ip.address)
        yield Stage(name="nameserver", steps=(resolver,))
    yield _accepted(taking)


def _address(taking: Taking) -> Iterator[Stage]:
    """Guide step 1: the virtual IP, and the name that goes with it."""
    node, vip = taking.node, taking.cluster.virtual_ip
    yield Stage(name="address-free", steps=(AddressFree(node=node, virtual_ip=vip),))
    yield Stage(name="claim-virtual-ip", steps=(ClaimVirtualIp(node=node, virtual_ip=vip),))
    if not taking.complete:
        yield Stage(name="announce-virtual-ip", steps=(AnnounceVirtualIp(node=node, virtual_ip=vip),))
    if taking.cluster.features.set_host_name:
        yield Stage(name="host-name", steps=(SetHostName(node=node, host_name=vip.host_name),))


def _allowed(taking: Taking) -> Stage:
    """The daemons may start again; but DHCP not before its turn, as starting xcatd may bring it up (T26)."""
    units = {**taking.units, **({"database": taking.database} if taking.database else {})}
    late = set() if taking.complete else {taking.dhcp}
    steps = tuple(
        (HoldBack if name in late else AllowService)(node=taking.node, subject=name, unit=unit)
        for name, unit in units.items()
    )
    return Stage(name="allow", steps=steps)


def _file_systems(taking: Taking) -> Iterator[Stage]:
    """Guide step 3; then what is mounted must be the pair's own, and xCAT set to the pair's database."""
    node, cluster, vip = taking.node, taking.cluster, taking.cluster.virtual_ip
    for depth, layer in enumerate(layers(cluster.file_systems)):
        inner = f"-{depth}" if depth else ""
        yield Stage(name=f"mount{inner}", steps=tuple(Mount(node=node, file_system=one) for one in layer))
    marked = taking.before.holder not in {None, node}  # the node that let go has seen or written the markers
    identity: list[Step] = [
        CheckIdentity(node=node, file_system=one, cluster=cluster.name, marked=marked) for one in cluster.file_systems
    ]
    engine = cluster.database.engine
    identity.append(RecogniseDatabase(node=node, engine=engine, host=vip.address, host_name=vip.host_name))
    yield Stage(name="recognise", steps=tuple(identity))
    if not marked and not taking.complete:
        markers = (WriteMarker(node=node, file_system=one, cluster=cluster.name) for one in cluster.file_systems)
        yield Stage(name="mark", steps=tuple(markers))


def _database(taking: Taking) -> Iterator[Stage]:
    """Guide step 4."""
    node, cluster, unit = taking.node, taking.cluster, taking.database
    if unit:
        service, data = database_service(unit), cluster.database.data_directory
        start = StartDatabase(node=node, service=service, unit=unit, data_directory=data)
        yield Stage(name="start-database", steps=(start,))
    vip = cluster.virtual_ip
    answers = DatabaseAnswers(node=node, master=vip.address, host_name=vip.host_name)
    yield Stage(name="database-answers", steps=(answers,))


def _started(taking: Taking, service: Service) -> Iterator[Stage]:
    """Guide steps 5 and 7: a daemon, and what xCAT makes for it."""
    node, name, unit = taking.node, service.name, taking.units[service.name]
    start: Step = StartService(node=node, service=service, unit=unit)
    if name == "xcatd":
        start = StartXcatd(node=node, service=service, unit=unit)
    started = Stage(name=f"start-{name}", steps=(start,))
    consoles = MakeConsoles(node=node, console=name, expected=taking.before.consoles)
    listed = Stage(name="consoles", steps=(consoles,))
    if taking.complete or name not in {taking.dhcp, "conserver", "goconserver"}:
        yield started
    elif name == "conserver":  # it reads its list when it starts
        yield from (listed, started)
    elif name == "goconserver":  # it is told its list while it runs
        yield from (started, listed)
    else:
        also = tuple(one for other, one in taking.units.items() if other.startswith("kea-"))
        yield Stage(name=f"allow-{name}", steps=(AllowService(node=node, subject=name, unit=unit),))
        yield Stage(name="makedhcp", steps=(MakeDhcp(node=node, service=service, unit=unit, also=also),))
        yield started
        yield Stage(name="makedhcp-nodes", steps=(MakeLeases(node=node, samples=taking.before.leases),))


def _names(taking: Taking, *, started: set[str], last: str) -> Iterator[Stage]:
    """Zones, once both xcatd and named run: makedns asks the one and starts the other anew."""
    needs = {"xcatd", "named"}
    if taking.cluster.features.dns and not taking.complete and last in needs and needs <= started:
        server = taking.cluster.virtual_ip.address
        make = MakeDns(node=taking.node, server=server, samples=taking.before.samples)
        yield Stage(name="makedns", steps=(make,))


def _exported(taking: Taking) -> Iterator[Stage]:
    """Guide step 10: the exports as they were, or, if nobody knows, as this node's own /etc/exports has them."""
    cluster, exports = taking.cluster, taking.before.exports
    if exports:
        shared = ExportShared(node=taking.node, exports=exports, server=cluster.virtual_ip.address)
        yield Stage(name="export", steps=(shared,))
    elif not taking.complete:
        again = ExportAgain(node=taking.node, mount_points=mount_points_of(cluster.file_systems))
        yield Stage(name="export", steps=(again,))


def _accepted(taking: Taking) -> Stage:
    """At the end xCAT answers, and what it answers is the pair's."""
    cluster, vip = taking.cluster, taking.cluster.virtual_ip
    engine = ENGINES[cluster.database.engine]
    answers = XcatAnswers(node=taking.node, engine=engine, master=vip.address, host_name=vip.host_name)
    return Stage(name="accept", steps=(answers, TablesReadable(node=taking.node, count=taking.before.nodes)))


def _starting_order(services: tuple[Service, ...]) -> tuple[Service, ...]:
    """The site's own order, but what xCAT's commands write the configuration of comes after xcatd (T26)."""
    names = [service.name for service in services]
    if "xcatd" not in names:
        return services
    place = names.index("xcatd")
    late = tuple(service for service in services[:place] if service.name in NEED_XCATD)
    early = tuple(service for service in services[:place] if service.name not in NEED_XCATD)
    return (*early, services[place], *late, *services[place + 1 :])


def _before(site: Site) -> Before:
    """What must be so afterwards as well, read from the node that has the role now."""
    cluster, holder = site.cluster, holder_of_address(site.nodes)
    if holder is None:
        return Before(holder=None)
    node, features = site.nodes[holder], cluster.features
    names = node_names(node)
    return Before(
        holder=holder,
        exports=shared_exports(node, mount_points_of(cluster.file_systems)) if features.nfs else (),
        nodes=len(names) or None,
        samples=resolvable(node) if features.dns else (),
        leases=leased(node) if features.dhcp else (),
        consoles=node.get(Consoles(features.console)) if features.console else (),
    )


workflow = Workflow(stages=lambda site: tuple(stages(site)), options={"node": "the node that takes the role"})
