"""What every way of reaching a node offers: looks, keyed jobs, and one driver at a time.

A look only reads and may be repeated. A job changes something: it is launched at most once under its key,
survives the link and the driver, and is asked for again after reconnecting: first `claim`, then `ask`, because
before the generation was raised the answer `none` is not final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hamn_flow.errors import StaleDriver
from hamn_flow.model.command import Command, Job, Key, NodeName, Result
from hamn_flow.model.pair import NodeSpec

_LONGEST_WHY = 900  # bytes: a node takes an owner of 1000
NOBODY = "-"  # in the place of a run: the node was given up


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who drives: the run, and the driver's own identity (host, pid, start time and random part)."""

    run: str
    driver: str

    @property
    def text(self) -> str:
        """As it is stored on the node."""
        return f"{self.run} {self.driver}"

    @classmethod
    def of(cls, text: str) -> Owner | None:
        """Who it is that a node names; None if nobody holds it."""
        run, _, driver = text.partition(" ")
        return None if run in {"", NOBODY} else cls(run=run, driver=driver)

    @classmethod
    def nobody(cls, why: str) -> Owner:
        """What stands on a node that was given up, and why it was."""
        return cls(run=NOBODY, driver=why.encode()[:_LONGEST_WHY].decode(errors="ignore"))


@dataclass(frozen=True, kw_only=True)
class Held:
    """How a node is held: its generation, who holds that, for how long, and the jobs that still run on it."""

    generation: int
    owner: str  # as `Owner.text`; empty if nobody ever claimed the node since its boot
    seconds: float = 0.0
    running: tuple[Key, ...] = ()

    def is_by(self, owner: Owner) -> bool:
        """Whether that owner holds it."""
        return self.owner == owner.text

    @property
    def spoken(self) -> str:
        """Who holds it, as a person reads it; or why nobody does."""
        holder = Owner.of(self.owner)
        if holder is None:
            return self.owner.partition(" ")[2] or "nobody holds it"
        return f"run {holder.run}, driver {holder.driver}, generation {self.generation}"

    def refusal(self, node: NodeName) -> StaleDriver:
        """What is told a driver that the node, which is held so, obeys no more."""
        if self.generation == 0:
            return StaleDriver(
                f"{node} knows of no driver: it was booted since this one took it, or its /run/hamn-flow was emptied",
                hint="Type hamn-flow resume: it looks at what is true before it does anything.",
            )
        if Owner.of(self.owner) is None:
            return StaleDriver(
                f"{node} was given up: {self.spoken}",
                hint="Type hamn-flow owner to see how the nodes are held; hamn-flow resume takes it again.",
            )
        return StaleDriver(
            f"{node} was taken over: {self.spoken}",
            hint="Type hamn-flow owner to see who has it, and hamn-flow status where that driver runs.",
        )


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a node says of itself when the launcher answers for the first time on a connection."""

    boot_id: str  # changes with each boot
    generation: int  # 0: none was ever claimed since the node's boot
    owner: str  # who holds that generation, as `Owner.text`; empty if none
    user_id: int  # the numeric user that commands run as

    @property
    def held(self) -> Held:
        """How the node was held then, as far as it says so."""
        return Held(generation=self.generation, owner=self.owner)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A copy of a run's journal on a node: its size in bytes, and its end, a sum and a newline if it is whole."""

    size: int
    end: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Text to be appended to a copy where it has `at` bytes, by who holds the node at that generation."""

    at: int = 0
    text: bytes = b""
    generation: int = 0
    owner: str = ""  # as `Owner.text`


class Keeping(Protocol):
    """What a node says of a piece that was sent to it; asked for when it is needed."""

    def __call__(self, seconds: float) -> Kept | None:
        """The copy as it is then; None if nothing was said in so many seconds.

        LookFailed if the node could not keep it: what it kept before is set aside then, unless it says why not.
        StaleDriver if it obeys another driver, Unreachable if the link was lost.
        """
        ...


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

    def held(self) -> Held:
        """How the node is held now."""
        ...

    def claim(self, owner: Owner, over: Held) -> Held:
        """Make `owner` the one driver of this node, if it is still held as was seen, and say how it is held then.

        If so, its generation is greater by one, and launches of all earlier ones are refused from now on; if not, the
        answer names another owner and nothing was changed.
        """
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

    def keep(self, copy: str, piece: Piece) -> Keeping:
        """Send a piece of a copy, and do not wait for the answer.

        It is on the node's disk before anything is launched that is sent after it. Where the copy has another size, or
        the node another holder, nothing is changed; an empty piece asks how the copy is.
        """
        ...

    def copies(self) -> tuple[str, ...]:
        """The names of the copies that the node keeps."""
        ...

    def fetch(self, copy: str) -> bytes:
        """A copy's text; nothing if there is none."""
        ...

    def set_aside(self, copy: str, *, generation: int, owner: Owner) -> None:
        """Give a copy another name, under which nobody but a person looks for it.

        StaleDriver if the node's generation is not this one, or another's.
        """
        ...

    def close(self) -> None:
        """Let go of the link; jobs go on."""
        ...


Connect = Callable[[NodeSpec], Connection]
