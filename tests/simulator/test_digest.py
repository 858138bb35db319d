"""The digest tells apart what must be equal after a rollback, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hamn_flow.model.command import Key
from hamn_flow.simulator import World, connector, standard_pair
from hamn_flow.simulator.state import Export, File, Hold, Mount, NfsClient, Node
from hamn_flow.transport.connection import Owner
from tests.claiming import claim
from tests.simulator.conftest import command, spec

Change = Callable[[World], object]


def run(line: str, node: str = "mn1") -> Change:
    return lambda world: world.run(node, *line.split())


def at(change: Callable[[Node], object]) -> Change:
    return lambda world: change(world.node("mn1"))


SEEN: dict[str, Change] = {
    "mount gone": run("umount /root/.xcat"),
    "mount in another namespace": at(lambda node: node.mounts.append(Mount("xcat", "", "/x", "ext4", "rw", own=False))),
    "mount options": at(lambda node: setattr(node.mounts[0], "options", "ro")),
    "superblock alive": at(lambda node: node.lingering.add("install")),
    "loop device": at(lambda node: node.loops.append(Hold(kind="loop", file_system="install"))),
    "virtual IP": run("ip addr del 10.97.0.100/24 dev eth0"),
    "secondary flag": at(lambda node: setattr(node.addresses[1], "secondary", False)),
    "label": at(lambda node: setattr(node.addresses[1], "label", "")),
    "promote_secondaries": at(lambda node: node.promote_secondaries.update(eth0=True)),
    "unit stopped": run("systemctl stop conserver"),
    "unit masked": run("systemctl mask --runtime conserver"),
    "unit enabled": at(lambda node: setattr(node.units["xcatd.service"], "unit_file_state", "enabled")),
    "process gone": at(lambda node: node.processes.popitem()),
    "process holding": lambda world: world.hold("mn1", "/install"),
    "address named listens at": at(
        lambda node: next(each for each in node.processes.values() if each.command == "named").ports.pop()
    ),
    "export gone": run("exportfs -u *:/install"),
    "export option": at(lambda node: node.exports.append(Export("10.0.0.0/8", "/install", "ro"))),
    "NFS client": at(lambda node: node.nfs_clients.append(NfsClient("10.97.0.21", "/install"))),
    "host name": run("hostname mn"),
    "clock": at(lambda node: setattr(node, "clock_offset", 9.0)),
    "version of xCAT": at(lambda node: setattr(node, "xcat_version", "2.20.0")),
    "power": lambda world: world.power_off("mn2"),
    "resolver": run("resolver.pl remove 10.97.0.100"),
    "local file": run("rm -f -- /etc/exports"),
    "local tables": run("systemctl start xcatd", "mn2"),
    "PostgreSQL's configuration": at(lambda node: node.postgres and node.postgres.access.pop()),
    "marker": run("write_file.pl /install/.hamn-flow cluster=standard 0644"),
    "mode of a file": lambda world: setattr(world.state.disks["xcat"].files["/cfgloc"], "mode", "0644"),
    "owner of a directory": lambda world: world.state.disks["postgresql"].directories.update({"/15/main": "root"}),
    "lock file": lambda world: world.state.disks["postgresql"].files.pop("/15/main/postmaster.pid"),
    "row of a table": lambda world: world.state.disks["postgresql"].databases["/15/main"]["mac"].pop(),
    "identity of a file system": lambda world: setattr(world.state.disks["xcat"], "uuid", "another"),
    "unclean file system": lambda world: setattr(world.state.disks["xcat"], "clean", False),
}

UNSEEN: dict[str, Change] = {
    "configuration made anew": run("makedhcp -n"),
    "leases": run("makedhcp -a"),
    "zones": run("makedns -n"),
    "consoles": run("makeconservercf"),
    "a dump": run("dumpxCATdb -p /var/backups/new"),
    "pids of a daemon that was started again": run("systemctl restart postgresql@15-main"),
    "order of addresses": at(lambda node: node.addresses.reverse()),
    "order of exports": at(lambda node: node.exports.reverse()),
    "exports with all their options said": run(
        "exportfs -o sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,no_root_squash,no_all_squash *:/install"
    ),
    "link": lambda world: world.lose_link("mn1"),
    "looks": lambda world: connector(world)(spec()).look(command("hostname")),
}


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in SEEN.items()])
def test_each_part_of_the_state_counts(change: Change) -> None:
    world = standard_pair()
    before = world.digest()
    change(world)
    assert world.digest() != before


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in UNSEEN.items()])
def test_what_is_remade_or_counted_does_not(change: Change) -> None:
    world = standard_pair()
    before = world.picture()
    change(world)
    assert world.picture() == before


def test_a_restored_snapshot_is_the_same_world() -> None:
    world = standard_pair()
    before, snapshot = world.digest(), world.snapshot()
    world.run("mn1", "umount", "/root/.xcat")
    world.node("mn1").root.files["/etc/new"] = File("x")
    link = connector(world)(spec())
    generation = claim(link, Owner(run="r", driver="d"))
    link.launch(Key("k"), command("hostname", "x"), generation=generation, owner=Owner(run="r", driver="d"))
    world.restore(snapshot)
    assert (world.digest(), world.state.log, world.node("mn1").launcher.generation) == (before, [], 0)


def test_both_databases_make_a_whole_world() -> None:
    assert standard_pair("postgresql").digest() == standard_pair("postgresql").digest()
    assert "postgresql" not in standard_pair("sqlite").state.disks
    assert not standard_pair("sqlite").state.violations
