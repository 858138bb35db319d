"""Any run of events leaves the tables as a plain model says, and replaying them leaves the same tables again."""

from __future__ import annotations

import sqlite3
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hamn_flow.journal import drive
from hamn_flow.journal.codec import event_of
from hamn_flow.journal.projections import project
from hamn_flow.journal.schema import migrate
from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.events import (
    AttemptFailed,
    CheckpointReached,
    CommandCancelled,
    CommandEnded,
    CommandLaunched,
    Decided,
    Event,
    Knocked,
    NodeSeen,
    NotMeasured,
    RunBegun,
    RunEnded,
    RunHalted,
    RunPlanned,
    StepBegun,
    StepSettled,
)
from hamn_flow.model.outage import Answer, Knock
from hamn_flow.model.run import (
    AttemptRecord,
    CommandRecord,
    Decision,
    DecisionRecord,
    Direction,
    Halt,
    Holder,
    PlannedStep,
    Run,
    RunState,
    RunSummary,
    StepRecord,
    StepState,
)

pytestmark = pytest.mark.timeout(400)  # where it fails, hypothesis takes up to 300 s to find the shortest way there

START = datetime(2026, 5, 1, tzinfo=UTC)
HOLDER = Holder(pid=1, host="mn1", user="root", since=START, what="start planned_failover")
RUNS = ("k7m2qx", "k9aaaa")
STEPS = ("mn1.stop", "mn1.unmount./install", "mn2.mount./install")
TABLES = ("runs", "steps", "commands", "attempts", "decisions", "nodes", "knocks", "events")


def plan(run: str) -> RunPlanned:
    return RunPlanned(
        run=run,
        procedure="planned_failover",
        cluster="hamn",
        cluster_path="/etc/hamn-flow/cluster.toml",
        options={"dump": "yes"},
        steps=tuple(
            PlannedStep(
                name=name,
                stage="release",
                node=NodeName(name[:3]),
                title=f"Do {name} — so that it is done.",
                kind="hamn_flow.steps.file_systems:Unmount",
                version=2,
                fields={"mount_point": "/install", "some": ["a", 1, None, True, 0.5]},
            )
            for name in STEPS
        ),
    )


class Model:
    """What the docstrings of model/run.py and model/events.py say, in the plainest way."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}

    def apply(self, event: Event, at: datetime) -> None:  # noqa: C901, PLR0912 - one case for each kind of event
        if isinstance(event, RunPlanned):
            self.runs[event.run] = self._planned(event, at)
            return
        run = self.runs[event.run]
        summary = run.summary
        match event:
            case RunBegun():
                if event.anew or event.direction is not summary.direction:
                    summary = replace(summary, epoch=summary.epoch + 1)
                    run = replace(run, steps=tuple(replace(step, attempts=0, failures=0) for step in run.steps))
                state = RunState.RUNNING if event.direction is Direction.FORWARD else RunState.ROLLING_BACK
                summary = replace(summary, direction=event.direction, back_to=event.back_to)
                summary = replace(summary, state=state, halt=None, ended_at=None)
            case RunHalted():
                halt = Halt(step=event.step, reason=event.reason, hint=event.hint)
                summary = replace(summary, state=RunState.WAITING, halt=halt, ended_at=None)
            case RunEnded():
                summary = replace(summary, state=event.state, halt=None, ended_at=at)
            case CheckpointReached():
                summary = replace(summary, checkpoint=event.checkpoint)
            case NodeSeen():
                run = replace(
                    run,
                    boot_ids=dict(sorted((run.boot_ids | {event.node: event.boot_id}).items())),
                    generations=dict(sorted((run.generations | {event.node: event.generation}).items())),
                )
            case Knocked():
                knock = Knock(at=event.knocked_at, answer=event.answer, first=event.first)
                run = replace(run, knocks=(*run.knocks, knock))
            case Decided():
                decision = DecisionRecord(
                    kind=event.kind, step=event.step, direction=event.direction, who=event.who, why=event.why, at=at
                )
                run = replace(run, decisions=(*run.decisions, decision))
            case AttemptFailed():
                attempt = AttemptRecord(
                    step=event.step, number=event.number, at=at, reason=event.reason, wait=event.wait
                )
                steps = tuple(
                    replace(step, failures=step.failures + 1, state=StepState.FAILED)
                    if step.name == event.step
                    else step
                    for step in run.steps
                )
                run = replace(run, attempts=(*run.attempts, attempt), steps=steps)
            case StepBegun() | StepSettled():
                change = self._begun if isinstance(event, StepBegun) else self._settled
                steps = tuple(change(run, step, event, at) if step.name == event.step else step for step in run.steps)
                run = replace(run, steps=steps)
            case CommandLaunched() | CommandEnded():
                run = replace(run, commands=self._commands(run, event, at))
                if isinstance(event, CommandLaunched) and event.direction is Direction.FORWARD:
                    steps = tuple(replace(step, acted=True) if step.name == event.step else step for step in run.steps)
                    run = replace(run, steps=steps)
        self.runs[event.run] = replace(run, summary=summary)

    @staticmethod
    def _planned(event: RunPlanned, at: datetime) -> Run:
        summary = RunSummary(
            id=event.run,
            procedure=event.procedure,
            cluster=event.cluster,
            cluster_path=event.cluster_path,
            options=event.options,
            state=RunState.PLANNED,
            direction=Direction.FORWARD,
            checkpoint="start",
            epoch=0,
            back_to="",
            created_at=at,
            ended_at=None,
            halt=None,
        )
        steps = tuple(
            StepRecord(
                planned=planned,
                position=position,
                state=StepState.PENDING,
                direction=Direction.FORWARD,
                seen=None,
                has_seen=False,
                acted=False,
                doubted=False,
                attempts=0,
                failures=0,
                intents=0,
                reason="",
                completed=0,
                begun_at=None,
                ended_at=None,
            )
            for position, planned in enumerate(event.steps)
        )
        return Run(summary=summary, steps=steps, commands=(), attempts=(), decisions=(), boot_ids={}, generations={})

    @staticmethod
    def _begun(run: Run, step: StepRecord, event: Any, at: datetime) -> StepRecord:
        del run
        if event.direction is Direction.FORWARD and not step.has_seen:
            step = replace(step, seen=event.seen, has_seen=True)
        if step.attempts == 0:
            step = replace(step, begun_at=at)
        step = replace(step, doubted=False, state=StepState.BEGUN, direction=event.direction, reason=event.reason)
        step = replace(step, ended_at=None)
        return replace(step, attempts=step.attempts + 1, intents=event.intent)

    @staticmethod
    def _settled(run: Run, step: StepRecord, event: Any, at: datetime) -> StepRecord:
        if event.state is StepState.IN_DOUBT:
            step = replace(step, doubted=not step.acted and not step.completed)
        elif event.state is not StepState.SKIPPED:
            step = replace(step, doubted=False)
        if event.state is StepState.UNDONE:
            step = replace(step, completed=0, acted=False, seen=None, has_seen=False)
        if event.state is StepState.DONE and event.changed and not step.completed:
            step = replace(step, completed=1 + max(other.completed for other in run.steps))
        ended_at = None if event.state is StepState.PENDING else at
        return replace(step, state=event.state, reason=event.reason, ended_at=ended_at)

    @staticmethod
    def _commands(run: Run, event: CommandLaunched | CommandEnded, at: datetime) -> tuple[CommandRecord, ...]:
        if isinstance(event, CommandEnded):
            ended = {"status": event.status, "seconds": event.seconds, "last_lines": event.last_lines}
            return tuple(
                replace(command, ended_at=at, **ended) if command.key == event.key else command  # type: ignore[arg-type]  # values of the right types, by name
                for command in run.commands
            )
        launched = CommandRecord(
            key=event.key,
            step=event.step,
            intent=event.intent,
            number=event.number,
            direction=event.direction,
            node=event.node,
            text=event.text,
            launched_at=at,
            ended_at=None,
            status=None,
            seconds=None,
            last_lines="",
        )
        return (*run.commands, launched)


WORDS = st.text(max_size=8)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
RUN = st.sampled_from(RUNS)
STEP = st.sampled_from(STEPS)
DIRECTION = st.sampled_from(Direction)
NODE = st.sampled_from([NodeName("mn1"), NodeName("mn2")])
SECONDS = st.none() | st.floats(0, 1e6)


class JournalAndModel(RuleBasedStateMachine):
    """Record the same events in a journal and in the model, closing and opening the journal now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.model = Model()
        self.recorded: list[tuple[datetime, Event]] = []
        self.at = START
        self.open()

    def open(self) -> None:
        self.driving = drive(self.path, holder=HOLDER, clock=lambda: self.at)
        self.journal = self.driving.__enter__()

    def record(self, *happened: Event) -> None:
        self.at += timedelta(microseconds=1_234_567)
        self.journal.record(*happened)
        for event in happened:
            self.model.apply(event, self.at)
            self.recorded.append((self.at, event))

    @initialize()
    def plan_both(self) -> None:
        self.record(plan(RUNS[0]))
        self.record(plan(RUNS[1]), RunBegun(run=RUNS[1], direction=Direction.FORWARD, who="anna", anew=True))

    @rule(run=RUN, direction=DIRECTION, anew=st.booleans(), back_to=st.sampled_from(["", *STEPS]))
    def begin_run(self, run: str, direction: Direction, back_to: str, *, anew: bool) -> None:
        self.record(RunBegun(run=run, direction=direction, who="anna", anew=anew, back_to=back_to))

    @rule(run=RUN, node=NODE, boot_id=WORDS, generation=st.integers(1, 9))
    def see_node(self, run: str, node: NodeName, boot_id: str, generation: int) -> None:
        self.record(NodeSeen(run=run, node=node, boot_id=boot_id, generation=generation))

    @rule(run=RUN, answer=st.sampled_from(Answer), late=st.integers(0, 10**9), first=st.booleans())
    def knock(self, run: str, answer: Answer, late: int, *, first: bool) -> None:
        at = self.at - timedelta(microseconds=late)
        self.record(Knocked(run=run, knocked_at=at, answer=answer, first=first))

    @rule(run=RUN, reason=WORDS)
    def do_not_measure(self, run: str, reason: str) -> None:
        self.record(NotMeasured(run=run, reason=reason))

    @rule(run=RUN, step=STEP, direction=DIRECTION, reason=WORDS, seen=DATA, launched=st.integers(0, 2))
    def begin_step(self, *, run: str, step: str, direction: Direction, reason: str, seen: Any, launched: int) -> None:
        record = self.model.runs[run].step(step)
        intent = record.intents + 1
        commands = [
            CommandLaunched(
                run=run,
                step=step,
                intent=intent,
                number=number,
                direction=direction,
                key=Key(f"{run}-{record.position}-{intent}-{number}"),
                node=record.planned.node,
                text="umount /install",
            )
            for number in range(launched)
        ]
        begun = StepBegun(run=run, step=step, direction=direction, intent=intent, reason=reason, seen=seen)
        self.record(begun, *commands)

    @rule(data=st.data(), run=RUN, status=st.none() | st.integers(-15, 255), seconds=SECONDS, last_lines=WORDS)
    def end_command(
        self, data: st.DataObject, run: str, status: int | None, seconds: float | None, last_lines: str
    ) -> None:
        if keys := [command.key for command in self.model.runs[run].commands]:
            key = data.draw(st.sampled_from(keys))
            self.record(
                CommandCancelled(run=run, key=key, signal="TERM"),
                CommandEnded(run=run, key=key, status=status, seconds=seconds, last_lines=last_lines),
            )

    @rule(run=RUN, step=STEP, number=st.integers(1, 5), reason=WORDS, wait=SECONDS)
    def fail_attempt(self, run: str, step: str, number: int, reason: str, wait: float | None) -> None:
        self.record(AttemptFailed(run=run, step=step, number=number, reason=reason, wait=wait))

    @rule(run=RUN, step=STEP, state=st.sampled_from(StepState), reason=WORDS, changed=st.booleans())
    def settle_step(self, run: str, step: str, state: StepState, reason: str, *, changed: bool) -> None:
        self.record(StepSettled(run=run, step=step, state=state, reason=reason, changed=changed))

    @rule(run=RUN, checkpoint=WORDS)
    def reach(self, run: str, checkpoint: str) -> None:
        self.record(CheckpointReached(run=run, checkpoint=checkpoint))

    @rule(run=RUN, step=WORDS, reason=WORDS, hint=WORDS)
    def halt(self, run: str, step: str, reason: str, hint: str) -> None:
        self.record(RunHalted(run=run, step=step, reason=reason, hint=hint))

    @rule(run=RUN, state=st.sampled_from([state for state in RunState if state.ended]))
    def end_run(self, run: str, state: RunState) -> None:
        self.record(RunEnded(run=run, state=state))

    @rule(run=RUN, kind=st.sampled_from(Decision), step=WORDS, why=WORDS, direction=DIRECTION)
    def decide(self, run: str, kind: Decision, step: str, why: str, direction: Direction) -> None:
        self.record(Decided(run=run, kind=kind, step=step, who="anna", why=why, direction=direction))

    @rule()
    def close_and_open(self) -> None:
        self.driving.__exit__(None, None, None)
        self.open()

    @invariant()
    def tables_say_what_the_model_says(self) -> None:
        for name, run in self.model.runs.items():
            assert self.journal.run(name) == run
        newest_first = tuple(run.summary for run in reversed(self.model.runs.values()))
        assert self.journal.runs() == newest_first
        assert self.journal.runs(open_only=True) == tuple(run for run in newest_first if not run.state.ended)

    def teardown(self) -> None:
        try:
            for run in self.model.runs:
                happened = [(at, event) for _, at, event in self.journal.events(run)]
                assert happened == [(at, event) for at, event in self.recorded if event.run == run]
            self._replayed_tables_are_the_same()
        finally:
            self.driving.__exit__(None, None, None)
            self.folder.cleanup()

    def _replayed_tables_are_the_same(self) -> None:
        recorded = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)
        replayed = sqlite3.connect(":memory:", isolation_level=None)
        try:
            migrate(replayed)
            for run, at, kind, text in recorded.execute("SELECT run, at, kind, event FROM events ORDER BY number"):
                project(event_of(kind, text), replayed, at)
                replayed.execute("INSERT INTO events (run, at, kind, event) VALUES (?, ?, ?, ?)", (run, at, kind, text))
            for table in TABLES:
                rows = f"SELECT * FROM {table} ORDER BY rowid"  # noqa: S608 - names of our own
                assert replayed.execute(rows).fetchall() == recorded.execute(rows).fetchall()
        finally:
            recorded.close()
            replayed.close()


TestJournalAndModel = JournalAndModel.TestCase
TestJournalAndModel.settings = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # each example syncs files
)
