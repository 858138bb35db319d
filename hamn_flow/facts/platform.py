"""How an operating system says and does what the steps need: the protocol that each platform fulfils.

Every action is one Command with an argument list; nothing here runs anything. Exit statuses are not judged here:
the facts look at the world afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from hamn_flow.model.command import Command, NodeName
from hamn_flow.model.pair import FileSystem, VirtualIp

if TYPE_CHECKING:  # these modules' facts are asked through a Platform themselves
    from hamn_flow.facts.exports import Export
    from hamn_flow.facts.network import Arping

Environment = tuple[tuple[str, str], ...]
Signal = Literal["TERM", "KILL"]


class Platform(Protocol):
    """One node's way of saying things. Deadlines are in seconds."""

    @property
    def node(self) -> NodeName:
        """The node that the commands are for."""
        ...

    def run(self, *argv: str, deadline: float = 10.0, environment: Environment = ()) -> Command:
        """A program with its arguments."""
        ...

    def script(self, name: str, *args: str, deadline: float = 20.0) -> Command:
        """One of our Perl scripts (facts/scripts/NAME.pl), sent on standard input."""
        ...

    def xcat(self, *argv: str, deadline: float = 60.0, bypass: bool = False) -> Command:
        """One of xCAT's commands; `bypass` asks the database itself instead of xcatd."""
        ...

    def mount(self, fs: FileSystem) -> Command:
        """Mount by a device name that does not move; /etc/fstab is not needed (trap T13)."""
        ...

    def unmount(self, mount_point: str) -> Command:
        """A plain unmount: never lazy, never forced (trap T19)."""
        ...

    def add_address(self, vip: VirtualIp) -> Command:
        """Bring the virtual IP up with its label (guide L233, L500; trap T23)."""
        ...

    def remove_address(self, vip: VirtualIp) -> Command:
        """Take exactly this address off (guide L493; trap T22)."""
        ...

    def announce_address(self, vip: VirtualIp, flavour: Arping) -> Command:
        """Tell the neighbours who has the address now: a gratuitous ARP (trap T23)."""
        ...

    def start_unit(self, unit: str, deadline: float = 600.0) -> Command:
        """Start a daemon."""
        ...

    def begin_unit(self, unit: str) -> Command:
        """Begin to start a daemon, and do not wait for it."""
        ...

    def stop_unit(self, unit: str, deadline: float = 120.0) -> Command:
        """Stop a daemon by its unit, so that nothing starts it again."""
        ...

    def hold_unit(self, *units: str) -> Command:
        """Keep units from being started until released or until the next boot."""
        ...

    def release_unit(self, *units: str) -> Command:
        """Let held units be started again."""
        ...

    def export(self, export: Export) -> Command:
        """Export a path to a client over NFS."""
        ...

    def unexport(self, export: Export) -> Command:
        """Withdraw one export, and only that one (guide L469; trap T20)."""
        ...

    def export_all(self) -> Command:
        """Export what /etc/exports lists (guide L564)."""
        ...

    def set_host_name(self, name: str) -> Command:
        """Set the running host name, until the next boot (guide L236)."""
        ...

    def signal(self, pid: int, started: int, signal: Signal) -> Command:
        """Signal a process, only if it is still the one that started then (clock ticks since boot)."""
        ...

    def write_file(self, path: str, content: str, mode: str = "0644") -> Command:
        """Put a small file in place atomically; its content is seen in process lists, so it holds no secret."""
        ...

    def remove_file(self, path: str) -> Command:
        """Remove a file; one that is not there is no error."""
        ...

    def add_nameserver(self, address: str) -> Command:
        """Make an address the first nameserver in /etc/resolv.conf (guide L547; trap T25)."""
        ...

    def remove_nameserver(self, address: str) -> Command:
        """Remove an address from the nameservers in /etc/resolv.conf."""
        ...

    def dump_tables(self, directory: str) -> Command:
        """Dump xCAT's tables as CSV files; its exit status proves nothing."""
        ...
