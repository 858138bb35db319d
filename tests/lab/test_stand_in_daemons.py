"""The stand-ins that drive real daemons: named, dhcpd and conserver serve what was made, NFS keeps its exports busy.

On the lab's active node; each test leaves it as it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pytest

from hamn_flow.facts.exports import Export, Exports, NfsClient, NfsClients, Shown
from hamn_flow.facts.fact import Fact
from hamn_flow.facts.network import DnsAnswer, ListeningPorts
from hamn_flow.facts.storage import Holders, Mounts, mount_at
from hamn_flow.facts.systemd_linux import SystemdLinux
from hamn_flow.facts.xcat import Consoles, LeasesOf
from hamn_flow.lab import host
from hamn_flow.lab.place import ADDRESSES, COMPUTE_NODE, HARDWARE_ADDRESS, MN1, MN2, VIRTUAL_IP, Lab
from hamn_flow.model.command import Command, NodeName, Result
from tests.waiting import until

pytestmark = pytest.mark.lab

ADDRESS = "10.97.0.21"
LEASE = f"{COMPUTE_NODE}: ip-address = {ADDRESS}, hardware-address = {HARDWARE_ADDRESS}"
NFS, NAMED, DHCPD, CONSERVER = "nfs-server", "named", "isc-dhcp-server", "conserver"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A host, asked as hamn-flow asks it."""

    lab: Lab
    name: str

    @property
    def platform(self) -> SystemdLinux:
        return SystemdLinux(node=NodeName(self.name))

    def run(self, command: Command) -> Result:
        ended = host.exec(self.lab, self.name, command.argv, text_in=command.text_in)
        return Result(status=ended.returncode, output=ended.stdout.encode(), errors=ended.stderr.encode())

    def get(self, fact: Fact[T]) -> T:
        return fact.parse(self.run(fact.command(self.platform)))

    def says(self, *argv: str) -> tuple[int, str, str]:
        """A command however it ends: its status and both its outputs."""
        result = self.run(self.platform.run(*argv))
        return result.status, result.text, result.error_text

    def must(self, *argv: str) -> str:
        return host.run(self.lab, self.name, *argv)

    @contextmanager
    def changed(self, path: str, change: Callable[[str], str]) -> Iterator[None]:
        """Another content for a file."""
        before = self.must("cat", path)
        try:
            host.run(self.lab, self.name, "tee", path, text_in=change(before))
            yield
        finally:
            host.run(self.lab, self.name, "tee", path, text_in=before)

    def holders(self, mount_point: str) -> list[tuple[str, str]]:
        """Who holds the file system that is mounted there: the process and its unit."""
        mount = mount_at(self.get(Mounts()), mount_point)
        assert mount is not None
        return [(one.command, one.unit) for one in self.get(Holders(mount_point, mount.device))]


@pytest.fixture
def active(lab: Lab) -> Node:
    """The node that has the role."""
    return Node(lab=lab, name=MN1)


@pytest.fixture
def standby(lab: Lab) -> Node:
    """The other one."""
    return Node(lab=lab, name=MN2)


def test_named_answers_for_what_etc_hosts_names(active: Node, standby: Node) -> None:
    def answers(name: str) -> tuple[str, ...]:
        return standby.get(DnsAnswer(VIRTUAL_IP, name))

    with active.changed("/etc/hosts", lambda text: f"{text}10.97.0.77 guest guest.lab also\n192.168.9.9 stranger\n"):
        active.must("makedns", "-n")
        assert answers("guest.lab") == answers("also.lab") == ("10.97.0.77",)
        assert answers("cn1.lab") == (ADDRESS,)
        assert answers("stranger.lab") == ()
        assert standby.must("dig", "+short", f"@{VIRTUAL_IP}", "-x", "10.97.0.77") == "guest.lab.\n"
    active.must("makedns", "-n")
    assert answers("guest.lab") == ()
    assert answers("cn1.lab") == (ADDRESS,)


def test_makedns_says_that_named_did_not_start_and_ends_well(active: Node) -> None:
    with active.changed("/etc/bind/named.conf.options", lambda text: f"{text}nonsense;\n"):
        status, said, errors = active.says("makedns", "-n")
        assert (status, errors) == (0, f"Error: [{active.name}]: failed to start named.\n")
        assert said.endswith("Restarting bind9\n")
        assert active.get(DnsAnswer(VIRTUAL_IP, "cn1.lab")) == ()
    active.must("makedns", "-n")
    assert active.get(DnsAnswer(VIRTUAL_IP, "cn1.lab")) == (ADDRESS,)


def test_dhcpd_knows_what_it_was_given_and_forgets_it_when_made_anew(active: Node) -> None:
    assert active.get(LeasesOf(COMPUTE_NODE)) == LEASE
    active.must("systemctl", "restart", DHCPD)
    assert active.get(LeasesOf(COMPUTE_NODE)) == LEASE
    active.must("makedhcp", "-d", COMPUTE_NODE)
    assert active.get(LeasesOf(COMPUTE_NODE)) == ""
    active.must("makedhcp", COMPUTE_NODE)
    assert active.get(LeasesOf(COMPUTE_NODE)) == LEASE
    active.must("makedhcp", "-n")
    assert active.get(LeasesOf(COMPUTE_NODE)) == ""
    assert "subnet 10.97.0.0 netmask 255.255.255.0 {" in active.must("cat", "/etc/dhcp/dhcpd.conf.xcatbak")
    active.must("makedhcp", "-a")
    assert active.get(LeasesOf(COMPUTE_NODE)) == LEASE


def test_nothing_can_be_given_to_a_dhcpd_that_does_not_run(active: Node) -> None:
    active.must("systemctl", "stop", DHCPD)
    refusal = f"Error: [{active.name}]: Unable to connect to the DHCP server by OMAPI\n"
    assert active.says("makedhcp", "-a") == (1, "", refusal)
    assert active.says("makedhcp", "-q", COMPUTE_NODE) == (0, "", "")
    active.must("systemctl", "start", DHCPD)
    assert active.get(LeasesOf(COMPUTE_NODE)) == LEASE


def test_conserver_serves_the_consoles_of_the_file_that_is_made(active: Node) -> None:
    active.must("rm", "/etc/conserver.cf")
    assert active.says("makeconservercf") == (0, "", "")
    assert active.get(Consoles()) == (COMPUTE_NODE,)
    active.must("systemctl", "restart", CONSERVER)
    until(lambda: "tcp/782" in active.get(ListeningPorts()))
    greet = 'my $s = IO::Socket::INET->new("127.0.0.1:782") or die $@; $s->print("call cn1\\n"); print scalar <$s>'
    assert active.must("perl", "-MIO::Socket::INET", "-e", greet).strip() == "ok"


def test_xdsh_says_what_each_node_said_and_how_it_ended(active: Node) -> None:
    active.must("mkdef", MN2, "groups=all")
    try:
        assert active.says("xdsh", MN2, "hostname >&2") == (0, f"{MN2}: {MN2}\n", "")
        ended = f"Error: [{active.name}]: {MN2}: remote shell had error code: 3\n"
        assert active.says("xdsh", MN2, "exit 3") == (1, "", ended)
        slow = f"Error: [{active.name}]: {MN2}: remote shell timed out\n"
        assert active.says("xdsh", MN2, "-t", "1", "sleep 5") == (1, "", slow)
    finally:
        active.must("rmdef", MN2)


@pytest.mark.parametrize(
    "export",
    [
        Export(client="10.97.0.21", path="/mnt"),
        Export(client="10.97.0.0/24", path="/mnt", options="rw,insecure,no_root_squash,async,crossmnt,fsid=7"),
        Export(client="fe80::97:ff:fe00:b", path="/mnt", options="all_squash,anonuid=7,no_wdelay"),
        Export(client="*", path="/usr/share/doc/base-files", options="nohide,sec=krb5"),
    ],
    ids=lambda export: export.target,
)
def test_an_export_is_exported_again_as_it_was_shown(active: Node, export: Export) -> None:
    def shown() -> dict[str, Export]:
        return {one.target: one for one in active.get(Exports())}

    before = shown()
    assert active.run(active.platform.export(export)).status == 0
    first = shown()
    assert active.run(active.platform.unexport(export)).status == 0
    assert shown() == before
    assert active.run(active.platform.export(first[export.target])).status == 0
    assert shown() == first == before | {export.target: first[export.target]}
    assert {*export.options.split(",")} - {""} <= {*first[export.target].options.split(",")}
    assert active.run(active.platform.unexport(export)).status == 0


def test_clients_are_shown_the_exports_and_seen_in_turn(active: Node, standby: Node) -> None:
    assert set(standby.get(Shown(VIRTUAL_IP))) == {"/install", "/tftpboot"}
    assert standby.get(Shown(ADDRESSES[standby.name])) == ()
    host.run(active.lab, active.name, "tee", "/var/lib/nfs/rmtab", text_in=f"{ADDRESS}:/install:0x00000001\n")
    assert active.get(NfsClients()) == (NfsClient(client=ADDRESS, path="/install", name=""),)
    active.must("rm", "/var/lib/nfs/rmtab")
    assert active.get(NfsClients()) == ()


@pytest.mark.parametrize("freed", [("exportfs", "-u", "*:/mnt"), ("systemctl", "stop", NFS)], ids=" ".join)
def test_an_exported_file_system_is_busy_until_it_is_let_go(active: Node, freed: tuple[str, ...]) -> None:
    active.must("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt")
    assert active.holders("/mnt") == []
    active.must("exportfs", "*:/mnt")
    assert active.holders("/mnt") == [("nfsd: stand-in", "nfs-server.service")]
    assert active.says("umount", "/mnt") == (32, "", "umount: /mnt: target is busy.\n")
    active.must(*freed)
    assert active.says("umount", "/mnt") == (0, "", "")
    active.must("systemctl", "start", NFS)
    assert {one.path for one in active.get(Exports())} == {"/install", "/tftpboot"}
