"""A failover on its way through faults: each is met, must be named rightly, and is lifted before the next one."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hamn_flow.errors import RollbackFailed, StepFailed
from hamn_flow.lab import faults, host, network, programs
from hamn_flow.lab.faults import Fault
from hamn_flow.lab.place import PREFIX, VIRTUAL_IP, Lab
from tests.lab.proofs import served
from tests.lab.proofs.driving import with_policy
from tests.lab.proofs.pair import STARTED, Pair

Going = Literal["start", "resume", "rollback"]
Side = Literal["here", "there"]
_WORDS: dict[Going, tuple[str, ...]] = {"start": ("start", STARTED), "resume": ("resume",), "rollback": ("rollback",)}
_STATUS = {"start": StepFailed.exit_status, "resume": StepFailed.exit_status, "rollback": RollbackFailed.exit_status}


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A fault of the lab on one side; a command may be struck in one of its forms only, all others do their work."""

    side: Side
    kind: str
    what: tuple[str, ...] = ()
    form: str = ""  # the arguments, as a pattern of the shell's `case`


@dataclass(frozen=True, kw_only=True)
class Met:
    """Faults that a failover meets at once, and what it must say when it halts; braces name the hosts."""

    faults: tuple[Planted, ...]
    says: tuple[str, ...]
    status: int = 0  # as it ends; 0: as a step that failed, or an undo


@dataclass(frozen=True, kw_only=True)
class Failover:
    """From the host that has the role to the other one, one try for each step; the commands are a person's own."""

    pair: Pair
    policy: tuple[str, ...]
    here: str
    there: str

    @classmethod
    def of(cls, pair: Pair, folder: Path) -> Failover:
        """From whichever host is active. The other one is as after a boot: nothing keeps its daemons from starting."""
        here, there = pair.roles()
        pair.inside(there, "systemctl", "unmask", "--runtime", *served.UNITS)
        return cls(pair=pair, policy=with_policy(pair, folder, attempts=1), here=here, there=there)

    def node(self, side: Side) -> str:
        """The host of that side."""
        return {"here": self.here, "there": self.there}[side]

    def halts(self, going: Going, *says: str, status: int = 0) -> str:
        """It halts there, with that status, and tells this and what to type; all that it said."""
        ended = self.pair.flow(*self.policy, *_WORDS[going], "--yes")
        said = " ".join(ended.stderr.split())
        assert ended.returncode == (status or _STATUS[going]), f"{ended.returncode}: {said}\n{ended.stdout}"
        for words in says:
            assert words.format(here=self.here, there=self.there) in said, f"{words!r} is not said: {said}"
        assert re.search(r" HINT: .*hamn-flow (resume|rollback)\b", said), said
        return said

    def ends(self, going: Going) -> None:
        """It comes to its end."""
        self.pair.succeed(*self.policy, *_WORDS[going], "--yes")

    def meets(self, going: Going, met: Met) -> str:
        """It halts for these faults, which are then lifted; what it said."""
        with ExitStack() as lifted:
            for one in met.faults:
                lifted.enter_context(struck(self.pair.lab, self.node(one.side), one))
            return self.halts(going, *met.says, status=met.status)

    def meets_all(self, going: Going, table: Iterable[Met]) -> None:
        """One after the other, on one way: it goes so at first, and on from where it stopped."""
        for met in table:
            self.meets(going, met)
            going = "rollback" if going == "rollback" else "resume"


@contextmanager
def struck(lab: Lab, node: str, fault: Planted) -> Iterator[Fault]:
    """A fault, meanwhile."""
    made = faults.set_fault(lab, fault.kind, node, *fault.what)
    try:
        if fault.form:
            _let_others_through(lab, made, fault.form)
        yield made
    finally:
        faults.lift(lab, made.id)


def _let_others_through(lab: Lab, fault: Fault, form: str) -> None:
    """Have what stands in a command's place be the command itself, but for that form of it."""
    for entry in map(Path, fault.known["entries"]):
        _, _, strikes = host.run(lab, fault.node, "cat", str(entry)).partition("\n")
        itself = entry.with_name(f".{entry.name}.{fault.own}")
        script = f'#!/bin/sh\ncase "$*" in\n{form}) ;;\n*) exec {itself} "$@" ;;\nesac\n{strikes}'
        host.write(lab, fault.node, str(entry), script, "0755")


@contextmanager
def changed_unit(pair: Pair, node: str, unit: str, *lines: str) -> Iterator[None]:
    """A unit whose service has these lines more, meanwhile."""
    folder = f"/run/systemd/system/{unit}.service.d"
    pair.inside(node, "mkdir", "--parents", folder)
    host.write(pair.lab, node, f"{folder}/proof.conf", "".join(f"{line}\n" for line in ("[Service]", *lines)))
    pair.inside(node, "systemctl", "daemon-reload")
    try:
        yield
    finally:
        pair.inside(node, "rm", f"{folder}/proof.conf")
        pair.inside(node, "systemctl", "daemon-reload")


@contextmanager
def running(pair: Pair, node: str, name: str, *argv: str, user: str = "root") -> Iterator[int]:
    """A program of somebody else in a host, meanwhile, in a unit of that name; its pid there."""
    pair.inside(node, "systemd-run", f"--unit={name}", f"--uid={user}", "--service-type=exec", "--collect", *argv)
    try:
        yield int(pair.inside(node, "systemctl", "show", "--property=MainPID", "--value", name))
    finally:
        pair.inside(node, "systemctl", "stop", name)


@contextmanager
def foreign_address(lab: Lab) -> Iterator[None]:
    """A third host on the network has the virtual IP, meanwhile."""
    address = (f"{VIRTUAL_IP}/{PREFIX}", "dev", network.BRIDGE)
    programs.run("ip", "-n", lab.network, "addr", "add", *address)
    try:
        yield
    finally:
        programs.run("ip", "-n", lab.network, "addr", "del", *address)


def write_lock_file(pair: Pair, node: str, pid: int) -> None:
    """Leave a postmaster.pid in the shared data directory that names a process."""
    text = f"{pid}\n{data_directory(pair)}\n"  # a server's own has more lines
    whose = ("--owner=postgres", "--group=postgres", "--mode=0600")
    pair.inside(node, "install", *whose, "/dev/stdin", f"{data_directory(pair)}/postmaster.pid", text_in=text)


def locked_by(pair: Pair, node: str) -> int:
    """Which process postmaster.pid names."""
    return int(pair.inside(node, "head", "--lines=1", f"{data_directory(pair)}/postmaster.pid"))


def data_directory(pair: Pair) -> str:
    """Of the shared database, as the pair's file names it."""
    return str(tomllib.loads(pair.lab.cluster_file.read_text())["database"]["data_directory"])
