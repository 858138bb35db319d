"""Whatever goes wrong in the world reaches the driver as it would in reality, and leaves what it would leave."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hamn_flow.errors import LookFailed, OutcomeUnknown, StaleDriver, Unreachable
from hamn_flow.model.command import JobState, Key
from hamn_flow.simulator import SimulatedConnection, World, connector, standard_pair
from hamn_flow.simulator.faults import (
    Fails,
    Fault,
    Hangs,
    HolderAppears,
    Lies,
    Lingers,
    LinkLost,
    Moment,
    PowerLost,
    Strikes,
)
from hamn_flow.transport.connection import Owner
from tests.claiming import claim
from tests.simulator.conftest import MN1, command, spec

OWNER = Owner(run="k7m2", driver="me")
KEY = Key("k7m2.mn1.unmount.1.0")
UNMOUNT = command("umount", "/root/.xcat")
HOSTNAME = command("hostname")


class Driver:
    """A connection to mn1 that holds its generation."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connect()

    def connect(self) -> SimulatedConnection:
        self.link = connector(self.world)(spec())
        self.generation = claim(self.link, OWNER)
        return self.link

    def launch(self, key: Key = KEY) -> None:
        self.link.launch(key, UNMOUNT, generation=self.generation, owner=OWNER)

    @property
    def mounted(self) -> bool:
        return any(mount.mount_point == "/root/.xcat" for mount in self.world.node("mn1").mounts)


@pytest.fixture
def driver() -> Driver:
    return Driver(standard_pair())


def test_without_faults_a_job_takes_effect_once(driver: Driver) -> None:
    driver.launch()
    driver.launch()
    job = driver.link.ask(KEY)
    assert (job.state, job.result and job.result.status, driver.mounted) == (JobState.DONE, 0, False)
    assert [(entry.node, entry.key, entry.argv) for entry in driver.world.state.log] == [(MN1, KEY, UNMOUNT.argv)]


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (Fails(words=("umount",), status=32, errors="umount: target is busy.\n"), 32, "umount: target is busy.\n"),
        (Lies(words=("umount",)), 0, ""),
    ],
)
def test_a_command_that_does_nothing_fails_or_lies(driver: Driver, fault: Fault, status: int, words: str) -> None:
    driver.world.fault(fault)
    driver.launch()
    result = driver.link.ask(KEY).result
    assert result is not None
    assert (result.status, result.error_text, driver.mounted) == (status, words, True)


@pytest.mark.parametrize(
    ("moment", "state", "mounted"),
    [
        (Moment.BEFORE, JobState.NONE, True),
        (Moment.DURING, JobState.RUNNING, True),
        (Moment.AFTER, JobState.DONE, False),
    ],
)
def test_a_lost_link_leaves_the_job_where_it_was(
    driver: Driver, moment: Moment, state: JobState, *, mounted: bool
) -> None:
    driver.world.fault(LinkLost(moment=moment))
    with pytest.raises(OutcomeUnknown):
        driver.launch()
    with pytest.raises(Unreachable):
        driver.link.ask(KEY)
    link = driver.connect()
    assert (link.ask(KEY).state, driver.mounted) == (state, mounted)
    if state is JobState.RUNNING:
        assert (link.wait(KEY, 1.0).state, driver.mounted) == (JobState.DONE, False)


def test_a_lingering_job_takes_effect_when_it_ends(driver: Driver) -> None:
    driver.world.fault(Lingers())
    driver.launch()
    assert (driver.link.ask(KEY).state, driver.mounted) == (JobState.RUNNING, True)
    driver.world.finish("mn1", KEY)
    assert (driver.link.ask(KEY).state, driver.mounted) == (JobState.DONE, False)


def test_a_job_that_outlives_its_driver_ends_when_the_next_one_waits(driver: Driver) -> None:
    driver.world.fault(Lingers(outlives=True))
    driver.launch()
    assert (driver.link.wait(KEY, 0.0).state, driver.mounted) == (JobState.RUNNING, True)
    claim(driver.link, OWNER)
    assert (driver.link.wait(KEY, 0.0).state, driver.mounted) == (JobState.DONE, False)


@pytest.mark.parametrize(("signal", "status"), [("TERM", -15), ("KILL", -9)])
def test_a_hanging_job_ends_when_it_is_cancelled(driver: Driver, signal: str, status: int) -> None:
    driver.world.fault(Hangs())
    driver.launch()
    driver.world.finish("mn1", KEY)
    assert driver.link.ask(KEY).state is JobState.RUNNING
    driver.link.cancel(KEY, signal)
    result = driver.link.ask(KEY).result
    assert (result and result.status, driver.mounted) == (status, True)


def test_waiting_sleeps_as_long_as_was_asked(driver: Driver) -> None:
    slept: list[float] = []
    driver.world.sleep = slept.append
    driver.world.fault(Hangs())
    driver.launch()
    assert driver.link.wait(KEY, 2.0).state is JobState.RUNNING
    assert sum(slept) == pytest.approx(2.0)


def test_a_hanging_look_is_over_at_its_deadline(driver: Driver) -> None:
    driver.world.fault(Hangs(words=("hostname",), strikes=Strikes.LOOKS))
    with pytest.raises(LookFailed):
        driver.link.look(HOSTNAME)
    assert driver.link.look(HOSTNAME).text == "mn1\n"


def test_a_link_lost_in_a_look_is_no_outcome(driver: Driver) -> None:
    driver.world.fault(LinkLost(strikes=Strikes.LOOKS))
    with pytest.raises(Unreachable) as lost:
        driver.link.look(HOSTNAME)
    assert not isinstance(lost.value, OutcomeUnknown)


def test_a_node_without_power_answers_nobody_and_forgets(driver: Driver) -> None:
    driver.world.fault(PowerLost(moment=Moment.AFTER))
    with pytest.raises(OutcomeUnknown):
        driver.launch()
    with pytest.raises(Unreachable):
        connector(driver.world)(spec())
    boot_id = driver.world.node("mn1").boot_id
    driver.world.boot("mn1")
    link = connector(driver.world)(spec())
    assert link.hello.generation == 0
    assert link.hello.boot_id != boot_id
    assert link.ask(KEY).state is JobState.NONE
    with pytest.raises(StaleDriver):
        link.launch(KEY, UNMOUNT, generation=driver.generation, owner=OWNER)


def test_the_old_primary_boots_without_the_role(driver: Driver) -> None:
    driver.world.power_off("mn1")
    driver.world.boot("mn1")
    node = driver.world.node("mn1")
    assert (node.mounts, node.exports, [each.address for each in node.addresses]) == ([], [], ["10.97.0.11"])
    assert {unit.id for unit in node.units.values() if unit.active} == {
        "ssh.service",
        "chrony.service",
        "rpcbind.service",
    }
    assert not driver.world.state.disks["xcat"].clean
    assert "/15/main/postmaster.pid" in driver.world.state.disks["postgresql"].files


def test_a_holder_appears_just_before_the_command(driver: Driver) -> None:
    driver.world.fault(HolderAppears(words=("umount",), path="/root/.xcat", user="bob", command="vim"))
    driver.launch()
    result = driver.link.ask(KEY).result
    assert result is not None
    assert (result.status, result.error_text) == (32, "umount: /root/.xcat: target is busy.\n")
    holders = driver.link.look(command("perl", "-", "/root/.xcat", "8:19", script="holders.pl")).text
    assert [line.split("\t")[0::2] for line in holders.splitlines()] == [
        ["cwd", holders.split("\t")[2], "session-1.scope", "/root/.xcat"]
    ]
    assert "\tbob\t" in holders


def test_faults_pass_over_and_strike_as_often_as_they_say(driver: Driver) -> None:
    driver.world.fault(Fails(words=("hostname",), strikes=Strikes.BOTH, passes=1, times=2, status=9))
    assert [driver.link.look(HOSTNAME).status for _ in range(4)] == [0, 9, 9, 0]
    driver.world.fault(Fails(node="mn2", strikes=Strikes.BOTH, times=0))
    assert driver.link.look(HOSTNAME).status == 0
    driver.world.fault(Fails(words=("holders.pl",), strikes=Strikes.BOTH, times=0, status=2))
    look = command("perl", "-", "/install", "8:18", script="holders.pl")
    assert [driver.link.look(look).status for _ in range(3)] == [2, 2, 2]
    driver.world.clear_faults()
    assert driver.link.look(look).status == 0


def test_callbacks_stand_around_each_command(driver: Driver) -> None:
    seen: list[tuple[str, Key | None, bool]] = []
    world = driver.world
    world.before = lambda _node, key, _command: seen.append(("before", key, driver.mounted))
    world.after = lambda _node, key, _command: seen.append(("after", key, driver.mounted))
    driver.launch()
    driver.link.look(HOSTNAME)
    assert seen == [("before", KEY, True), ("after", KEY, False), ("before", None, False), ("after", None, False)]


def _mount_everywhere(world: World) -> None:
    disk = world.state.disks["install"]
    world.run("mn2", "mount", "-t", "ext4", "-o", "rw", f"/dev/disk/by-uuid/{disk.uuid}", "/install")


def _address_everywhere(world: World) -> None:
    world.run("mn2", "ip", "addr", "add", "10.97.0.100/24", "brd", "+", "dev", "eth0", "label", "eth0:0")


@pytest.mark.parametrize(
    ("do", "sentence"),
    [
        (_mount_everywhere, "/install is mounted for writing on mn1 and mn2"),
        (_address_everywhere, "the virtual IP 10.97.0.100 is up on mn1 and mn2"),
        (lambda world: world.run("mn2", "systemctl", "start", "postgresql"), "the database runs on mn1 and mn2"),
        (lambda world: world.run("mn2", "systemctl", "start", "xcatd"), "xcatd on mn2 runs on a local directory"),
    ],
)
def test_two_active_nodes_are_noted(driver: Driver, do: Callable[[World], object], sentence: str) -> None:
    driver.launch()
    assert not driver.world.state.violations
    do(driver.world)
    driver.launch(Key("another"))
    assert any(sentence in violation for violation in driver.world.state.violations)
