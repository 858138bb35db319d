from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hamn_flow.journal import Journal, drive
from hamn_flow.model.command import NodeName
from hamn_flow.model.events import RunPlanned
from hamn_flow.model.run import Holder, PlannedStep

HERE = Path(__file__).parent
HOLDER = Holder(
    pid=os.getpid(), host="mn1", user="root", since=datetime(2026, 5, 1, 3, 14, tzinfo=UTC), what="resume k7m2qx"
)

Spawn = Callable[..., subprocess.Popen[str]]


def ticking() -> Callable[[], datetime]:
    """A clock that is one second further each time it is asked."""
    seconds = 0

    def clock() -> datetime:
        nonlocal seconds
        seconds += 1
        return datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def driving(path: Path) -> Callable[[], AbstractContextManager[Journal]]:
    clock = ticking()
    return lambda: drive(path, holder=HOLDER, clock=clock, patience=0.2)


@pytest.fixture
def journal(driving: Callable[[], AbstractContextManager[Journal]]) -> Iterator[Journal]:
    with driving() as opened:
        yield opened


@pytest.fixture
def planned() -> Callable[[str], RunPlanned]:
    def plan(run: str) -> RunPlanned:
        return RunPlanned(
            run=run,
            procedure="planned_failover",
            cluster="hamn",
            cluster_path="/etc/hamn-flow/cluster.toml",
            options={"dump": "yes"},
            steps=tuple(
                PlannedStep(
                    name=f"mn1.{what}",
                    stage=stage,
                    node=NodeName("mn1"),
                    title=f"Do {what} — so that it is done.",
                    kind="hamn_flow.steps.file_systems:Unmount",
                    version=1,
                    fields={"node": "mn1", "mount_point": "/install", "tags": ["a", 1, None, True, 0.5]},
                )
                for stage, what in (("release", "stop"), ("release", "unmount"), ("acquire", "mount"))
            ),
        )

    return plan


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start tests/journal/driver.py as a process of its own; whatever still runs is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | int | Path, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*before, sys.executable, "-B", str(HERE / "driver.py"), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(HERE.parent.parent)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
