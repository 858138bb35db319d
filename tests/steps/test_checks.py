"""The checks before anything is touched: each by what it refuses, and in which words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamn_flow.facts.node import Nodes
from hamn_flow.model.probe import Finding
from hamn_flow.simulator.state import NfsClient, Node
from hamn_flow.steps.checks import compare
from hamn_flow.steps.postgresql import admitted
from tests.steps.conftest import Pair, new_pair


def _tables(pair: Pair) -> dict[str, list[dict[str, str]]]:
    return pair.world.state.disks["postgresql"].databases["/15/main"]


def _site(pair: Pair, key: str, value: str) -> None:
    for row in _tables(pair)["site"]:
        if row["key"] == key:
            row["value"] = value


def _hosts(node: Node, old: str, new: str) -> None:
    file = node.root.files["/etc/hosts"]
    file.content = file.content.replace(old, new)


def _postgres(node: Node, **fields: object) -> None:
    for name, value in fields.items():
        setattr(node.postgres, name, value)


def _skewed(pair: Pair) -> None:
    pair.world.node("mn2").clock_offset = 60.0


REFUSED: dict[str, tuple[str, Callable[[Pair], object], str]] = {
    "unreachable": ("mn2.reachable", lambda pair: pair.world.power_off("mn2"), "mn2 does not answer"),
    "no device": (
        "mn2.storage",
        lambda pair: pair.world.node("mn2").disks.pop("install"),
        "mn2 does not see /dev/disk/by-uuid/5e1f0c6a-0000-4000-8000-000000000002",
    ),
    "no mount point": (
        "mn2.storage",
        lambda pair: pair.world.node("mn2").root.directories.pop("/install"),
        "/install is no directory on mn2",
    ),
    "no unit": (
        "mn2.units",
        lambda pair: pair.world.node("mn2").units.pop("conserver.service"),
        "mn2 has no unit for conserver (conserver or conserver-server)",
    ),
    "no arping": ("mn2.arping", lambda pair: setattr(pair.world.node("mn2"), "arping", ""), "arping is not installed"),
    "name unknown": (
        "mn2.virtual-ip-resolves",
        lambda pair: _hosts(pair.world.node("mn2"), "10.97.0.100 mn mn.lab\n", ""),
        "mn is not known on mn2, not 10.97.0.100",
    ),
    "name elsewhere": (
        "mn2.virtual-ip-resolves",
        lambda pair: _hosts(pair.world.node("mn2"), "10.97.0.100 mn ", "10.97.0.99 mn "),
        "mn is 10.97.0.99 on mn2",
    ),
    "deaf": (
        "mn2.postgresql-admits",
        lambda pair: _postgres(pair.world.node("mn2"), listen_addresses="localhost"),
        "listen_addresses is 'localhost', without 10.97.0.100",
    ),
    "turned away (#4067)": (
        "mn2.postgresql-admits",
        lambda pair: _postgres(pair.world.node("mn2"), access=["host all all 10.97.0.100/32 md5"]),
        "the access list does not admit 10.97.0.11; the access list does not admit 10.97.0.12",
    ),
    "not active": (
        "mn1.is-active",
        lambda pair: pair.world.run("mn1", "systemctl", "stop", "xcatd"),
        "mn1 is not the active node, it lacks xCAT's daemon",
    ),
    "not a standby": (
        "mn2.is-standby",
        lambda pair: pair.world.run("mn2", "systemctl", "start", "named"),
        "mn2 is not a clean standby: mn2 runs named: its unit named.service is active",
    ),
    "systems differ": (
        "mn1.same-system",
        lambda pair: setattr(
            pair.world.node("mn2").root.files["/etc/os-release"], "content", 'ID=debian\nVERSION_ID="13"\n'
        ),
        "debian 12 on mn1, debian 13 on mn2",
    ),
    "xCAT differs": (
        "mn1.same-xcat",
        lambda pair: setattr(pair.world.node("mn2"), "xcat_version", "2.9.1"),
        "xCAT is 2.19.0 on mn1 and 2.9.1 on mn2",
    ),
    "database differs": (
        "mn1.same-database",
        lambda pair: _postgres(pair.world.node("mn2"), version="16"),
        "PostgreSQL is 15 on mn1, 16 on mn2",
    ),
    "clocks differ": ("mn1.clocks-agree", _skewed, "the clocks of mn1 and mn2 differ by 60.0 s, 5 s are allowed"),
    "no room": (
        "mn1.room-for-dump",
        lambda pair: setattr(pair.world.node("mn1").root, "free_kib", 1000),
        "1000 KiB are free in /var/backups",
    ),
    "tables unread": (
        "mn1.nodes-ask-virtual-ip",
        lambda pair: pair.world.run("mn1", "systemctl", "stop", "xcatd"),
        "tabdump networks reads nothing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_before_anything_is_touched(case: str) -> None:
    name, spoil, words = REFUSED[case]
    pair = new_pair()
    step = pair.step("planned-failover", name, dump="/var/backups")
    assert step.probe(pair.nodes).finding is Finding.DONE
    spoil(pair)
    found = step.probe(pair.nodes)
    assert found.finding is Finding.TODO
    assert words in found.reason


WARNED: dict[str, tuple[str, Callable[[Pair], object], str]] = {
    "NFS clients": (
        "mn1.nfs-clients",
        lambda pair: pair.world.node("mn1").nfs_clients.extend(
            [NfsClient("10.97.0.21", "/install", "cn1"), NfsClient("10.97.0.22", "", "")]
        ),
        "will hang until the other node serves them: cn1 (/install), 10.97.0.22 (NFS 4)",
    ),
    "started at boot": (
        "mn2.units",
        lambda pair: setattr(pair.world.node("mn2").units["xcatd.service"], "unit_file_state", "enabled"),
        "started at boot, whoever has the role then: xcatd.service",
    ),
    "minor release": (
        "mn1.same-system",
        lambda pair: setattr(
            pair.world.node("mn2").root.files["/etc/os-release"], "content", 'ID=debian\nVERSION_ID="12.5"\n'
        ),
        "differ in their minor release",
    ),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_will_hurt_is_said_and_not_refused(case: str) -> None:
    name, spoil, words = WARNED[case]
    pair = new_pair()
    step = pair.step("planned-failover", name)
    assert step.probe(pair.nodes).warning == ""
    spoil(pair)
    found = step.probe(pair.nodes)
    assert found.finding is Finding.DONE
    assert words in found.warning


def test_an_unreachable_node_cannot_be_confirmed_away(pair: Pair) -> None:
    """A person may settle what is unknown; silence is a no."""
    step = pair.step("planned-failover", "mn2.reachable")
    pair.world.power_off("mn2")
    nodes: Nodes = pair.nodes
    assert step.probe(nodes).finding is Finding.TODO


def test_t27_an_alias_as_dhcp_interface_is_refused(pair: Pair) -> None:
    step = pair.step("planned-failover", "mn1.dhcp-interface")
    assert step.probe(pair.nodes).finding is Finding.DONE
    _site(pair, "dhcpinterfaces", "mn|eth0:0,eth1")
    found = step.probe(pair.nodes)
    assert found.finding is Finding.TODO
    assert "names the alias eth0:0" in found.reason


def test_t28_tables_that_point_at_one_node_are_named(pair: Pair) -> None:
    step = pair.step("planned-failover", "mn1.nodes-ask-virtual-ip")
    _site(pair, "nameservers", "10.97.0.11,10.97.0.12")
    _tables(pair)["noderes"][0]["xcatmaster"] = "10.97.0.11"
    warning = step.probe(pair.nodes).warning
    assert "site.nameservers=10.97.0.11,10.97.0.12" in warning
    assert "noderes.xcatmaster=10.97.0.11" in warning


@pytest.mark.parametrize("name", ["mn2.database-answers", "mn2.xcat-answers"])
def test_t28_site_master_must_be_the_virtual_ip(name: str, pair: Pair) -> None:
    step = pair.step("planned-failover", name)
    pair.go_through("planned-failover")
    assert step.probe(pair.nodes).finding is Finding.DONE
    _site(pair, "master", "10.97.0.12")
    assert step.probe(pair.nodes).reason == "site.master is 10.97.0.12, not the virtual IP 10.97.0.100"


@pytest.mark.parametrize(
    ("older", "newer"), [("2.6.9", "2.6.10"), ("2.9", "2.10"), ("9.4", "10"), ("2.19", "2.19.1"), ("9.6", "15")]
)
def test_t29_versions_are_compared_number_by_number(older: str, newer: str) -> None:
    assert compare(older, newer) < 0 < compare(newer, older)


@given(st.lists(st.integers(0, 99), min_size=1, max_size=4), st.integers(0, 3))
def test_t29_zeros_at_the_end_make_no_other_version(numbers: list[int], zeros: int) -> None:
    version = ".".join(map(str, numbers))
    assert compare(version, version + ".0" * zeros) == 0


@pytest.mark.parametrize(
    ("line", "admits"),
    [
        ("host all all 10.97.0.12/32 md5", True),
        ("host all all 10.97.0.0/24 scram-sha-256", True),
        ("host all all 10.97.0.0 255.255.255.0 md5", True),
        ("hostssl xcatdb,other xcatadm 10.97.0.12/32 md5", True),
        ("host all all samenet md5", True),
        ("host all all all md5", True),
        ("host all all 0.0.0.0/0 md5", True),
        ("host all all 10.97.0.11/32 md5", False),
        ("host other all 10.97.0.12/32 md5", False),
        ("host all all ::1/128 md5", False),
        ("host all all mn2.lab md5", False),
        ("local all all peer", False),
        ("host all all 10.97.0.12/32 reject", False),
    ],
)
def test_access_lists_are_read_as_postgresql_reads_them(line: str, admits: bool) -> None:
    assert admitted([line], "10.97.0.12") is admits


def test_the_first_line_that_fits_decides() -> None:
    reject, allow = "host all all 10.97.0.12/32 reject", "host all all 10.97.0.0/24 md5"
    assert not admitted([reject, allow], "10.97.0.12")
    assert admitted([allow, reject], "10.97.0.12")


def test_a_dump_counts_by_its_files(pair: Pair) -> None:
    """dumpxCATdb says that it is complete, and exits 0, whatever failed."""
    step = pair.step("planned-failover", "mn1.dump", dump="/var/backups")
    pair.reach(step)
    files = pair.world.node("mn1").root.files
    del files["/var/backups/hamn-flow-r1/policy.csv"]
    found = step.probe(pair.nodes)
    assert found.finding is Finding.PARTIAL
    assert "tables are missing" in found.reason
    pair.reach(step)
    files["/var/backups/hamn-flow-r1/site.csv"].content = ""
    assert step.probe(pair.nodes).reason == "/var/backups/hamn-flow-r1/site.csv is empty"
