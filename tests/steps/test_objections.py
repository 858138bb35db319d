"""Never two active nodes: every act and every undo that gives a node part of the role asks the other node first."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from hamn_flow.simulator.faults import Fails, Strikes
from hamn_flow.simulator.state import Mount, Process
from hamn_flow.steps.step import Check, Step
from tests.steps.conftest import MN1, MN2, Pair, new_pair

ADD_ADDRESS = ("ip", "addr", "add", "10.97.0.100/24", "brd", "+", "dev", "eth0", "label", "eth0:0")

# What the other node may still have, and the words in which it is objected to.
STILL: dict[str, tuple[Callable[[Pair, str], None], str]] = {
    "it does not answer": (lambda pair, other: pair.world.power_off(other), "silence is not proof"),
    "its answer makes no sense": (
        lambda pair, other: pair.world.fault(
            Fails(node=other, words=("mounts.pl",), strikes=Strikes.LOOKS, times=0, errors="perl: not found\n")
        ),
        "it cannot be read whether",
    ),
    "it has the address": (
        lambda pair, other: _run(pair, other, *ADD_ADDRESS),
        "has the virtual IP 10.97.0.100 on eth0",
    ),
    "it has a file system mounted": (
        lambda pair, other: _run(pair, other, "mount", "-t", "ext4", "-o", "rw", _device(pair), "/tftpboot"),
        "has /tftpboot mounted at /tftpboot",
    ),
    "a container of it has one mounted": (
        lambda pair, other: pair.world.node(other).mounts.append(
            Mount("tftpboot", "/dev/sdx5", "/srv/tftp", "ext4", "ro", own=False, pid=4711)
        ),
        "has /tftpboot mounted at /srv/tftp in the mount namespace of process 4711",
    ),
    "it unmounted one lazily": (
        lambda pair, other: pair.world.node(other).lingering.add("tftpboot"),
        "has /tftpboot unmounted, but its kernel still holds it",
    ),
    "it runs xcatd, started past systemd": (
        lambda pair, other: pair.world.node(other).processes.update({9: _process("xcatd: SSL listener")}),
        "runs xCAT's daemon (process 9, xcatd: SSL listener)",
    ),
    "it runs the database": (
        lambda pair, other: _active(pair, other, "postgresql@15-main.service"),
        "runs the database: its unit postgresql@15-main.service is active",
    ),
}

# Every step of both halves that gives a node part of the role: when acting, and when undone.
ACTS = [
    "mn2.claim-virtual-ip",
    "mn2.announce-virtual-ip",
    "mn2.mount./etc/xcat",
    "mn2.start.database",
    "mn2.await.database",
    "mn2.start.xcatd",
    "mn2.start.named",
    "mn2.makedns",
    "mn2.makedhcp",
    "mn2.start.dhcp",
    "mn2.makedhcp-nodes",
    "mn2.start.conserver",
    "mn2.start.httpd",
    "mn2.start.nfs",
    "mn2.export",
]
UNDOS = [
    "mn1.stop.conserver",
    "mn1.stop.dhcp",
    "mn1.stop.named",
    "mn1.stop.xcatd",
    "mn1.stop.httpd",
    "mn1.stop.nfs",
    "mn1.unexport",
    "mn1.stop.database",
    "mn1.unmount./etc/xcat",
    "mn1.release-virtual-ip",
]
# These give nothing of the role, or take it away.
HARMLESS = ("dump", "mark", "hold", "allow", "host-name", "nameserver", "consoles")


def _run(pair: Pair, node: str, *words: str) -> None:
    assert pair.world.run(node, *words).status == 0


def _device(pair: Pair) -> str:
    return pair.cluster.file_systems[-1].device


def _process(title: str) -> Process:
    return Process(9, 1, "root", "session-1.scope", title, title)


def _active(pair: Pair, node: str, unit: str) -> None:
    pair.world.node(node).units[unit].active_state = "active"


def let_go() -> Pair:
    """Both nodes hold nothing: between the two halves of a failover."""
    pair = new_pair()
    pair.world.restore(_let_go())
    return pair


@cache
def _let_go() -> bytes:
    pair = new_pair()
    pair.go_through("deactivate", node=MN1)
    return pair.world.snapshot()


@cache
def planned() -> dict[str, Step]:
    return {step.name: step for step in new_pair().steps("planned-failover", dump="/var/backups")}


@pytest.mark.parametrize("still", STILL)
@pytest.mark.parametrize("name", ACTS)
def test_nothing_is_taken_from_a_node_that_has_not_let_go(name: str, still: str) -> None:
    pair, step = let_go(), planned()[name]
    make, words = STILL[still]
    make(pair, "mn1")
    objection = step.objection(pair.nodes)
    assert objection is not None
    assert "mn1" in objection
    assert words in objection


@pytest.mark.parametrize("still", STILL)
@pytest.mark.parametrize("name", UNDOS)
def test_nothing_is_taken_back_from_a_node_that_has_not_let_go(name: str, still: str) -> None:
    pair, step = let_go(), planned()[name]
    make, words = STILL[still]
    make(pair, "mn2")
    objection = step.objection_to_undo(pair.nodes)
    assert objection is not None
    assert "mn2" in objection
    assert words in objection


def test_no_step_that_gives_part_of_the_role_is_left_out_of_these_tables() -> None:
    steps = planned().values()
    acting = [step for step in steps if not isinstance(step, Check) and not step.what.startswith(HARMLESS)]
    on = {node: {step.name for step in acting if step.node == node} for node in (MN1, MN2)}
    by_kind = {name.partition("./")[0] for name in (*ACTS, *UNDOS)}
    assert {name.partition("./")[0] for name in on[MN1] | on[MN2]} == by_kind


@pytest.mark.parametrize("name", ["mn2.claim-virtual-ip", "mn2.mount./etc/xcat"])
def test_a_node_that_has_let_go_is_not_objected_to(name: str) -> None:
    pair = let_go()
    assert planned()[name].objection(pair.nodes) is None


@pytest.mark.parametrize("name", UNDOS[-2:])
def test_nor_when_going_back(name: str) -> None:
    pair = let_go()
    assert planned()[name].objection_to_undo(pair.nodes) is None


@pytest.mark.parametrize("service", ["named", "dhcp", "conserver", "httpd", "nfs"])
def test_a_daemon_is_not_started_beside_the_other_nodes_own(service: str) -> None:
    pair, step = let_go(), planned()[f"mn2.start.{service}"]
    _active(pair, "mn1", next(unit for unit in pair.world.node("mn1").units if service in _called(pair, unit)))
    assert f"mn1 runs {service}" in (step.objection(pair.nodes) or "")


def _called(pair: Pair, unit: str) -> set[str]:
    """The services that a unit is, by the cluster's own words."""
    names = {name.removesuffix(".service") for name in pair.world.node("mn1").units[unit].names}
    return {service.name for service in pair.cluster.services if names & set(service.units)}


@pytest.mark.parametrize("name", ["mn2.start.database", "mn2.start.xcatd", "mn2.start.nfs", "mn2.export"])
def test_nothing_starts_on_the_nodes_own_files(name: str) -> None:
    pair, step = let_go(), planned()[name]
    assert "/etc/xcat is not mounted from" in (step.objection(pair.nodes) or "")
    for file_system in pair.cluster.file_systems:
        words = ("mount", "-t", "ext4", "-o", "rw", file_system.device, file_system.mount_point)
        _run(pair, "mn2", *words)
    assert step.objection(pair.nodes) == "mn2 does not have the virtual IP 10.97.0.100"
    _run(pair, "mn2", *ADD_ADDRESS)
    assert step.objection(pair.nodes) is None


def test_nothing_is_mounted_below_a_running_xcatd() -> None:
    pair, step = let_go(), planned()["mn2.mount./etc/xcat"]
    pair.world.node("mn2").processes[9] = _process("xcatd: SSL listener")
    assert "must be stopped before anything is mounted" in (step.objection(pair.nodes) or "")


def test_an_address_that_anybody_else_answers_for_is_not_claimed() -> None:
    pair = let_go()
    words = ("arping", "-0") if pair.world.node("mn2").arping == "habets" else ("arping", "-D")
    said = "--- 10.97.0.100 statistics ---\n2 packets transmitted, 2 packets received,   0% unanswered (0 extra)\n"
    pair.world.fault(Fails(node="mn2", words=words, strikes=Strikes.LOOKS, status=0, output=said))
    objection = planned()["mn2.claim-virtual-ip"].objection(pair.nodes)
    assert objection is not None
    assert "somebody answers ARP for 10.97.0.100, asked from mn2, and neither node has it: find" in objection


def test_a_marker_is_written_only_on_what_is_mounted() -> None:
    pair = let_go()
    objection = planned()["mn1.mark./install"].objection(pair.nodes)
    assert objection == "/install on mn1: not mounted"
