"""How many steps a second are carried out durably: hamn-flow beside DBOS in its SQLite mode, on the same disk.

A step does nothing, so that only what makes it durable is left. hamn-flow's journal makes two commits for it, the
intent before and the outcome after (WAL, FULL); DBOS makes one, the outcome (rollback journal, FULL). What is compared
is the journal, as in durable_step_ms; and beside it the whole engine, which looks before and after each command, keeps
a checkpoint after each stage, and reaches a node that answers in no time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import peers
from bench.journal import a_run
from bench.workflows.twenty_times_nothing import DoNothing
from hamn_flow.catalog import Catalog, Entry, Site, Workflow
from hamn_flow.engine.begin import Desk, start
from hamn_flow.engine.world import World
from hamn_flow.journal import drive
from hamn_flow.model.command import Command, Job, JobState, Key, NodeName, Result
from hamn_flow.model.run import Holder
from hamn_flow.simulator import standard_cluster
from hamn_flow.steps.step import Stage
from hamn_flow.transport.connection import Held, Hello, Keeping, Kept, Owner, Piece

ROUNDS = 11
STEPS = 80  # a round; as many as a planned failover has
ROOT = Path(__file__).parents[1]


def durable() -> list[dict[str, Any]]:
    """`steps_per_s_vs_dbos`: how many times as many the journal takes, at least 2; and the same of the whole engine."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name, _dbos(Path(name)) as theirs:
        folder = Path(name)
        rounds = [
            (_journal(folder / f"{number}.db"), _engine(folder / "engine.db"), theirs()) for number in range(ROUNDS)
        ]
    journal, engine, dbos = (STEPS / statistics.median(times) for times in zip(*rounds, strict=True))
    return [_figure("steps_per_s_vs_dbos", journal, dbos), _figure("engine_steps_per_s_vs_dbos", engine, dbos)]


def _figure(name: str, ours: float, dbos: float) -> dict[str, Any]:
    """How many times as many; the floor is how many DBOS carries out in a second."""
    value = round(ours / dbos, 2)
    return {"name": name, "value": value, "unit": "times", "floor": round(dbos), "ratio": value, "runs": ROUNDS}


def _journal(path: Path) -> float:
    """The seconds that the commits of a round take."""
    with a_run(path, STEPS) as commit:
        begun = time.perf_counter()
        for number in range(STEPS):
            commit(number)
        return time.perf_counter() - begun


def _engine(path: Path) -> float:
    """The seconds that a run takes, from its plan to its end; each step is a stage of its own."""

    def stages(site: Site) -> Sequence[Stage]:
        node = site.cluster.nodes[0].name
        steps = [DoNothing(node=node, number=number) for number in range(STEPS)]
        return [Stage(name=f"step {step.number}", steps=(step,)) for step in steps]

    entry = Entry(name="many", path=Path("many.py"), title="Many", description="", workflow=Workflow(stages=stages))
    catalog = Catalog(entries=(entry,), broken=(), folders=())
    world = World(connect=lambda spec: AtOnce(node=spec.name), who="bench", driver="bench")
    holder = Holder(pid=os.getpid(), host="here", user="bench", since=_now(), what="bench")
    with drive(path, holder=holder, clock=_now) as journal:
        desk = Desk(journal=journal, cluster=standard_cluster(), catalog=catalog, world=world)
        begun = time.perf_counter()
        start(desk, "many", {})
        return time.perf_counter() - begun


@contextmanager
def _dbos(folder: Path) -> Iterator[Callable[[], float]]:
    """A process of DBOS's own that has opened its file: the seconds that a workflow takes, as measured within it."""
    argv = (peers.program("python"), "-m", "bench.dbos_flow", "steps", str(folder))
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dbos:  # noqa: S603 - our own program
        into, out = dbos.stdin, dbos.stdout
        if into is None or out is None:
            raise AssertionError
        out.readline()

        def workflow() -> float:
            into.write(f"{STEPS}\n")
            into.flush()
            return float(out.readline())

        workflow()  # what is made once, is made now
        yield workflow


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """A `Connection` to a node that has done everything as soon as it is asked."""

    node: NodeName

    @property
    def hello(self) -> Hello:
        """It knows of no driver before."""
        return Hello(boot_id="bench", generation=0, owner="", user_id=0)

    def look(self, command: Command) -> Result:
        """All is well."""
        del command
        return Result(status=0)

    def held(self) -> Held:
        """Nobody holds it."""
        return self.hello.held

    def claim(self, owner: Owner, over: Held) -> Held:
        """There is no other driver."""
        return Held(generation=over.generation + 1, owner=owner.text)

    def launch(self, key: Key, command: Command, *, generation: int, owner: Owner) -> None:
        """Nothing needs to be done."""

    def ask(self, key: Key) -> Job:
        """It is done."""
        return Job(key=key, state=JobState.DONE, result=Result(status=0))

    def wait(self, key: Key, seconds: float) -> Job:
        """It is done."""
        del seconds
        return self.ask(key)

    def cancel(self, key: Key, signal: str) -> None:
        """It is done."""

    def keep(self, copy: str, piece: Piece) -> Keeping:
        """It keeps no more than a copy's size."""
        del copy
        size = piece.at + len(piece.text)
        return lambda _seconds: Kept(size=size)

    def copies(self) -> tuple[str, ...]:
        """It has none to show."""
        return ()

    def fetch(self, copy: str) -> bytes:
        """The same."""
        del copy
        return b""

    def set_aside(self, copy: str, *, generation: int, owner: Owner) -> None:
        """There is none."""

    def close(self) -> None:
        """There is nothing to let go of."""


def _now() -> datetime:
    return datetime.now(UTC)
