"""A world that outlives its driver: killed before, during or after a command, the driver leaves what it would leave."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from hamn_flow.errors import Unreachable
from hamn_flow.model.command import JobState, Key
from hamn_flow.simulator import standard_pair
from hamn_flow.simulator.faults import DriverKilled, Fails, Lingers, Moment, Strikes
from hamn_flow.simulator.world_process import WorldProcess, connect_socket
from hamn_flow.transport.connection import Owner
from tests.claiming import claim
from tests.simulator.conftest import command, spec

KEY = Key("k7m2.mn1.unmount.1.0")

OWNER = Owner(run="k7m2", driver="killed")
SECONDS = 60

# Says that it is there, waits to be told to go on, and does one thing.
DRIVER = """
import sys
from pathlib import Path
from hamn_flow.simulator import standard_cluster
from hamn_flow.simulator.world_process import connect_socket
from hamn_flow.model.command import Command, Key, NodeName
from hamn_flow.transport.connection import Owner
from tests.claiming import claim

mn1 = NodeName("mn1")
connection = connect_socket(Path(sys.argv[1]))(standard_cluster().node(mn1))
owner = Owner(run="k7m2", driver="killed")
generation = claim(connection, owner)
print("ready", flush=True)
sys.stdin.readline()
unmount = Command(node=mn1, argv=("umount", "/root/.xcat"))
connection.launch(Key("k7m2.mn1.unmount.1.0"), unmount, generation=generation, owner=owner)
print("survived", flush=True)
"""


@pytest.mark.parametrize(
    ("moment", "state", "runs"),
    [
        (Moment.BEFORE, JobState.NONE, 0),
        (Moment.DURING, JobState.RUNNING, 0),
        (Moment.AFTER, JobState.DONE, 1),
    ],
)
def test_the_driver_is_killed_and_the_world_goes_on(
    process: WorldProcess, moment: Moment, state: JobState, runs: int
) -> None:
    process.reset()
    argv = (sys.executable, "-c", DRIVER, str(process.directory))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"ready\n"
        process.driver(driver.pid)
        process.fault(DriverKilled(moment=moment))
        said, _ = driver.communicate(b"go\n", timeout=SECONDS)
    assert (driver.returncode, said) == (-signal.SIGKILL, b"")

    link = connect_socket(process.directory)(spec())
    assert link.hello.owner == OWNER.text
    claim(link, Owner(run="k7m2", driver="next"))
    assert link.ask(KEY).state is state
    assert len(process.log()) == runs
    if state is not JobState.NONE:
        assert link.wait(KEY, SECONDS).state is JobState.DONE
        assert [entry.key for entry in process.log()] == [KEY]
    link.close()


def test_a_waiting_driver_hears_of_the_end(process: WorldProcess) -> None:
    process.reset()
    link = connect_socket(process.directory)(spec())
    generation = claim(link, OWNER)
    process.fault(Lingers())
    link.launch(KEY, command("umount", "/root/.xcat"), generation=generation, owner=OWNER)
    assert link.wait(KEY, 0.0).state is JobState.RUNNING
    process.finish("mn1", KEY)
    assert link.wait(KEY, SECONDS).state is JobState.DONE
    link.close()


def test_a_lost_link_ends_the_conversation_and_a_new_one_begins(process: WorldProcess) -> None:
    process.reset()
    link = connect_socket(process.directory)(spec())
    process.lose_link("mn1")
    with pytest.raises(Unreachable):
        link.look(command("hostname"))
    link.close()
    link = connect_socket(process.directory)(spec())
    assert link.look(command("hostname")).text == "mn1\n"
    link.close()


def test_the_remote_control_reaches_the_whole_world(process: WorldProcess) -> None:
    process.reset()
    fresh = standard_pair()
    assert (process.digest(), process.picture()) == (fresh.digest(), fresh.picture())
    snapshot = process.snapshot()
    assert process.run("mn1", "umount", "/root/.xcat").status == 0
    assert process.digest() != fresh.digest()
    process.restore(snapshot)
    assert process.digest() == fresh.digest()

    process.fault(Fails(strikes=Strikes.BOTH, times=0, status=9))
    link = connect_socket(process.directory)(spec())
    assert link.look(command("hostname")).status == 9
    process.clear_faults()
    assert link.look(command("hostname")).status == 0
    link.close()

    process.power_off("mn1")
    assert not process.state().nodes[spec().name].powered
    process.boot("mn1")
    assert process.state().nodes[spec().name].powered
    process.reset("sqlite")
    assert process.digest() == standard_pair("sqlite").digest()


def test_a_command_that_nobody_understands_is_noted(process: WorldProcess) -> None:
    process.reset()
    link = connect_socket(process.directory)(spec())
    assert link.look(command("fuser", "-km", "/install")).status == 127
    assert link.look(command("umount", "/install")).status == 127
    link.close()
    assert process.state().unknown == [
        "mn1: fuser -km /install",
        "umount /install changes mn1, but was sent as a look",
    ]
    assert process.digest() == standard_pair().digest()
