"""Addresses, names and ports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from hamn_flow.facts.platform import Platform
from hamn_flow.facts.scripts import rows
from hamn_flow.facts.unreadable import succeeded, unreadable
from hamn_flow.model.command import Command, Result
from hamn_flow.model.pair import VirtualIp

_NOT_FOUND = 127  # the shell's status for a program that is not there
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_INET = re.compile(
    r"\d+: (?P<interface>[^\s@]+)\S*\s+inet (?P<address>[\d.]+)"
    r"(?: peer (?P<peer>[\d.]+))?(?:/(?P<prefix>\d+))? (?P<rest>[^\\]*)"
)


@dataclass(frozen=True, kw_only=True)
class Address:
    """An IPv4 address on an interface.

    A `secondary` address goes when the primary one of its subnet goes, unless promote_secondaries is set (trap T22).
    """

    interface: str
    address: str
    prefix: int
    secondary: bool
    label: str


@dataclass(frozen=True)
class Addresses:
    """All IPv4 addresses of a node."""

    def command(self, platform: Platform) -> Command:
        """One line an address."""
        return platform.run("ip", "-o", "-4", "addr", "show")

    def parse(self, result: Result) -> tuple[Address, ...]:
        """In the kernel's order; ip(8) prints the label last before the backslash."""
        found = []
        for line in succeeded("the addresses", result).splitlines():
            match = _INET.match(line)
            if match is None:
                raise unreadable("the addresses", result, why="a line is not as `ip -o addr` prints it")
            words = match["rest"].split()
            found.append(
                Address(
                    interface=match["interface"],
                    address=match["address"],
                    prefix=int(match["prefix"] or 32),
                    secondary="secondary" in words,
                    label=words[-1] if words else "",
                )
            )
        if not found:
            raise unreadable("the addresses", result, why="there are none, not even the one that we came by")
        return tuple(found)


@dataclass(frozen=True)
class PromoteSecondaries:
    """Whether removing a primary address of this interface leaves the others of its subnet (trap T22).

    The kernel also honours conf/all; where only that is set, the answer is False, which errs on the safe side.
    """

    interface: str

    def command(self, platform: Platform) -> Command:
        """Print the kernel's setting."""
        return platform.run("cat", f"/proc/sys/net/ipv4/conf/{self.interface}/promote_secondaries")

    def parse(self, result: Result) -> bool:
        """As the kernel says."""
        text = succeeded(f"promote_secondaries of {self.interface}", result).strip()
        if text not in {"0", "1"}:
            raise unreadable(f"promote_secondaries of {self.interface}", result, why="neither 0 nor 1")
        return text == "1"


class Arping(StrEnum):
    """The two programs called arping; their exit statuses are opposite, and so are some of their options."""

    IPUTILS = "iputils"
    HABETS = "habets"

    @property
    def interface_flag(self) -> str:
        """How it is told the interface."""
        return "-I" if self is Arping.IPUTILS else "-i"


@dataclass(frozen=True)
class ArpingFlavour:
    """Which arping is there."""

    def command(self, platform: Platform) -> Command:
        """Ask for the version: Habets' takes -V for something else, and prints its name and usage."""
        return platform.run("arping", "-V")

    def parse(self, result: Result) -> Arping | None:
        """None if there is none."""
        if result.status == _NOT_FOUND:
            return None
        said = (result.text + result.error_text).lower()
        if "iputils" in said:
            return Arping.IPUTILS
        if "habets" in said:
            return Arping.HABETS
        lines = result.error_text.strip().splitlines()
        words = f" ({lines[-1].strip()})" if lines else ""
        why = f"neither iputils' nor Habets' name is in its words{words}"
        raise unreadable("which arping is there", result, why=why)


@dataclass(frozen=True)
class Answers:
    """Whether anybody on the interface's network answers ARP for the virtual IP (trap T23).

    Asked by a node that does not hold it; judged by the replies counted, because a status of 0 means nobody to the
    one program and somebody to the other.
    """

    vip: VirtualIp
    flavour: Arping

    def command(self, platform: Platform) -> Command:
        """Two probes from 0.0.0.0, a second apart, which leave no trace in anybody's ARP table.

        Habets' gets no -w: older ones read it as the microseconds between two probes, and would wait for no reply.
        """
        ask = ("-D", "-c", "2", "-w", "3") if self.flavour is Arping.IPUTILS else ("-0", "-c", "2")
        interface = (self.flavour.interface_flag, self.vip.interface)
        return platform.run("arping", *ask, *interface, self.vip.address, deadline=15.0)

    def parse(self, result: Result) -> bool:
        """Unreadable if nothing was counted: the interface may be down."""
        counted = (
            re.search(r"Received (\d+) response", result.text)
            if self.flavour is Arping.IPUTILS
            else re.search(r"transmitted, (\d+) packets received", result.text)
        )
        if counted is None:
            raise unreadable(f"who answers for {self.vip.address}", result)
        return int(counted[1]) > 0


@dataclass(frozen=True)
class ListeningPorts:
    """What is listened on, as `tcp/3001`."""

    def command(self, platform: Platform) -> Command:
        """Listening sockets, numeric."""
        return platform.run("ss", "-Hlntu")

    def parse(self, result: Result) -> frozenset[str]:
        """Ports on any address."""
        ports = set()
        for line in succeeded("the listening ports", result).splitlines():
            words = line.split()
            protocol, port = words[0] if words else "", words[4].rpartition(":")[2] if len(words) > 4 else ""
            if protocol not in {"tcp", "udp"} or not port.isdecimal():
                raise unreadable("the listening ports", result, why="a line is not as ss prints it")
            ports.add(f"{protocol}/{int(port)}")
        return frozenset(ports)


@dataclass(frozen=True)
class HostName:
    """The running host name."""

    def command(self, platform: Platform) -> Command:
        """Ask the kernel."""
        return platform.run("hostname")

    def parse(self, result: Result) -> str:
        """As it is set, short or long."""
        name = succeeded("the host name", result).strip()
        if not name:
            raise unreadable("the host name", result, why="it is empty")
        return name


@dataclass(frozen=True)
class ResolvesTo:
    """The IPv4 addresses that the node's own resolver gives for a name: /etc/hosts, DNS, whatever is set."""

    name: str

    def command(self, platform: Platform) -> Command:
        """Ask as every program on the node asks."""
        return platform.run("getent", "ahostsv4", self.name)

    def parse(self, result: Result) -> tuple[str, ...]:
        """Each once; none if the name is not known (getent's status 2)."""
        if result.status == 2:
            return ()
        text = succeeded(f"the addresses of {self.name}", result)
        return tuple(dict.fromkeys(line.split()[0] for line in text.splitlines() if line.strip()))


BOOT_FILES = (
    "/etc/rc.local",
    "/etc/rc.d/rc.local",
    "/etc/sysconfig/network-scripts",
    "/etc/sysconfig/network",
    "/etc/network",
    "/etc/netplan",
    "/etc/NetworkManager/system-connections",
    "/etc/systemd/network",
    "/etc/keepalived",
)
"""Where an address is given that shall be there after a boot, on the distributions that xCAT knows."""


@dataclass(frozen=True)
class MadeToLast:
    """The files by which a node would bring an address up when it boots (guide L501; trap T24)."""

    address: str

    def command(self, platform: Platform) -> Command:
        """Names of files only: what else stands in them may be a password."""
        return platform.run("grep", "-rlswF", "--", self.address, *BOOT_FILES)

    def parse(self, result: Result) -> tuple[str, ...]:
        """Each once. Status 1 is none; status 2 as well, where some of the places are not there."""
        if result.status not in {0, 1, 2}:
            raise unreadable("what brings addresses up at boot", result)
        return tuple(dict.fromkeys(result.text.splitlines()))


@dataclass(frozen=True)
class DnsAnswer:
    """What one DNS server answers, which proves more than makedns' exit status (trap T31)."""

    server: str
    name: str

    def command(self, platform: Platform) -> Command:
        """One question, two seconds."""
        return platform.run("dig", "+short", "+time=2", "+tries=1", f"@{self.server}", self.name, "A")

    def parse(self, result: Result) -> tuple[str, ...]:
        """Addresses only; none if it does not know the name or does not answer (dig's status 9)."""
        text = "" if result.status == 9 else succeeded(f"the answer of the name server {self.server}", result)
        return tuple(line.strip() for line in text.splitlines() if _ADDRESS.fullmatch(line.strip()))


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """/etc/resolv.conf: its nameservers in order, and who writes it: a link's target or a program; empty if nobody."""

    nameservers: tuple[str, ...]
    managed_by: str


@dataclass(frozen=True)
class Nameservers:
    """The nameservers that this node asks, and whether something else than a person writes them (trap T25)."""

    def command(self, platform: Platform) -> Command:
        """Read the file."""
        return platform.script("resolver.pl", "show")

    def parse(self, result: Result) -> Resolver:
        """No file: no nameservers."""
        servers, managed = [], ""
        for row in rows(succeeded("/etc/resolv.conf", result)):
            match row:
                case ["nameserver", address]:
                    servers.append(address)
                case ["link" | "generated", owner]:
                    managed = managed or owner
                case _:
                    raise unreadable("/etc/resolv.conf", result, why="a line has an unknown key")
        return Resolver(nameservers=tuple(servers), managed_by=managed)
