"""The checks of a procedure's beginning, put together: of one node, and of the pair."""

from __future__ import annotations

from pathlib import PurePosixPath

from hamn_flow.errors import Refused
from hamn_flow.facts.node import Nodes
from hamn_flow.model.command import NodeName
from hamn_flow.model.pair import Cluster, Engine
from hamn_flow.steps.checks import (
    ArpingThere,
    ClocksAgree,
    Reachable,
    SameDatabase,
    SameSystem,
    SameXcat,
    StorageThere,
    UnitsThere,
    VirtualIpNotKept,
    VirtualIpResolves,
    daemons_of,
)
from hamn_flow.steps.databases import database_unit
from hamn_flow.steps.postgresql import PostgresqlAdmits
from hamn_flow.steps.step import Check


def of_node(nodes: Nodes, node: NodeName) -> tuple[Check, ...]:
    """That a node could take the role: it answers, has what it needs, and would be admitted."""
    cluster = nodes.cluster
    postgresql = cluster.database.engine is Engine.POSTGRESQL
    unit = database_unit(nodes[node], cluster.database) if postgresql else ""
    checks: list[Check] = [
        Reachable(node=node),
        StorageThere(node=node, file_systems=cluster.file_systems),
        UnitsThere(node=node, services=daemons_of(cluster, unit)),
        ArpingThere(node=node),
        VirtualIpResolves(node=node, virtual_ip=cluster.virtual_ip),
        VirtualIpNotKept(node=node, virtual_ip=cluster.virtual_ip),
    ]
    if postgresql:
        addresses = tuple(spec.address for spec in cluster.nodes)
        checks.append(
            PostgresqlAdmits(node=node, database=cluster.database, virtual_ip=cluster.virtual_ip, addresses=addresses)
        )
    return tuple(checks)


def of_pair(cluster: Cluster, node: NodeName) -> tuple[Check, ...]:
    """That both nodes are alike: system, xCAT, database and clock."""
    other = cluster.peer_of(node)
    checks: list[Check] = [
        SameSystem(node=node, other=other),
        SameXcat(node=node, other=other),
        ClocksAgree(node=node, other=other),
    ]
    if cluster.database.engine is Engine.POSTGRESQL:
        checks.append(SameDatabase(node=node, other=other, database=cluster.database))
    return tuple(checks)


def dump_directory(cluster: Cluster, given: str) -> str:
    """The directory that the dump option names; Refused if it lies on what will be unmounted."""
    path = PurePosixPath(given)
    if not path.is_absolute() or ".." in path.parts:
        raise Refused(f"dump={given} is no absolute path", hint="Name a directory such as /var/backups.")
    for file_system in cluster.file_systems:
        if path.is_relative_to(file_system.mount_point):
            raise Refused(
                f"dump={given} lies on the shared file system {file_system.mount_point}",
                hint="Name a directory of the node's own, such as /var/backups.",
            )
    return str(path)
