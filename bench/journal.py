"""What the journal costs a step: two durable commits, beside a bare sqlite3 loop with the same two."""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from hamn_flow.journal import Journal, drive
from hamn_flow.model.command import Key, NodeName
from hamn_flow.model.events import CommandEnded, CommandLaunched, RunBegun, RunPlanned, StepBegun, StepSettled
from hamn_flow.model.run import Direction, Holder, PlannedStep, StepState

RUNS = 500
RUN = "k7m2qx"
NODE = NodeName("mn1")
SEEN = {"source": "/dev/vdb1", "mount_point": "/install", "type": "ext4", "options": "rw,relatime"}


def durable_step_ms() -> dict[str, Any]:
    """The median of a step's two commits, intent and outcome, in milliseconds; the bar is 1.5."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as folder:  # noqa: S108 - a disk
        value, floor = _alternating(Path(folder))
    return {
        "name": "durable_step_ms",
        "value": round(value, 3),
        "unit": "ms",
        "floor": round(floor, 3),
        "ratio": round(value / floor, 2),
        "runs": RUNS,
    }


def _alternating(folder: Path) -> tuple[float, float]:
    """Both medians, measured turn by turn, so that what else the machine does falls on both."""
    with (
        a_run(folder / "journal.db", RUNS) as commit,
        closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as bare,
    ):
        for pragma in ("journal_mode = WAL", "synchronous = FULL"):
            bare.execute(f"PRAGMA {pragma}")
        bare.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT)")
        ours, theirs = [], []
        for number in range(RUNS):
            ours.append(_milliseconds(partial(commit, number)))
            theirs.append(_milliseconds(lambda: _bare(bare)))
    return statistics.median(ours), statistics.median(theirs)


@contextmanager
def a_run(path: Path, steps: int) -> Iterator[Callable[[int], None]]:
    """A journal with a run of so many steps, and what makes the two commits of one, by its number."""
    planned = tuple(_planned(number) for number in range(steps))
    holder = Holder(pid=os.getpid(), host="mn1", user="root", since=_now(), what="bench")
    with drive(path, holder=holder, clock=_now) as journal:
        journal.record(
            RunPlanned(run=RUN, procedure="bench", cluster="c", cluster_path="c.toml", options={}, steps=planned),
            RunBegun(run=RUN, direction=Direction.FORWARD, who="root", anew=True),
        )
        yield lambda number: _step(journal, number, planned[number].name)


def _step(journal: Journal, number: int, step: str) -> None:
    key = Key(f"{RUN}-{number}-1-0")
    forward = Direction.FORWARD
    journal.record(
        StepBegun(run=RUN, step=step, direction=forward, intent=1, reason="mounted from /dev/vdb1", seen=SEEN),
        CommandLaunched(
            run=RUN, step=step, intent=1, number=0, direction=forward, key=key, node=NODE, text="umount /install"
        ),
    )
    journal.record(
        CommandEnded(run=RUN, key=key, status=0, seconds=0.012, last_lines=""),
        StepSettled(run=RUN, step=step, state=StepState.DONE, reason="not mounted", changed=True),
    )


def _bare(connection: sqlite3.Connection) -> None:
    """Two commits of about as many bytes as a step's events have, with nothing that has a use."""
    for size in (500, 300):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows (text) VALUES (?)", ("x" * size,))
        connection.execute("COMMIT")


def _planned(number: int) -> PlannedStep:
    return PlannedStep(
        name=f"mn1.unmount./install/{number}",
        stage=f"stage {number // 4}",
        node=NODE,
        title="Unmount a shared file system, so that the other node may mount it.",
        kind="hamn_flow.steps.file_systems:Unmount",
        version=1,
        fields={"node": "mn1", "file_system": SEEN},
    )


def _milliseconds(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return (time.perf_counter() - begun) * 1000


def _now() -> datetime:
    return datetime.now(UTC)
