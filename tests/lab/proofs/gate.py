"""A gate in a unit: its start or its stop does not come to its end, or begin, before a test opens the gate.

So that what a test does strikes within a command for sure, however fast the machine is.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hamn_flow.lab import groups
from tests.lab.proofs.pair import Pair, runs
from tests.waiting import until

DATABASE = "postgresql@15-main"
Verb = Literal["prepare", "start", "stop"]
_PLACES = {"prepare": "ExecStartPre", "start": "ExecStartPost", "stop": "ExecStopPost"}  # systemd.service(5)
_COMMANDS = {"prepare": "start", "start": "start", "stop": "stop"}
_LONGEST = 100.0  # seconds that a driver may take to come to a gate
_PAUSE = 0.05  # seconds between two looks


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A gate that is shut until it is opened, for good.

    Before it the unit's own work is done, behind it is nothing; at `prepare` it is the other way round.
    """

    pair: Pair
    node: str
    unit: str  # without its suffix
    verb: Verb

    @property
    def times(self) -> int:
        """How often the unit was started, or stopped, since the gate was set."""
        return len(self._reached.read_text().splitlines())

    @property
    def waits(self) -> bool:
        """Whether hamn-flow's command is under way."""
        names = (self.unit, f"{self.unit}.service")
        return any(runs(self.pair, self.node, ("systemctl", _COMMANDS[self.verb], name)) for name in names)

    def until_reached(self, driver: subprocess.Popen[str]) -> None:
        """Wait until a driver's command stands before the gate."""
        end = time.monotonic() + _LONGEST
        while not (self._reached.exists() and self.waits):
            assert driver.poll() is None, f"it ended before the gate: {driver.communicate()[0]}"
            assert time.monotonic() < end, f"no command came to {self}"
            time.sleep(_PAUSE)

    def open(self) -> None:
        """Let through what waits, and whatever comes later; wait until the command has ended."""
        self._let_through()
        until(lambda: not self.waits)

    def shut(self) -> None:
        """Set the gate: who comes to it waits until somebody opens the other end of the pipe."""
        wait = f"echo >>{self._pipe}.reached; test ! -p {self._pipe} || : <{self._pipe}"
        lines = ("[Service]", f"{_PLACES[self.verb]}=-/bin/sh -c '{wait}'", "TimeoutStopSec=600")
        self.pair.inside(self.node, "mkfifo", self._pipe)
        self.pair.inside(self.node, "mkdir", "--parents", str(Path(self._drop_in).parent))
        self.pair.inside(self.node, "tee", self._drop_in, text_in="".join(f"{line}\n" for line in lines))
        self.pair.inside(self.node, "systemctl", "daemon-reload")

    def remove(self) -> None:
        """Take the gate away; nothing where a boot did."""
        if self.node in self.pair.powered() and self._seen(self._drop_in).exists():
            self._let_through()
            self.pair.inside(self.node, "rm", "--force", self._drop_in, f"{self._pipe}.reached")
            self.pair.inside(self.node, "systemctl", "daemon-reload")

    def _let_through(self) -> None:
        """Open the pipe both ways, which waits for nobody and wakes who waits; then there is no pipe any more."""
        pass_on = f"test ! -p {self._pipe} || {{ exec 3<>{self._pipe}; rm {self._pipe}; }}"
        self.pair.inside(self.node, "sh", "-c", pass_on)

    @property
    def _pipe(self) -> str:
        return f"/run/gate-{self.verb}-{self.unit}"

    @property
    def _drop_in(self) -> str:
        return f"/run/systemd/system/{self.unit}.service.d/gate-{self.verb}.conf"

    @property
    def _reached(self) -> Path:
        return self._seen(f"{self._pipe}.reached")

    def _seen(self, path: str) -> Path:
        """A file of the host, seen from outside."""
        return Path(f"/proc/{groups.leader(self.pair.lab, self.node)}/root{path}")


@contextmanager
def gate(pair: Pair, node: str, verb: Verb, unit: str) -> Iterator[Gate]:
    """A gate in a unit's start or stop, meanwhile."""
    shut = Gate(pair=pair, node=node, unit=unit, verb=verb)
    shut.shut()
    try:
        yield shut
    finally:
        shut.remove()
