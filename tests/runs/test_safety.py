"""What a run must not do to the pair, in the ways in which it once could: each was found by trying to break it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import pytest

from hamn_flow.engine.begin import confirm, resume, rollback, skip, start
from hamn_flow.errors import HamnError, Refused, RollbackFailed, StepFailed, Unreachable
from hamn_flow.facts.storage import Marker
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.model.pair import OnBusy
from hamn_flow.model.run import RunState, StepState
from hamn_flow.simulator.faults import DriverKilled, Fails, Fault, Strikes
from hamn_flow.simulator.state import Address, File
from hamn_flow.simulator.world import unwatched
from tests.runs.conftest import Pair

PROCEDURE = "planned-failover"
VIRTUAL_IP = "10.97.0.100"
only_postgresql = pytest.mark.parametrize("database", ["postgresql"])
only_sqlite = pytest.mark.parametrize("database", ["sqlite"])


class Killed(BaseException):
    """The driver is killed: nothing but `finally` still runs."""


def kill() -> NoReturn:
    raise Killed


def no_fault() -> None:
    """Do nothing."""


DATABASE = "postgresql@15-main.service"


def always(node: str, *words: str) -> Fault:
    """That command fails on that node as long as the fault is there."""
    return Fails(node=node, words=words, times=0, status=2, errors="something went wrong")


def halted(pair: Pair, *faults: Fault, procedure: str = PROCEDURE, options: Mapping[str, str] | None = None) -> str:
    """Start a procedure that must halt, for these faults or otherwise, then take them away; the run's id."""
    pair.world.fault(*faults)
    with pair.desk() as desk, pytest.raises(HamnError):
        start(desk, procedure, options or {})
    pair.world.clear_faults()
    return pair.last_run().summary.id


def unmount(pair: Pair, node: str, *mount_points: str) -> None:
    """A person unmounts by hand."""
    for mount_point in mount_points:
        assert pair.world.run(node, "umount", mount_point).status == 0


def unmount_lazily(pair: Pair, node: str, mount_point: str) -> None:
    """A person types umount -l: nothing shows the mount any more, yet the kernel still writes to the disk."""
    there = pair.world.node(node)
    (mount,) = (mount for mount in there.mounts if mount.mount_point == mount_point)
    there.mounts.remove(mount)
    there.lingering.add(mount.file_system)


def mount_points(pair: Pair, node: str) -> list[str]:
    return [mount.mount_point for mount in pair.world.node(node).mounts]


def addresses(pair: Pair, node: str) -> list[str]:
    return [address.address for address in pair.world.node(node).addresses]


def test_a_device_that_a_node_no_longer_sees_does_not_prove_that_it_has_let_go(pair: Pair) -> None:
    """The path to the disk is gone from the node, while its kernel still holds the superblock."""
    pair.world.hold("mn1", "/install", kind="file")
    run = halted(pair)
    unmount_lazily(pair, "mn1", "/install")
    del pair.world.node("mn1").disks["install"]
    with pair.desk() as desk, pytest.raises(StepFailed, match=r"mn1 does not see .* nothing proves .* /install"):
        resume(desk, run)
    assert "/install" not in mount_points(pair, "mn2")
    pair.assert_safe()


@only_postgresql
def test_a_rollback_does_not_start_the_database_on_directories_of_the_node(pair: Pair) -> None:
    """A person freed the node by hand before the run came to it, and then the run is rolled back."""
    run = halted(pair, always("mn1", "systemctl", "stop", DATABASE))
    assert pair.world.run("mn1", "systemctl", "stop", DATABASE).status == 0
    unmount(pair, "mn1", "/var/lib/postgresql")
    pair.world.fault(always("mn2", "ip", "addr", "add"))
    with pair.desk() as desk, pytest.raises(StepFailed):
        resume(desk, run)
    pair.world.clear_faults()
    with pair.desk() as desk, pytest.raises(RollbackFailed, match=r"mn1\.stop\.database: /\S+ is not mounted from "):
        rollback(desk, run)
    pair.assert_safe()


@only_postgresql
def test_nor_on_those_of_a_node_without_an_installation_of_its_own(pair: Pair) -> None:
    with pair.desk() as desk:
        start(desk, PROCEDURE, {})
    run = halted(pair, always("mn2", "systemctl", "stop", DATABASE))
    assert pair.world.run("mn2", "systemctl", "stop", DATABASE).status == 0
    unmount(pair, "mn2", "/var/lib/postgresql")
    pair.world.fault(always("mn1", "ip", "addr", "add"))
    with pair.desk() as desk, pytest.raises(StepFailed):
        resume(desk, run)
    pair.world.clear_faults()
    with pair.desk() as desk, pytest.raises(RollbackFailed, match=r"mn2\.stop\.database: /\S+ is not mounted from "):
        rollback(desk, run)
    pair.assert_safe()


@only_sqlite
def test_a_rollback_does_not_start_xcat_on_directories_of_the_node(pair: Pair) -> None:
    """With SQLite it is xCAT's daemon itself that would open the node's own, stale tables."""
    run = halted(pair, always("mn1", "systemctl", "stop", "nfs-server"))
    unmount(pair, "mn1", "/root/.xcat", "/tftpboot", "/etc/xcat")
    with pair.desk() as desk, pytest.raises(RollbackFailed, match=r"mn1\.\S+: /etc/xcat is not mounted from "):
        rollback(desk, run)
    pair.assert_safe()


@only_postgresql
def test_nothing_is_mounted_over_the_data_of_a_running_database(pair: Pair) -> None:
    run = halted(pair, always("mn2", "mount"))
    assert pair.world.run("mn2", "systemctl", "start", "postgresql@15-main").status == 0
    with pair.desk() as desk, pytest.raises(StepFailed, match=r"mn2 runs the database: .* must be stopped before"):
        resume(desk, run)
    assert pair.last_run().summary.halt
    assert "/var/lib/postgresql" not in mount_points(pair, "mn2")


def test_what_was_unmounted_lazily_before_the_run_is_not_mounted_by_its_rollback(pair: Pair) -> None:
    pair.world.hold("mn1", "/install", kind="file")
    unmount_lazily(pair, "mn1", "/install")
    run = halted(pair, procedure="deactivate", options={"node": "mn1"})
    with pair.desk() as desk, pytest.raises(RollbackFailed, match=r"/install is not mounted from "):
        rollback(desk, run)
    assert "/install" not in mount_points(pair, "mn1")
    assert "/etc/xcat" in mount_points(pair, "mn1")
    pair.assert_safe()


def test_an_address_that_the_run_did_not_bring_up_is_not_taken_off_by_its_rollback(pair: Pair) -> None:
    """It objects to a second holder instead, and goes on when the person who brought it up takes it off again."""
    run = halted(pair, always("mn1", "ip", "addr", "del"))
    assert pair.world.run("mn1", "ip", "addr", "del", f"{VIRTUAL_IP}/24", "dev", "eth0").status == 0
    by_hand = Address("eth0", VIRTUAL_IP, 32)
    pair.world.node("mn2").addresses.append(by_hand)
    with pair.desk() as desk, pytest.raises(StepFailed, match=r"mn2 has it as 10\.97\.0\.100/32"):
        resume(desk, run)
    with pair.desk() as desk, pytest.raises(RollbackFailed, match=r"mn1\.release-virtual-ip: mn2 has the virtual IP"):
        rollback(desk, run)
    assert VIRTUAL_IP in addresses(pair, "mn2")
    assert not pair.last_run().step("mn2.claim-virtual-ip").ours
    pair.world.node("mn2").addresses.remove(by_hand)
    with pair.desk() as desk:
        assert resume(desk, run) is RunState.ROLLED_BACK
    assert VIRTUAL_IP in addresses(pair, "mn1")
    pair.assert_safe()


@pytest.mark.parametrize("to", ["mn2.claim-virtual-ip", "mn1.unmount./install"])
def test_no_rollback_to_a_step_whose_stage_the_run_never_came_to_the_end_of(pair: Pair, to: str) -> None:
    pair.world.hold("mn1", "/install")
    run = halted(pair)
    before = pair.last_run()
    with pair.desk() as desk, pytest.raises(Refused, match=rf"never came to the end of {to}'s stage: .* is failed"):
        rollback(desk, run, to=to)
    assert pair.last_run() == before


def test_an_undo_cannot_be_skipped(pair: Pair) -> None:
    """A run that left one out could say neither that it is rolled back, nor that the step is done."""
    run = halted(pair, always("mn2", "ip", "addr", "add"))
    pair.world.fault(always("mn1", "systemctl", "start", "apache2"))
    with pair.desk() as desk, pytest.raises(RollbackFailed):
        rollback(desk, run)
    with pair.desk() as desk, pytest.raises(Refused, match="is being rolled back, and an undo cannot be left out"):
        skip(desk, run, "mn1.stop.httpd", "it can wait")
    pair.world.clear_faults()
    with pair.desk() as desk:
        assert resume(desk, run) is RunState.ROLLED_BACK
    assert pair.world.node("mn1").units["apache2.service"].active
    pair.assert_safe()


def test_what_was_confirmed_as_done_does_not_count_as_confirmed_undone(pair: Pair) -> None:
    """Nobody could see whether the address was gone; a person said so. Now it must be put back."""
    release = "mn1.release-virtual-ip"
    blind = Fails(node="mn1", words=("ip",), strikes=Strikes.LOOKS, errors="Cannot talk to rtnetlink", times=0)

    def go_blind(_node: NodeName, _key: Key | None, command: Command) -> None:
        if command.argv[:3] == ("ip", "addr", "del"):
            pair.world.fault(blind)

    pair.world.before = go_blind
    with pair.desk() as desk, pytest.raises(Unreachable, match=release):
        start(desk, PROCEDURE, {})
    pair.world.before, run = unwatched, pair.last_run().summary.id
    with pair.desk() as desk:
        confirm(desk, run, release, "I asked the switch")
        with pytest.raises(StepFailed, match=r"it cannot be read whether mn1 has let go"):
            resume(desk, run)
    assert pair.last_run().step(release).state is StepState.DONE
    with pair.desk() as desk, pytest.raises(Unreachable, match=release):
        rollback(desk, run)
    assert pair.last_run().step(release).ours
    pair.world.clear_faults()
    with pair.desk() as desk:
        assert resume(desk, run) is RunState.ROLLED_BACK
    assert VIRTUAL_IP in addresses(pair, "mn1")
    pair.assert_safe()


@pytest.mark.parametrize(("where", "left"), [("after the first try", [1, 2, 3]), ("within the first try", [1, 2])])
def test_the_budget_counts_tries_and_not_the_attempts_of_remedies_also_over_a_kill(
    pair: Pair, where: str, left: list[int]
) -> None:
    """A try that was cut off is spent without having been told; what its remedies attempted is no try of its own."""
    pair.on_busy = OnBusy.TERMINATE
    for _ in range(4):
        pair.world.hold("mn1", "/install", ignores=("TERM",))
    if where == "after the first try":
        pair.on_sleep = kill
    else:
        pair.world.kill_driver = kill
        pair.world.fault(DriverKilled(words=("signal.pl",), passes=2))
    with pair.desk() as desk, pytest.raises(Killed):
        start(desk, PROCEDURE, {})
    pair.on_sleep = no_fault
    with pair.desk() as desk, pytest.raises(StepFailed, match="/install is busy"):
        resume(desk, desk.journal.runs()[0].id)
    assert [attempt.number for attempt in pair.last_run().attempts] == left


def jobs_on(pair: Pair, node: str) -> list[str]:
    return [entry.text.split()[0] for entry in pair.world.state.log if entry.node == node]


@only_postgresql
def test_nothing_is_made_of_tables_that_are_not_the_pairs(pair: Pair) -> None:
    """A first failover after a setup came to empty tables (trinity #431): no zone, lease or console is made of them."""

    def lose_nodes(node: NodeName, _key: Key | None, command: Command) -> None:
        if (node, command.argv[:3]) == ("mn2", ("systemctl", "start", "xcatd")):
            for file_system in pair.world.state.disks.values():
                for tables in file_system.databases.values():
                    tables["nodelist"] = []

    pair.world.before = lose_nodes
    with pair.desk() as desk, pytest.raises(StepFailed, match="0 nodes are defined, 3 were before"):
        start(desk, PROCEDURE, {})
    assert not {"makedns", "makedhcp", "makeconservercf"} & set(jobs_on(pair, "mn2"))
    pair.assert_safe()


def test_nothing_may_start_on_a_disk_that_is_another_pairs(pair: Pair) -> None:
    """Its marker is found only when it is mounted; what keeps the daemons from starting stays."""
    assert pair.world.run("mn2", "systemctl", "mask", "--runtime", "xcatd").status == 0
    theirs = File(Marker(cluster="theirs", mount_point="/install", source="UUID=1").text)

    def swap(node: NodeName, _key: Key | None, command: Command) -> None:
        if node == "mn2" and command.argv[0] == "mount" and "/install" in command.argv:
            pair.world.state.disks["install"].files["/.hamn-flow"] = theirs

    pair.world.before = swap
    with pair.desk() as desk, pytest.raises(StepFailed, match="theirs"):
        start(desk, PROCEDURE, {})
    assert set(jobs_on(pair, "mn2")) == {"mount", "ip"}
    pair.assert_safe()
