"""A person's desk for tests: commands typed, in this process or as one of their own, and journals made by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hamn_flow.cli.main import main
from hamn_flow.journal import Journal, drive
from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.events import CommandLaunched, RunBegun, RunPlanned, StepBegun, StepSettled
from hamn_flow.model.run import Direction, Holder, PlannedStep, StepState

MN1 = NodeName("mn1")
WHO = "alice@admin1"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    status: int
    out: str
    errors: str


@dataclass(frozen=True)
class Desk:
    """Where commands are typed: the environment says which pair and which journal."""

    journal: Path
    capsys: pytest.CaptureFixture[str]

    def type(self, *words: str) -> Said:
        """Run a command in this process."""
        self.capsys.readouterr()
        status = main(words)
        out, errors = self.capsys.readouterr()
        return Said(status, out, errors)

    def start(self, *words: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """Start a command as a process of its own, both streams together."""
        return subprocess.Popen(
            (sys.executable, "-m", "hamn_flow", *words),
            cwd=ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )

    @contextmanager
    def drive(self, what: str = "resume qqqqqq") -> Iterator[Journal]:
        """The journal in a driver's hands, its lock taken."""
        holder = Holder(pid=4711, host="admin1", user="alice", since=datetime.now(UTC), what=what)
        with drive(self.journal, holder=holder, clock=lambda: datetime.now(UTC)) as journal:
            yield journal


def planned(name: str, *, stage: str) -> PlannedStep:
    """A step as a run keeps it."""
    node, _, what = name.partition(".")
    return PlannedStep(
        name=name, stage=stage, node=NodeName(node), title=f"Do {what}.", kind="gone:Gone", version=1, fields={}
    )


STEPS = (
    planned("mn1.look", stage="check"),
    planned("mn1.unmount./install", stage="unmount"),
    planned("mn2.mount./install", stage="mount"),
)


def begun(journal: Journal, run: str, *, procedure: str = "planned-failover") -> None:
    """A run that was begun."""
    journal.record(
        RunPlanned(
            run=run, procedure=procedure, cluster="standard", cluster_path="/c.toml", options={"to": "mn2"}, steps=STEPS
        ),
        RunBegun(run=run, direction=Direction.FORWARD, who=WHO, anew=True),
    )


def settled(journal: Journal, run: str, step: str, state: StepState = StepState.DONE, *, changed: bool = False) -> None:
    """A step that came to its end."""
    journal.record(StepSettled(run=run, step=step, state=state, reason=f"{step} is {state}", changed=changed))


def launched(journal: Journal, run: str, step: str) -> Key:
    """A step whose first command was sent; the command's key."""
    key = Key(f"{run}-1-1-0")
    journal.record(
        StepBegun(run=run, step=step, direction=Direction.FORWARD, intent=1, reason="mounted", seen={"x": 1}),
        CommandLaunched(
            run=run,
            step=step,
            intent=1,
            number=0,
            direction=Direction.FORWARD,
            key=key,
            node=MN1,
            text="umount /install",
        ),
    )
    return key
