"""What happens to a run, as facts to be recorded: each is appended to the journal as it is.

Several events are recorded in one commit where they are one checkpoint. `at` is added by the journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.outage import Answer
from hamn_flow.model.run import Decision, Direction, PlannedStep, RunState, StepState


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a run."""

    run: str


Story = Sequence[tuple[int, datetime, Event]]
"""What happened to a run, in its order: the event's number in the journal, when, and what."""


@dataclass(frozen=True, kw_only=True)
class RunPlanned(Event):
    """A plan was frozen; nothing was touched yet."""

    procedure: str
    cluster: str
    cluster_path: str
    options: dict[str, str]
    steps: tuple[PlannedStep, ...]


@dataclass(frozen=True, kw_only=True)
class RunBegun(Event):
    """A driver took the run: at its start, a resume or a rollback.

    A direction other than the last one, or `anew`, opens an epoch (retry budgets start afresh).
    """

    direction: Direction
    who: str
    anew: bool
    back_to: str = ""


@dataclass(frozen=True, kw_only=True)
class DriverCame(Event):
    """A driver sat down at the run; recorded before it claims a node, so that the claim is known as this journal's."""

    driver: str  # as the nodes name it
    who: str


@dataclass(frozen=True, kw_only=True)
class JobsFound(Event):
    """A node still runs commands of an earlier driver, unknown to this run: it launches nothing meanwhile."""

    node: NodeName
    keys: tuple[Key, ...]


@dataclass(frozen=True, kw_only=True)
class CopyMissed(Event):
    """A node did not get this run's journal as it is now; the run goes on."""

    node: NodeName
    reason: str


@dataclass(frozen=True, kw_only=True)
class Adopted(Event):
    """The run goes on in another journal, from a node's copy of so many commits.

    `unseen` are the nodes whose copy could not be read: a step of theirs may have been begun that is not known here.
    """

    node: NodeName
    commits: int
    unseen: tuple[NodeName, ...]
    who: str


@dataclass(frozen=True, kw_only=True)
class CopyBrought(Event):
    """A node whose copy could not be read when the run was adopted has the run's journal as it is now."""

    node: NodeName


@dataclass(frozen=True, kw_only=True)
class NodeReleased(Event):
    """A person gave a node up that a driver of this run held."""

    node: NodeName
    holder: str  # as the node named it
    who: str
    why: str


@dataclass(frozen=True, kw_only=True)
class NodeRegained(Event):
    """A node that others had since this run last had it: a person has seen that, and goes on all the same."""

    node: NodeName
    since: str  # who gave it up, as the node says it
    who: str


@dataclass(frozen=True, kw_only=True)
class NodeSeen(Event):
    """A node answered: its boot id, and the generation under which this driver launches."""

    node: NodeName
    boot_id: str
    generation: int


@dataclass(frozen=True, kw_only=True)
class Knocked(Event):
    """The driver knocked at the virtual IP: its first or last knock, or one with another answer than the one before."""

    knocked_at: datetime  # when it was sent; a knock without an answer is recorded a moment later
    answer: Answer
    first: bool  # of this sitting


@dataclass(frozen=True, kw_only=True)
class NotMeasured(Event):
    """From here on this driver does not know what answers at the virtual IP."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class StepBegun(Event):
    """The intent: committed before the step's first command. `seen` counts only with the first intent."""

    step: str
    direction: Direction
    intent: int  # from 1 over the whole run
    reason: str
    seen: Any


@dataclass(frozen=True, kw_only=True)
class CommandLaunched(Event):
    """A command is about to be sent under its key."""

    step: str
    intent: int
    number: int
    direction: Direction
    key: Key
    node: NodeName
    text: str


@dataclass(frozen=True, kw_only=True)
class CommandEnded(Event):
    """What became of a command; `status` None: it is not known."""

    key: Key
    status: int | None
    seconds: float | None
    last_lines: str


@dataclass(frozen=True, kw_only=True)
class CommandCancelled(Event):
    """A command is past its deadline; its process group is about to be sent this signal."""

    key: Key
    signal: str


@dataclass(frozen=True, kw_only=True)
class AttemptFailed(Event):
    """A try did not reach its goal; the step has failed until the next, in `wait` seconds; None if there is none."""

    step: str
    number: int
    reason: str
    wait: float | None


@dataclass(frozen=True, kw_only=True)
class StepSettled(Event):
    """The outcome, after the world was looked at again.

    `changed` says that this run made the goal true, so that it is ours to undo.
    """

    step: str
    state: StepState
    reason: str
    changed: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckpointReached(Event):
    """All steps of a stage are settled; going back, the checkpoint is the stage before."""

    checkpoint: str


@dataclass(frozen=True, kw_only=True)
class RunHalted(Event):
    """The run waits: at this step, for this reason; the hint says what to type."""

    step: str
    reason: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class RunEnded(Event):
    """The run is done, rolled back or abandoned."""

    state: RunState


@dataclass(frozen=True, kw_only=True)
class Decided(Event):
    """A person confirmed, skipped or abandoned, while the run went in this direction."""

    kind: Decision
    step: str
    who: str
    why: str
    direction: Direction = Direction.FORWARD
