"""The database serves as soon as it says so itself, and no earlier; systemd may take its time."""

from __future__ import annotations

import pytest

from hamn_flow.model.probe import Finding
from hamn_flow.simulator.state import File
from hamn_flow.steps.step import Failure, Step
from tests.steps.conftest import Pair, new_pair

VIP = "10.97.0.100/24"
UNIT, LOCK = "postgresql@15-main.service", "/15/main/postmaster.pid"


def on_its_way(pair: Pair) -> Step:
    """The start of the server on mn2, which was asked for while systemd still waits."""
    step = pair.step("planned-failover", "mn2.start.database")
    pair.go_through("planned-failover", until="mn2.start.database")
    pair.carry_out(step.apply(pair.nodes))
    pair.world.node("mn2").units[UNIT].settling = 1000
    return step


def lock_file(pair: Pair) -> File:
    return pair.world.state.disks["postgresql"].files[LOCK]


def test_a_server_that_says_that_it_is_ready_is_started_though_systemd_waits() -> None:
    pair = new_pair()
    found = on_its_way(pair).probe(pair.nodes)
    assert (found.finding, found.reason) == (Finding.DONE, "ready for connections")


@pytest.mark.parametrize(("old", "new"), [("ready", "starting"), ("ready   \n", ""), ("PID", "999999"), ("PID", "1")])
def test_what_does_not_say_so_itself_is_coming(old: str, new: str) -> None:
    """A server that recovers, one of PostgreSQL 9, and what a dead one of this or another host has left."""
    pair = new_pair()
    step, file = on_its_way(pair), lock_file(pair)
    pid = file.content.partition("\n")[0]
    file.content = file.content.replace(pid if old == "PID" else old, new)
    found = step.probe(pair.nodes)
    assert (found.finding, found.coming) == (Finding.PARTIAL, True)

    (waiting,) = step.remedy(pair.nodes, Failure(command=None, result=None, probe=found))
    assert waiting.text == f"systemctl start {UNIT}"
    pair.carry_out([waiting])
    assert step.probe(pair.nodes).finding is Finding.DONE


def test_a_start_that_systemd_has_not_come_to_yet_is_coming() -> None:
    pair = new_pair()
    step = pair.step("planned-failover", "mn2.start.database")
    pair.go_through("planned-failover", until="mn2.start.database")
    assert not step.probe(pair.nodes).coming
    pair.world.node("mn2").units[UNIT].due = True
    found = step.probe(pair.nodes)
    assert (found.finding, found.coming) == (Finding.PARTIAL, True)


def test_a_slow_start_is_not_waited_for_once_the_other_node_has_the_role() -> None:
    """To wait is to start it again where it has failed meanwhile."""
    pair = new_pair()
    step, file = on_its_way(pair), lock_file(pair)
    file.content = file.content.replace("ready", "starting")
    found = step.probe(pair.nodes)
    assert pair.world.run("mn1", "ip", "addr", "add", VIP, "brd", "+", "dev", "eth0", "label", "eth0:0").status == 0
    assert list(step.remedy(pair.nodes, Failure(command=None, result=None, probe=found))) == []


@pytest.mark.parametrize("on_its_way_then", [True, False])
def test_what_was_awaited_is_stopped_only_if_waiting_started_it(*, on_its_way_then: bool) -> None:
    pair = new_pair()
    awaited = pair.step("planned-failover", "mn2.await.database")
    start = on_its_way(pair)
    if not on_its_way_then:
        pair.carry_out(start.revert(pair.nodes, {"active": False}))
    seen = awaited.probe(pair.nodes).seen
    assert pair.reach(awaited) == [f"mn2: systemctl start {UNIT}"]
    undone = pair.carry_out(awaited.revert(pair.nodes, seen))
    assert undone == ([] if on_its_way_then else [f"mn2: systemctl stop {UNIT}"])
    assert awaited.reverted(pair.nodes, seen).finding is Finding.DONE
