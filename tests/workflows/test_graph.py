"""Whatever services a site has, and in whatever order: no stage begins before what it needs.

The order is that of the graph, not of the plan: two stages of which neither comes after the other run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamn_flow.catalog import Catalog
from hamn_flow.cluster.services import KNOWN
from hamn_flow.engine.plan import stages_for
from hamn_flow.model.pair import Cluster, Features, Service
from hamn_flow.simulator.standard import DatabaseName, standard_cluster
from hamn_flow.steps import order
from hamn_flow.steps.services import StartService
from hamn_flow.steps.step import Stage, Step
from tests.steps.conftest import Pair, new_pair

CATALOG = Catalog.load()
PROCEDURES = {"planned-failover": {}, "activate": {"node": "mn2"}, "deactivate": {"node": "mn1"}}
POOL = ("nfs", "ntp", "named", "httpd", "conserver", "hdwr_svr", "teal", "sites-own")
LET_GO = {"UnexportShared", "StopService", "StopDatabase", "HoldServices", "Unmount", "ReleaseVirtualIp"}
STARTS = {"StartService", "StartXcatd", "StartDatabase", "AwaitDatabase"}
MADE = {"MakeDns", "MakeDhcp", "MakeLeases", "MakeConsoles"}
FIRST_THEN: list[tuple[set[str], set[str]]] = [  # kinds of steps: each of the first before each of the second
    ({"StopService", "UnexportShared", "StopDatabase"}, {"Unmount"}),
    ({"Unmount"}, {"ReleaseVirtualIp"}),
    (LET_GO, STARTS | {"AllowServices"}),
    ({"Unmount", "ReleaseVirtualIp"}, {"Mount", "ClaimVirtualIp"}),
    ({"Mount"}, {"CheckIdentity", "RecogniseDatabase"}),
    ({"CheckIdentity", "RecogniseDatabase"}, STARTS | {"AllowServices", "AnnounceVirtualIp"}),
    ({"ClaimVirtualIp"}, STARTS | {"AnnounceVirtualIp"}),
    ({"StartDatabase", "DatabaseAnswers"}, {"StartXcatd"}),
    ({"StartXcatd", "NodesDefined"}, MADE),
    ({"MakeDhcp"}, {"MakeLeases"}),
    ({"MakeDns"}, {"UseNameserver"}),
    (STARTS | MADE | {"UseNameserver", "ExportShared", "ExportAgain"}, {"XcatAnswers"}),
]
BY_NAME = [  # what a step is called, without its node: the first before the second
    ("start.named", "makedns"),
    ("start.nfs", "export"),
    ("consoles", "start.conserver"),
    ("allow.dhcp", "makedhcp"),
    ("makedhcp", "start.dhcp"),
    ("hold", "unmount./etc/xcat"),
]


@st.composite
def clusters(draw: st.DrawFn, database: DatabaseName) -> Cluster:
    """A site's services in its own order, xcatd among them; some are not xCAT's own."""
    names = draw(st.permutations([*draw(st.lists(st.sampled_from(POOL), unique=True)), "xcatd"]))
    dhcp = draw(st.sampled_from(["", "isc", "kea"]))
    names = draw(st.permutations([*names, *{"": (), "isc": ("dhcp",), "kea": ("kea", "kea-dhcp6")}[dhcp]]))
    features = Features(
        nfs="nfs" in names,
        dns="named" in names,
        dhcp=dhcp,
        console="conserver" if "conserver" in names else "",
        set_host_name=draw(st.booleans()),
    )
    services = tuple(KNOWN.get(name) or Service(name=name, units=(name,)) for name in names)
    return replace(standard_cluster(database), services=services, features=features)


def planned(pair: Pair, cluster: Cluster, procedure: str) -> tuple[Stage, ...]:
    nodes = replace(pair, cluster=cluster).nodes
    return stages_for(CATALOG, procedure, PROCEDURES[procedure], nodes, "aaaaaa")


def before(stages: tuple[Stage, ...]) -> dict[str, set[str]]:
    """For each stage all that are settled when it begins."""
    found: dict[str, set[str]] = {}
    for stage in stages:
        found[stage.name] = (
            set(found) if stage.after is None else {*stage.after}.union(*(found[x] for x in stage.after))
        )
    return found


def astray(stages: tuple[Stage, ...]) -> Iterator[str]:
    """What may begin before something that it needs."""
    earlier = before(stages)
    steps = [(stage.name, step) for stage in stages for step in stage.steps]

    def pairs(first: tuple[str, Step], then: tuple[str, Step]) -> bool:
        kinds = type(first[1]).__name__, type(then[1]).__name__
        same_node = first[1].node == then[1].node
        return any(kinds[0] in one and kinds[1] in other for one, other in FIRST_THEN) or (
            same_node and (first[1].what, then[1].what) in BY_NAME
        )

    for first in steps:
        for then in steps:
            if pairs(first, then) and first[0] not in earlier[then[0]]:
                yield f"{then[1].name} ({then[0]}) may begin before {first[1].name} ({first[0]})"
    for place, stage in enumerate(stages):
        started = [step.service for step in stage.steps if isinstance(step, StartService)]
        unknown = [service.name for service in started if service.name != "database" and not order.known((service,))]
        if unknown and {one.name for one in stages[:place]} != earlier[stage.name]:
            yield f"{unknown[0]}, of which it is not known what it needs, does not wait for all before it"
        if unknown and any(stage.name not in earlier[one.name] for one in stages[place + 1 :]):
            yield f"{unknown[0]}, of which it is not known who needs it, is not waited for by all after it"


@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_nothing_begins_before_what_it_needs(procedure: str, database: DatabaseName) -> None:
    pair = new_pair(database)

    @settings(max_examples=40, deadline=None)
    @given(cluster=clusters(database))
    def hold(cluster: Cluster) -> None:
        assert list(astray(planned(pair, cluster, procedure))) == []

    hold()
