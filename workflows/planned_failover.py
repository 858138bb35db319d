"""Planned failover: the active node lets go of the role, and the standby takes it.

The guide's planned failover (L445-L567): first everything is checked on both nodes, then the one lets go (deactivate)
and the other takes over (activate). It has no point of no return: the data lies on the shared disks, so that going
back leads to where it began.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hamn_flow.catalog import Site, Workflow
from hamn_flow.errors import Refused
from hamn_flow.model.command import NodeName
from hamn_flow.steps.checks import IsActive, IsStandby, NfsClientsToldOf, RoomForDump, holder_of_address
from hamn_flow.steps.file_systems import MarkersOurs
from hamn_flow.steps.preflight import dump_directory, of_node, of_pair
from hamn_flow.steps.step import Check, Stage
from hamn_flow.steps.tables import DhcpOnInterface, NodesAskVirtualIp


def stages(site: Site) -> Iterator[Stage]:
    """The checks of both nodes, then the two halves without their own: who claims the address asks for it again."""
    active = _active(site)
    standby = site.cluster.peer_of(active)
    dump = {"dump": site.options["dump"]} if "dump" in site.options else {}
    release = site.stages_of("deactivate", node=active, **dump)
    acquire = site.stages_of("activate", node=standby)
    yield Stage(name="check", steps=_checks(site, active, standby))
    release = [stage for stage in release if stage.name not in {"check", "address-free"}]
    yield from release
    yield from (_after_release(stage, release) for stage in acquire if stage.name != "check")


def _after_release(stage: Stage, release: Sequence[Stage]) -> Stage:
    """What needs only the checks of who takes the role needs here that the other has let go.

    And no daemon may start on one node before the other's are kept from starting: before all is done there.
    """
    if stage.after is None:
        return stage
    names = tuple(one.name for one in release)
    let_go = ("release-virtual-ip",) if "release-virtual-ip" in names else names
    after = [one for name in stage.after for one in (let_go if name == "check" else (name,))]
    return replace(stage, after=(*after, *(names if stage.name == "allow" else ())))


def _active(site: Site) -> NodeName:
    """The node that has the virtual IP now."""
    active = holder_of_address(site.nodes)
    if active is None:
        address = site.cluster.virtual_ip.address
        first, second = (spec.name for spec in site.cluster.nodes)
        raise Refused(
            f"neither {first} nor {second} has the virtual IP {address}, so there is nothing to fail over from",
            hint=f"Type hamn-flow start activate node={first}, or node={second}, to bring one up.",
        )
    if "to" in site.options and site.node_named("to") == active:
        raise Refused(f"{active} is the active node already", hint="Leave out to=, or name the other node.")
    return active


def _checks(site: Site, active: NodeName, standby: NodeName) -> tuple[Check, ...]:
    checks: list[Check] = [
        *of_node(site.nodes, active),
        *of_node(site.nodes, standby),
        IsActive(node=active),
        IsStandby(node=standby),
        *of_pair(site.cluster, active),
    ]
    checks.append(MarkersOurs(node=active, file_systems=site.cluster.file_systems, cluster=site.cluster.name))
    addresses = tuple(spec.address for spec in site.cluster.nodes)
    checks.append(NodesAskVirtualIp(node=active, addresses=addresses))
    if site.cluster.features.dhcp:
        checks.append(DhcpOnInterface(node=active, virtual_ip=site.cluster.virtual_ip))
    if site.cluster.features.nfs:
        checks.append(NfsClientsToldOf(node=active))
    if "dump" in site.options:
        checks.append(RoomForDump(node=active, directory=dump_directory(site.cluster, site.options["dump"])))
    return tuple(checks)


workflow = Workflow(
    stages=lambda site: tuple(stages(site)),
    options={
        "to": "the node that is to be active afterwards; refused if it is already",
        "dump": "a directory outside the shared disks, below which xCAT's tables are dumped first",
    },
)
