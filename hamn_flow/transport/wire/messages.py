"""The messages of a launcher's channel, as plain values.

Every request has exactly one answer with its id; `Output` may come before it. `Hello` and `Bye` have the id 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from hamn_flow.model.command import JobState, Key
from hamn_flow.transport.connection import Held, Hello, Kept

# --- requests: what the client asks ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Look:
    """Run a command that only reads; answered by `Ended` or `Overdue`. `deadline` in seconds, kept on the node."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    text_in: str = ""
    deadline: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Holding:
    """How the node is held; answered by `Held`."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Claim the next generation for an owner, if the present one and its holder are these; answered by `Held`."""

    generation: int
    holder: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Launch a job under its key; answered by `Launched`, `Stale` or, if its wrapper vanished, `Vanished`."""

    key: Key
    generation: int
    owner: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    text_in: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What became of a key; answered by `Standing`."""

    key: Key


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The same, but answered only when the job is no longer running or so many seconds have passed."""

    key: Key
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Send TERM or KILL to a job's process group; answered by `Signalled`."""

    key: Key
    signal: str


@dataclass(frozen=True, kw_only=True)
class Keep:
    """Append to a copy of a run's journal, if it has so many bytes; answered by `Kept`, or `Stale`.

    Where that fails, what was kept before is set aside.
    """

    copy: str
    at: int
    text: bytes
    generation: int
    owner: str


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Which copies there are; answered by `Listed`."""


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """A copy as it is; it comes as `Output`, answered by `Kept`."""

    copy: str


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Give a copy another name; answered by `Kept`, or `Stale`."""

    copy: str
    generation: int
    owner: str


@dataclass(frozen=True, kw_only=True)
class Ping:
    """Is anybody there; answered by `Pong`."""


Request = Look | Holding | Claim | Launch | Ask | Wait | Cancel | Keep | Copies | Fetch | Aside | Ping


# --- replies: what the launcher says ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Output:
    """A piece of what a command printed: stream 1 is its output, 2 its errors. Not an answer yet."""

    stream: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A look ended; its status as in `Result`."""

    status: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """A look did not end within its deadline; its whole process group was killed."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """The job is on its way (`new`), or its key was used before and nothing was launched."""

    new: bool


@dataclass(frozen=True, kw_only=True)
class Stale:
    """Nothing ran: the node's generation and its owner are these; generation 0 if it knows none."""

    generation: int
    owner: str


@dataclass(frozen=True, kw_only=True)
class Vanished:
    """The job's wrapper ended before its word: whether the job ran is not known."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a key stands; status and seconds count only where the state is done. Its output came before."""

    state: JobState
    status: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Signalled:
    """Whether the job ran and got the signal."""

    sent: bool


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The copies that there are."""

    copies: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Pong:
    """The launcher is there."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The node could not do it, and did nothing."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Bye:
    """The launcher ends; always with the id 0."""

    reason: str


Reply = (
    Hello
    | Output
    | Ended
    | Overdue
    | Held
    | Launched
    | Stale
    | Vanished
    | Standing
    | Signalled
    | Kept
    | Listed
    | Pong
    | Failed
    | Bye
)
