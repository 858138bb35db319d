"""Which services start and stop side by side, and which keep the place that the site gave them."""

from __future__ import annotations

import pytest

from hamn_flow.cluster import services as known
from hamn_flow.model.pair import Features, Service
from hamn_flow.steps import order


def of(names: str) -> tuple[Service, ...]:
    return tuple(known.KNOWN.get(name) or Service(name=name, units=(name,)) for name in names.split())


def spoken(groups: tuple[tuple[Service, ...], ...]) -> list[str]:
    return [" ".join(service.name for service in group) for group in groups]


@pytest.mark.parametrize(
    ("services", "starting", "stopping"),
    [
        (
            "nfs named xcatd httpd dhcp conserver",
            ["nfs named httpd", "xcatd", "dhcp conserver"],
            ["conserver dhcp httpd xcatd named nfs"],
        ),
        ("dhcp conserver xcatd", ["xcatd", "dhcp conserver"], ["xcatd conserver dhcp"]),  # T26
        ("xcatd", ["xcatd"], ["xcatd"]),
        ("named licences xcatd dhcp", ["named", "licences", "xcatd", "dhcp"], ["dhcp xcatd", "licences", "named"]),
        (
            "nfs xcatd hdwr_svr teal conserver",
            ["nfs", "xcatd", "hdwr_svr", "teal", "conserver"],
            ["conserver", "teal", "hdwr_svr", "xcatd nfs"],
        ),
        ("", [], []),
    ],
)
def test_neighbours_that_need_nothing_of_each_other_go_together(
    services: str, starting: list[str], stopping: list[str]
) -> None:
    assert spoken(order.starting(of(services))) == starting
    assert spoken(order.stopping(of(services))) == stopping


def test_a_stage_is_named_after_its_chief_service() -> None:
    assert [order.chief(group) for group in order.stopping(of("nfs xcatd httpd"))] == ["xcatd"]
    assert [order.chief(group) for group in order.starting(of("nfs named xcatd"))] == ["nfs", "xcatd"]


def test_no_service_is_lost() -> None:
    everything = tuple(known.KNOWN.values())
    for groups in (order.starting(everything), order.stopping(everything)):
        assert sorted(service.name for group in groups for service in group) == sorted(known.KNOWN)
    assert order.starting(known.of(Features()))
