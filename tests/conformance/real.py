"""The lab as a target: real hosts, reached through the product's own transport from the controlling side."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hamn_flow.cluster.loading import load
from hamn_flow.lab import groups, host, network
from hamn_flow.lab.place import Lab
from hamn_flow.lab.programs import run
from hamn_flow.model.command import Command, NodeName, Result
from hamn_flow.model.pair import Cluster
from hamn_flow.transport import connect
from hamn_flow.transport.connection import Connection
from hamn_flow.transport.here import Here
from tests.conformance.targets import HELD, launched

_NEWNET = 0x40000000  # CLONE_NEWNET of setns(2)
_LONGEST = "600"  # seconds after which a holder ends by itself

# Starts a program that outlives it, waits until that says that it is ready, and prints its pid.
_START = """
use POSIX;
$^F = 255;
pipe(my $ready, my $said) or die;
my $pid = fork;
die unless defined $pid;
if (!$pid) {
    close $ready;
    POSIX::setsid();
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    exec @ARGV, fileno $said;
    POSIX::_exit(127);
}
close $said;
defined <$ready> or die "it did not get ready\\n";
print "$pid\\n";
"""

# Holds a file system in one way: KIND PATH SECONDS DESCRIPTOR.
_HOLD = """
require DynaLoader;
my ($kind, $path, $longest, $descriptor) = @ARGV;
$0 = 'postgres: somebody' if $kind eq 'postgres';
$SIG{TERM} = 'IGNORE' if $kind eq 'stubborn';
if    ($kind eq 'root') { chdir '/'; chroot $path or die }
elsif ($kind eq 'file') { open FILE, '>', "$path/held" or die }
elsif ($kind eq 'map')  { DynaLoader::dl_load_file("$path/held") or die }
elsif ($kind =~ /^(?:cwd|stubborn|postgres)\\z/) { chdir $path or die }
open my $said, '>&=', $descriptor or die;
syswrite $said, "ready\\n";
close $said;
sleep $longest;
"""

_END = """
my ($pid) = @ARGV;
kill KILL => $pid;
for (1 .. 500) { last unless kill 0 => $pid; select undef, undef, undef, 0.01 }
"""


@contextmanager
def inside(namespace: Path) -> Iterator[None]:
    """This thread's sockets are made in another network namespace meanwhile."""
    change = ctypes.CDLL(None, use_errno=True).setns
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    other = os.open(namespace, os.O_RDONLY)
    try:
        if change(other, _NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            yield
        finally:
            assert change(own, _NEWNET) == 0, "cannot go back to our own network"
    finally:
        os.close(own)
        os.close(other)


def library() -> str:
    """A library that is on this machine, and so in the hosts."""
    return next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libc" in line)


@dataclass
class Real:
    """A lab that is up; mn1 is the active node."""

    lab: Lab
    cluster: Cluster = field(init=False)
    _connections: dict[NodeName, Connection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cluster = load(self.lab.cluster_file)

    def look(self, command: Command) -> Result:
        return self._connection(command.node).look(command)

    def act(self, command: Command) -> Result:
        return launched(self._connection(command.node), command)

    def _connection(self, node: NodeName) -> Connection:
        if node not in self._connections:
            own = self.lab.home / ".ssh"
            here = Here(known_hosts=(own / "known_hosts",), config=own / "config")
            with inside(network.path(self.lab.network)):
                self._connections[node] = connect(self.cluster.node(node), here)
        return self._connections[node]

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _typed(self, node: NodeName, *argv: str) -> str:
        """A command of somebody else's in the host, which must work; what it printed."""
        return host.run(self.lab, node, *argv).strip()

    @contextmanager
    def hold(self, node: NodeName, kind: str, path: str) -> Iterator[None]:
        """See row.py."""
        file = f"{path}/{HELD}"
        with ExitStack() as stack:
            match kind:
                case "mount":
                    self._typed(node, "mkdir", file)
                    stack.callback(self._typed, node, "rmdir", file)
                    self._typed(node, "mount", "-t", "tmpfs", "-o", "size=64k", "none", file)
                    stack.callback(self._typed, node, "umount", file)
                case "bind":
                    self._typed(node, "mount", "--bind", path, "/mnt")
                    stack.callback(self._typed, node, "umount", "/mnt")
                case "loop":
                    self._typed(node, "truncate", "--size=1M", file)
                    stack.callback(self._typed, node, "rm", file)
                    # from outside: a host has no other block devices than its own
                    loop = run(
                        "losetup", "--find", "--show", f"/proc/{groups.leader(self.lab, node)}/root{file}"
                    ).strip()
                    stack.callback(run, "losetup", "--detach", loop)
                case "file" | "exe" | "map":
                    if kind != "file":
                        self._typed(node, "cp", "/usr/bin/perl" if kind == "exe" else library(), file)
                    stack.callback(self._typed, node, "rm", file)
                    stack.enter_context(self._holder(node, kind, path))
                case _:
                    stack.enter_context(self._holder(node, kind, path))
            yield

    @contextmanager
    def _holder(self, node: NodeName, kind: str, path: str) -> Iterator[None]:
        """A process in the host that holds the file system until it is ended."""
        way = {"exe": (f"{path}/{HELD}",), "namespace": ("unshare", "--mount", "--propagation", "private", "perl")}
        words = (*way.get(kind, ("perl",)), "-e", _HOLD, kind, path, _LONGEST)
        pid = self._typed(node, "perl", "-e", _START, *words)
        try:
            yield
        finally:
            self._typed(node, "perl", "-e", _END, pid)

    @contextmanager
    def hide(self, node: NodeName, path: str) -> Iterator[None]:
        """See row.py."""
        there = host.exec(self.lab, node, ("test", "-e", path)).returncode == 0
        if there:
            self._typed(node, "mv", path, f"{path}.hidden")
        try:
            yield
        finally:
            if there:
                self._typed(node, "mv", f"{path}.hidden", path)

    @contextmanager
    def keep(self, node: NodeName, directory: str) -> Iterator[None]:
        """See row.py."""
        copy = f"{directory}.kept"
        self._typed(node, "cp", "--archive", directory, copy)
        try:
            yield
        finally:
            self._typed(node, "mv", directory, f"{directory}.left")  # refused while something is mounted there
            self._typed(node, "mv", copy, directory)
            self._typed(node, "rm", "-r", f"{directory}.left")

    def discard(self, node: NodeName, directory: str) -> None:
        """See row.py."""
        self._typed(node, "rm", "-rf", "--", directory)

    def forget_failure(self, node: NodeName, unit: str) -> None:
        """See row.py."""
        self._typed(node, "systemctl", "reset-failed", unit)

    def promote(self, node: NodeName, interface: str, *, on: bool) -> None:
        """See row.py."""
        own = f"--net={network.path(self.lab.host(node))}"  # a host may not change its kernel's settings itself
        run("nsenter", own, "sysctl", "-qw", f"net.ipv4.conf.{interface}.promote_secondaries={int(on)}")
