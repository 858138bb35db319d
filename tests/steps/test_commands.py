"""Each step by its commands: what it does, that it then finds its goal true, and that its undo leads back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from hamn_flow.model.pair import Features
from hamn_flow.model.probe import Finding
from hamn_flow.simulator.state import Export
from hamn_flow.steps.step import Failure
from tests.steps.conftest import MN1, MN2, Pair, new_pair

VIP = "10.97.0.100/24"
IN_FORCE = "sync,wdelay,hide,no_subtree_check,sec=sys,ro,secure,root_squash,no_all_squash"
DEVICE = "/dev/disk/by-uuid/5e1f0c6a-0000-4000-8000-00000000000"


def as_it_is(_pair: Pair) -> None:
    """Mn1 active, mn2 standby."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A step of the planned failover, in the world that the steps before it leave."""

    step: str
    does: tuple[str, ...]
    undoes: tuple[str, ...] = ()
    prepare: Callable[[Pair], None] = as_it_is

    @property
    def node(self) -> str:
        return self.step.partition(".")[0]


def name_is_set(pair: Pair) -> None:
    """The site sets the host name, so mn1 is called by the virtual IP's."""
    pair.cluster = replace(pair.cluster, features=Features(set_host_name=True))
    pair.world.run("mn1", "hostname", "mn")


def conserver_is_held(pair: Pair) -> None:
    pair.world.run("mn2", "systemctl", "mask", "--runtime", "conserver")


def exports_one_more(pair: Pair) -> None:
    """Mn1 exports something of its own, by hand, that nobody wrote into /etc/exports."""
    pair.world.run("mn1", "mkdir", "-p", "/srv/own")
    pair.world.run("mn1", "exportfs", "-o", "ro", "cn1:/srv/own")


def exports_by_hand(pair: Pair) -> None:
    """Mn1 exports a path of the shared disk that the other node's /etc/exports does not have."""
    pair.world.run("mn1", "exportfs", "-o", "ro", "cn1:/install/postscripts")


HELD = "conserver isc-dhcp-server apache2 xcatd named"

CASES = [
    Case(step="mn1.stop.conserver", does=("systemctl stop conserver",), undoes=("systemctl start conserver",)),
    Case(step="mn1.stop.xcatd", does=("systemctl stop xcatd",), undoes=("systemctl start xcatd",)),
    Case(
        step="mn1.unexport",
        does=("exportfs -u '*:/install'", "exportfs -u '*:/tftpboot'"),
        undoes=tuple(
            f"exportfs -o {options} '*:{path}'"
            for path, options in {
                "/install": "sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,no_root_squash,no_all_squash",
                "/tftpboot": "sync,wdelay,hide,no_subtree_check,sec=sys,rw,insecure,no_root_squash,no_all_squash",
            }.items()
        ),
        prepare=exports_one_more,
    ),
    Case(
        step="mn1.stop.database",
        does=("systemctl stop postgresql@15-main.service",),
        undoes=("systemctl start postgresql@15-main.service",),
    ),
    Case(
        step="mn1.hold",
        does=(f"systemctl mask --runtime {HELD}",),
        undoes=(f"systemctl unmask --runtime {HELD}",),
    ),
    Case(
        step="mn1.unmount./install",
        does=("umount /install",),
        undoes=(f"mount -t ext4 -o rw {DEVICE}2 /install",),
    ),
    Case(
        step="mn1.release-virtual-ip",
        does=(f"ip addr del {VIP} dev eth0",),
        undoes=(f"ip addr add {VIP} brd + dev eth0 label eth0:0", "arping -U -c 2 -I eth0 10.97.0.100"),
    ),
    Case(step="mn1.host-name", does=("hostname mn1",), undoes=("hostname mn",), prepare=name_is_set),
    Case(
        step="mn2.claim-virtual-ip",
        does=(f"ip addr add {VIP} brd + dev eth0 label eth0:0",),
        undoes=(f"ip addr del {VIP} dev eth0",),
    ),
    Case(step="mn2.host-name", does=("hostname mn",), undoes=("hostname mn2",), prepare=name_is_set),
    Case(
        step="mn2.allow",
        does=("systemctl unmask --runtime conserver",),
        undoes=("systemctl mask --runtime conserver",),
        prepare=conserver_is_held,
    ),
    Case(
        step="mn2.mount./install",
        does=(f"mount -t ext4 -o rw {DEVICE}2 /install",),
        undoes=("umount /install",),
    ),
    Case(
        step="mn2.start.database",
        does=("systemctl start --no-block postgresql@15-main.service",),
        undoes=("systemctl stop postgresql@15-main.service",),
    ),
    Case(step="mn2.start.xcatd", does=("systemctl start xcatd",), undoes=("systemctl stop xcatd",)),
    Case(
        step="mn2.export",
        does=(f"exportfs -o {IN_FORCE} cn1:/install/postscripts",),
        undoes=("exportfs -u cn1:/install/postscripts",),
        prepare=exports_by_hand,
    ),
    Case(step="mn2.makedhcp", does=("makedhcp -n",), undoes=("systemctl stop isc-dhcp-server",)),
    Case(
        step="mn2.nameserver",
        does=("perl - add 10.97.0.100 < resolver.pl",),
        undoes=("perl - remove 10.97.0.100 < resolver.pl",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.step)
def test_a_step_does_what_it_says_and_its_undo_leads_back(case: Case) -> None:
    pair = new_pair()
    case.prepare(pair)
    step = pair.step("planned-failover", case.step)
    gone = pair.go_through("planned-failover", until=case.step)
    assert step.name not in {one.name for one, _ in gone}
    before = pair.world.picture()
    seen = step.probe(pair.nodes).seen

    assert pair.reach(step) == [f"{case.node}: {text}" for text in case.does]
    assert pair.world.picture() != before
    assert pair.reach(step) == [f"{case.node}: {text}" for text in case.does if step.once]

    assert step.reverted(pair.nodes, seen).finding is not Finding.DONE
    assert step.objection_to_undo(pair.nodes) is None
    assert pair.carry_out(step.revert(pair.nodes, seen)) == [f"{case.node}: {text}" for text in case.undoes]
    assert step.reverted(pair.nodes, seen).finding is Finding.DONE
    assert pair.world.picture() == before


ONCE = {
    "mn2.announce-virtual-ip": "arping -U -c 2 -i eth0 10.97.0.100",
    "mn2.makedns": "makedns -n",
    "mn2.makedhcp-nodes": "makedhcp -a",
    "mn2.consoles": "makeconservercf",
}


@pytest.mark.parametrize("name", ONCE)
def test_what_is_made_anew_is_made_in_every_run_and_left_by_a_rollback(name: str, pair: Pair) -> None:
    step = pair.step("planned-failover", name)
    pair.go_through("planned-failover", until=name)
    for _again in range(2):
        assert pair.reach(step) == [f"mn2: {ONCE[name]}"]
    assert step.once
    assert step.nothing_to_undo


def test_a_daemon_that_slips_in_between_stop_and_mask_is_stopped_again(pair: Pair) -> None:
    step = pair.step("planned-failover", "mn1.hold")
    pair.go_through("planned-failover", until="mn1.hold")
    pair.world.run("mn1", "systemctl", "start", "conserver")
    pair.carry_out(step.apply(pair.nodes))
    found = step.probe(pair.nodes)
    assert (found.finding, found.reason) == (Finding.PARTIAL, "not stopped: conserver")
    remedies = step.remedy(pair.nodes, Failure(command=None, result=None, probe=found))
    assert pair.carry_out(remedies) == ["mn1: systemctl stop conserver"]
    assert step.probe(pair.nodes).finding is Finding.DONE


def test_a_unit_file_of_the_nodes_own_cannot_be_held_which_is_said(pair: Pair) -> None:
    step = pair.step("planned-failover", "mn1.hold")
    pair.go_through("planned-failover", until="mn1.hold")
    unit = pair.world.node("mn1").units["conserver.service"]
    unit.fragment_path = "/etc/systemd/system/conserver.service"
    assert pair.reach(step) == [f"mn1: systemctl mask --runtime {HELD.replace('conserver ', '')}"]
    found = step.probe(pair.nodes)
    assert found.finding is Finding.DONE
    assert found.warning.endswith("outranks a runtime mask: conserver")


def test_a_lasting_mask_is_a_persons_and_stays(pair: Pair) -> None:
    step = pair.step("planned-failover", "mn2.allow")
    pair.world.node("mn2").units["conserver.service"].masked = "permanent"
    found = step.probe(pair.nodes)
    assert found.finding is Finding.TODO
    assert "systemctl unmask conserver" in found.hint


def test_exports_of_a_peer_that_cannot_be_asked_come_from_the_nodes_own_file() -> None:
    pair = new_pair()
    pair.go_through("deactivate", node=MN1)
    pair.world.node("mn2").exports.append(Export("cn9", "/srv", "ro"))
    steps = dict(pair.go_through("activate", node=MN2))
    exported = next(commands for step, commands in steps.items() if step.name == "mn2.export-again")
    assert exported == ["mn2: exportfs -ra"]
