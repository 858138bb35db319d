"""Linux with systemd: EL, SLES, Debian and Ubuntu."""

from __future__ import annotations

from dataclasses import dataclass

from hamn_flow.facts import scripts
from hamn_flow.facts.exports import Export
from hamn_flow.facts.network import Arping
from hamn_flow.facts.platform import Environment, Signal
from hamn_flow.model.command import Command, NodeName
from hamn_flow.model.pair import FileSystem, VirtualIp

_ACT = 60.0  # seconds: the deadline of an action that says no other


@dataclass(frozen=True, kw_only=True)
class SystemdLinux:
    """The platform of a node that runs systemd, iproute2 and util-linux."""

    node: NodeName

    def run(self, *argv: str, deadline: float = 10.0, environment: Environment = ()) -> Command:
        """A program with its arguments."""
        return Command(node=self.node, argv=argv, deadline=deadline, environment=environment)

    def script(self, name: str, *args: str, deadline: float = 20.0) -> Command:
        """One of our Perl scripts: `perl - ARGS < NAME`."""
        return Command(
            node=self.node, argv=("perl", "-", *args), deadline=deadline, text_in=scripts.source(name), script=name
        )

    def xcat(self, *argv: str, deadline: float = 60.0, bypass: bool = False) -> Command:
        """One of xCAT's commands; with `bypass` it opens the database itself (xCAT's XCATBYPASS)."""
        return self.run(*argv, deadline=deadline, environment=(("XCATBYPASS", "1"),) if bypass else ())

    def mount(self, fs: FileSystem) -> Command:
        """Mount by a device name that does not move."""
        return self.run("mount", "-t", fs.type, "-o", fs.options, fs.device, fs.mount_point, deadline=_ACT)

    def unmount(self, mount_point: str) -> Command:
        """A plain unmount."""
        return self.run("umount", mount_point, deadline=_ACT)

    def add_address(self, vip: VirtualIp) -> Command:
        """Add the address with its label, so that `ifconfig eth0:0` goes on working."""
        interface = ("dev", vip.interface, "label", vip.label)
        return self.run("ip", "addr", "add", vip.cidr, "brd", "+", *interface, deadline=_ACT)

    def remove_address(self, vip: VirtualIp) -> Command:
        """Delete exactly this address; ifconfig with a mistyped name would delete them all (trap T22)."""
        return self.run("ip", "addr", "del", vip.cidr, "dev", vip.interface, deadline=_ACT)

    def announce_address(self, vip: VirtualIp, flavour: Arping) -> Command:
        """Two gratuitous ARP packets, as many as RFC 5227 asks for (ANNOUNCE_NUM)."""
        return self.run("arping", "-U", "-c", "2", flavour.interface_flag, vip.interface, vip.address, deadline=_ACT)

    def start_unit(self, unit: str, deadline: float = 600.0) -> Command:
        """Start a unit; the default is xcatd's own TimeoutStartSec."""
        return self.run("systemctl", "start", unit, deadline=deadline)

    def begin_unit(self, unit: str) -> Command:
        """Have a unit started; what comes of it is to be looked at."""
        return self.run("systemctl", "start", "--no-block", unit, deadline=_ACT)

    def stop_unit(self, unit: str, deadline: float = 120.0) -> Command:
        """Stop a unit through systemd, or Restart=on-failure brings it back."""
        return self.run("systemctl", "stop", unit, deadline=deadline)

    def hold_unit(self, *units: str) -> Command:
        """Mask units until the next boot; all by one command, as systemd reloads everything after each."""
        return self.run("systemctl", "mask", "--runtime", *units, deadline=_ACT)

    def release_unit(self, *units: str) -> Command:
        """Unmask units that were masked until the next boot."""
        return self.run("systemctl", "unmask", "--runtime", *units, deadline=_ACT)

    def export(self, export: Export) -> Command:
        """Export a path with the options that `exportfs -v` showed."""
        options = ("-o", export.options) if export.options else ()
        return self.run("exportfs", *options, export.target, deadline=_ACT)

    def unexport(self, export: Export) -> Command:
        """Withdraw one export."""
        return self.run("exportfs", "-u", export.target, deadline=_ACT)

    def export_all(self) -> Command:
        """Make the exports agree with /etc/exports."""
        return self.run("exportfs", "-ra", deadline=_ACT)

    def set_host_name(self, name: str) -> Command:
        """Set the kernel's host name; /etc/hostname stays as it is."""
        return self.run("hostname", name, deadline=_ACT)

    def signal(self, pid: int, started: int, signal: Signal) -> Command:
        """Prints `sent`, or `gone` if no such process lives any more."""
        return self.script("signal.pl", signal, str(pid), str(started), deadline=_ACT)

    def write_file(self, path: str, content: str, mode: str = "0644") -> Command:
        """Written beside its place, synced, and renamed."""
        return self.script("write_file.pl", path, content, mode, deadline=_ACT)

    def remove_file(self, path: str) -> Command:
        """Remove a file."""
        return self.run("rm", "-f", "--", path, deadline=_ACT)

    def add_nameserver(self, address: str) -> Command:
        """`nameserver ADDRESS` before all others."""
        return self.script("resolver.pl", "add", address, deadline=_ACT)

    def remove_nameserver(self, address: str) -> Command:
        """No `nameserver ADDRESS` any more."""
        return self.script("resolver.pl", "remove", address, deadline=_ACT)

    def dump_tables(self, directory: str) -> Command:
        """`dumpxCATdb -p`: 71 tables took seconds where it was tried; large clusters take minutes."""
        return self.xcat("dumpxCATdb", "-p", directory, deadline=600.0)
