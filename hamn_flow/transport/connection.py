"""What every way of reaching a node offers: looks, keyed jobs, and one driver at a time.

A look only reads and may be repeated. A job changes something: it is launched at most once under its key,
survives the link and the driver, and is asked for again after reconnecting: first `raise_generation`, then
`ask`, because before a raise the answer `none` is not final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hamn_flow.model.command import Command, Job, Key, NodeName, Result
from hamn_flow.model.pair import NodeSpec


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who drives: the run, and the driver's own identity (host, pid, start time and random part)."""

    run: str
    driver: str

    @property
    def text(self) -> str:
        """As it is stored on the node."""
        return f"{self.run} {self.driver}"


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a node says of itself when the launcher answers for the first time on a connection."""

    boot_id: str  # changes with each boot
    generation: int  # 0: none was ever claimed since the node's boot
    owner: str  # who holds that generation, as `Owner.text`; empty if none
    user_id: int  # the numeric user that commands run as


class Connection(Protocol):
    """A live way to one node. Every call has a deadline; a lost link raises Unreachable."""

    @property
    def node(self) -> NodeName:
        """The node at the other end."""
        ...

    @property
    def hello(self) -> Hello:
        """What the node said when the connection was made."""
        ...

    def look(self, command: Command) -> Result:
        """Run a command that only reads, and wait for it; LookFailed after its deadline, or if it cannot be run."""
        ...

    def raise_generation(self, owner: Owner) -> int:
        """Make `owner` the one driver of this node; launches of all earlier ones are refused from now on."""
        ...

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        """Launch a job once under its key; a used key launches nothing.

        StaleDriver if the node's generation is not this one; OutcomeUnknown if the answer was lost.
        """
        ...

    def ask(self, key: Key) -> Job:
        """What became of the key; OutcomeUnknown if the node answers, but cannot say."""
        ...

    def wait(self, key: Key, seconds: float) -> Job:
        """Ask until the job is no longer running, at most so many seconds; still running is an answer.

        OutcomeUnknown if the node answers, but cannot say.
        """
        ...

    def cancel(self, key: Key, signal: str) -> None:
        """Send TERM or KILL to the job's process group."""
        ...

    def close(self) -> None:
        """Let go of the link; jobs go on."""
        ...


Connect = Callable[[NodeSpec], Connection]
