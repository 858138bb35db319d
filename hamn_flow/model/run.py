"""A run as the journal remembers it: what `status` and `show` read, and what the engine goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Any

from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.outage import Knock


class RunState(StrEnum):
    """The states of a run. Whether `running` and `rolling_back` are alive is told by the driver's lock."""

    PLANNED = "planned"
    RUNNING = "running"
    WAITING = "waiting"
    ROLLING_BACK = "rolling_back"
    DONE = "done"
    ROLLED_BACK = "rolled_back"
    ABANDONED = "abandoned"

    @property
    def ended(self) -> bool:
        """Whether nothing can follow but, for a run that is done, its rollback."""
        return self in {RunState.DONE, RunState.ROLLED_BACK, RunState.ABANDONED}


class StepState(StrEnum):
    """The states of a step. `begun` with no live driver is shown as in doubt."""

    PENDING = "pending"
    BEGUN = "begun"
    DONE = "done"  # changed by this run, and seen to be true
    SKIPPED = "skipped"  # already true, or skipped by a person: not ours to undo
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    UNDONE = "undone"


class Direction(StrEnum):
    """Which way a run, a step's attempt or a checkpoint goes."""

    FORWARD = "forward"
    BACK = "back"


class Decision(StrEnum):
    """What a person decided about a run or a step."""

    CONFIRM = "confirm"
    SKIP = "skip"
    ABANDON = "abandon"


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step as it is frozen in the run: its class by name and version, and its fields as plain data."""

    name: str
    stage: str
    node: NodeName
    title: str
    kind: str  # "module:Class"
    version: int
    fields: dict[str, Any]
    after: tuple[str, ...] | None = None  # the stages that its stage comes after; None: all before it


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """A step of a run and how far it came."""

    planned: PlannedStep
    position: int  # from 0, in the order of the plan
    state: StepState
    direction: Direction  # of the last intent
    seen: Any  # as plain data; stored with the first intent, never overwritten
    has_seen: bool
    acted: bool  # a command of this run was launched to reach the goal, and its effect was not undone since
    doubted: bool  # a driver before may have carried it out, and this journal does not say so
    attempts: int  # begun in this epoch and direction
    failures: int  # of the tries that the policy counts, in this epoch; a try may hold several attempts by remedies
    intents: int  # begun over the whole run: part of the key
    reason: str
    completed: int  # the order in which steps became done; 0 if this run has not changed anything by it
    begun_at: datetime | None
    ended_at: datetime | None

    @property
    def name(self) -> str:
        """The step's identity."""
        return self.planned.name

    @property
    def ours(self) -> bool:
        """Whether this run may have changed something by the step, so that a rollback must undo it."""
        return self.state is not StepState.UNDONE and (self.completed > 0 or self.acted)


@dataclass(frozen=True, kw_only=True)
class CommandRecord:
    """A command that changes something: its key is unique, its launch was journalled before it was sent."""

    key: Key
    step: str
    intent: int
    number: int  # from 0, within the intent
    direction: Direction
    node: NodeName
    text: str
    launched_at: datetime
    ended_at: datetime | None
    status: int | None  # None: not known (yet)
    seconds: float | None  # as the node measured it
    last_lines: str


@dataclass(frozen=True, kw_only=True)
class AttemptRecord:
    """A failed attempt, with what is waited before the next; `wait` is None where there was none."""

    step: str
    number: int
    at: datetime
    reason: str
    wait: float | None


@dataclass(frozen=True, kw_only=True)
class DecisionRecord:
    """What a person decided, who, when and why."""

    kind: Decision
    step: str  # empty for the whole run
    direction: Direction  # which way the run went then: a confirmed step is done, or undone
    who: str
    why: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Halt:
    """Why a run waits, and what to type."""

    step: str
    reason: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """The row of a run."""

    id: str
    procedure: str
    cluster: str  # the pair's name
    cluster_path: str
    options: dict[str, str]
    state: RunState
    direction: Direction
    checkpoint: str  # the last stage up to which all are settled; "start" before the first
    epoch: int  # raised whenever a person starts or resumes after a halt: retry budgets are counted within it
    back_to: str  # the step whose stage a rollback keeps; empty: all the way
    created_at: datetime
    ended_at: datetime | None
    halt: Halt | None
    unseen: tuple[NodeName, ...] = ()  # whose copy could not be read at an adoption, and was not brought up since


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run with everything that was recorded of it."""

    summary: RunSummary
    steps: tuple[StepRecord, ...]
    commands: tuple[CommandRecord, ...]
    attempts: tuple[AttemptRecord, ...]
    decisions: tuple[DecisionRecord, ...]
    boot_ids: dict[NodeName, str]  # as last seen by this run
    generations: dict[NodeName, int]  # under which it last held them, in that boot
    knocks: tuple[Knock, ...] = ()  # at the virtual IP, in order

    def step(self, name: str) -> StepRecord:
        """The step of that name; KeyError if there is none."""
        return {step.name: step for step in self.steps}[name]

    def decided(self, kind: Decision, step: str) -> bool:
        """Whether a person ever decided so about the step in this run."""
        return any(decision.kind is kind and decision.step == step for decision in self.decisions)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The driver that holds the journal's lock."""

    pid: int
    host: str
    user: str
    since: datetime
    what: str  # `resume k7m2qx`


def stages_of(run: Run) -> tuple[str, ...]:
    """The stages of a run's plan, in order."""
    return tuple(stage for stage, _ in groupby(step.planned.stage for step in run.steps))


def of_stage(run: Run, stage: str) -> tuple[StepRecord, ...]:
    """The steps of one stage, in the order of the plan."""
    return tuple(step for step in run.steps if step.planned.stage == stage)


def stages_before(run: Run) -> dict[str, frozenset[str]]:
    """The stages that must be settled before each one begins, those that it comes after by way of others included."""
    before: dict[str, frozenset[str]] = {}
    for stage in stages_of(run):
        named = of_stage(run, stage)[0].planned.after
        before[stage] = frozenset(before) if named is None else frozenset(named).union(*(before[one] for one in named))
    return before
