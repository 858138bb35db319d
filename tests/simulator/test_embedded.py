"""The embedded pair is reached by the real SSH transport, and lets in nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from hamn_flow.errors import Unreachable, UntrustedHost
from hamn_flow.facts.network import HostName
from hamn_flow.facts.services import Processes
from hamn_flow.facts.storage import Holders, Mounts, mount_at
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.model.command import NodeName
from hamn_flow.simulator.embedded import EmbeddedPair
from hamn_flow.simulator.ssh_server import LOOPBACK
from hamn_flow.transport.here import Here
from hamn_flow.transport.ssh import connect_ssh


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[EmbeddedPair]:
    with EmbeddedPair(tmp_path / "pair") as running:
        yield running


def test_both_nodes_answer_facts_by_ssh(pair: EmbeddedPair) -> None:
    names = []
    for spec in pair.cluster.nodes:
        platform = SystemdLinux(node=spec.name)
        link = connect_ssh(spec, pair.here)
        names.append(HostName().parse(link.look(HostName().command(platform))))
        titles = {each.title for each in Processes().parse(link.look(Processes().command(platform)))}
        mount = mount_at(Mounts().parse(link.look(Mounts().command(platform))), "/install")
        assert ("xcatd: SSL listener" in titles) == (mount is not None) == (spec.name == "mn1")
        link.close()
    assert names == ["mn1", "mn2"]
    assert not pair.world.state.unknown


def test_who_holds_is_seen_through_ssh(pair: EmbeddedPair) -> None:
    shell = pair.world.hold("mn1", "/install", user="alice")
    link = connect_ssh(pair.cluster.nodes[0], pair.here)
    fact = Holders("/install", "8:18")
    held = fact.parse(link.look(fact.command(SystemdLinux(node=NodeName("mn1")))))
    link.close()
    assert [(each.kind, each.pid, each.user, each.command) for each in held if each.pid] == [
        ("cwd", shell.pid, "alice", "bash")
    ]


def test_its_host_keys_are_checked(pair: EmbeddedPair, tmp_path: Path) -> None:
    nobody = Here(known_hosts=(tmp_path / "none",), config=pair.here.config)
    with pytest.raises(UntrustedHost):
        connect_ssh(pair.cluster.nodes[0], nobody)


def test_another_key_is_not_let_in(pair: EmbeddedPair) -> None:
    paramiko.ECDSAKey.generate().write_private_key_file(str(pair.identity))
    with pytest.raises(Unreachable):
        connect_ssh(pair.cluster.nodes[0], pair.here)


def test_nothing_but_the_launcher_is_run(pair: EmbeddedPair) -> None:
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(pair.known_hosts))
        port = pair.cluster.nodes[0].ssh.port
        client.connect(LOOPBACK, port, "root", key_filename=str(pair.identity), allow_agent=False, look_for_keys=False)
        channel = client.get_transport().open_session(timeout=10)
        with pytest.raises(paramiko.SSHException):
            channel.exec_command("hostname")


def test_a_node_without_power_cannot_be_reached(pair: EmbeddedPair) -> None:
    link = connect_ssh(pair.cluster.nodes[0], pair.here)
    pair.world.power_off("mn1")
    with pytest.raises(Unreachable):
        link.look(HostName().command(SystemdLinux(node=NodeName("mn1"))))
    link.close()
    with pytest.raises(Unreachable):
        connect_ssh(pair.cluster.nodes[0], pair.here)
    pair.world.boot("mn1")
    link = connect_ssh(pair.cluster.nodes[0], pair.here)
    assert link.hello.generation == 0
    link.close()
